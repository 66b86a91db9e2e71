//! Near misses: rules that nearly allow what a default deny ends, and what keeps them from it.

use std::collections::BTreeSet;

use airtight_manifest::cilium::Direction;
use airtight_manifest::closest;

use super::decide::Side;
use super::entry::{Entry, EntryVerdict, PeerMatch, Peers, Subject};
use super::hop::CniHop;
use super::identity::Identity;
use super::policy::CniPolicy;
use super::port::PortMatch;
use super::selector::{Key, Label, NAMESPACE, NAMESPACE_LABELS, SelectorId, Test};
use crate::policy::NearMiss;
use crate::world::{Protocol, TargetPort, World};

/// How many are told.
const TOLD: usize = 3;

/// The most that an entry may be away: two slips of the pen, or one label and a slip.
const FARTHEST: u32 = 3;

/// What keeps an entry from a flow, and how far that is: 1 for what looks like a slip.
struct Obstacle {
    distance: u32,
    words: String,
}

impl CniPolicy {
    /// The pod that is nearest to a selector which selects none, in words.
    pub(super) fn nearest_to(&self, world: &World, id: SelectorId) -> Option<String> {
        let mut known = BTreeSet::new();
        let different = self.identities.iter_pods(world).filter(|(pod, _)| known.insert(self.identity_of(pod.id)));
        let unmet = different.filter_map(|(pod, identity)| Some((pod, Unmet::of(self, id, identity)?)));
        let (pod, unmet) = unmet.min_by_key(|(_, unmet)| unmet.distance)?;
        Some(format!("nearest is {}/{}: the selector wants {}", pod.namespace, pod.workload, unmet.words))
    }

    /// The rules that nearly allow a hop which a default deny ends, nearest first.
    #[must_use]
    pub fn near_misses(&self, world: &World, hop: &CniHop<'_>, direction: Direction) -> Vec<NearMiss> {
        let Ok(side) = self.side(world, hop, direction) else { return Vec::new() };
        let allowing = self
            .entries
            .iter()
            .filter(|entry| entry.direction == direction && entry.precedence.verdict == EntryVerdict::Allow);
        let mut near: Vec<NearMiss> = allowing.filter_map(|entry| side.near(entry)).collect();
        near.sort_by(|a, b| (a.distance, &a.rule).cmp(&(b.distance, &b.rule)));
        near.dedup();
        near.truncate(TOLD);
        near
    }
}

/// What an entry asks of one end or of the port.
enum Demand {
    Met,
    Missed(Obstacle),
    /// It is meant for something else altogether.
    Another,
}

impl Demand {
    /// What keeps the entry from a hop, if anything does; none at all for another.
    fn obstacle(self) -> Option<Vec<Obstacle>> {
        match self {
            Self::Met => Some(Vec::new()),
            Self::Missed(obstacle) => Some(vec![obstacle]),
            Self::Another => None,
        }
    }
}

