//! Which of the kinds that bear on a verdict a cluster serves, and in which version airtight reads them.

use std::collections::BTreeMap;

use airtight_cluster::Cluster;
use airtight_cluster::discovery::{Kinds, Served};
use airtight_cluster::retry;
use airtight_manifest::{Failure, Reads, is_policy_of_others, kinds_read};

use super::gap::Gap;

/// What the control plane makes EndpointSlices of, which are read in its place.
const MIRRORED: (&str, &str) = ("Endpoints", "");

/// Kinds without bearing on traffic that are read all the same, with their groups: what is named by others, and what
/// limits what may be there.
const NAMED: &[(&str, &str)] = &[("Secret", ""), ("ResourceQuota", ""), ("LimitRange", "")];

/// Those that say what Kyverno's controllers may do.
const ROLES: &str = "rbac.authorization.k8s.io";

/// Ends of the names of groups whose kinds decide who may reach whom on networks that are not modelled.
const OTHERS: &[&str] = &[
    "projectcalico.org",
    "antrea.io",
    "linkerd.io",
    "kuma.io",
    "consul.hashicorp.com",
    "gatekeeper.sh",
    "k8s.ovn.org",
    "nsx.vmware.com",
    "networking.gke.io",
    "networking.k8s.aws",
];

/// What a cluster serves of all that is to be read.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Kinds that are read, each in a version that airtight knows.
    pub(super) kinds: Vec<(Served, Reads)>,
    /// Policies of other networks: that there are any is all that counts.
    pub(super) others: Vec<Served>,
    pub(super) gaps: Vec<Gap>,
}

struct Asking<'c> {
    kinds: Kinds<'c>,
    groups: BTreeMap<String, Vec<String>>,
    known: BTreeMap<String, Result<Vec<Served>, Failure>>,
}

impl Wanted {
    /// Asks the API server.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn of(cluster: &dyn Cluster) -> Result<Self, Failure> {
        let kinds = Kinds::new(cluster);
        let groups = kinds.all_versions()?;
        let mut asking = Asking { kinds, groups, known: BTreeMap::new() };
        let mut wanted = Self::default();
        let has_kyverno = asking.groups.contains_key("kyverno.io");
        for (kind, group, how) in kinds_read().filter(|(kind, group, _)| (*kind, *group) != MIRRORED) {
            let named = NAMED.contains(&(kind, group)) || (has_kyverno && group == ROLES);
            if how != Reads::Inert || named {
                wanted.add(&mut asking, (kind, group, how))?;
            }
        }
        wanted.add_others(&mut asking)?;
        Ok(wanted)
    }

    fn add(&mut self, asking: &mut Asking<'_>, (kind, group, how): (&str, &str, Reads)) -> Result<(), Failure> {
        let (mut unread, mut elsewhere) = (None, None);
        for version in asking.versions(group) {
            match asking.resources(&version) {
                Err(failure) if passes_on(failure) => return Err(failure.clone()),
                Err(failure) => unread = Some(failure.to_string()),
                Ok(resources) => {
                    let Some(found) = resources.iter().find(|served| served.kind() == kind) else { continue };
                    if is_known(found, how) {
                        self.kinds.push((found.clone(), how));
                        return Ok(());
                    }
                    elsewhere = Some(found.clone());
                }
            }
        }
        let (name, why) = match (elsewhere, unread) {
            (Some(found), _) => {
                let why = format!("it is served as {} alone, which airtight does not read", found.api_version());
                (resource(&found), why)
            }
            (None, Some(why)) => (format!("{}.{group}", kind.to_lowercase()), why),
            // Its definition is not installed, so there are none.
            (None, None) => return Ok(()),
        };
        self.gaps.push(Gap { name, kind: kind.to_owned(), group: group.to_owned(), namespace: None, why });
        Ok(())
    }

    fn add_others(&mut self, asking: &mut Asking<'_>) -> Result<(), Failure> {
        let foreign = |group: &&String| OTHERS.iter().any(|end| group.ends_with(end));
        let groups: Vec<String> = asking.groups.keys().filter(foreign).cloned().collect();
        for group in groups {
            let Some(version) = asking.versions(&group).into_iter().next() else { continue };
            match asking.resources(&version) {
                Err(failure) if passes_on(failure) => return Err(failure.clone()),
                Err(failure) => self.gaps.push(Gap {
                    name: group.clone(),
                    kind: "NetworkPolicy".to_owned(),
                    group,
                    namespace: None,
                    why: failure.to_string(),
                }),
                Ok(resources) => {
                    let policies = resources.iter().filter(|served| is_policy_of_others(served.kind(), &group));
                    self.others.extend(policies.cloned());
                }
            }
        }
        Ok(())
    }
}

impl Asking<'_> {
    fn versions(&self, group: &str) -> Vec<String> {
        match group {
            "" => vec!["v1".to_owned()],
            group => self.groups.get(group).cloned().unwrap_or_default(),
        }
    }

    fn resources(&mut self, version: &str) -> Result<&[Served], &Failure> {
        let kinds = &self.kinds;
        let known = self.known.entry(version.to_owned()).or_insert_with(|| kinds.in_version(version));
        known.as_deref()
    }
}

/// Whether nothing more can be asked after a failure.
pub(super) fn passes_on(failure: &Failure) -> bool {
    retry::silent(failure.code) || matches!(failure.code, "unauthenticated" | "interrupted")
}

/// A kind's name as roles know it.
pub(super) fn resource(served: &Served) -> String {
    match served.group() {
        "" => served.plural().to_owned(),
        group => format!("{}.{group}", served.plural()),
    }
}

fn is_known(served: &Served, how: Reads) -> bool {
    let version = served.api_version().rsplit('/').next().unwrap_or_default();
    match how {
        Reads::Modelled(info) => info.versions.contains(&version),
        Reads::Touching(_) | Reads::Inert => true,
    }
}
