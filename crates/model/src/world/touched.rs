//! Objects of kinds that are not modelled, and the flows that each of them leaves open.

use std::collections::BTreeSet;
use std::net::IpAddr;

use airtight_manifest::stack::Component;
use airtight_manifest::{Diagnostic, Labels, Resource, RuleRef, Severity, Touches, selects, touches};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use super::admit::Doubts;
use super::intake::Item;
use super::{Enrolment, Pod, Proxy, Service, World, service_of_host, unread};

/// An object of a kind that is not modelled, and what it can touch in its world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// The object.
    pub rule: RuleRef,
    /// The hops that it touches; none if no flow depends on it.
    pub reach: Vec<Reach>,
    /// By what rule.
    pub by: Touches,
}

/// Hops by their ends, as a trace calls them (`namespace/workload`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    Everything,
    /// Those that begin or end at one of these.
    Ends(BTreeSet<String>),
    /// Those that end at one of these.
    To(BTreeSet<String>),
    /// Those that lead from one of these out of the cluster.
    Beyond(BTreeSet<String>),
}

impl Reach {
    /// Whether it touches what begins at an end, wherever in the cluster that leads.
    #[must_use]
    pub fn has_start(&self, from: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Ends(ends) => ends.contains(from),
            Self::To(_) | Self::Beyond(_) => false,
        }
    }

    /// Whether it touches what ends at an end, wherever it comes from.
    #[must_use]
    pub fn has_end(&self, to: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Ends(ends) | Self::To(ends) => ends.contains(to),
            Self::Beyond(_) => false,
        }
    }

    /// Whether it touches a hop; `leaves` tells whether that ends out of the cluster.
    #[must_use]
    pub fn has(&self, from: &str, to: &str, leaves: bool) -> bool {
        match self {
            Self::Beyond(starts) => leaves && starts.contains(from),
            Self::Everything | Self::Ends(_) | Self::To(_) => self.has_start(from) || self.has_end(to),
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Ends(ends) | Self::To(ends) | Self::Beyond(ends) => ends.is_empty(),
        }
    }
}

/// What the unmodelled objects among `items` touch in a world whose pods, Services and proxies are there, and what
/// Services lead to of which nobody knows what admission makes of them.
pub(super) fn touched(world: &World, items: &[Item], doubts: &Doubts) -> Vec<Touched> {
    let unmodelled = items.iter().filter_map(|item| one(world, item));
    let services =
        doubts.iter().filter(|(object, _)| matches!(&*object.kind, "Service" | "EndpointSlice" | "Endpoints"));
    let doubtful = services.flat_map(|(object, rules)| {
        let view = View { world, spec: &Value::Null, home: object.namespace.as_deref().unwrap_or_default() };
        let ends = match &*object.kind {
            "Service" => view.behind(view.home, &object.name),
            _ => view.pods(|pod| *pod.namespace == *view.home),
        };
        rules.iter().map(move |rule| Touched {
            rule: rule.clone(),
            reach: vec![Reach::To(ends.clone())],
            by: Touches::MatchedObjects,
        })
    });
    unmodelled.chain(doubtful).collect()
}

fn one(world: &World, item: &Item) -> Option<Touched> {
    let Resource::Unmodelled(rule) = &item.resource else { return None };
    let by = touches(&item.document)?;
    let view = View { world, spec: &item.json["spec"], home: rule.object.namespace.as_deref().unwrap_or_default() };
    let mut reach = view.reach(by);
    reach.retain(|reach| !reach.is_nothing());
    Some(Touched { rule: rule.clone(), reach, by })
}

/// What an object says, in its world.
struct View<'a> {
    world: &'a World,
    spec: &'a Value,
    home: &'a str,
}

