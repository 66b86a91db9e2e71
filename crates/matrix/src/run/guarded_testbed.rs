//! Trying flows on a testbed that may lie, fall silent or panic.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use airtight_manifest::Diagnostic;
use airtight_manifest::Failure;
use airtight_model::path::Flow;
use airtight_model::policy::{Layer, Outcome};

use crate::judge::Observation;
use crate::testbed::{Canary, Testbed};

/// A testbed, and whether its word still counts.
pub(super) struct GuardedTestbed<'t> {
    testbed: &'t mut dyn Testbed,
    broken: Option<String>,
}

impl<'t> GuardedTestbed<'t> {
    pub(super) fn new(testbed: &'t mut dyn Testbed) -> Self {
        Self { testbed, broken: None }
    }

    pub(super) fn name(&self) -> &'static str {
        self.testbed.name()
    }

    pub(super) fn is_live(&self) -> bool {
        self.testbed.is_live() && self.broken.is_none()
    }

    pub(super) fn canary(&mut self) -> Result<Canary, Diagnostic> {
        match catch_unwind(AssertUnwindSafe(|| self.testbed.canary())) {
            Ok(Ok(canary)) => Ok(canary),
            Ok(Err(error)) => Err(Diagnostic::from(&error)),
            Err(panic) => Err(Diagnostic::from(&Failure::new("testbed-panic", self.give_up(panic.as_ref())))),
        }
    }

    pub(super) fn refuses(&mut self, flow: &Flow) -> Option<String> {
        match catch_unwind(AssertUnwindSafe(|| self.testbed.refuses(flow))) {
            Ok(answer) => answer,
            Err(panic) => {
                self.give_up(panic.as_ref());
                None
            }
        }
    }

    /// Layers that nobody enforces; a testbed that panicked has none, and sees nothing either.
    pub(super) fn lacks(&mut self) -> BTreeMap<Layer, String> {
        match catch_unwind(AssertUnwindSafe(|| self.testbed.lacks())) {
            Ok(lacks) => lacks,
            Err(panic) => {
                self.give_up(panic.as_ref());
                BTreeMap::new()
            }
        }
    }

    /// What a denial by the CNI looks like; a testbed that panicked does not know.
    pub(super) fn denials(&mut self) -> Option<BTreeSet<Outcome>> {
        match catch_unwind(AssertUnwindSafe(|| self.testbed.denials())) {
            Ok(denials) => denials,
            Err(panic) => {
                self.give_up(panic.as_ref());
                None
            }
        }
    }

    /// One observation for each flow, whatever the testbed does. A testbed that panicked is not asked again; a round
    /// with a wrong number of answers counts for nothing, since nobody can tell which answer is whose.
    pub(super) fn observe(&mut self, flows: &[&Flow]) -> Vec<Observation> {
        if let Some(why) = &self.broken {
            return vec![Observation::nothing(why); flows.len()];
        }
        match catch_unwind(AssertUnwindSafe(|| self.testbed.observe(flows))) {
            Ok(seen) if seen.len() == flows.len() => seen,
            Ok(seen) => {
                let why = format!("the testbed gave {} observations for {} flows", seen.len(), flows.len());
                vec![Observation::nothing(why); flows.len()]
            }
            Err(panic) => {
                let why = self.give_up(panic.as_ref());
                vec![Observation::nothing(why); flows.len()]
            }
        }
    }

    /// What helps to find the cause of a failure, from a testbed whose word counts.
    pub(super) fn elaborate(&mut self, flow: &Flow, seen: &mut Observation) {
        let mut more = seen.clone();
        if self.broken.is_none() {
            match catch_unwind(AssertUnwindSafe(|| self.testbed.elaborate(flow, &mut more))) {
                Ok(()) => *seen = more,
                Err(panic) => {
                    self.give_up(panic.as_ref());
                }
            }
        }
    }

    fn give_up(&mut self, panic: &(dyn Any + Send)) -> String {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        let why = format!("the testbed panicked: {text}");
        self.broken = Some(why.clone());
        why
    }
}
