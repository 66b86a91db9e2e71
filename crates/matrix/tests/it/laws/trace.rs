//! What every trace looks like.

use std::collections::BTreeSet;

use airtight_model::path::{Check, End, Hop, Trace, Wire};
use airtight_model::policy::{Checkpoint, Effect, Reason};
use airtight_model::world::Protocol;
use proptest::prelude::*;

use super::cases;
use super::sketch::{Names, refused, sketch};

proptest! {
    #![proptest_config(cases(24))]

    /// Laws about objects that were refused would say nothing.
    #[test]
    fn the_api_server_takes_every_generated_object(sketch in sketch()) {
        prop_assert_eq!(refused(&sketch.built(&Names::default()).world), Vec::<String>::new());
    }

    #[test]
    fn a_trace_is_deterministic(sketch in sketch()) {
        prop_assert_eq!(sketch.traces(), sketch.traces());
    }

    #[test]
    fn a_trace_is_well_formed(sketch in sketch()) {
        for trace in sketch.traces() {
            if let Err(fault) = well_formed(&trace) {
                prop_assert!(false, "{fault}: {}\n{trace:#?}", trace.flow);
            }
        }
    }
}

fn well_formed(trace: &Trace) -> Result<(), String> {
    for check in trace.checks() {
        well_founded(check).map_err(|fault| format!("{fault} at {}", check.checkpoint))?;
    }
    chained(&trace.hops)?;
    ended(trace)
}

/// Symptom, reason and rules of one decision.
fn well_founded(check: &Check) -> Result<(), String> {
    let decision = &check.decision;
    if (decision.effect == Effect::Deny) != decision.symptom.is_some() {
        let answers = check.checkpoint == Checkpoint::Gateway || check.checkpoint == Checkpoint::Waypoint;
        if decision.effect == Effect::Deny || !answers {
            return Err("a denial has a symptom, and nothing else has".to_owned());
        }
    }
    if decision.detail.is_empty() {
        return Err("a decision says why".to_owned());
    }
    if !is_at_home(check.checkpoint, decision.effect, decision.reason) {
        return Err(format!("{} cannot be the reason of {}", decision.reason, decision.effect));
    }
    if decision.rules.is_empty() && !speaks_of_nothing(check.checkpoint, decision.reason) {
        return Err(format!("{} names no rule", decision.reason));
    }
    Ok(())
}

/// Which reasons belong to which checkpoint and effect.
fn is_at_home(checkpoint: Checkpoint, effect: Effect, reason: Reason) -> bool {
    use Effect::{Allow, Deny, Unknown};
    if effect == Unknown || reason == Reason::Unmodelled {
        return effect == Unknown && reason == Reason::Unmodelled;
    }
    let places: &[Checkpoint] = match (reason, effect) {
        (Reason::NoPolicy, Allow) => &[
            Checkpoint::CniEgress,
            Checkpoint::CniIngress,
            Checkpoint::DnsProxy,
            Checkpoint::ZtunnelInbound,
            Checkpoint::Waypoint,
        ],
        (Reason::AllowRule, Allow) | (Reason::ExplicitDeny, Deny) => &[
            Checkpoint::CniEgress,
            Checkpoint::CniIngress,
            Checkpoint::DnsProxy,
            Checkpoint::ZtunnelInbound,
            Checkpoint::Waypoint,
            Checkpoint::Gateway,
        ],
        (Reason::DefaultDeny, Deny) => &[Checkpoint::CniEgress, Checkpoint::CniIngress, Checkpoint::DnsProxy],
        (Reason::HostExemption, Allow) => &[Checkpoint::CniIngress],
        (Reason::Audited | Reason::NotManaged, Allow) => {
            &[Checkpoint::CniEgress, Checkpoint::CniIngress, Checkpoint::DnsProxy]
        }
        (Reason::Loopback, Allow) => &[Checkpoint::CniEgress, Checkpoint::CniIngress, Checkpoint::ZtunnelOutbound],
        (Reason::L7Allowed | Reason::SniAllowed, Allow)
        | (Reason::L7Denied | Reason::L7Unparseable | Reason::SniDenied | Reason::AuthenticationRequired, Deny) => {
            &[Checkpoint::CniEgress, Checkpoint::CniIngress, Checkpoint::Waypoint]
        }
        (Reason::NameAllowed, Allow) | (Reason::NameRefused, Deny) => &[Checkpoint::DnsProxy],
        (Reason::StrictMtls, Deny) | (Reason::NotCaptured, _) | (Reason::ProbeBypass, Allow) => {
            &[Checkpoint::ZtunnelInbound, Checkpoint::ZtunnelOutbound]
        }
        (Reason::NoAllowMatched, Deny) => &[Checkpoint::ZtunnelInbound, Checkpoint::Waypoint, Checkpoint::Gateway],
        (Reason::Passthrough | Reason::Direct | Reason::ViaWaypoint, Allow) | (Reason::WaypointUnavailable, Deny) => {
            &[Checkpoint::ZtunnelOutbound]
        }
        (Reason::NoHealthyUpstream, Deny) => {
            &[Checkpoint::ZtunnelOutbound, Checkpoint::Waypoint, Checkpoint::Gateway, Checkpoint::Application]
        }
        (Reason::TokenMissing | Reason::TokenInvalid, Deny) => &[Checkpoint::Waypoint, Checkpoint::Gateway],
        (Reason::RouteMatched, Allow) | (Reason::NoListener | Reason::NoRoute | Reason::BackendUnresolved, Deny) => {
            &[Checkpoint::Waypoint, Checkpoint::Gateway]
        }
        (Reason::DirectResponse, _) => {
            &[Checkpoint::Waypoint, Checkpoint::Gateway, Checkpoint::CniEgress, Checkpoint::CniIngress]
        }
        // A gateway takes a connection on which nothing is asked of it.
        (Reason::Listening, Allow) => &[Checkpoint::Application, Checkpoint::Gateway],
        (Reason::NoSuchName, Deny) => &[Checkpoint::Application],
        (Reason::NotListening, Deny) => &[Checkpoint::Application, Checkpoint::ZtunnelInbound],
        (Reason::ProtocolMismatch, Deny) => &[Checkpoint::Application, Checkpoint::Waypoint, Checkpoint::Gateway],
        _ => &[],
    };
    places.contains(&checkpoint)
}

