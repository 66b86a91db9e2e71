//! Which cells are asked for.

/// What flows aim at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// The addresses of pods.
    #[default]
    Pod,
    /// The names of Services, so that waypoints are on the way.
    Service,
    /// The names of Services, and the addresses of pods at ports that no Service leads to; no waypoints, which are on the
    /// way and nobody's destination.
    Usual,
    /// The names of Services, and the addresses of all pods.
    Everything,
}

/// Which cells are asked for; the default is all of them, by pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// What flows aim at.
    pub view: View,
    /// Sources: NAMESPACE, NAMESPACE/WORKLOAD, `node` or `outside`; none for all.
    pub from: Vec<String>,
    /// Destinations: NAMESPACE, NAMESPACE/WORKLOAD or NAMESPACE/SERVICE, or the name of a host; none for all.
    pub to: Vec<String>,
    /// The namespace of one end at least.
    pub namespace: Option<String>,
    /// The destination's port.
    pub port: Option<u16>,
    /// Only hosts outside that policies name, unless `to` names others.
    pub named_hosts: bool,
}

impl Scope {
    pub(super) fn takes_source(&self, name: &str) -> bool {
        takes(&self.from, name)
    }

    pub(super) fn takes_target(&self, name: &str, port: u16) -> bool {
        self.port.is_none_or(|wanted| wanted == port) && takes(&self.to, name)
    }

    /// Whether a cell is asked for whose ends have these names.
    pub(super) fn takes_pair(&self, source: &str, target: &str) -> bool {
        let within = |name: &str, namespace: &str| name.split_once('/').is_some_and(|(home, _)| home == namespace);
        self.namespace.as_deref().is_none_or(|namespace| within(source, namespace) || within(target, namespace))
    }
}

fn takes(list: &[String], name: &str) -> bool {
    let home = name.split_once('/').map(|(home, _)| home);
    list.is_empty() || list.iter().any(|wanted| wanted == name || home == Some(wanted.trim_end_matches("/*")))
}
