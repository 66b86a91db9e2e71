//! A cluster and a witness whose words are kept.

use std::time::Duration;

use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Container, Execution};
use airtight_manifest::Failure;
use airtight_matrix::judge::Evidence;

use super::recorder::Recorder;
use crate::witness::{Tried, Witness};

/// A cluster whose probes' and API server's answers are kept.
pub struct Recording<'c> {
    cluster: &'c dyn Cluster,
    recorder: &'c Recorder,
}

impl<'c> Recording<'c> {
    /// Keeps what `cluster` answers.
    #[must_use]
    pub fn new(cluster: &'c dyn Cluster, recorder: &'c Recorder) -> Self {
        Self { cluster, recorder }
    }
}

impl Cluster for Recording<'_> {
    fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
        let result = self.cluster.send(request);
        if request.user.is_some() {
            self.recorder.dry_run(request, &result);
        }
        result
    }

    fn exec(&self, place: &Container, command: &[&str], stdin: &[u8], within: Duration) -> Result<Execution, Failure> {
        let result = self.cluster.exec(place, command, stdin, within);
        self.recorder.session(place, stdin, &result);
        result
    }

    fn logs(&self, place: &Container, since: jiff::Timestamp) -> Result<String, Failure> {
        self.cluster.logs(place, since)
    }

    fn is_over(&self) -> bool {
        self.cluster.is_over()
    }
}

/// A witness whose lines are kept.
pub struct Recounting<'c> {
    witness: &'c dyn Witness,
    recorder: &'c Recorder,
}

impl<'c> Recounting<'c> {
    /// Keeps what `witness` tells.
    #[must_use]
    pub fn new(witness: &'c dyn Witness, recorder: &'c Recorder) -> Self {
        Self { witness, recorder }
    }
}

impl Witness for Recounting<'_> {
    fn attribute(&self, round: &[Tried<'_>]) -> Vec<Evidence> {
        let told = self.witness.attribute(round);
        for (tried, evidence) in round.iter().zip(&told) {
            self.recorder.told(tried, evidence);
        }
        told
    }
}
