//! PeerAuthentication → ztunnel's form. STRICT becomes a DENY of every peer without identity
//! (Istio `pilot/pkg/serviceregistry/ambient/authorization.go`, `convertedSelectorPeerAuthentications`,
//! `convertPeerAuthentication`; `architecture/ambient/peer-authentication.md`).

use std::collections::BTreeMap;
use std::sync::Arc;

use airtight_manifest::istio::{MtlsMode, PeerAuthentication};
use airtight_manifest::{Object, RuleRef};

use super::rbac::{Authorization, Cause, Match, RbacAction, RbacRule, StringMatch, Values};
use crate::world::Pod;

/// Name of the DENY that stands for STRICT.
pub(super) const STATIC_STRICT: &str = "istio_converted_static_strict";

/// The PeerAuthentication objects of a mesh, oldest first.
#[derive(Debug)]
pub(super) struct PeerAuthentications<'a> {
    policies: Vec<&'a Object<PeerAuthentication>>,
    root_namespace: &'a str,
}

/// The policies above a workload's own.
struct Parents<'a> {
    mesh: Option<&'a Object<PeerAuthentication>>,
    namespace: Option<&'a Object<PeerAuthentication>>,
}

/// What holds for one workload.
#[derive(Debug, Default)]
pub(super) struct Effective {
    /// The objects that make it STRICT as a whole.
    pub(super) strict: Option<Vec<RuleRef>>,
    /// Key of its port-level policy, which need not exist.
    pub(super) ports: Option<(Arc<str>, Arc<str>)>,
    /// The objects that say so, from the workload's own to the one from which it inherits.
    pub(super) consulted: Vec<RuleRef>,
}

impl<'a> PeerAuthentications<'a> {
    /// The oldest policy wins, and the first by name among those without a time.
    pub(super) fn new(mut policies: Vec<&'a Object<PeerAuthentication>>, root_namespace: &'a str) -> Self {
        policies.sort_by_key(|policy| (policy.meta.created.clone().unwrap_or_default(), policy.meta.name().to_owned()));
        Self { policies, root_namespace }
    }

    /// What holds for a pod.
    pub(super) fn effective(&self, pod: &Pod) -> Effective {
        let parents = self.parents(&pod.namespace, true);
        let own = self.policies.iter().find(|policy| {
            let selector = policy.body.spec.selector.as_ref();
            selector.is_some_and(|selector| !selector.is_empty() && selector.selects(&pod.labels))
                && policy.meta.namespace() == &*pod.namespace
                && policy.meta.namespace() != self.root_namespace
        });
        let inherited = parents.strict();
        let Some(own) = own else {
            return Effective { strict: inherited, ports: None, consulted: parents.consulted() };
        };
        let spec = &own.body.spec;
        let (strict, above) = match spec.mode() {
            MtlsMode::Strict => (Some(vec![strict_rule(own)]), Vec::new()),
            MtlsMode::Permissive | MtlsMode::Disable => (None, Vec::new()),
            MtlsMode::Unset => (inherited, parents.consulted()),
        };
        let consulted = std::iter::once(own.meta.whole()).chain(above).collect();
        let has = |modes: &[MtlsMode]| spec.ports().values().any(|mtls| modes.contains(&mtls.mode));
        let key = Some((Arc::from(own.meta.namespace()), converted_name(own)));
        // A DISABLE port counts as an exception only where the workload's own mode is STRICT.
        let exceptions: &[MtlsMode] = match spec.mode() {
            MtlsMode::Strict => &[MtlsMode::Permissive, MtlsMode::Disable],
            MtlsMode::Unset | MtlsMode::Permissive | MtlsMode::Disable => &[MtlsMode::Permissive],
        };
        match strict {
            Some(_) if has(exceptions) => Effective { strict: None, ports: key, consulted },
            None if has(&[MtlsMode::Strict]) => Effective { strict: None, ports: key, consulted },
            strict => Effective { strict, ports: None, consulted },
        }
    }

    /// The port-level policies that istiod sends.
    pub(super) fn port_policies(&self) -> Vec<Authorization> {
        self.policies.iter().filter_map(|policy| self.port_policy(policy)).collect()
    }

    /// `empty_counts` says whether a selector without labels counts as none.
    fn parents(&self, namespace: &str, empty_counts: bool) -> Parents<'a> {
        let unselected = |policy: &&&Object<PeerAuthentication>| match &policy.body.spec.selector {
            None => true,
            // A policy of the root namespace is a parent only without any selector at all.
            Some(selector) => empty_counts && selector.is_empty() && policy.meta.namespace() != self.root_namespace,
        };
        let of = |namespace: &str| {
            self.policies.iter().filter(unselected).find(|policy| policy.meta.namespace() == namespace).copied()
        };
        let mesh = of(self.root_namespace);
        Parents { mesh, namespace: if namespace == self.root_namespace { None } else { of(namespace) } }
    }

    fn port_policy(&self, policy: &Object<PeerAuthentication>) -> Option<Authorization> {
        let spec = &policy.body.spec;
        if policy.meta.namespace() == self.root_namespace || spec.selector.is_none() || spec.ports().is_empty() {
            return None;
        }
        let parents = self.parents(policy.meta.namespace(), false);
        let rules = PortRules::of(policy, &parents)?.into_rules();
        Some(Authorization {
            namespace: policy.meta.namespace().into(),
            name: converted_name(policy),
            action: RbacAction::Deny,
            rules,
            origin: vec![policy.meta.whole()],
            cause: Cause::PeerAuthentication,
        })
    }
}

