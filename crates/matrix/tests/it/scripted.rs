//! Testbeds that do what is written, and a reader that writes down what it is told.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use airtight_manifest::Failure;
use airtight_matrix::judge::{Evidence, Observation, Verdict};
use airtight_matrix::run::{Event, FixedClock, RunContext, RunRecord, StackRecord, Subscriber, run};
use airtight_matrix::scenario::{Case, DenyExpectation, Expectation, Plan};
use airtight_matrix::testbed::{Canary, Testbed};
use airtight_model::path::{Flow, Source};
use airtight_model::policy::{Layer, Outcome};
use airtight_testkit::cases::{self, plan};

pub(crate) fn allow() -> Expectation {
    Expectation::Allow(cases::allow())
}

pub(crate) fn deny() -> Expectation {
    Expectation::Deny(deny_expectation())
}

pub(crate) fn deny_expectation() -> DenyExpectation {
    DenyExpectation { outcomes: BTreeSet::from([Outcome::Timeout]), ..cases::deny(Layer::Cni) }
}

/// A case whose source carries its id, so that a scripted testbed knows it again.
pub(crate) fn case(id: &str, expect: Expectation, twin: Option<&str>) -> Case {
    let flow = Flow { from: Source::Workload("n".to_owned(), id.to_owned()), ..cases::flow() };
    Case { twin: twin.map(str::to_owned), ..cases::case(id, flow, expect) }
}

pub(crate) fn small() -> Plan {
    plan(vec![case("D", deny(), Some("A")), case("A", allow(), None), case("E", deny(), Some("A"))])
}

pub(crate) fn connected() -> Observation {
    Observation { outcome: Some(Outcome::Connected), undecided: None, evidence: Evidence::default(), attempts: 1 }
}

pub(crate) fn dropped() -> Observation {
    let evidence = Evidence { denied_by: Some(Layer::Cni), ..Evidence::default() };
    Observation { outcome: Some(Outcome::Timeout), undecided: None, evidence, attempts: 1 }
}

pub(crate) fn probe_error() -> Observation {
    let outcome = Some(Outcome::ProbeError("exec failed".to_owned()));
    Observation { outcome, undecided: None, evidence: Evidence::default(), attempts: 1 }
}

pub(crate) fn good_canary() -> Canary {
    Canary {
        with_policy: Outcome::Timeout,
        without_policy: Outcome::Connected,
        detail: "a pod to another under deny-all".to_owned(),
    }
}

/// Plays what is written for each source: the nth observation at the nth try, the last one from then on.
pub(crate) struct Scripted {
    pub(crate) script: BTreeMap<String, Vec<Observation>>,
    pub(crate) tries: BTreeMap<String, usize>,
    pub(crate) rounds: Vec<Vec<String>>,
    pub(crate) canary: Result<Canary, Failure>,
    pub(crate) refused: BTreeMap<String, String>,
    pub(crate) live: bool,
    pub(crate) denials: Option<BTreeSet<Outcome>>,
}

impl Scripted {
    pub(crate) fn new(script: &[(&str, &[Observation])]) -> Self {
        Self {
            script: script.iter().map(|(id, seen)| ((*id).to_owned(), seen.to_vec())).collect(),
            tries: BTreeMap::new(),
            rounds: Vec::new(),
            canary: Ok(good_canary()),
            refused: BTreeMap::new(),
            live: true,
            denials: None,
        }
    }

    pub(crate) fn good() -> Self {
        Self::new(&[("A", &[connected()]), ("D", &[dropped()]), ("E", &[dropped()])])
    }
}

pub(crate) fn source(flow: &Flow) -> String {
    match &flow.from {
        Source::Workload(_, name) => name.clone(),
        Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => {
            panic!("unexpected source {}", flow.from)
        }
    }
}

