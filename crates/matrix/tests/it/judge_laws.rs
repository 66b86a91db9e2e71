//! Laws of judging that hold for every observation, however odd.

use std::collections::BTreeSet;

use airtight_matrix::judge::{Evidence, Judged, Judgement, Observation, Verdict, got_past, judge};
use airtight_matrix::scenario::{
    AllowExpectation, Case, DenyExpectation, Expectation, Waiver, default_denials, got_through,
};
use airtight_model::path::{Check, End, Flow, Hop, Trace, Wire};
use airtight_model::policy::{Checkpoint, Decision, Layer, Outcome, Rcode, Reason};
use airtight_model::world::Protocol;
use airtight_testkit::cases;
use proptest::collection::btree_set;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const TODAY: jiff::civil::Date = jiff::civil::date(2026, 1, 15);

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Connected),
        3 => prop::sample::select(vec![200, 204, 302, 401, 403, 404, 500, 503]).prop_map(Outcome::Http),
        1 => Just(Outcome::Refused),
        2 => Just(Outcome::Reset),
        3 => Just(Outcome::Timeout),
        1 => Just(Outcome::DnsFailure(Rcode::Refused)),
        1 => Just(Outcome::TlsFailure),
        2 => Just(Outcome::ProbeError("exec failed".to_owned())),
    ]
}

fn layer() -> impl Strategy<Value = Layer> {
    prop::sample::select(vec![
        Layer::Admission,
        Layer::Cni,
        Layer::Ztunnel,
        Layer::Waypoint,
        Layer::Gateway,
        Layer::Application,
    ])
}

fn reason() -> impl Strategy<Value = Reason> {
    prop::sample::select(vec![
        Reason::DefaultDeny,
        Reason::NoAllowMatched,
        Reason::NotListening,
        Reason::NoHealthyUpstream,
        Reason::NoSuchName,
    ])
}

fn workload() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["n/b".to_owned(), "n/c".to_owned()])
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let headers = prop::collection::vec(
        (Just("x-a".to_owned()), prop::sample::select(vec!["b".to_owned(), "c".to_owned()])),
        0..3,
    );
    (
        option::of(layer()),
        option::of(btree_set(layer(), 0..4)),
        option::of(reason()),
        btree_set(layer(), 0..4),
        option::weighted(0.3, workload()),
        headers,
    )
        .prop_map(|(denied_by, denying_layers, reason, passed, answered_by, backend_headers)| Evidence {
            denied_by,
            denying_layers,
            foreseen_layers: None,
            reason,
            passed,
            answered_by,
            backend_headers,
            admitted: None,
            trace: None,
            logs: Vec::new(),
        })
}

fn observation() -> impl Strategy<Value = Observation> {
    let undecided = option::weighted(0.2, Just("not modelled".to_owned()));
    (option::weighted(0.9, outcome()), undecided, evidence(), 0..4_u32)
        .prop_map(|(outcome, undecided, evidence, attempts)| Observation { outcome, undecided, evidence, attempts })
}

fn expectation() -> impl Strategy<Value = Expectation> {
    let allow = (btree_set(outcome(), 0..3), btree_set(layer(), 0..2), option::weighted(0.3, workload())).prop_map(
        |(outcomes, via, answered_by)| {
            Expectation::Allow(AllowExpectation {
                outcomes,
                via,
                answered_by,
                backend_headers: Vec::new(),
                generates: None,
                labels: Vec::new(),
            })
        },
    );
    let deny = (layer(), btree_set(outcome(), 0..4), 1..4_usize)
        .prop_map(|(by, outcomes, layers)| Expectation::Deny(DenyExpectation { by, outcomes, layers, reason: None }));
    prop_oneof![1 => allow, 2 => deny]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        4 => Just(Verdict::Pass),
        1 => Just(Verdict::Fail),
        1 => Just(Verdict::Inconclusive),
        1 => Just(Verdict::Skipped { reason: "x".to_owned() }),
        1 => Just(Verdict::Waived { until: "2026-02-01".to_owned(), why: "x".to_owned() }),
    ]
}

