//! The run itself: canary, rounds, retries, verdicts, events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use airtight_manifest::{Diagnostic, digest};
use airtight_model::policy::Layer;
use serde_json::json;

use super::context::RunContext;
use super::denials::adapted;
use super::event::{Event, Subscriber};
use super::guarded_testbed::GuardedTestbed;
use super::predictions::{Predictions, disagreements};
use super::record::{CanaryRecord, CaseRecord, RUN_SCHEMA, RunRecord, StackRecord, Summary, ToolRecord};
use super::redact::redacted;
use super::rounds::{apart, rounds};
use super::subscribers::Subscribers;
use super::waivers::{account, excuse};
use crate::judge::{Judged, Judgement, Observation, Verdict, got_past, judge};
use crate::scenario::{Case, Expectation, FileWaiver, Plan, PlannedCase};
use crate::testbed::Testbed;

/// Tries every case of `plan` on `testbed`, judges it, and tells `subscribers`.
///
/// The canary comes first: on a testbed that does not enforce no case is tried. Cases are tried in rounds, each denied
/// one in that of its twin. On a live testbed a case that did not pass is tried again, together with its twin, up to
/// `context.retries` times, the last time apart from others of the same ends; a denied flow that got through is not,
/// because no later denial could undo it. Events of cases come in the order of the matrix. A report that cannot be written
/// is a finding, and fails the run. Once the user wants the end, no further case is tried, and the last event says so.
pub fn run(
    plan: &Plan,
    testbed: &mut dyn Testbed,
    context: RunContext<'_>,
    subscribers: &mut [&mut dyn Subscriber],
) -> RunRecord {
    let started = context.clock.now();
    let begin = context.clock.elapsed();
    let mut subscribers = Subscribers::new(subscribers);
    let mut guarded = GuardedTestbed::new(testbed);
    let plan = &adapted(plan, guarded.denials().as_ref());
    let testbed = guarded.name();
    let (stack, manifests, cases) = (&context.stack, context.manifests.as_str(), plan.cases.len());
    subscribers.tell(&Event::Started { testbed, stack, cases, manifests });
    for finding in &context.findings {
        subscribers.tell(&Event::Finding(finding));
    }
    let mut findings = context.findings.clone();
    let canary = try_canary(plan, &mut guarded, &mut findings);
    if !(context.stopped)() {
        tell_canary(plan, &canary, &findings[context.findings.len()..], &mut subscribers);
    }
    let records = match &canary {
        _ if (context.stopped)() => Vec::new(),
        canary if canary.enforces => {
            Cases::new(plan, &context, started).excused_by(&plan.waivers).run(&mut guarded, &mut subscribers)
        }
        canary => skip_all(plan, canary, &mut subscribers),
    };
    let stopped = (context.stopped)();
    for finding in disagreements(&records).into_iter().filter(|_| !stopped) {
        subscribers.tell(&Event::Finding(&finding));
        findings.push(finding);
    }
    let (waivers, about) = account(plan, &records, day(started));
    for finding in about.into_iter().filter(|_| !stopped) {
        subscribers.tell(&Event::Finding(&finding));
        findings.push(finding);
    }
    let coverage = context.coverage;
    let policies = coverage(&records);
    findings.append(&mut subscribers.failures);
    let mut record = redacted(RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        id: context.id.unwrap_or_else(|| run_id(started, &context.inputs, plan)),
        tool: ToolRecord::this(),
        testbed: testbed.to_owned(),
        stack: context.stack,
        started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        duration_ms: u64::try_from(context.clock.elapsed().saturating_sub(begin).as_millis()).unwrap_or(u64::MAX),
        summary: Summary::of(&records, &canary, &findings),
        canary,
        findings,
        scenarios: plan.titles(),
        cases: records,
        policies,
        inputs: context.inputs,
        waivers,
        evidence: None,
    });
    subscribers.tell(&if stopped { Event::Stopped(record.cases.len()) } else { Event::Finished(&record) });
    if !subscribers.failures.is_empty() {
        record.findings.append(&mut subscribers.failures);
        record.summary = Summary::of(&record.cases, &record.canary, &record.findings);
    }
    record
}

