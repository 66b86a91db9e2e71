//! Live testbeds: real clusters, with probes in their pods.
//!
//! A round of flows is one exec session for each pod from which flows start; what the probes answer becomes
//! observations. A flow without an answer of its own is a probe error, which satisfies no expectation.

mod admission;
mod answer;
mod attempt;
mod canary;
mod cluster;
pub mod convergence;
pub mod detect;
pub mod evidence;
#[cfg(feature = "live")]
pub mod kube;
mod list;
mod options;
mod places;
mod pod;
mod read;
mod resource;
mod session;
mod stopping;
mod witness;

use std::collections::BTreeMap;

use airtight_probe::wire;

pub use cluster::{ApiAnswer, ApiCall, CallError, Cluster, Container, Ended, Execution, Impersonated, Verb};
pub use options::Options;
pub use read::Unread;
pub use stopping::Stopping;
pub use witness::{Tried, Witness};

use self::places::{Missing, Places};
use self::session::{Answered, Jobs};
use super::{Canary, Testbed, TestbedError};
use crate::judge::Observation;
use crate::path::Flow;
use crate::policy::Layer;

/// A cluster on which flows are tried.
pub struct Live<'c> {
    cluster: &'c dyn Cluster,
    options: Options,
    witness: Option<&'c dyn Witness>,
    places: Places,
    /// Whether a session failed since the places were looked up: its pod may have moved.
    stale: bool,
}

impl<'c> Live<'c> {
    /// Looks up where the workloads are. Without a witness no observer names the layer that ended a flow, and denied
    /// cases are inconclusive.
    ///
    /// # Errors
    /// When the pods cannot be listed.
    pub fn new(
        cluster: &'c dyn Cluster,
        options: Options,
        witness: Option<&'c dyn Witness>,
    ) -> Result<Self, TestbedError> {
        let places = Places::read(cluster, &options.image)?;
        Ok(Self { cluster, options, witness, places, stale: false })
    }

    /// Looks the places up again if a session has failed; the old ones are better than none.
    fn refresh(&mut self) {
        if self.stale
            && let Ok(places) = Places::read(self.cluster, &self.options.image)
        {
            self.places = places;
            self.stale = false;
        }
    }

    /// Tells the witness of what was answered, and adds what it says.
    fn attribute(&self, flows: &[&Flow], answered: &BTreeMap<usize, (Container, Answered)>, seen: &mut [Observation]) {
        let Some(witness) = self.witness.filter(|_| !answered.is_empty()) else { return };
        let tried: Vec<_> = answered
            .iter()
            .map(|(number, (from, answered))| Tried { flow: flows[*number], from, answer: &answered.answer })
            .collect();
        let told = witness.attribute(&tried);
        if told.len() != tried.len() {
            let why = format!("the observers told of {} flows, and {} were tried", told.len(), tried.len());
            for number in answered.keys() {
                seen[*number].undecided = Some(why.clone());
            }
            return;
        }
        for (number, evidence) in answered.keys().zip(told) {
            witness::add(&mut seen[*number], evidence);
        }
    }
}

impl Testbed for Live<'_> {
    fn name(&self) -> &'static str {
        self.options.name
    }

    fn canary(&mut self) -> Result<Canary, TestbedError> {
        canary::try_out(self.cluster, &self.options)
    }

    fn observe(&mut self, flows: &[&Flow]) -> Vec<Observation> {
        self.refresh();
        let mut jobs = Jobs::new();
        let mut sources = BTreeMap::new();
        let mut seen = vec![answer::failed("it was not tried"); flows.len()];
        for (number, flow) in flows.iter().enumerate() {
            if let Some(change) = admission::change(flow) {
                seen[number] = change.attempt(self.cluster);
                continue;
            }
            match attempt::attempt(flow, &self.places) {
                Ok(attempt) => {
                    sources.insert(number, attempt.from.clone());
                    jobs.entry(attempt.from).or_default().push((number, attempt.what));
                }
                Err(Missing::Never(why) | Missing::Now(why)) => {
                    self.stale = true;
                    seen[number] = answer::failed(why);
                }
            }
        }
        let mut answered = BTreeMap::new();
        for (number, result) in session::round(self.cluster, &self.options, &jobs) {
            match (result, sources.remove(&number)) {
                (Ok(own), Some(from)) => {
                    seen[number] = answer::observation(flows[number], &own, &self.places);
                    answered.insert(number, (from, own));
                }
                (Err(why), _) => {
                    self.stale = true;
                    seen[number] = answer::failed(why);
                }
                (Ok(_), None) => {}
            }
        }
        self.attribute(flows, &answered, &mut seen);
        seen
    }

    fn lacks(&self) -> BTreeMap<Layer, String> {
        self.options.lacks.clone()
    }

    fn refuses(&self, flow: &Flow) -> Option<String> {
        if admission::change(flow).is_some() {
            return None;
        }
        match attempt::attempt(flow, &self.places) {
            Err(Missing::Never(why)) => Some(why),
            Ok(_) | Err(Missing::Now(_)) => None,
        }
    }
}

impl From<CallError> for TestbedError {
    fn from(error: CallError) -> Self {
        let CallError { code, message, hint } = error;
        Self { code, message, hint }
    }
}

/// What the probe is asked for when nothing but the way to a port matters.
fn get(host: String, port: u16) -> wire::Attempt {
    let to = wire::Target { host, port, family: wire::Family::Any };
    wire::Attempt::Http(wire::HttpExchange { to, tls: None, request: wire::Request::default() })
}
