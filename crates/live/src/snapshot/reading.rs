//! The reading: kind by kind, namespace by namespace if only one was asked for, what cannot be read named.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_cluster::discovery::Served;
use airtight_cluster::read;
use airtight_cluster::read::text;
use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Failure, File, Reads};
use serde_json::Value;

use super::cleaned::cleaned;
use super::config_maps::named_config_maps;
use super::file::file;
use super::gap::Gap;
use super::served::{Wanted, passes_on, resource};
use super::settings::{Traces, detect};
use super::surroundings::Surroundings;
use crate::detect::Installed;

/// Where every cluster has its resolver.
const SYSTEM: &str = "kube-system";

/// By which pods, Services and namespaces name a waypoint of another namespace.
const WAYPOINT_HOME: &str = "istio.io/use-waypoint-namespace";

/// Secrets that nobody's routes name: releases of Helm, which are large, and tokens.
const NAMEABLE: &str =
    "?fieldSelector=type%21%3Dhelm.sh%2Frelease.v1%2Ctype%21%3Dkubernetes.io%2Fservice-account-token";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Only this namespace, with what every flow of it meets: the cluster's own objects, the resolver's namespace, the
    /// mesh's root namespace, and those of its waypoints. None: all namespaces.
    pub namespace: Option<&'a str>,
    /// Whose versions are taken where the cluster does not tell its own.
    pub base: &'a Stack,
}

/// A cluster, as files with manifests.
#[derive(Debug)]
pub struct Snapshot {
    /// One file for each object, whose name names it; the environment, the stack, and what could not be read.
    pub files: Vec<File>,
    /// How many objects there are of each resource.
    pub counts: BTreeMap<String, usize>,
    /// What is to be said of what was detected.
    pub notes: Vec<Diagnostic>,
    /// What could not be read, one sentence each.
    pub unread: Vec<String>,
}

struct Reading<'c> {
    cluster: &'c dyn Cluster,
    snapshot: Snapshot,
    gaps: Vec<Gap>,
    around: Surroundings,
    traces: Traces,
    /// Namespaces in which waypoints are that objects name.
    named_homes: BTreeSet<String>,
    /// ConfigMaps that Kyverno's policies name.
    config_maps: BTreeSet<(String, String)>,
}

/// Reads a cluster, with `get` and `list` alone.
///
/// # Errors
/// When the API server does not answer, does not know who asks, or the user wants to end. What it refuses is no error:
/// it is named in the snapshot, and leaves open what it could bear on.
pub fn take(cluster: &dyn Cluster, asked: Asked<'_>) -> Result<Snapshot, Failure> {
    let wanted = Wanted::of(cluster)?;
    let snapshot = Snapshot { files: Vec::new(), counts: BTreeMap::new(), notes: Vec::new(), unread: Vec::new() };
    let mut reading = Reading {
        cluster,
        snapshot,
        gaps: wanted.gaps,
        around: Surroundings::default(),
        traces: Traces::default(),
        named_homes: BTreeSet::new(),
        config_maps: BTreeSet::new(),
    };
    let installed = Installed::detect(cluster);
    match asked.namespace {
        None => wanted.kinds.iter().try_for_each(|(served, how)| reading.kind(served, *how, None))?,
        Some(namespace) => reading.one_namespace(&wanted.kinds, namespace, &asked.base.istio.root_namespace)?,
    }
    for served in &wanted.others {
        reading.other(served, asked.namespace)?;
    }
    reading.config_maps()?;
    reading.nodes()?;
    reading.finish(&installed, asked.base)
}