impl View<'_> {
    fn reach(&self, by: Touches) -> Vec<Reach> {
        match by {
            // What admission does to objects is told at each of them.
            Touches::Nothing | Touches::MatchedObjects => Vec::new(),
            Touches::SubjectPods if !self.world.stack.lacks(Component::Cilium) => Vec::new(),
            Touches::SubjectPods => vec![Reach::Ends(self.pods(|pod| self.is_subject(pod)))],
            Touches::Everything => vec![Reach::Everything],
            Touches::IstioProxies => vec![Reach::Ends(self.proxies(|proxy| self.configures(proxy)))],
            Touches::MeshRoutes if !self.routes_the_mesh() => Vec::new(),
            Touches::MeshRoutes => {
                let waypoints = self.waypoints_of_hosts();
                vec![Reach::Ends(self.proxies(|proxy| is_istio(proxy) && waypoints.take(proxy)))]
            }
            Touches::SelectedPods => vec![Reach::To(self.pods(|pod| self.serves_at(pod)))],
            Touches::MeshEndpoints => self.mesh_endpoints(),
            Touches::RedirectedServices => vec![Reach::To(self.redirected())],
            Touches::RedirectedFrontend => vec![Reach::To(self.frontend())],
            Touches::LeavingPods => vec![Reach::Beyond(self.pods(|pod| self.leaves_by_gateway(pod)))],
            Touches::UsersOutside => vec![Reach::Beyond(BTreeSet::from(["outside".to_owned()]))],
            Touches::ParentGateways => vec![Reach::Ends(self.proxies(|proxy| self.is_parent(proxy)))],
            Touches::TargetGateways => vec![Reach::Ends(self.proxies(|proxy| self.is_target(proxy)))],
            Touches::KgatewayProxies => vec![Reach::Ends(self.proxies(|proxy| !is_istio(proxy)))],
            Touches::Gateways => vec![Reach::Ends(self.proxies(|_| true))],
            Touches::Unread if text(self.spec, "kind") == unread::API_SERVER => {
                vec![Reach::To(self.behind("default", "kubernetes"))]
            }
            Touches::Unread => unread::reach(self.world, self.spec, Some(self.home).filter(|home| !home.is_empty())),
        }
    }

    fn pods(&self, chosen: impl Fn(&Pod) -> bool) -> BTreeSet<String> {
        self.world.pods.iter().filter(|pod| chosen(pod)).map(label).collect()
    }

    /// Ends of hops at the proxies of a choice.
    fn proxies(&self, chosen: impl Fn(&Proxy) -> bool) -> BTreeSet<String> {
        let chosen = self.world.proxies.iter().filter(|proxy| chosen(proxy));
        chosen.map(|proxy| format!("{}/{}", proxy.key.0, proxy.key.1)).collect()
    }

    /// Istio `pilot/pkg/model/policyattachment.go`: the root namespace's objects count everywhere, and targets replace
    /// selectors.
    fn configures(&self, proxy: &Proxy) -> bool {
        let here = *self.home == *proxy.key.0;
        let reached = here || self.home == self.world.stack.istio.root_namespace;
        let mut targets = self.list("targetRefs").chain(self.spec.get("targetRef")).peekable();
        if targets.peek().is_some() {
            return is_istio(proxy)
                && targets.any(|target| match text(target, "kind") {
                    "Gateway" => here && text(target, "name") == &*proxy.key.1,
                    _ => true,
                });
        }
        let selector = ["workloadSelector", "selector"].iter().find_map(|field| self.spec.get(*field));
        let wanted = selector.map(|selector| {
            ["labels", "matchLabels"].iter().find_map(|field| selector.get(*field)).map(labels).unwrap_or_default()
        });
        is_istio(proxy) && reached && wanted.is_none_or(|wanted| has_all(&proxy.labels, &wanted))
    }

    /// `spec.subject` of an AdminNetworkPolicy: namespaces, or pods in them
    /// (sigs.k8s.io/network-policy-api `apis/v1alpha1/shared_types.go`).
    fn is_subject(&self, pod: &Pod) -> bool {
        let namespace = self.world.namespace_labels(&pod.namespace);
        let subject = &self.spec["subject"];
        match (subject.get("namespaces"), subject.get("pods")) {
            (Some(namespaces), _) => satisfied(namespaces, namespace),
            (None, Some(pods)) => {
                satisfied(&pods["namespaceSelector"], namespace) && satisfied(&pods["podSelector"], &pod.labels)
            }
            // The API server refuses such an object.
            (None, None) => true,
        }
    }

    fn routes_the_mesh(&self) -> bool {
        let mut gateways = self.list("gateways").peekable();
        gateways.peek().is_none() || gateways.any(|gateway| gateway.as_str() == Some("mesh"))
    }

    /// The waypoints of the Services and ServiceEntries that a VirtualService's hosts name: a host without a dot is one of its
    /// own namespace, any other stands for itself (Istio `pilot/pkg/model/config.go`,
    /// `ResolveShortnameToFQDN`).
    fn waypoints_of_hosts(&self) -> Waypoints {
        let mut hosts = self.list("hosts").filter_map(Value::as_str).peekable();
        // One without hosts is part of another.
        if hosts.peek().is_none() {
            return Waypoints::All;
        }
        let mut named = BTreeSet::new();
        for host in hosts {
            if host.starts_with('*') {
                return Waypoints::All;
            }
            let (home, name) = service_of_host(host).unwrap_or((self.home, host));
            let service = self.world.service(home, name).into_iter();
            named.extend(service.filter_map(|service| self.waypoint_named(&service.labels, &service.namespace)));
            let entries = self.world.objects.service_entries.iter();
            let entries = entries.filter(|entry| entry.body.spec.hosts.iter().any(|known| covers(&known.value, host)));
            named.extend(entries.filter_map(|entry| self.waypoint_named(&entry.meta.labels, entry.meta.namespace())));
        }
        Waypoints::Named(named)
    }

    /// The waypoint that an object's labels name, else its namespace's.
    fn waypoint_named(&self, own: &Labels, home: &str) -> Option<(String, String)> {
        let label = "istio.io/use-waypoint";
        let labels = if own.contains_key(label) { own } else { self.world.namespace_labels(home) };
        let namespace = labels.get("istio.io/use-waypoint-namespace").map_or(home, String::as_str);
        labels.get(label).map(|name| (namespace.to_owned(), name.clone()))
    }

    /// Without a selector any proxy could take it: those of its namespace and of the root namespace.
    fn serves_at(&self, pod: &Pod) -> bool {
        let wanted = labels(&self.spec["selector"]);
        if wanted.is_empty() {
            return *pod.namespace == *self.home || *pod.namespace == *self.world.stack.istio.root_namespace;
        }
        has_all(&pod.labels, &wanted)
    }

    fn mesh_endpoints(&self) -> Vec<Reach> {
        let senders = self.pods(|pod| pod.enrolment != Enrolment::None);
        if senders.is_empty() {
            return Vec::new();
        }
        vec![Reach::To(self.pods(|pod| *pod.namespace == *self.home)), Reach::Beyond(senders)]
    }

    fn redirected(&self) -> BTreeSet<String> {
        let named = self.list("services").map(|service| {
            let home = service.get("namespace").and_then(Value::as_str).unwrap_or(self.home);
            (home, text(service, "name"))
        });
        named.flat_map(|(home, name)| self.behind(home, name)).collect()
    }

    fn frontend(&self) -> BTreeSet<String> {
        let frontend = &self.spec["redirectFrontend"];
        if let Some(service) = frontend.get("serviceMatcher") {
            return self.behind(self.home, text(service, "serviceName"));
        }
        let Ok(address) = text(&frontend["addressMatcher"], "ip").parse::<IpAddr>() else { return BTreeSet::new() };
        self.at(address)
    }

    /// What hops to a Service end at.
    fn behind(&self, namespace: &str, name: &str) -> BTreeSet<String> {
        let mut ends = BTreeSet::from([format!("{namespace}/{name}")]);
        ends.extend(self.world.service(namespace, name).into_iter().flat_map(|service| self.backends(service)));
        ends
    }

    fn backends<'s>(&'s self, service: &'s Service) -> impl Iterator<Item = String> + 's {
        let pods = service.backends.iter().map(|pod| label(self.world.pod(*pod)));
        pods.chain(service.external_endpoints.iter().flat_map(|address| self.names(*address)))
    }

    /// What hops to an address end at.
    fn at(&self, address: IpAddr) -> BTreeSet<String> {
        let services = self.world.services.iter().filter(|service| service.cluster_ips.contains(&address));
        let mut ends: BTreeSet<String> =
            services.flat_map(|service| self.behind(&service.namespace, &service.name)).collect();
        ends.extend(self.pods(|pod| pod.addresses.contains(&address)));
        let nodes = self.world.nodes.iter().filter(|node| node.addresses.contains(&address));
        ends.extend(nodes.map(|node| format!("node/{}", node.name)));
        ends.extend(self.names(address));
        ends
    }

    /// What traces call an address out of the cluster.
    fn names(&self, address: IpAddr) -> Vec<String> {
        let hosts = self.world.hosts.iter().filter(|host| host.addresses.contains(&address));
        let named =
            hosts.flat_map(|host| &host.names).flat_map(|name| [name.to_string(), format!("{name} ({address})")]);
        named.chain([address.to_string()]).collect()
    }

    /// Cilium's selectors see a pod's labels with and without their source, and its namespace's among them.
    fn leaves_by_gateway(&self, pod: &Pod) -> bool {
        let namespace = self.world.namespace_labels(&pod.namespace);
        let mut own = pod.labels.clone();
        own.insert("io.kubernetes.pod.namespace".to_owned(), pod.namespace.to_string());
        own.extend(
            namespace.iter().map(|(key, value)| (format!("io.cilium.k8s.namespace.labels.{key}"), value.clone())),
        );
        self.list("selectors").any(|selector| {
            let side = |field: &str, labels: &Labels| {
                selector.get(field).is_none_or(|selector| satisfied(selector, &sourced(labels)))
            };
            side("namespaceSelector", namespace) && side("podSelector", &own)
        })
    }

    fn is_parent(&self, proxy: &Proxy) -> bool {
        self.list("parentRefs").chain(self.spec.get("parentRef")).any(|parent| {
            let home = parent.get("namespace").and_then(Value::as_str).unwrap_or(self.home);
            match parent.get("kind").and_then(Value::as_str).unwrap_or("Gateway") {
                "Gateway" => (home, text(parent, "name")) == (&*proxy.key.0, &*proxy.key.1),
                "Service" => proxy.is_waypoint,
                _ => true,
            }
        })
    }

    fn is_target(&self, proxy: &Proxy) -> bool {
        let named = self.list("targetRefs").any(|target| text(target, "name") == &*proxy.key.1);
        *self.home == *proxy.key.0 && (named || self.list("targetSelectors").next().is_some())
    }

    fn list(&self, field: &str) -> impl Iterator<Item = &Value> {
        self.spec.get(field).and_then(Value::as_array).into_iter().flatten()
    }
}

