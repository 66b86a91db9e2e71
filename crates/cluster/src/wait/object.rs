//! When an object of the API is in force, by what its controller writes into its status.

use serde_json::Value;

use super::state::{Condition, State, expect};
use crate::read::{items, text};

/// What tells that an object is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// A Cilium policy: `Valid` (Cilium `pkg/k8s/apis/cilium.io/v2/types.go`).
    Valid,
    /// An AuthorizationPolicy at ztunnel: `ZtunnelAccepted`.
    ZtunnelAccepted,
    /// An AuthorizationPolicy at waypoints: `WaypointAccepted`.
    WaypointAccepted,
    /// A Service or ServiceEntry with a waypoint: `istio.io/WaypointBound`.
    WaypointBound,
    /// A Gateway: `Accepted` and `Programmed`.
    Programmed,
    /// A route: `Accepted` and `ResolvedRefs` for each parent.
    RouteAccepted,
    /// A Kyverno policy: `Ready`.
    Ready,
}

/// A Gateway's conditions are False for these reasons while it is being made (Gateway API `apis/v1/gateway_types.go`).
const GATEWAY_PENDING: &[&str] = &["Pending", "AddressNotAssigned", "NoResources", "NotReconciled"];

impl Sign {
    /// How far an object is.
    #[must_use]
    pub fn state(self, object: &Value) -> State {
        match self {
            Self::Valid => expect(object, Condition::of(object, "Valid"), "Valid", &[]),
            Self::ZtunnelAccepted => accepted(object, "ZtunnelAccepted"),
            Self::WaypointAccepted => accepted(object, "WaypointAccepted"),
            Self::WaypointBound => {
                let kind = "istio.io/WaypointBound";
                expect(object, Condition::of(object, kind), kind, &["WaypointIsNotReady"])
            }
            Self::Programmed => {
                let one = |kind: &str| expect(object, Condition::of(object, kind), kind, GATEWAY_PENDING);
                one("Accepted").and(one("Programmed"))
            }
            Self::RouteAccepted => route(object),
            Self::Ready => ready(object),
        }
    }
}

/// True with another reason than `Accepted` is a policy of which a part is left out (Istio
/// `pilot/pkg/model/policyattachment.go`, `PartiallyInvalid` and `UnsupportedValue`).
fn accepted(object: &Value, kind: &str) -> State {
    let condition = Condition::of(object, kind);
    let state = expect(object, condition, kind, &[]);
    match (state, condition) {
        (State::InForce, Some(condition)) if condition.reason() != "Accepted" => State::Rejected(condition.words()),
        (state, _) => state,
    }
}

fn route(object: &Value) -> State {
    let parents = items(object, "/spec/parentRefs");
    if parents.is_empty() {
        return State::Rejected("it has no parent".to_owned());
    }
    parents.iter().map(|parent| parent_state(object, parent)).fold(State::InForce, State::and)
}

/// Several controllers may write about the same parent: one that takes the route is enough.
fn parent_state(object: &Value, parent: &Value) -> State {
    let name = text(parent, "/name");
    let about: Vec<&Value> =
        items(object, "/status/parents").iter().filter(|status| is_about(status, parent, object)).collect();
    let states: Vec<State> = about.iter().map(|status| entry_state(object, status)).collect();
    if states.contains(&State::InForce) {
        return State::InForce;
    }
    let missing = State::Pending(format!("no controller has written about parent {name}"));
    let worst = states.into_iter().reduce(State::and).unwrap_or(missing);
    match worst {
        State::Rejected(why) => State::Rejected(format!("parent {name}: {why}")),
        State::Pending(why) => State::Pending(format!("parent {name}: {why}")),
        State::InForce => State::InForce,
    }
}

fn entry_state(object: &Value, status: &Value) -> State {
    let conditions = items(status, "/conditions");
    let one = |kind: &str| expect(object, Condition::find(conditions, kind), kind, &["Pending"]);
    let usual = one("Accepted").and(one("ResolvedRefs"));
    // Kgateway 2.4 and later tell here of a route that is accepted and does not work.
    match Condition::find(conditions, "kgateway.dev/Programmed") {
        Some(_) => usual.and(one("kgateway.dev/Programmed")),
        None => usual,
    }
}

/// A controller repeats the reference, with or without its defaults.
fn is_about(status: &Value, parent: &Value, route: &Value) -> bool {
    let own = text(route, "/metadata/namespace");
    let key = |reference: &Value| {
        let or = |pointer: &str, default: &str| {
            let given = text(reference, pointer);
            if given.is_empty() { default.to_owned() } else { given.to_owned() }
        };
        // The core group is written as an empty text.
        let group = reference.get("group").and_then(Value::as_str).unwrap_or("gateway.networking.k8s.io").to_owned();
        let port = reference.get("port").and_then(Value::as_u64);
        (group, or("/kind", "Gateway"), or("/namespace", own), or("/name", ""), or("/sectionName", ""), port)
    };
    status.get("parentRef").is_some_and(|reference| key(reference) == key(parent))
}

/// Kyverno's older kinds have conditions, its newer ones `conditionStatus` (Kyverno `api/kyverno/v1`,
/// `api/policies.kyverno.io/v1beta1`). A policy is not ready while its webhooks are being made; one whose permissions
/// are missing never will be.
fn ready(object: &Value) -> State {
    let newer = items(object, "/status/conditionStatus/conditions");
    if let Some(condition) = Condition::find(newer, "RBACPermissionsGranted").filter(|condition| condition.is("False"))
    {
        return State::Rejected(condition.words());
    }
    match object.pointer("/status/conditionStatus/ready").and_then(Value::as_bool) {
        Some(true) => return State::InForce,
        Some(false) => {
            let open = newer.iter().find(|condition| text(condition, "/status") != "True");
            let what = open.map_or("Ready", |condition| text(condition, "/type"));
            return State::Pending(format!("{what} is not True: {}", open.map_or("", |each| text(each, "/message"))));
        }
        None => {}
    }
    match Condition::of(object, "Ready") {
        None => State::Pending("it has no condition Ready yet".to_owned()),
        Some(condition) if condition.is_stale(object) => {
            State::Pending("condition Ready is about an older generation".to_owned())
        }
        Some(condition) if condition.is("True") => State::InForce,
        Some(condition) => State::Pending(condition.words()),
    }
}