fn waiver() -> impl Strategy<Value = Option<Waiver>> {
    let until = prop::sample::select(vec!["2026-01-14", "2026-01-15", "2026-12-31", "never"]);
    option::weighted(
        0.3,
        until.prop_map(|until| Waiver { until: until.to_owned(), why: "ticket 7".to_owned(), approval: None }),
    )
}

fn case(id: &str, expect: Expectation, request: bool, twin: Option<&str>) -> Case {
    let flow = Flow { request: request.then(cases::request), ..cases::flow() };
    Case { twin: twin.map(str::to_owned), ..cases::case(id, flow, expect) }
}

fn allow() -> Expectation {
    Expectation::Allow(cases::allow())
}

/// Everything that a verdict depends on.
#[derive(Debug, Clone)]
struct Situation {
    case: Case,
    observation: Observation,
    twin: Option<(Case, Judgement)>,
}

impl Situation {
    fn judge(&self) -> Judgement {
        self.judge_as(&self.observation)
    }

    fn judge_as(&self, observation: &Observation) -> Judgement {
        let twin = self.twin.as_ref().map(|(case, judgement)| Judged { case, judgement });
        judge(&self.case, observation, twin.as_ref(), TODAY)
    }
}

fn situation() -> impl Strategy<Value = Situation> {
    prop_oneof![1 => odd_situation(), 1 => near_situation()]
}

/// A denial that passes, but for at most one part that is as odd as it may be.
fn near_situation() -> impl Strategy<Value = Situation> {
    (layer(), prop::sample::select(vec![Outcome::Timeout, Outcome::Reset]), 0..9_u8, odd_situation()).prop_map(
        |(by, outcome, odd_part, odd)| {
            let deny = DenyExpectation { by, outcomes: BTreeSet::from([outcome.clone()]), layers: 2, reason: None };
            let mut case = case("C", Expectation::Deny(deny), false, Some("T"));
            let layers = Some(BTreeSet::from([by, Layer::Cni, Layer::Ztunnel]));
            let evidence = Evidence { denied_by: Some(by), denying_layers: layers, ..Evidence::default() };
            let mut observation = Observation { outcome: Some(outcome), undecided: None, evidence, attempts: 1 };
            let pass = Judgement { verdict: Verdict::Pass, why: "why".to_owned(), flaky: false };
            let mut twin = Some((self::case("T", allow(), false, None), pass));
            match odd_part {
                0 => observation.outcome = odd.observation.outcome,
                1 => observation.undecided = odd.observation.undecided,
                2 => observation.evidence.denied_by = odd.observation.evidence.denied_by,
                3 => observation.evidence.denying_layers = odd.observation.evidence.denying_layers,
                4 => observation.evidence.reason = odd.observation.evidence.reason,
                5 => observation.evidence.answered_by = odd.observation.evidence.answered_by,
                6 => twin = odd.twin,
                7 => case.expect = odd.case.expect,
                _ => observation.attempts = odd.observation.attempts,
            }
            case.waiver = odd.case.waiver;
            Situation { case, observation, twin }
        },
    )
}

fn odd_situation() -> impl Strategy<Value = Situation> {
    let twin_id = prop::sample::select(vec!["T", "T", "T", "U"]);
    let twin = option::weighted(0.8, (twin_id, prop_oneof![6 => Just(allow()), 1 => expectation()], verdict()));
    (expectation(), any::<bool>(), option::weighted(0.9, Just("T")), waiver(), observation(), twin).prop_map(
        |(expect, request, twin_id, waiver, observation, twin)| {
            let mut case = case("C", expect, request, twin_id);
            case.waiver = waiver;
            let twin = twin.map(|(id, expect, verdict)| {
                (self::case(id, expect, request, None), Judgement { verdict, why: "why".to_owned(), flaky: false })
            });
            Situation { case, observation, twin }
        },
    )
}

fn usable(observation: &Observation) -> bool {
    observation.undecided.is_none()
        && observation.attempts > 0
        && matches!(&observation.outcome, Some(outcome) if !matches!(outcome, Outcome::ProbeError(_)))
}

