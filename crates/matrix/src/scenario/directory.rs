//! Names that a scenario may write, looked up in the world, with the name that was probably meant.

use std::collections::BTreeSet;

use airtight_manifest::{Diagnostic, closest};
use airtight_model::path::is_cluster_name;
use airtight_model::world::{AdmissionEvent, Role, World};

/// Everything in a world that a scenario can name.
pub(super) struct Directory<'w> {
    pub(super) world: &'w World,
    workloads: BTreeSet<String>,
    services: BTreeSet<String>,
    gateways: BTreeSet<String>,
    hosts: BTreeSet<&'w str>,
    nodes: BTreeSet<&'w str>,
}

impl<'w> Directory<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let declared = world.objects.gateways.iter().map(|gateway| join(gateway.meta.namespace(), gateway.meta.name()));
        let running = world.pods.iter().filter_map(|pod| match &pod.role {
            Role::Gateway((namespace, name)) => Some(join(namespace, name)),
            Role::Workload | Role::Waypoint(_) => None,
        });
        Self {
            world,
            workloads: world.pods.iter().map(|pod| join(&pod.namespace, &pod.workload)).collect(),
            services: world.services.iter().map(|service| join(&service.namespace, &service.name)).collect(),
            gateways: declared.chain(running).collect(),
            hosts: world.hosts.iter().flat_map(|host| &host.names).map(AsRef::as_ref).collect(),
            nodes: world.nodes.iter().map(|node| &*node.name).collect(),
        }
    }

    /// Namespace and name of a workload (or of one pod).
    pub(super) fn workload(&self, text: &str) -> Result<(String, String), Diagnostic> {
        let (namespace, name) = split("workload", text)?;
        if self.world.workload(namespace, name).next().is_some() {
            return Ok((namespace.to_owned(), name.to_owned()));
        }
        Err(self.unknown("workload", text, self.workloads.iter().map(String::as_str)))
    }

    /// Namespace and name of a Service.
    pub(super) fn service(&self, text: &str) -> Result<(String, String), Diagnostic> {
        self.qualified("service", text, &self.services)
    }

    /// Namespace and name of a Gateway.
    pub(super) fn gateway(&self, text: &str) -> Result<(String, String), Diagnostic> {
        self.qualified("gateway", text, &self.gateways)
    }

    /// A host outside the cluster, as the environment spells it, or a name that the cluster's resolver knows.
    pub(super) fn host(&self, text: &str) -> Result<String, Diagnostic> {
        match self.hosts.iter().find(|name| name.eq_ignore_ascii_case(text)) {
            Some(name) => Ok((*name).to_owned()),
            None if is_cluster_name(self.world, text) => Ok(text.to_owned()),
            None => Err(self.unknown("host", text, self.hosts.iter().copied())),
        }
    }

    /// A node.
    pub(super) fn node(&self, text: &str) -> Result<String, Diagnostic> {
        match self.nodes.get(text) {
            Some(name) => Ok((*name).to_owned()),
            None => Err(self.unknown("node", text, self.nodes.iter().copied())),
        }
    }

    fn qualified(&self, what: &str, text: &str, known: &BTreeSet<String>) -> Result<(String, String), Diagnostic> {
        let (namespace, name) = split(what, text)?;
        if known.contains(text) {
            return Ok((namespace.to_owned(), name.to_owned()));
        }
        Err(self.unknown(what, text, known.iter().map(String::as_str)))
    }

    fn unknown<'a>(&self, what: &str, text: &str, known: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
        let finding = Diagnostic::error(&format!("unknown-{what}"), format!("there is no {what} `{text}`"));
        if self.refused(text) {
            return finding.hint("admission refused it: see the findings about the manifests");
        }
        if let Some(meant) = closest(text, known.clone()) {
            return finding.hint(format!("did you mean `{meant}`?"));
        }
        let names: Vec<_> = known.take(8).map(|name| format!("`{name}`")).collect();
        if names.is_empty() {
            finding.hint(format!("the manifests and the environment have no {what} at all"))
        } else {
            finding.hint(format!("known are, among others: {}", names.join(", ")))
        }
    }

    fn refused(&self, text: &str) -> bool {
        self.world.admission.iter().any(|event| match event {
            AdmissionEvent::Rejected { object, .. } => {
                join(object.namespace.as_deref().unwrap_or_default(), &object.name) == text
            }
            AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => false,
        })
    }
}

fn split<'t>(what: &str, text: &'t str) -> Result<(&'t str, &'t str), Diagnostic> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace, name))
        }
        Some(_) | None => {
            Err(Diagnostic::error(&format!("unknown-{what}"), format!("`{text}` does not name a {what}"))
                .hint(format!("write it as `namespace/name`, such as `default/{}`", text.trim_matches('/'))))
        }
    }
}

fn join(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}
