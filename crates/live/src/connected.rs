//! A run on a cluster, from the connection to the testbed, and back to what is removed.

use std::time::Duration;

use airtight_cluster::wait::{Patience, wait};
use airtight_cluster::{Cluster, Stop, Stopping};
use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Document, Failure, Severity};
use airtight_matrix::scenario::Plan;
use airtight_matrix::testbed::Testbed;
use airtight_model::world::Built;

use crate::deploy::{DeployOptions, DeployPlan, admitted, deploy, node_namespace};
use crate::detect::{Installed, findings, outcomes};
use crate::drift::drift;
use crate::evidence::ClusterWitness;
use crate::guard::guard;
use crate::in_force::{awaited, not_in_force};
use crate::options::Options;
use crate::raw::{EvidenceFolder, Recorder, Recording, Recounting, describe, objects};
use crate::temporary::TemporaryResources;
use crate::testbed::Live;

/// Who is told, in a line, what happens.
pub type Say<'s> = dyn FnMut(&str) + 's;

/// A cluster that was reached, and how flows are tried on it.
pub struct Connected {
    /// The cluster. It must answer to the end: through it what was made is removed.
    pub cluster: Box<dyn Cluster>,
    /// The API server's address.
    pub server: String,
    /// The context that must be named twice if the cluster looks like production; none for a cluster of our own.
    pub context: Option<String>,
    /// The context as it was named for the second time.
    pub confirmed: Option<String>,
    /// What may be put on it.
    pub deploy: DeployOptions,
    /// How flows are tried.
    pub options: Options,
    /// How long observers have to write what they saw.
    pub log_wait: Duration,
    /// Set when the user wants the end.
    pub stop: Stop,
}

/// What a run is about.
#[derive(Clone, Copy)]
pub struct RunInput<'a> {
    /// The manifests.
    pub documents: &'a [Document],
    /// The versions with which the model computes.
    pub stack: &'a Stack,
    /// The world of the manifests.
    pub built: &'a Built,
    /// The cases.
    pub plan: &'a Plan,
    /// What the model finds wrong with it.
    pub findings: &'a [Diagnostic],
}

/// What is known of a cluster on which cases can be tried.
pub struct Ready<'a> {
    /// What was found about it.
    pub findings: Vec<Diagnostic>,
    /// What the run keeps besides its verdicts.
    pub evidence: EvidenceFolder<'a>,
}

/// What was prepared.
struct Prepared {
    installed: Installed,
    findings: Vec<Diagnostic>,
    options: Options,
}