proptest! {
    #![proptest_config(airtight_testkit::random::cases(1000))]

    #[test]
    fn nothing_passes_without_an_outcome_that_was_seen(situation in situation()) {
        if situation.judge().verdict == Verdict::Pass {
            prop_assert!(usable(&situation.observation));
        }
    }

    #[test]
    fn a_denied_case_passes_only_with_everything_in_place(situation in situation()) {
        let Expectation::Deny(expect) = &situation.case.expect else { return Ok(()) };
        if situation.judge().verdict != Verdict::Pass {
            return Ok(());
        }
        let (twin, judgement) = situation.twin.as_ref().unwrap();
        prop_assert_eq!(Some(&twin.id), situation.case.twin.as_ref());
        prop_assert!(matches!(twin.expect, Expectation::Allow(_)));
        prop_assert_eq!(&judgement.verdict, &Verdict::Pass);
        let evidence = &situation.observation.evidence;
        prop_assert_eq!(evidence.denied_by, Some(expect.by));
        let outcome = situation.observation.outcome.as_ref().unwrap();
        prop_assert!(!got_through(outcome) && expect.outcomes.contains(outcome));
        prop_assert!(expect.by == Layer::Application || evidence.answered_by.is_none());
        prop_assert!(evidence.denying_layers.as_ref().map_or(expect.layers == 1, |all| all.len() >= expect.layers));
        prop_assert!(evidence.reason != Some(Reason::NoHealthyUpstream));
    }

    #[test]
    fn a_denied_flow_that_got_through_fails_whatever_the_twin_did(situation in situation()) {
        if usable(&situation.observation) && got_past(&situation.case, &situation.observation) {
            let verdict = situation.judge().verdict;
            prop_assert!(matches!(verdict, Verdict::Fail | Verdict::Waived { .. }), "{verdict:?}");
        }
    }

    #[test]
    fn a_denied_case_is_never_decided_by_a_twin_that_did_not_pass(situation in situation()) {
        let twin_passed = situation.twin.as_ref().is_some_and(|(_, judgement)| judgement.verdict == Verdict::Pass);
        if matches!(situation.case.expect, Expectation::Deny(_)) && !twin_passed {
            prop_assert_ne!(situation.judge().verdict, Verdict::Pass);
        }
    }

    #[test]
    fn a_verdict_is_always_the_same_and_gives_its_reason(situation in situation()) {
        let judgement = situation.judge();
        prop_assert_eq!(&judgement, &situation.judge());
        prop_assert!(!judgement.why.is_empty());
        prop_assert!(!judgement.flaky || judgement.verdict == Verdict::Pass);
        let skipped = matches!(judgement.verdict, Verdict::Skipped { .. });
        prop_assert!(!skipped, "only a run skips cases");
    }

    #[test]
    fn a_waiver_changes_failures_only(situation in situation()) {
        let plain = Situation { case: Case { waiver: None, ..situation.case.clone() }, ..situation.clone() };
        let (plain, waived) = (plain.judge().verdict, situation.judge().verdict);
        match waived {
            Verdict::Waived { .. } => prop_assert_eq!(plain, Verdict::Fail),
            other => prop_assert_eq!(plain, other),
        }
    }

    #[test]
    fn less_evidence_never_makes_a_pass(situation in situation()) {
        let Expectation::Deny(_) = &situation.case.expect else { return Ok(()) };
        for blind in [
            Observation { outcome: None, ..situation.observation.clone() },
            Observation { evidence: Evidence { denied_by: None, ..situation.observation.evidence.clone() }, ..situation.observation.clone() },
            Observation { evidence: Evidence::default(), ..situation.observation.clone() },
            Observation { attempts: 0, ..situation.observation.clone() },
        ] {
            let verdict = situation.judge_as(&blind).verdict;
            prop_assert_ne!(verdict, Verdict::Pass);
        }
        let uncounted = Evidence { denying_layers: None, ..situation.observation.evidence.clone() };
        let uncounted = Observation { evidence: uncounted, ..situation.observation.clone() };
        if let Expectation::Deny(DenyExpectation { layers: 2.., .. }) = &situation.case.expect {
            prop_assert_ne!(situation.judge_as(&uncounted).verdict, Verdict::Pass);
        }
    }

    #[test]
    fn default_denials_never_contain_an_outcome_that_got_through(layer in layer(), request in any::<bool>()) {
        let outcomes = default_denials(layer, &case("C", allow(), request, None).flow);
        prop_assert!(!outcomes.is_empty());
        for outcome in outcomes {
            prop_assert!(!got_through(&outcome) && !matches!(outcome, Outcome::ProbeError(_)), "{outcome}");
        }
    }
}