impl Reading<'_> {
    /// Reads one namespace, and what bears on its flows wherever it is.
    fn one_namespace(&mut self, kinds: &[(Served, Reads)], namespace: &str, root: &str) -> Result<(), Failure> {
        for (served, how) in kinds.iter().filter(|(served, _)| !served.is_namespaced()) {
            self.kind(served, *how, None)?;
        }
        let mut read = BTreeSet::new();
        let mut next: BTreeSet<String> = [namespace, SYSTEM, root].map(str::to_owned).into();
        while let Some(home) = next.pop_first() {
            for (served, how) in kinds.iter().filter(|(served, _)| served.is_namespaced()) {
                self.kind(served, *how, Some(&home))?;
            }
            read.insert(home);
            next.extend(self.named_homes.difference(&read).cloned());
        }
        Ok(())
    }

    /// Reads the objects of a kind, in a namespace or in all.
    fn kind(&mut self, served: &Served, how: Reads, namespace: Option<&str>) -> Result<(), Failure> {
        let name = resource(served);
        let query = if name == "secrets" { NAMEABLE } else { "" };
        let path = format!("{}{query}", served.collection(namespace));
        let (mut files, mut failed) = (Vec::new(), None);
        let answered = read::each(self.cluster, &path, &mut |object| match self.object(served, how, object) {
            Ok(file) => files.extend(file),
            Err(failure) => failed = Some(failure),
        });
        if let Some(failure) = failed {
            return Err(failure);
        }
        match answered {
            Ok(_) => {
                *self.snapshot.counts.entry(name).or_default() += files.len();
                self.snapshot.files.extend(files);
                Ok(())
            }
            Err(failure) if passes_on(&failure) => Err(failure),
            Err(failure) => {
                let namespace = namespace.filter(|_| served.is_namespaced());
                self.unread((name, served), namespace, &failure);
                Ok(())
            }
        }
    }

    /// An object as a file; none of one that does nothing any more.
    fn object(&mut self, served: &Served, how: Reads, object: Value) -> Result<Option<File>, Failure> {
        let named = object.pointer("/metadata/name").is_some_and(Value::is_string);
        if !named || (served.kind() == "ReplicaSet" && object.pointer("/spec/replicas") == Some(&Value::from(0))) {
            return Ok(None);
        }
        self.around.learn(served.kind(), &object);
        self.trace(served, &object);
        let object = cleaned(object, (served.api_version(), served.kind()), how);
        let home = Some(text(&object, "/metadata/namespace")).filter(|home| !home.is_empty()).unwrap_or("cluster");
        let folder = resource(served);
        file(&[home, &folder], text(&object, "/metadata/name"), &object).map(Some)
    }

    fn trace(&mut self, served: &Served, object: &Value) {
        let annotations = object.pointer("/metadata/annotations");
        self.traces.sidecars |= annotations.is_some_and(|all| all.get("sidecar.istio.io/status").is_some());
        let is_cilium = served.group() == "cilium.io" && served.kind().ends_with("NetworkPolicy");
        self.traces.cilium_policies |= is_cilium;
        self.traces.network_policies |= is_cilium || served.kind().ends_with("NetworkPolicy");
        let labels = object.pointer("/metadata/labels").and_then(|labels| labels.get(WAYPOINT_HOME));
        if served.group().ends_with("kyverno.io") {
            self.config_maps.extend(named_config_maps(object));
        }
        self.named_homes.extend(labels.and_then(Value::as_str).map(str::to_owned));
    }

    fn unread(&mut self, (name, served): (String, &Served), namespace: Option<&str>, failure: &Failure) {
        let hint = failure.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
        self.gaps.push(Gap {
            name,
            kind: served.kind().to_owned(),
            group: served.group().to_owned(),
            namespace: namespace.map(str::to_owned),
            why: format!("{}{hint}", failure.message),
        });
    }

    /// A policy of another network could let through what others deny, and deny what they let through.
    fn other(&mut self, served: &Served, namespace: Option<&str>) -> Result<(), Failure> {
        let mut count = 0_usize;
        let answered = read::each(self.cluster, &served.collection(namespace), &mut |_| count += 1);
        match answered {
            Err(failure) if passes_on(&failure) => Err(failure),
            Err(failure) => {
                self.unread((resource(served), served), None, &failure);
                Ok(())
            }
            Ok(_) if count == 0 => Ok(()),
            Ok(_) => {
                let why = format!("there are {count}, of a kind that airtight does not read");
                self.unread((resource(served), served), None, &Failure::new("not-read", why));
                Ok(())
            }
        }
    }

    /// What Kyverno's policies read of ConfigMaps, one by one. One that is not there is for the model to say.
    fn config_maps(&mut self) -> Result<(), Failure> {
        for (namespace, name) in std::mem::take(&mut self.config_maps) {
            let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
            match read::object(self.cluster, &path) {
                Ok(Some(object)) => {
                    let object = cleaned(object, ("v1", "ConfigMap"), Reads::Inert);
                    self.snapshot.files.push(file(&[namespace.as_str(), "configmaps"], &name, &object)?);
                    *self.snapshot.counts.entry("configmaps".to_owned()).or_default() += 1;
                }
                Ok(None) => {}
                Err(failure) if passes_on(&failure) => return Err(failure),
                Err(failure) => self.snapshot.unread.push(format!("configmap {namespace}/{name}: {failure}")),
            }
        }
        Ok(())
    }

    fn nodes(&mut self) -> Result<(), Failure> {
        match read::list(self.cluster, "/api/v1/nodes") {
            Ok(nodes) => self.around.nodes = nodes,
            Err(failure) if passes_on(&failure) => return Err(failure),
            Err(failure) => self.gaps.push(Gap {
                name: "nodes".to_owned(),
                kind: "Node".to_owned(),
                group: String::new(),
                namespace: None,
                why: failure.to_string(),
            }),
        }
        for version in ["v1", "v1beta1"] {
            // Kubernetes 1.33 and later say it; where nobody does, the addresses of Services tell.
            let ranges = read::list_if_served(self.cluster, &format!("/apis/networking.k8s.io/{version}/servicecidrs"));
            let ranges = ranges.ok().flatten().unwrap_or_default();
            let listed = ranges.iter().flat_map(|range| read::items(range, "/spec/cidrs")).filter_map(Value::as_str);
            self.around.service_ranges.extend(listed.filter_map(|range| range.parse::<ipnet::IpNet>().ok()));
        }
        self.around.service_ranges.sort();
        self.around.service_ranges.dedup();
        Ok(())
    }

    fn finish(mut self, installed: &Installed, base: &Stack) -> Result<Snapshot, Failure> {
        let detected = detect(self.cluster, installed, self.traces, base);
        self.gaps.extend(detected.gaps);
        if self.traces.cilium_policies && !self.around.runs_its_api_server() {
            self.gaps.push(Gap {
                name: "addresses-of-the-api-server".to_owned(),
                kind: "ApiServer".to_owned(),
                group: String::new(),
                namespace: None,
                why: "it runs outside of the cluster, and how Cilium knows it is not modelled".to_owned(),
            });
        }
        self.gaps.sort();
        self.gaps.dedup_by(|a, b| (&a.name, &a.namespace) == (&b.name, &b.namespace));
        let mut files =
            vec![file(&[], "environment", &self.around.document())?, file(&[], "stack", &detected.document)?];
        for gap in &self.gaps {
            let folders = gap.namespace.as_deref().map_or_else(|| vec!["unread"], |home| vec!["unread", home]);
            files.push(file(&folders, &gap.name, &gap.document())?);
        }
        files.append(&mut self.snapshot.files);
        let unread = self.gaps.iter().map(|gap| {
            let home = gap.namespace.as_deref().map(|home| format!(" of namespace {home}")).unwrap_or_default();
            format!("{}{home}: {}", gap.name, gap.why)
        });
        let unread = self.snapshot.unread.drain(..).chain(unread).collect();
        Ok(Snapshot { files, notes: detected.notes, unread, ..self.snapshot })
    }
}