/// Waypoints, by namespace and name.
enum Waypoints {
    All,
    Named(BTreeSet<(String, String)>),
}

impl Waypoints {
    fn take(&self, proxy: &Proxy) -> bool {
        match self {
            Self::All => true,
            Self::Named(named) => named.iter().any(|(home, name)| (&**home, &**name) == (&*proxy.key.0, &*proxy.key.1)),
        }
    }
}

/// Whether a host of a ServiceEntry takes another one.
fn covers(known: &str, host: &str) -> bool {
    let suffix = known.strip_prefix('*');
    known.eq_ignore_ascii_case(host) || suffix.is_some_and(|suffix| host.ends_with(suffix))
}

fn label(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.workload)
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn labels(value: &Value) -> Labels {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn has_all(labels: &Labels, wanted: &Labels) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Labels as Cilium's selectors may write them: bare, or with the source that they come from.
fn sourced(labels: &Labels) -> Labels {
    let written = labels
        .iter()
        .flat_map(|(key, value)| ["", "k8s:", "any:"].map(|source| (format!("{source}{key}"), value.clone())));
    written.collect()
}

/// Whether labels satisfy a selector; one that cannot be read might select anything.
pub(super) fn satisfied(selector: &Value, labels: &Labels) -> bool {
    serde_json::from_value::<LabelSelector>(selector.clone()).map_or(true, |selector| selects(&selector, labels))
}

fn is_istio(proxy: &Proxy) -> bool {
    proxy.implementation.is_istio()
}

/// Up to how many objects of a kind without bearing are told one by one.
const EACH: usize = 3;

/// Objects that leave every flow as it is, by kind and by what they would touch.
type Idle<'a> = Vec<(&'a str, Touches, Vec<&'a RuleRef>)>;

/// What is said of unmodelled objects: a warning of each that leaves flows open, a note for the others of a kind.
pub(super) fn findings(world: &World, items: &[Item], doubts: &Doubts) -> Vec<Diagnostic> {
    let touched = &world.touched;
    // Of what Cilium does not read, a lint of the CNI says so.
    let linted = |one: &Touched| one.by == Touches::SubjectPods && !world.stack.lacks(Component::Cilium);
    let (mut findings, mut idle) = (Vec::new(), Idle::new());
    for rule in items.iter().filter_map(admitting) {
        match refusing(rule, doubts) {
            Some(finding) => findings.push(finding),
            None => set_aside(&mut idle, Touches::MatchedObjects, rule),
        }
    }
    findings.extend(unread::findings(touched, items));
    let told =
        touched.iter().filter(|one| !matches!(one.by, Touches::MatchedObjects | Touches::Unread) && !linted(one));
    for one in told {
        if one.reach.is_empty() {
            set_aside(&mut idle, one.by, &one.rule);
        } else {
            findings.push(open(one));
        }
    }
    for (_, by, rules) in idle {
        let together = if rules.len() > EACH { rules.len() } else { 1 };
        findings.extend(rules.chunks(together).filter_map(|some| without_bearing(by, some)));
    }
    findings
}

fn set_aside<'a>(idle: &mut Idle<'a>, by: Touches, rule: &'a RuleRef) {
    let kind = &*rule.object.kind;
    match idle.iter_mut().find(|known| (known.0, known.1) == (kind, by)) {
        Some((_, _, rules)) => rules.push(rule),
        None => idle.push((kind, by, vec![rule])),
    }
}