/// Decisions behind which no rule stands: nobody decided, or the decision is about something that is no object.
fn speaks_of_nothing(checkpoint: Checkpoint, reason: Reason) -> bool {
    let free = [
        Reason::NoPolicy,
        Reason::HostExemption,
        Reason::Loopback,
        Reason::NotManaged,
        Reason::NotCaptured,
        Reason::ProbeBypass,
        Reason::Passthrough,
        Reason::Direct,
        Reason::NoSuchName,
    ];
    // Hosts and nodes have no manifest, and neither do ztunnel's own ports.
    let unwritten = [Reason::Listening, Reason::NotListening, Reason::ProtocolMismatch];
    free.contains(&reason)
        || (checkpoint == Checkpoint::Application && unwritten.contains(&reason))
        || (checkpoint == Checkpoint::ZtunnelInbound && reason == Reason::NotListening)
}

/// A hop begins where the one before it ended; a lookup comes back to where it began.
fn chained(hops: &[Hop]) -> Result<(), String> {
    for pair in hops.windows(2) {
        let [before, after] = pair else { continue };
        let looked_up = matches!(before.wire, Wire::Plain { protocol: Protocol::Udp, port: Some(53) });
        let begins = if looked_up { &before.from } else { &before.to };
        // A socket of the node that dials an enrolled pod is rewritten to the probe address.
        let same = after.from == *begins || after.from == format!("{begins} (as 169.254.7.127)");
        if !same {
            return Err(format!("the hop from {} does not begin at {begins}", after.from));
        }
    }
    Ok(())
}

fn ended(trace: &Trace) -> Result<(), String> {
    let effects: BTreeSet<Effect> = trace.checks().map(|check| check.decision.effect).collect();
    let first = trace.checks().find(|check| check.decision.effect != Effect::Allow);
    let layers = trace.denying_layers();
    if let Some(denial) = trace.denial()
        && !layers.contains(&denial.checkpoint.layer())
    {
        return Err("the layer that denies is not among the layers that deny".to_owned());
    }
    match (&trace.end, first) {
        (End::Outcome(_), None) if trace.answer.is_none() && trace.hops.is_empty() => {
            Err("nothing was sent, and it ended".to_owned())
        }
        (End::Outcome(outcome), Some(check)) if check.decision.symptom.as_ref() != Some(outcome) => {
            Err(format!("it ends in {outcome}, and {} gives {:?}", check.checkpoint, check.decision.symptom))
        }
        (_, Some(_)) if trace.answer.is_some() => Err("someone answered a flow that did not get through".to_owned()),
        (End::Unknown(why), _) if why.is_empty() => Err("nobody says why it is unknown".to_owned()),
        (End::Unknown(_) | End::Outcome(_), _) if effects.is_empty() && !trace.hops.is_empty() => {
            Err("a hop has no checkpoint at all".to_owned())
        }
        _ => Ok(()),
    }
}