impl Testbed for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn canary(&mut self) -> Result<Canary, Failure> {
        self.canary.clone()
    }

    fn observe(&mut self, flows: &[&Flow]) -> Vec<Observation> {
        let ids: Vec<_> = flows.iter().map(|flow| source(flow)).collect();
        self.rounds.push(ids.clone());
        ids.into_iter()
            .map(|id| {
                let seen = &self.script[&id];
                let tries = self.tries.entry(id).or_default();
                *tries += 1;
                seen.get(*tries - 1).or(seen.last()).unwrap().clone()
            })
            .collect()
    }

    fn refuses(&self, flow: &Flow) -> Option<String> {
        self.refused.get(&source(flow)).cloned()
    }

    fn is_live(&self) -> bool {
        self.live
    }

    fn denials(&self) -> Option<BTreeSet<Outcome>> {
        self.denials.clone()
    }
}

/// Ways in which a testbed can be of no use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lie {
    ProbeErrors,
    Nothing,
    TooFew,
    TooMany,
    Empty,
    Panics,
    PanicsWithText,
    NoEvidence,
    AllTimeouts,
    AllConnected,
    NoAttempts,
}

pub(crate) struct Lying(pub(crate) Lie);

impl Testbed for Lying {
    fn name(&self) -> &'static str {
        "lying"
    }

    fn canary(&mut self) -> Result<Canary, Failure> {
        Ok(good_canary())
    }

    fn observe(&mut self, flows: &[&Flow]) -> Vec<Observation> {
        let all = |seen: Observation| vec![seen; flows.len()];
        match self.0 {
            Lie::ProbeErrors => all(probe_error()),
            Lie::Nothing => all(Observation::nothing("no answer")),
            Lie::TooFew => vec![dropped(); flows.len() - 1],
            Lie::TooMany => vec![connected(); flows.len() + 1],
            Lie::Empty => Vec::new(),
            Lie::Panics => panic!("boom"),
            Lie::PanicsWithText => panic!("boom {}", flows.len()),
            Lie::NoEvidence => all(Observation { evidence: Evidence::default(), ..dropped() }),
            Lie::AllTimeouts => all(dropped()),
            Lie::AllConnected => all(connected()),
            Lie::NoAttempts => all(Observation { attempts: 0, ..connected() }),
        }
    }
}

/// Writes down what it is told; fails with an error of `breaks` at the given event.
#[derive(Default)]
pub(crate) struct Diary {
    pub(crate) lines: Vec<String>,
    pub(crate) breaks: Option<(usize, io::ErrorKind)>,
}

impl Subscriber for Diary {
    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        if let Some((at, kind)) = self.breaks
            && self.lines.len() == at
        {
            return Err(io::Error::new(kind, "disk full"));
        }
        self.lines.push(match event {
            Event::Started { testbed, cases, .. } => format!("started {testbed} {cases}"),
            Event::Finding(finding) => format!("finding {}", finding.code),
            Event::Canary(canary) => format!("canary {}", canary.enforces),
            Event::CaseFinished(record) => format!("case {}", record.case.id),
            Event::Finished(record) => format!("finished {:?}", record.summary.status),
            Event::Stopped(judged) => format!("stopped after {judged}"),
        });
        Ok(())
    }
}

pub(crate) const CLOCK: FixedClock = FixedClock(jiff::Timestamp::constant(1_768_478_400, 0));

pub(crate) fn context() -> RunContext<'static> {
    let versions = vec![("Cilium".to_owned(), "1.17.5".to_owned())];
    RunContext::new(StackRecord { name: "reference".to_owned(), versions }, &CLOCK)
}

pub(crate) fn try_out(plan: &Plan, testbed: &mut dyn Testbed) -> RunRecord {
    run(plan, testbed, context(), &mut [])
}

pub(crate) fn verdicts(record: &RunRecord) -> Vec<String> {
    let line = |record: &airtight_matrix::run::CaseRecord| {
        let verdict = match &record.judgement.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Skipped { .. } => "skipped",
            Verdict::Waived { .. } => "waived",
        };
        format!("{} {verdict}{}", record.case.id, if record.judgement.flaky { " flaky" } else { "" })
    };
    record.cases.iter().map(line).collect()
}