impl Parents<'_> {
    /// The objects that make the namespace STRICT.
    fn strict(&self) -> Option<Vec<RuleRef>> {
        let deciding = self.namespace.filter(|policy| policy.body.spec.mode() != MtlsMode::Unset).or(self.mesh)?;
        (deciding.body.spec.mode() == MtlsMode::Strict).then(|| vec![strict_rule(deciding)])
    }

    /// The objects from which the namespace has its mode.
    fn consulted(&self) -> Vec<RuleRef> {
        let own = self.namespace.map(|policy| policy.meta.whole());
        let inherits = self.namespace.is_none_or(|policy| policy.body.spec.mode() == MtlsMode::Unset);
        own.into_iter().chain(self.mesh.filter(|_| inherits).map(|policy| policy.meta.whole())).collect()
    }
}

/// Which ports of one policy need a rule of their own.
struct PortRules<'a> {
    policy: &'a Object<PeerAuthentication>,
    /// Ports that plaintext may use although the workload is STRICT.
    open: BTreeMap<u16, RuleRef>,
    /// Ports that plaintext may not use although the workload is not STRICT.
    closed: BTreeMap<u16, RuleRef>,
    /// Whether every other port is closed.
    strict: bool,
}

impl<'a> PortRules<'a> {
    fn of(policy: &'a Object<PeerAuthentication>, parents: &Parents<'_>) -> Option<Self> {
        let spec = &policy.body.spec;
        let mode = spec.mode();
        let parent_mode = |parent: Option<&Object<PeerAuthentication>>| parent.map(|parent| parent.body.spec.mode());
        let (namespace, mesh) = (parent_mode(parents.namespace), parent_mode(parents.mesh));
        let inherits = matches!(namespace, None | Some(MtlsMode::Unset)) && mesh == Some(MtlsMode::Strict);
        let parent_strict = namespace == Some(MtlsMode::Strict) || inherits;
        // istiod asks here for a STRICT policy that is written, not for the inherited mode: beneath an
        // UNSET policy of the namespace the exceptions of a STRICT mesh are lost.
        let written_strict = match (namespace, mesh) {
            (Some(mode), _) | (None, Some(mode)) => mode == MtlsMode::Strict,
            (None, None) => false,
        };
        // A STRICT port is left to a parent that is STRICT, which istiod takes a mesh that the namespace inherits from to
        // be whatever the workload says itself (`A && B || C`): beneath a PERMISSIVE workload nobody then guards it.
        let guards =
            !(mode == MtlsMode::Strict || (mode == MtlsMode::Unset && namespace == Some(MtlsMode::Strict)) || inherits);
        let exempts = mode == MtlsMode::Strict || (mode == MtlsMode::Unset && written_strict);
        let select = |wanted: &[MtlsMode], when: bool| -> BTreeMap<u16, RuleRef> {
            let ports = spec.ports().into_iter().filter(|(_, mtls)| when && wanted.contains(&mtls.mode));
            ports.map(|(port, mtls)| (port, policy.meta.rule(format!("spec.portLevelMtls.{port}"), mtls.at))).collect()
        };
        let open = select(&[MtlsMode::Permissive, MtlsMode::Disable], exempts);
        let closed = select(&[MtlsMode::Strict], guards);
        if open.is_empty() && (closed.is_empty() || mode == MtlsMode::Strict) {
            return None;
        }
        let strict = mode == MtlsMode::Strict || (parent_strict && !open.is_empty());
        Some(Self { policy, open, closed, strict })
    }

    fn into_rules(self) -> Vec<RbacRule> {
        let mut rules: Vec<RbacRule> = self
            .closed
            .into_iter()
            .map(|(port, origin)| {
                let destination_ports = Values { any: vec![port], none: Vec::new() };
                RbacRule { clauses: vec![vec![Match { destination_ports, ..anonymous() }]], origin: vec![origin] }
            })
            .collect();
        let open = self.open.keys().map(|port| {
            let destination_ports = Values { any: Vec::new(), none: vec![*port] };
            vec![Match { destination_ports, ..Match::default() }]
        });
        let rest = self.strict.then(|| vec![anonymous()]);
        let clauses: Vec<Vec<Match>> = rest.into_iter().chain(open).collect();
        if !clauses.is_empty() {
            rules.push(RbacRule { clauses, origin: vec![strict_rule(self.policy)] });
        }
        rules
    }
}

/// The DENY that stands for STRICT; the objects that demand it are those of the workload.
pub(super) fn static_strict(root_namespace: &str) -> Authorization {
    Authorization {
        namespace: Arc::from(root_namespace),
        name: Arc::from(STATIC_STRICT),
        action: RbacAction::Deny,
        rules: vec![RbacRule { clauses: vec![vec![anonymous()]], origin: Vec::new() }],
        origin: Vec::new(),
        cause: Cause::PeerAuthentication,
    }
}

/// Every peer without identity.
fn anonymous() -> Match {
    Match { principals: Values { any: Vec::new(), none: vec![StringMatch::Presence] }, ..Match::default() }
}

fn strict_rule(policy: &Object<PeerAuthentication>) -> RuleRef {
    match &policy.body.spec.mtls {
        Some(mtls) => policy.meta.rule("spec.mtls", mtls.at),
        None => policy.meta.whole(),
    }
}

fn converted_name(policy: &Object<PeerAuthentication>) -> Arc<str> {
    Arc::from(format!("converted_peer_authentication_{}", policy.meta.name()))
}
