//! The measurement: every mutant tried, and what is left over.

use std::cmp::Reverse;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Document, Enforcer};
use airtight_model::path::Engine;
use airtight_model::world::{Environment, World};
use rayon::prelude::*;

use super::asserted::unasserted;
use super::mutant::{Mutant, Operator};
use super::mutate::mutants;
use super::proof::Census;
use super::record::{COVERAGE_SCHEMA, Counts, CoverageRecord, Fate, MutantRecord, ObjectCoverage};
use super::shares::shares;
use super::subject::{Subject, layer, place, selected_labels, subjects};
use super::touch::Touching;
use super::trial::Trial;
use crate::judge::Verdict;
use crate::model::Model;
use crate::run::{CaseRecord, judge_all};
use crate::scenario::Plan;

/// What coverage is measured on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The manifests.
    pub documents: &'a [Document],
    /// What is around the cluster.
    pub environment: &'a Environment,
    /// Versions and options.
    pub stack: &'a Stack,
    /// The matrix.
    pub plan: &'a Plan,
}

/// Which mutants are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// All of them.
    All,
    /// Every so many-th of them.
    Every(usize),
}

impl Sample {
    fn takes(self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Every(step) => index.is_multiple_of(step),
        }
    }
}

/// Measures what the matrix of `input` notices in `world`, the world of its documents; `findings` are those of a run.
#[must_use]
pub fn measure(input: Input<'_>, engine: &Engine<'_>, findings: &[Diagnostic], sample: Sample) -> CoverageRecord {
    let cases = judge_all(input.plan, &mut Model::terse(engine));
    let passing = cases.iter().filter(|case| case.judgement.verdict == Verdict::Pass);
    let errors = findings.iter().filter(|finding| finding.is_error());
    let world: &World = engine.world();
    let trial = Trial {
        input,
        base: engine,
        touching: Touching::of(input.plan, &cases, engine),
        passing: passing.map(|case| case.case.id.clone()).collect(),
        errors: errors.map(|finding| finding.message.clone()).collect(),
        ports: world.ports_of_pods(),
        census: Census::of(engine, input.documents),
    };
    let subjects = subjects(input.documents);
    let selected = selected_labels(input.documents);
    let wanted: Vec<(&Subject<'_>, Mutant)> = subjects
        .iter()
        .flat_map(|subject| mutants(subject, &selected).into_iter().map(move |mutant| (subject, mutant)))
        .enumerate()
        .filter(|(index, _)| sample.takes(*index))
        .map(|(_, wanted)| wanted)
        .collect();
    let tried: Vec<(usize, MutantRecord)> =
        wanted.into_par_iter().map(|(subject, mutant)| (subject.index, tried(&trial, subject, &mutant))).collect();
    let mut record = told(&subjects, &cases, &tried);
    record.stack.clone_from(&input.stack.name);
    record.passing = trial.passing.len();
    record.every = match sample {
        Sample::All => 1,
        Sample::Every(step) => step,
    };
    record.unasserted = unasserted(engine, &cases);
    record
}

fn tried(trial: &Trial<'_>, subject: &Subject<'_>, mutant: &Mutant) -> MutantRecord {
    MutantRecord {
        id: mutant.id(),
        object: mutant.object.clone(),
        at: mutant.at.clone(),
        operator: mutant.operator,
        what: mutant.what.clone(),
        fate: trial.fate(subject, mutant),
    }
}

fn told(subjects: &[Subject<'_>], cases: &[CaseRecord], tried: &[(usize, MutantRecord)]) -> CoverageRecord {
    let of = |index: usize| tried.iter().filter(move |(own, _)| *own == index).map(|(_, record)| record);
    let (mut objects_removed, mut rules) = (Counts::default(), Counts::default());
    for (_, record) in tried {
        let counts = if record.operator == Operator::RemoveObject { &mut objects_removed } else { &mut rules };
        counts.add(&record.fate);
    }
    let with = |wanted: fn(&MutantRecord) -> bool| {
        tried.iter().map(|(_, record)| record).filter(move |record| wanted(record)).cloned().collect::<Vec<_>>()
    };
    let mut survivors = with(|record| matches!(record.fate, Fate::Survived { .. }));
    survivors.sort_by_key(|record| danger(&record.fate));
    let layers =
        |index: usize| subjects.iter().find(|subject| subject.index == index).map(|found| layer(found.standing));
    CoverageRecord {
        schema: COVERAGE_SCHEMA,
        stack: String::new(),
        cases: cases.len(),
        passing: 0,
        every: 1,
        objects_removed,
        rules,
        objects: subjects.iter().map(|subject| object(subject, of(subject.index))).collect(),
        survivors,
        excess: with(|record| {
            record.fate == Fate::Equivalent && matches!(record.operator, Operator::Drop | Operator::RemoveObject)
        }),
        killed: with(|record| matches!(record.fate, Fate::Killed { .. } | Fate::Named { .. })),
        unasserted: Vec::new(),
        undecided: cases.iter().filter(|case| !has_policy(case)).map(|case| case.case.id.clone()).collect(),
        shares: shares(cases, tried.iter().map(|(index, record)| (record, layers(*index).unwrap_or_default()))),
    }
}

fn object<'r>(subject: &Subject<'_>, tried: impl Iterator<Item = &'r MutantRecord>) -> ObjectCoverage {
    let (mut removal, mut rules) = (None, Counts::default());
    for record in tried {
        match record.operator {
            Operator::RemoveObject => removal = Some(record.fate.clone()),
            Operator::Drop | Operator::Widen | Operator::Flip => rules.add(&record.fate),
        }
    }
    ObjectCoverage {
        object: subject.object().clone(),
        at: place(subject),
        layer: layer(subject.standing),
        removal,
        rules,
    }
}

/// The order of survivors: what opens most comes first, then what could open something that nobody sees.
fn danger(fate: &Fate) -> (Reverse<usize>, Reverse<bool>, Reverse<usize>) {
    match fate {
        Fate::Survived { opens, closes, unproved, .. } => {
            (Reverse(*opens), Reverse(unproved.is_some()), Reverse(*closes))
        }
        Fate::Killed { .. } | Fate::Named { .. } | Fate::Equivalent | Fate::Stillborn { .. } => {
            (Reverse(0), Reverse(false), Reverse(0))
        }
    }
}

/// Whether a policy decided anything on the way of a case.
fn has_policy(case: &CaseRecord) -> bool {
    let trace = case.observation.as_ref().and_then(|seen| seen.evidence.trace.as_ref());
    let is_policy = |kind: Option<Enforcer>| kind.is_some_and(|enforcer| enforcer != Enforcer::Cluster);
    trace.is_some_and(|trace| {
        let mut rules = trace.checks().flat_map(|check| &check.decision.rules);
        rules.any(|rule| is_policy(Enforcer::of(&rule.object)))
    })
}