/// An object that admits others.
fn admitting(item: &Item) -> Option<&RuleRef> {
    match &item.resource {
        Resource::Unmodelled(rule) if touches(&item.document) == Some(Touches::MatchedObjects) => Some(rule),
        _ => None,
    }
}

/// What an object that admits others leaves open: which of them it matches; nothing if it matches none.
fn refusing(rule: &RuleRef, doubts: &Doubts) -> Option<Diagnostic> {
    let mut matched = doubts.iter().filter(|(_, rules)| rules.contains(rule)).map(|(object, _)| object);
    let first = matched.next()?;
    let others = match matched.count() {
        0 => String::new(),
        more => format!(" and {more} other objects"),
    };
    let message =
        format!("airtight does not model {}, which could refuse, change or delete {first}{others}", rule.object);
    let finding = Diagnostic::warning("unmodelled", message).at(rule.at.clone());
    Some(finding.hint("every case that meets such an object is inconclusive"))
}

fn open(one: &Touched) -> Diagnostic {
    let message = format!("airtight does not model {}: {} are unknown", one.rule.object, one.by.rule());
    // Who asks for such a flow is told so there.
    let severity = if one.by == Touches::UsersOutside { Severity::Note } else { Severity::Warning };
    Diagnostic::new(severity, "unmodelled", message)
        .at(one.rule.at.clone())
        .hint("every case that meets such a flow is inconclusive")
}

fn without_bearing(by: Touches, rules: &[&RuleRef]) -> Option<Diagnostic> {
    let first = rules.first()?;
    let others = match rules.len() - 1 {
        0 => String::new(),
        1 => format!(" and one more {}", first.object.kind),
        more => format!(" and {more} more of kind {}", first.object.kind),
    };
    let why = match by {
        Touches::Nothing => "sidecars alone read this kind".to_owned(),
        other => format!("it bears on {}, and there are none here", other.rule()),
    };
    let message = format!("{}{others} leave every flow as it is", first.object);
    let message = if rules.len() == 1 { message.replace(" leave every", " leaves every") } else { message };
    Some(Diagnostic::new(Severity::Note, "without-bearing", message).at(first.at.clone()).hint(why))
}
