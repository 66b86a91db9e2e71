//! Cases in a world of their own: what they presuppose is really changed, they are tried, and everything is made as it
//! was.

use std::collections::BTreeSet;
use std::time::Duration;

use airtight_cluster::read::text;
use airtight_cluster::wait::{Awaited, Patience, Revisions, wait};
use airtight_cluster::{Cluster, Impersonated};
use airtight_manifest::{Failure, ObjectRef};
use airtight_matrix::judge::Observation;
use airtight_model::path::Flow;
use airtight_model::world::{Act, ApiRequest, ApiUser};

use crate::changes::{Changes, impersonated};
use crate::generation::{Generated, Generation};
use crate::options::Options;

/// How long a change may take from the API server to every agent (a policy was seen to take 3 to 22 ms).
const NOTICED: Duration = Duration::from_secs(2);

/// How late a loaded controller may begin to generate (seen: 1 s).
const LATE: Duration = Duration::from_secs(3);

/// What is needed to change the world of a cluster for good.
pub(super) struct Stage<'c> {
    cluster: &'c dyn Cluster,
    /// Through it changes are unmade, also when the user has ended the run.
    always: &'c dyn Cluster,
    generation: Generation,
    /// Everybody who changes something in a case: for whom admission makes exceptions.
    users: BTreeSet<ApiUser>,
}

impl<'c> Stage<'c> {
    /// Reads which rules generate.
    ///
    /// # Errors
    /// When the policies cannot be read.
    pub(super) fn new(cluster: &'c dyn Cluster, always: &'c dyn Cluster) -> Result<Self, Failure> {
        Ok(Self { cluster, always, generation: Generation::read(cluster)?, users: BTreeSet::new() })
    }

    /// Learns who changes something in flows.
    pub(super) fn learn(&mut self, flows: &[&Flow]) {
        for flow in flows {
            self.users.extend(flow.after.iter().map(|request| request.by.clone()));
        }
    }

    /// Changes the world, has a flow tried in it, and makes everything as it was.
    pub(super) fn play(
        &self,
        options: &Options,
        before: &[ApiRequest],
        try_flow: impl FnOnce() -> Observation,
    ) -> Observation {
        let mut changes = self.changes();
        let generated = match self.generation.generated(self.cluster) {
            Ok(generated) => generated,
            Err(error) => return Observation::nothing(error.to_string()),
        };
        let prepared = self.prepare(&mut changes, options, before);
        let seen = prepared.map_or_else(|error| Observation::nothing(error.to_string()), |()| try_flow());
        self.strike(&changes, &generated, seen)
    }

    fn prepare(&self, changes: &mut Changes<'_>, options: &Options, before: &[ApiRequest]) -> Result<(), Failure> {
        for request in before {
            changes.make(request)?;
            self.generation.settle(self.cluster)?;
        }
        changes.wait_for_pods(options)?;
        std::thread::sleep(NOTICED);
        self.wait_for_agents(options)
    }

    /// Waits until each endpoint enforces what its agent knows: a label of a namespace changes the identities of its pods.
    fn wait_for_agents(&self, options: &Options) -> Result<(), Failure> {
        let awaited = Awaited::revisions(&Revisions::now(self.cluster)?, 0);
        let patience = Patience { within: options.patience, ..Patience::default() };
        let waited = wait(self.cluster, &awaited, patience);
        waited.map(drop).map_err(|late| Failure::new("not-changed", format!("the change is not in force: {late}")))
    }

    /// What rules generate of a change, if none does of its kind or it can be seen by making it.
    ///
    /// # Errors
    /// When it cannot be made, or nobody can tell.
    pub(super) fn generated_by(&self, request: &ApiRequest) -> Result<(Vec<ObjectRef>, Vec<String>), Failure> {
        if request.change.act == Act::Delete || !self.generation.is_triggered_by(&request.change.target.kind) {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut changes = self.changes();
        let before = self.generation.generated(self.cluster)?;
        let made = changes.make(request).and_then(|answer| {
            let uid = text(&answer.body, "/metadata/uid").to_owned();
            let look = || {
                self.generation.settle(self.cluster)?;
                Ok::<_, Failure>(new(self.generation.generated(self.cluster)?, &before, |each| each.trigger == uid))
            };
            let found = look()?;
            if !found.is_empty() {
                return Ok(found);
            }
            // That nothing is generated is believed only of a controller that had time to begin late.
            std::thread::sleep(LATE);
            look()
        });
        let left = self.unmake(&changes, &before);
        let made = made
            .map_err(|error| Failure { message: [vec![error.message], left.clone()].concat().join("; "), ..error })?;
        Ok((made.into_iter().map(|generated| generated.target).collect(), left))
    }

    fn changes(&self) -> Changes<'c> {
        let users: Vec<Impersonated> = self.users.iter().map(impersonated).collect();
        Changes::new(self.cluster, self.always, users)
    }

    /// Makes everything as it was; what could not be is a reason to believe nothing.
    fn strike(&self, changes: &Changes<'_>, generated: &[Generated], seen: Observation) -> Observation {
        let left = self.unmake(changes, generated);
        if left.is_empty() {
            return seen;
        }
        Observation { undecided: Some(left.join("; ")), ..seen }
    }

    fn unmake(&self, changes: &Changes<'_>, before: &[Generated]) -> Vec<String> {
        let mut left = changes.unmake();
        let stays = self.generation.settle(self.always).and_then(|()| self.generation.generated(self.always));
        match stays {
            Ok(now) => left.extend(changes.remove_generated(&new(now, before, |_| true))),
            Err(error) => left.push(error.to_string()),
        }
        left
    }
}

/// What there is now and was not before.
fn new(now: Vec<Generated>, before: &[Generated], wanted: impl Fn(&Generated) -> bool) -> Vec<Generated> {
    now.into_iter().filter(|each| wanted(each) && !before.iter().any(|known| known.target == each.target)).collect()
}