impl Connected {
    /// Prepares the cluster and has cases tried on it. What was deployed is removed, however it ends; `go_on` is an
    /// error once the user wants the end.
    ///
    /// # Errors
    /// When the cluster cannot be prepared, what `try_cases` ends with, and `left-behind` for what could not be removed.
    pub fn run<T, E: From<Failure>>(
        &self,
        input: RunInput<'_>,
        go_on: &dyn Fn() -> Result<(), E>,
        say: &mut Say<'_>,
        try_cases: impl FnOnce(&mut dyn Testbed, Ready<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let stopped = || self.stop.interrupted();
        let cluster = Stopping::new(self.cluster.as_ref(), &stopped);
        let mut resources = TemporaryResources::new(&cluster, self.cluster.as_ref(), self.patience());
        let prepared = self.prepare(input, &cluster, &mut resources, say).map_err(E::from);
        let ended = prepared.and_then(|prepared| self.observe(input, &cluster, &resources, prepared, try_cases));
        // Whatever failed then failed because of it.
        let ended = go_on().and(ended);
        let left = clean_up(&mut resources, say);
        let value = ended?;
        match left {
            0 => Ok(value),
            count => Err(left_behind(count).into()),
        }
    }

    /// Looks at what is installed, deploys what was asked for, and waits until the manifests are in force. What differs
    /// from the stack is a finding.
    fn prepare(
        &self,
        input: RunInput<'_>,
        cluster: &dyn Cluster,
        resources: &mut TemporaryResources<'_>,
        say: &mut Say<'_>,
    ) -> Result<Prepared, Failure> {
        if let Some(context) = &self.context {
            guard(cluster, context, &self.server, self.confirmed.as_deref())?;
        }
        let installed = Installed::detect(cluster);
        let options = Options {
            lacks: installed.absent(),
            denials: installed.denials().as_ref().map(outcomes),
            unobserved: installed.unobserved(),
            node_namespace: self.deploy.node_probes.then(|| node_namespace(resources.run())),
            ..self.options.clone()
        };
        let mut findings = findings(&installed, input.stack);
        let objects = admitted(input.documents.iter().map(|document| document.root.to_json()), input.built);
        let (plan, patience) = (input.plan, self.patience());
        let wanted = DeployPlan { wanted: self.deploy, plan, objects: &objects, options: &options, patience };
        let deployed = deploy(&wanted, cluster, resources, say)?;
        findings.extend(deployed.findings);
        let (mut awaited, unserved) = awaited(cluster, &objects, input.findings)?;
        findings.extend(unserved);
        awaited.extend(deployed.awaited);
        say(&format!("waiting until {} objects are in force", awaited.len()));
        let took = wait(cluster, &awaited, patience).map_err(|error| not_in_force(&error))?;
        say(&format!("they are ({} s)", took.as_secs()));
        findings.extend(self.drift(cluster, &input.built.documents)?);
        Ok(Prepared { installed, findings, options })
    }

    /// What stands on the cluster otherwise than in the manifests: an error, unless the user accepts it.
    fn drift(&self, cluster: &dyn Cluster, documents: &[Document]) -> Result<Vec<Diagnostic>, Failure> {
        let mut found = drift(cluster, documents)?;
        if self.options.accepts_drift {
            for finding in &mut found {
                finding.severity = Severity::Warning;
            }
        }
        Ok(found)
    }

    /// Has cases tried, and keeps what is seen.
    fn observe<T, E: From<Failure>>(
        &self,
        input: RunInput<'_>,
        cluster: &dyn Cluster,
        resources: &TemporaryResources<'_>,
        prepared: Prepared,
        try_cases: impl FnOnce(&mut dyn Testbed, Ready<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let Prepared { installed, findings, options } = prepared;
        let recorder = Recorder::default();
        let about = describe(cluster, &self.server, self.context.as_deref(), &installed, &options.image);
        let witness = ClusterWitness::new(cluster, until_logged(self.log_wait));
        let (witness, recording) = (Recounting::new(&witness, &recorder), Recording::new(cluster, &recorder));
        let live = Live::new(&recording, options, Some(&witness))?;
        let mut live = if self.deploy.changes { live.changing(self.cluster.as_ref())? } else { live };
        let objects = objects(input.documents, resources);
        let evidence = EvidenceFolder { recorder: &recorder, cluster: about, objects };
        try_cases(&mut live, Ready { findings, evidence })
    }

    fn patience(&self) -> Patience {
        Patience { within: self.options.patience, ..Patience::default() }
    }
}

/// How observers are waited for.
fn until_logged(within: Duration) -> Patience {
    let (first_pause, longest_pause) = (Duration::from_millis(300), Duration::from_secs(3));
    Patience { within, first_pause, longest_pause }
}

/// Removes what was made; how much could not be removed.
fn clean_up(resources: &mut TemporaryResources<'_>, say: &mut Say<'_>) -> usize {
    if resources.count() > 0 {
        say(&format!("removing {} objects (run {})", resources.count(), resources.run()));
    }
    let left = resources.remove();
    for each in &left {
        say(&format!("left behind: {each}"));
    }
    left.len()
}

fn left_behind(count: usize) -> Failure {
    let message = match count {
        1 => "an object that this run made could not be removed".to_owned(),
        count => format!("{count} objects that this run made could not be removed"),
    };
    Failure::new("left-behind", message).hint("`airtight clean` with the same cluster tries again")
}
