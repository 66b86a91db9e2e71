//! One object's creation: again while that may help, and never twice.

use std::time::Duration;

use airtight_cluster::apply::create;
use airtight_cluster::wait::{Look, Patience, until};
use airtight_cluster::{ApiAnswer, ApiCall, Cluster, retry};
use airtight_manifest::Failure;
use serde_json::Value;

use super::created::run_of;

/// How long one object's creation is tried at most.
const MOST: Duration = Duration::from_secs(30);

/// An object on its way to a cluster.
pub(super) struct Creation<'a> {
    pub(super) cluster: &'a dyn Cluster,
    /// The run that makes it.
    pub(super) run: &'a str,
    /// Where it is created.
    pub(super) collection: &'a str,
    /// Where it is then.
    pub(super) path: &'a str,
}

/// Why an object was not created.
pub(super) struct Refused {
    why: String,
    /// Whether it is known that nothing was stored.
    pub(super) certain: bool,
    status: u16,
}

impl Creation<'_> {
    /// Creates it. A creation whose answer was lost is found by the run's label.
    pub(super) fn send(&self, body: &Value, patience: Patience) -> Result<Value, Refused> {
        let patience = Patience::steady(patience.within.min(MOST), patience.first_pause);
        let mut lost = false;
        let created =
            until(patience, &|| self.cluster.is_over(), || match create(self.cluster, self.collection, body) {
                Ok(answer) if answer.accepted() => Ok(Look::Done(answer.body)),
                Ok(answer) if answer.status == 409 && lost => self.own().map(Look::Done),
                Ok(answer) if retry::creation(&answer) => {
                    lost |= answer.status >= 500;
                    Ok(Look::Open(Refused::by(&answer, !lost)))
                }
                Ok(answer) => Err(Refused::by(&answer, true)),
                Err(error) => {
                    lost = true;
                    Ok(Look::Open(Refused::unknown(error.message)))
                }
            })?;
        created.map_err(|late| late.last)
    }

    /// The object that is there, if it is this run's.
    fn own(&self) -> Result<Value, Refused> {
        let answer = self.cluster.send(&ApiCall::get(self.path)).map_err(|error| Refused::unknown(error.message))?;
        if !answer.accepted() {
            return Err(Refused::unknown(answer.words()));
        }
        if run_of(&answer.body) == Some(self.run) {
            return Ok(answer.body);
        }
        Err(Refused { why: "it exists, and is not this run's".to_owned(), certain: true, status: 409 })
    }
}

impl Refused {
    fn by(answer: &ApiAnswer, certain: bool) -> Self {
        Self { why: answer.words(), certain, status: answer.status }
    }

    fn unknown(why: String) -> Self {
        Self { why, certain: false, status: 0 }
    }

    /// What is wrong with `what`, and what to do about it.
    pub(super) fn error(self, what: &str) -> Failure {
        let hint = match self.status {
            403 if self.why.contains("webhook") => "admission refuses it; the policy it names must let it pass",
            403 => "`airtight rbac` with the same flags prints the role that this takes",
            404 => "its namespace, or its component, is not there",
            409 => "take it out of --manifests, or delete it",
            _ => "the API server's words say what it did not like",
        };
        Failure::new("not-made", format!("{what} cannot be made: {}", self.why)).hint(hint)
    }
}