impl Side<'_> {
    fn near(&self, entry: &Entry) -> Option<NearMiss> {
        let demands = [self.subject(entry), self.peer(entry), self.port(entry)];
        let obstacles = demands.into_iter().map(Demand::obstacle).collect::<Option<Vec<_>>>()?;
        let obstacles: Vec<Obstacle> = obstacles.into_iter().flatten().collect();
        let distance: u32 = obstacles.iter().map(|obstacle| obstacle.distance).sum();
        if distance == 0 || distance > FARTHEST {
            return None;
        }
        let but = obstacles.into_iter().map(|obstacle| obstacle.words).collect::<Vec<_>>().join("; ");
        Some(NearMiss { rule: entry.rule.clone(), but, distance })
    }

    /// What keeps an entry from this subject.
    fn subject(&self, entry: &Entry) -> Demand {
        let Subject::Endpoints(id) = entry.subject else { return Demand::Another };
        if self.identity.selected_by(&self.policy.selectors, id) {
            return Demand::Met;
        }
        let Some(unmet) = Unmet::of(self.policy, id, self.identity) else { return Demand::Another };
        // A rule for other pods is no slip, unless there are no such pods.
        let idle = !self.is_used(id);
        let distance = if idle { 1 } else { unmet.distance };
        if !idle && unmet.distance > 1 {
            return self.wrong_end(entry, id).map_or(Demand::Another, Demand::Missed);
        }
        let nobody = if idle { " (it selects no pod at all)" } else { "" };
        Demand::Missed(Obstacle { distance, words: format!("its selector wants {}{nobody}", unmet.words) })
    }

    /// A policy that was put beside the other end of the connection, and would select this one in its own namespace. Every
    /// namespace has policies of its own: whatever else it asks for must be met, and not by those at home alone.
    fn wrong_end(&self, entry: &Entry, id: SelectorId) -> Option<Obstacle> {
        let selectors = &self.policy.selectors;
        let mut unmet = selectors.get(id).unmet(&self.identity.labels);
        let (Some((key, Test::Is(home))), None) = (unmet.next(), unmet.next()) else { return None };
        let of_home = |(key, test): &(Key, Test)| key.key == NAMESPACE && *test == Test::Is(home.clone());
        let abroad = match &entry.peers {
            Peers::Everyone => true,
            Peers::Nobody => false,
            Peers::Any(list) => !list.iter().any(|peer| match peer {
                PeerMatch::Labels(id) => selectors.get(*id).demands().iter().any(of_home),
                PeerMatch::Entity(_) | PeerMatch::Addresses(_) | PeerMatch::Groups(_) | PeerMatch::Name(_) => false,
            }),
        };
        let misplaced = abroad && key.key == NAMESPACE && self.peer_pod.is_some_and(|pod| *pod.namespace == **home);
        misplaced.then(|| Obstacle {
            distance: FARTHEST,
            words: format!("it is in namespace {home}, and a policy guards the pods of its own namespace alone"),
        })
    }

    fn peer(&self, entry: &Entry) -> Demand {
        if self.policy.matches_peer(&entry.peers, &self.peer) {
            return Demand::Met;
        }
        let Peers::Any(list) = &entry.peers else { return Demand::Another };
        let labels = list.iter().filter_map(|peer| match peer {
            PeerMatch::Labels(id) => Some(*id),
            PeerMatch::Entity(_) | PeerMatch::Addresses(_) | PeerMatch::Groups(_) | PeerMatch::Name(_) => None,
        });
        let nearest = labels.filter_map(|id| Some((id, Unmet::of(self.policy, id, self.peer_identity())?)));
        let Some((id, unmet)) = nearest.min_by_key(|(_, unmet)| unmet.distance) else { return Demand::Another };
        let idle = !self.is_used(id);
        let nobody = if idle { " (which no pod has)" } else { "" };
        let end = match entry.direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        let distance = if idle { 1 } else { unmet.distance };
        Demand::Missed(Obstacle { distance, words: format!("it allows {end} {}{nobody}", unmet.words) })
    }

    fn port(&self, entry: &Entry) -> Demand {
        let Some(items) = &entry.ports else { return Demand::Met };
        if items.iter().any(|item| self.takes_port(item)) {
            return Demand::Met;
        }
        let ports: Vec<&PortMatch> = items.iter().flat_map(|item| &item.ports).collect();
        let shown: BTreeSet<String> = ports.iter().filter_map(|port| shown(port)).collect();
        let wanted = self.hop.service();
        if let Some(port) = self.service_port(&ports) {
            let own = self.transport.port.unwrap_or_default();
            let words = format!("it allows port {port}, which is the Service's: policies look at the pod's own, {own}");
            return Demand::Missed(Obstacle { distance: 1, words });
        }
        let list = shown.into_iter().collect::<Vec<_>>().join(", ");
        Demand::Missed(Obstacle { distance: 2, words: format!("it allows {list}, and this is {wanted}") })
    }

    /// A port among these at which a Service stands before the destination's own port.
    fn service_port(&self, ports: &[&PortMatch]) -> Option<u16> {
        let (pod, own) = match self.direction {
            Direction::Ingress => (self.subject?, self.transport.port?),
            Direction::Egress => (self.peer_pod?, self.transport.port?),
        };
        let services = self.world.services.iter().filter(|service| service.backends.contains(&pod.id));
        let leads_here = |target: &TargetPort| match target {
            TargetPort::Number(number) => *number == own,
            TargetPort::Name(name) => {
                pod.ports.iter().any(|port| port.number == own && port.name.as_deref() == Some(name.as_str()))
            }
        };
        let mut before = services.flat_map(|service| &service.ports).filter(|port| leads_here(&port.target));
        before.find_map(|port| {
            let written = |known: &&&PortMatch| matches!(known, PortMatch::Range(_, first, last) if first == last && *first == port.port);
            ports.iter().any(|known| written(&known)).then_some(port.port)
        })
    }

    /// Whether a selector selects any pod.
    fn is_used(&self, id: SelectorId) -> bool {
        let policy = self.policy;
        policy.identities.iter_pods(self.world).any(|(_, identity)| identity.selected_by(&policy.selectors, id))
    }
}