#[test]
fn the_laws_do_not_hold_for_want_of_passes() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let denials = (0..1000)
        .map(|_| situation().new_tree(&mut runner).unwrap().current())
        .filter(|situation| matches!(situation.case.expect, Expectation::Deny(_)))
        .filter(|situation| situation.judge().verdict == Verdict::Pass)
        .count();
    assert!(denials > 100, "only {denials} of 1000 situations are denials that pass");
}

fn trace(flow: Flow, reason: Reason, checkpoint: Checkpoint, end: Outcome) -> Trace {
    let decision = Decision::deny(reason, end.clone(), "a reason");
    let hop = Hop {
        from: "n/a".to_owned(),
        to: "n/b".to_owned(),
        wire: Wire::Plain { protocol: Protocol::Tcp, port: Some(8080) },
        checkpoints: vec![Check { checkpoint, decision }],
    };
    Trace { flow, hops: vec![hop], end: End::Outcome(end), answer: None }
}

fn denied_with(trace: Trace) -> Judgement {
    let expect = Expectation::Deny(DenyExpectation {
        by: Layer::Cni,
        outcomes: BTreeSet::from([Outcome::Timeout]),
        layers: 1,
        reason: None,
    });
    let evidence = Evidence { denied_by: Some(Layer::Cni), trace: Some(trace), ..Evidence::default() };
    let observation = Observation { outcome: Some(Outcome::Timeout), undecided: None, evidence, attempts: 1 };
    let pass = Judgement { verdict: Verdict::Pass, why: "why".to_owned(), flaky: false };
    Situation {
        case: case("C", expect, false, Some("T")),
        observation,
        twin: Some((case("T", allow(), false, None), pass)),
    }
    .judge()
}

fn flow() -> Flow {
    case("C", allow(), false, None).flow
}

#[test]
fn a_trace_that_fits_lets_a_denial_pass() {
    let judgement = denied_with(trace(flow(), Reason::DefaultDeny, Checkpoint::CniIngress, Outcome::Timeout));
    assert_eq!(judgement.verdict, Verdict::Pass, "{}", judgement.why);
}

#[test]
fn a_trace_of_another_flow_decides_nothing() {
    let other = Flow { port: Some(9000), ..flow() };
    let judgement = denied_with(trace(other, Reason::DefaultDeny, Checkpoint::CniIngress, Outcome::Timeout));
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert_eq!(judgement.why, "the evidence is of another flow: n/a → pod n/b:9000");
}

#[test]
fn a_trace_with_another_end_or_layer_decides_nothing() {
    let end = denied_with(trace(flow(), Reason::DefaultDeny, Checkpoint::CniIngress, Outcome::Reset));
    let layer = denied_with(trace(flow(), Reason::DefaultDeny, Checkpoint::ZtunnelInbound, Outcome::Timeout));
    let mut unknown = trace(flow(), Reason::DefaultDeny, Checkpoint::CniIngress, Outcome::Timeout);
    unknown.end = End::Unknown("EnvoyFilter".to_owned());
    for judgement in [end, layer, denied_with(unknown)] {
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{}", judgement.why);
    }
}

#[test]
fn a_denial_in_front_of_a_closed_port_proves_nothing() {
    let mut trace = trace(flow(), Reason::DefaultDeny, Checkpoint::CniIngress, Outcome::Timeout);
    let closed = Decision::deny(Reason::NotListening, Outcome::Refused, "nothing listens");
    trace.hops[0].checkpoints.push(Check { checkpoint: Checkpoint::Application, decision: closed });
    let judgement = denied_with(trace);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert_eq!(judgement.why, "the flow would have ended without any policy: nothing listens on the port");
}