/// The judged cases of a plan, without canary, events, findings or coverage: for a testbed that was shown to
/// enforce before.
#[must_use]
pub fn judge_all(plan: &Plan, testbed: &mut dyn Testbed) -> Vec<CaseRecord> {
    let clock = super::clock::SystemClock::default();
    let context = RunContext::new(StackRecord { name: String::new(), versions: Vec::new() }, &clock);
    let started = context.clock.now();
    Cases::new(plan, &context, started).run(&mut GuardedTestbed::new(testbed), &mut Subscribers::new(&mut []))
}

/// Unique by its nanosecond, and the same for the same inputs at the same time.
fn run_id(started: jiff::Timestamp, inputs: &BTreeMap<String, String>, plan: &Plan) -> String {
    let cases: Vec<_> = plan.cases.iter().map(|planned| planned.case.id.as_str()).collect();
    let content = json!([started.as_nanosecond().to_string(), inputs, cases]);
    let tail: String = digest(&content).chars().take(8).collect();
    format!("{}-{tail}", started.strftime("%Y%m%dT%H%M%SZ"))
}

/// The day of a moment, in UTC.
fn day(moment: jiff::Timestamp) -> jiff::civil::Date {
    moment.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn try_canary(plan: &Plan, guarded: &mut GuardedTestbed<'_>, findings: &mut Vec<Diagnostic>) -> CanaryRecord {
    if plan.cases.is_empty() {
        return CanaryRecord { enforces: false, detail: "not tried, since no case was selected".to_owned() };
    }
    match guarded.canary() {
        Ok(canary) => {
            let seen =
                format!("{}: {} with the policy, {} without", canary.detail, canary.with_policy, canary.without_policy);
            CanaryRecord { enforces: canary.enforces(), detail: seen }
        }
        Err(finding) => {
            let detail = finding.message.clone();
            findings.push(finding);
            CanaryRecord { enforces: false, detail }
        }
    }
}

/// Tells the canary, unless there was nothing to try it for, and what went wrong with it.
fn tell_canary(plan: &Plan, canary: &CanaryRecord, wrong: &[Diagnostic], subscribers: &mut Subscribers<'_, '_>) {
    for finding in wrong {
        subscribers.tell(&Event::Finding(finding));
    }
    if !plan.cases.is_empty() {
        subscribers.tell(&Event::Canary(canary));
    }
}

fn skip_all(plan: &Plan, canary: &CanaryRecord, subscribers: &mut Subscribers<'_, '_>) -> Vec<CaseRecord> {
    let why = format!("the testbed was not shown to enforce: {}", canary.detail);
    let records: Vec<_> = plan.cases.iter().map(|planned| skipped(planned, why.clone())).collect();
    for record in &records {
        subscribers.tell(&Event::CaseFinished(record));
    }
    records
}

fn skipped(planned: &PlannedCase, reason: String) -> CaseRecord {
    let judgement = Judgement { why: reason.clone(), verdict: Verdict::Skipped { reason }, flaky: false };
    let (case, support) = (planned.case.clone(), planned.support);
    CaseRecord { case, support, observation: None, prediction: None, judgement, duration_us: 0 }
}

/// The layers of which a case expects something.
fn needs(case: &Case) -> impl Iterator<Item = Layer> {
    let (via, by) = match &case.expect {
        Expectation::Allow(allow) => (allow.via.clone(), None),
        Expectation::Deny(deny) => (BTreeSet::new(), Some(deny.by)),
    };
    via.into_iter().chain(by)
}

/// The cases of a run on their way to verdicts.
struct Cases<'p> {
    plan: &'p Plan,
    retries: u32,
    round: usize,
    today: jiff::civil::Date,
    /// Waivers of files, which excuse a case once it is judged for good.
    waivers: &'p [FileWaiver],
    clock: &'p dyn super::clock::Clock,
    predictions: &'p Predictions,
    stopped: &'p dyn Fn() -> bool,
    records: Vec<Option<CaseRecord>>,
    /// How many leading records were told.
    told: usize,
}