/// The demands of a selector that labels do not meet.
struct Unmet {
    distance: u32,
    words: String,
}

impl Unmet {
    fn of(policy: &CniPolicy, id: SelectorId, identity: &Identity) -> Option<Self> {
        let selector = policy.selectors.get(id);
        let unmet = selector.unmet(&identity.labels);
        let judged: Vec<(u32, String)> = unmet.map(|(key, test)| judged(key, test, &identity.labels)).collect();
        let distance = judged.iter().map(|(distance, _)| distance).sum();
        // What takes more than two changes is another rule.
        (judged.len() <= 2).then(|| {
            let words = judged.into_iter().map(|(_, words)| words).collect::<Vec<_>>().join(" and ");
            Self { distance, words }
        })
    }
}

/// How far a demand is from what is there, in words.
fn judged(key: &Key, test: &Test, labels: &[Label]) -> (u32, String) {
    let own = labels.iter().find(|label| label.key == key.key).map(|label| label.value.as_str());
    let (name, whose) = plain(&key.key);
    let wanted: Vec<&str> = match test {
        Test::Is(value) => vec![value],
        Test::In(values) => values.iter().map(String::as_str).collect(),
        Test::NotIn(_) | Test::Exists | Test::DoesNotExist | Test::Never => Vec::new(),
    };
    let demand = match (test, wanted.as_slice()) {
        (_, [one]) => format!("`{name}: {one}`"),
        (Test::In(_), _) => format!("`{name}` of {}", wanted.join(", ")),
        (Test::NotIn(values), _) => format!("`{name}` not of {}", values.join(", ")),
        (Test::DoesNotExist, _) => format!("no label `{name}`"),
        (Test::Is(_) | Test::Exists | Test::Never, _) => format!("a label `{name}`"),
    };
    if let Some(own) = own {
        // Namespaces of teams are called alike.
        let slip = key.key != NAMESPACE && wanted.iter().any(|wanted| is_near(wanted, own));
        return (if slip { 1 } else { 2 }, format!("{demand}{whose}, and there it is `{own}`"));
    }
    let meant = labels.iter().find(|label| wanted.contains(&label.value.as_str()) && plain(&label.key).1 == whose);
    let there = meant.map_or_else(
        || "there is none".to_owned(),
        |label| format!("there it is `{}: {}`", plain(&label.key).0, label.value),
    );
    (if meant.is_some() { 1 } else { 2 }, format!("{demand}{whose}, and {there}"))
}

/// A label as people write it, and whose it is.
fn plain(key: &str) -> (&str, &'static str) {
    if key == NAMESPACE {
        return ("namespace", "");
    }
    match key.strip_prefix(NAMESPACE_LABELS) {
        Some(key) => (key, " of the namespace"),
        None => (key, ""),
    }
}

fn is_near(wanted: &str, own: &str) -> bool {
    closest(wanted, [own]).is_some()
}

fn shown(port: &PortMatch) -> Option<String> {
    let named = |protocols: super::port::Protocols, what: String| {
        let one = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().filter(|one| protocols.contain(*one));
        match one.collect::<Vec<_>>().as_slice() {
            [one] => format!("{one} {what}"),
            _ => format!("port {what}"),
        }
    };
    match port {
        PortMatch::All(protocols) => Some(named(*protocols, "of any number".to_owned())),
        PortMatch::Range(protocols, first, last) if first == last => Some(named(*protocols, first.to_string())),
        PortMatch::Range(protocols, first, last) => Some(named(*protocols, format!("{first} to {last}"))),
        PortMatch::Named(protocols, name) => Some(named(*protocols, format!("`{name}`"))),
        PortMatch::Icmp(..) => Some("ICMP".to_owned()),
        PortMatch::Nothing => None,
    }
}