impl<'p> Cases<'p> {
    fn new(plan: &'p Plan, context: &'p RunContext<'p>, started: jiff::Timestamp) -> Self {
        Self {
            plan,
            retries: context.retries,
            round: context.round,
            today: day(started),
            waivers: &[],
            clock: context.clock,
            predictions: &context.predictions,
            stopped: context.stopped,
            records: vec![None; plan.cases.len()],
            told: 0,
        }
    }

    fn excused_by(self, waivers: &'p [FileWaiver]) -> Self {
        Self { waivers, ..self }
    }

    fn run(mut self, guarded: &mut GuardedTestbed<'_>, subscribers: &mut Subscribers<'_, '_>) -> Vec<CaseRecord> {
        let tried = self.skip_refused(guarded);
        for round in rounds(&self.plan.cases, &tried, self.round) {
            self.try_round(guarded, &round);
            if (self.stopped)() {
                // What this round saw may be the end itself.
                return self.records.into_iter().take(self.told).flatten().collect();
            }
            self.tell(subscribers);
        }
        self.tell(subscribers);
        self.records.into_iter().flatten().collect()
    }

    fn case(&self, index: usize) -> &'p Case {
        &self.plan.cases[index].case
    }

    /// Skips what the testbed cannot try, and what would be without its twin; returns the rest.
    fn skip_refused(&mut self, guarded: &mut GuardedTestbed<'_>) -> Vec<usize> {
        let mut refused = BTreeMap::new();
        let lacks = guarded.lacks();
        for planned in &self.plan.cases {
            let lacking = needs(&planned.case).find_map(|layer| lacks.get(&layer).cloned());
            if let Some(why) = lacking.or_else(|| guarded.refuses(&planned.case.flow)) {
                refused.insert(planned.case.id.as_str(), why);
            }
        }
        let mut tried = Vec::new();
        for (index, planned) in self.plan.cases.iter().enumerate() {
            let own = refused.get(planned.case.id.as_str()).cloned();
            let twin = planned.case.twin.as_deref();
            let reason = own.or_else(|| {
                let (id, why) = refused.get_key_value(twin?)?;
                Some(format!("its twin {id} is skipped: {why}"))
            });
            match reason {
                Some(reason) => self.records[index] = Some(skipped(planned, reason)),
                None => tried.push(index),
            }
        }
        tried
    }

    fn try_round(&mut self, guarded: &mut GuardedTestbed<'_>, round: &[usize]) {
        for (index, record) in self.observe(guarded, round) {
            self.records[index] = Some(record);
        }
        for retry in 1..=self.retries {
            let again: Vec<_> = round.iter().copied().filter(|index| self.wants_retry(*index)).collect();
            if again.is_empty() || !guarded.is_live() {
                return;
            }
            // The last time, what stands in each other's way is tried one after the other.
            let parts = if retry == self.retries { apart(&self.plan.cases, &again) } else { vec![again] };
            for part in parts {
                self.retry(guarded, round, &part);
            }
        }
    }

    fn retry(&mut self, guarded: &mut GuardedTestbed<'_>, round: &[usize], again: &[usize]) {
        let with_twins = self.with_twins(round, again);
        for (index, record) in self.observe(guarded, &with_twins) {
            if again.contains(&index) {
                self.update(index, record);
            }
        }
    }

    fn wants_retry(&self, index: usize) -> bool {
        let Some(record) = &self.records[index] else { return false };
        match &record.judgement.verdict {
            Verdict::Fail => record.observation.as_ref().is_some_and(|seen| !got_past(&record.case, seen)),
            Verdict::Inconclusive => true,
            Verdict::Pass | Verdict::Skipped { .. } | Verdict::Waived { .. } => false,
        }
    }

    fn with_twins(&self, round: &[usize], again: &[usize]) -> Vec<usize> {
        let twins: BTreeSet<&str> = again.iter().filter_map(|index| self.case(*index).twin.as_deref()).collect();
        round
            .iter()
            .copied()
            .filter(|index| again.contains(index) || twins.contains(self.case(*index).id.as_str()))
            .collect()
    }

    /// Takes over a later record, its attempts added to the earlier ones. A failure is undone by a pass only.
    fn update(&mut self, index: usize, mut later: CaseRecord) {
        let Some(earlier) = &mut self.records[index] else { return };
        let attempts = |record: &CaseRecord| record.observation.as_ref().map_or(0, |seen| seen.attempts);
        let total = attempts(earlier).saturating_add(attempts(&later));
        let duration = earlier.duration_us.saturating_add(later.duration_us);
        if earlier.judgement.verdict == Verdict::Fail && later.judgement.verdict == Verdict::Inconclusive {
            earlier.duration_us = duration;
        } else {
            later.judgement.flaky = later.judgement.verdict == Verdict::Pass;
            later.duration_us = duration;
            *earlier = later;
        }
        if let Some(seen) = &mut earlier.observation {
            seen.attempts = total;
        }
    }

    /// Tries flows at the same moment and judges them: allowed cases first, then each denied one by its twin.
    fn observe(&self, guarded: &mut GuardedTestbed<'_>, round: &[usize]) -> Vec<(usize, CaseRecord)> {
        let begin = self.clock.elapsed();
        let flows: Vec<_> = round.iter().map(|index| &self.case(*index).flow).collect();
        let mut seen = guarded.observe(&flows);
        for (index, seen) in round.iter().zip(&mut seen) {
            self.predictions.complete(&self.case(*index).id, seen);
        }
        let share = self.share(begin, round.len());
        let mut twins: BTreeMap<&str, (&Case, Judgement)> = BTreeMap::new();
        let mut records = Vec::new();
        let (allowed, denied): (Vec<_>, Vec<_>) =
            round.iter().zip(seen).partition(|(index, _)| matches!(self.case(**index).expect, Expectation::Allow(_)));
        for (index, observation) in allowed {
            let case = self.case(*index);
            let judgement = judge(case, &observation, None, self.today);
            twins.insert(&case.id, (case, judgement.clone()));
            records.push((*index, self.record(*index, observation, judgement, share)));
        }
        for (index, observation) in denied {
            let case = self.case(*index);
            let twin = case.twin.as_deref().and_then(|twin| twins.get(twin));
            let twin = twin.map(|(case, judgement)| Judged { case, judgement });
            let judgement = judge(case, &observation, twin.as_ref(), self.today);
            records.push((*index, self.record(*index, observation, judgement, share)));
        }
        for (_, record) in &mut records {
            if let (Verdict::Fail, Some(seen)) = (&record.judgement.verdict, &mut record.observation) {
                guarded.elaborate(&record.case.flow, seen);
            }
        }
        records
    }

    fn record(&self, index: usize, observation: Observation, judgement: Judgement, share: u64) -> CaseRecord {
        let PlannedCase { case, support, .. } = &self.plan.cases[index];
        let (case, observation, prediction) = (case.clone(), Some(observation), None);
        let mut record = CaseRecord { case, support: *support, observation, prediction, judgement, duration_us: share };
        record.prediction = self.predictions.beside(&record);
        record
    }

    /// A flow's share of its round in microseconds: flows of a round run at the same moment.
    fn share(&self, begin: Duration, flows: usize) -> u64 {
        let round = self.clock.elapsed().saturating_sub(begin).as_micros();
        u64::try_from(round / flows.max(1) as u128).unwrap_or(u64::MAX)
    }

    /// Tells what is finished, as far as it is without a gap.
    fn tell(&mut self, subscribers: &mut Subscribers<'_, '_>) {
        while let Some(Some(record)) = self.records.get_mut(self.told) {
            excuse(self.waivers, record, self.today);
            subscribers.tell(&Event::CaseFinished(record));
            self.told += 1;
        }
    }
}
