//! A cluster as a testbed: rounds of flows, and what is known of it besides.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_manifest::Failure;
use airtight_matrix::judge::Observation;
use airtight_matrix::testbed::{Canary, Testbed};
use airtight_model::path::{Flow, Source};
use airtight_model::policy::{Layer, Outcome, Token};
use airtight_model::world::ApiRequest;

use crate::attempt::{Attempt, Means};
use crate::issuer::{Issued, Issuers};
use crate::kubelet::Question;
use crate::options::Options;
use crate::origin::Origin;
use crate::places::{Places, Unavailable};
use crate::session::{Answered, Answers, Job, Jobs};
use crate::staged::Stage;
use crate::witness::{Tried, Witness};
use crate::{admission, answer, attempt, canary, elimination, kubelet, session, witness};

/// Said of cases that presuppose changes.
const NEVER_CHANGED: &str =
    "refused: objects are not changed before a flow on a cluster that `airtight up` did not make";

/// By what a flow is known again.
pub(super) struct Tracks {
    pub(super) from: Origin,
    mark: Option<String>,
}

/// A cluster on which flows are tried.
pub struct Live<'c> {
    cluster: &'c dyn Cluster,
    options: Options,
    witness: Option<&'c dyn Witness>,
    places: Places,
    issuers: Issuers,
    /// Tells the flows of this testbed from those of another.
    nonce: u64,
    /// How many rounds there were.
    rounds: u64,
    /// How the world is changed for a case; none where it is not.
    stage: Option<Stage<'c>>,
    /// Whether a session failed since the places were looked up: its pod may have moved.
    stale: bool,
}

impl<'c> Live<'c> {
    /// Looks up where the workloads are. Without a witness no observer names the layer that ended a flow, and denied
    /// cases are inconclusive.
    ///
    /// # Errors
    /// When the pods cannot be listed.
    pub fn new(cluster: &'c dyn Cluster, options: Options, witness: Option<&'c dyn Witness>) -> Result<Self, Failure> {
        let places = Places::read(cluster, &options.image)?;
        let issuers = Issuers::read(cluster, &options.image)?;
        let nonce = u64::from(std::process::id()) ^ airtight_matrix::run::now().as_microsecond().unsigned_abs();
        Ok(Self { cluster, options, witness, places, issuers, nonce, rounds: 0, stage: None, stale: false })
    }

    /// Lets cases change the cluster for good, one at a time. What they changed is made as it was through `always`, which
    /// must work when the user has ended the run.
    ///
    /// # Errors
    /// When the rules that generate objects cannot be read.
    pub fn changing(self, always: &'c dyn Cluster) -> Result<Self, Failure> {
        Ok(Self { stage: Some(Stage::new(self.cluster, always)?), ..self })
    }

    /// Tries a flow in the world that it presupposes.
    fn play(&mut self, flow: &Flow) -> Observation {
        let bare = Flow { after: Vec::new(), ..flow.clone() };
        let Some(stage) = self.stage.take() else { return answer::failed(NEVER_CHANGED) };
        let options = self.options.clone();
        let seen = stage.play(&options, &flow.after, || {
            self.stale = true;
            self.round_of(&[&bare]).pop().unwrap_or_else(|| answer::failed("it was not tried"))
        });
        // Pods that came with the world went with it.
        self.stale = true;
        self.stage = Some(stage);
        seen
    }

    /// What rules generate of an attempt that was accepted.
    fn add_generated(&self, flow: &Flow, seen: &mut Observation) {
        let (Some(stage), Source::User(by), Some(change)) = (&self.stage, &flow.from, flow.attempt()) else { return };
        let Some(admitted) = seen.evidence.admitted.as_mut() else { return };
        match stage.generated_by(&ApiRequest { by: by.clone(), change: change.clone() }) {
            Ok((objects, left)) => {
                admitted.generated = Some(objects);
                seen.undecided = (!left.is_empty()).then(|| left.join("; "));
            }
            Err(error) => seen.undecided = Some(error.to_string()),
        }
    }

    /// Looks the places up again if a session has failed; the old ones are better than none.
    fn refresh(&mut self) {
        if self.stale
            && let Ok(places) = Places::read(self.cluster, &self.options.image)
            && let Ok(issuers) = Issuers::read(self.cluster, &self.options.image)
        {
            (self.places, self.issuers) = (places, issuers);
            self.stale = false;
        }
    }

    fn attempt(&self, number: usize, flow: &Flow, issued: &Issued<'_>) -> Result<Attempt, Unavailable> {
        let bearer = |token: &Token| match issued.get(token) {
            Some(Ok(token)) => Ok(token.clone()),
            Some(Err(why)) => Err(Unavailable::Temporarily(why.clone())),
            None => Err(no_issuer(token)),
        };
        // What ends it keeps the mark of one flow from being the beginning of another's.
        let mark = format!("airtight-{:x}-{}-{number}/1", self.nonce, self.rounds);
        attempt::attempt(flow, &Means { places: &self.places, options: &self.options, bearer: &bearer }, &mark)
    }

    /// The tokens that flows bring.
    fn issue<'f>(&self, flows: &[&'f Flow]) -> Issued<'f> {
        let tokens = flows.iter().filter_map(|flow| flow.request.as_ref()?.token.as_ref());
        if self.issuers.is_empty() { Issued::new() } else { self.issuers.issue(self.cluster, &self.options, tokens) }
    }

    /// One for each source, numbered behind the flows in the order of the sources.
    fn ask_for_signs_of_life(&self, flows: usize, jobs: &mut Jobs) {
        if self.options.unobserved.is_some() {
            for (source, job) in jobs.values_mut().enumerate() {
                job.push(Job::plain(flows + source, elimination::sign_of_life()));
            }
        }
    }

    /// Runs sessions and asks kubelets, side by side.
    fn round(&self, jobs: &Jobs, kubelets: &[(usize, Question)]) -> (Answers, Vec<(usize, Observation)>) {
        let (cluster, options, round) = (self.cluster, &self.options, self.rounds);
        std::thread::scope(|scope| {
            let asked = scope.spawn(move || kubelet::ask(cluster, options, round, kubelets));
            let answers = session::round(cluster, options, jobs);
            // A flow of which nothing comes back was not tried.
            (answers, asked.join().unwrap_or_default())
        })
    }

    /// Tells the witness of what was answered, and adds what it says.
    fn attribute(&self, flows: &[&Flow], answered: &BTreeMap<usize, (Tracks, Answered)>, seen: &mut [Observation]) {
        let Some(witness) = self.witness.filter(|_| !answered.is_empty()) else { return };
        let tried: Vec<_> = answered
            .iter()
            .map(|(number, (tracks, answered))| Tried {
                flow: flows[*number],
                from: &tracks.from,
                answer: &answered.answer,
                mark: tracks.mark.as_deref(),
            })
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

    fn canary(&mut self) -> Result<Canary, Failure> {
        canary::try_out(self.cluster, &self.options)
    }

    fn observe(&mut self, flows: &[&Flow]) -> Vec<Observation> {
        if let Some(stage) = &mut self.stage {
            stage.learn(flows);
        }
        let (played, plain): (Vec<usize>, Vec<usize>) =
            (0..flows.len()).partition(|number| self.stage.is_some() && !flows[*number].after.is_empty());
        let mut seen = vec![answer::failed("it was not tried"); flows.len()];
        let together: Vec<&Flow> = plain.iter().map(|number| flows[*number]).collect();
        for (number, observation) in plain.into_iter().zip(self.round_of(&together)) {
            seen[number] = observation;
            self.add_generated(flows[number], &mut seen[number]);
        }
        // One world at a time.
        for number in played {
            seen[number] = self.play(flows[number]);
        }
        seen
    }

    fn denials(&self) -> Option<BTreeSet<Outcome>> {
        self.options.denials.clone()
    }

    fn lacks(&self) -> BTreeMap<Layer, String> {
        self.options.lacks.clone()
    }

    fn refuses(&self, flow: &Flow) -> Option<String> {
        if !flow.after.is_empty() {
            return self.stage.is_none().then(|| NEVER_CHANGED.to_owned());
        }
        if admission::change(flow).is_some() {
            return None;
        }
        if kubelet::is_probe(flow) {
            return match kubelet::question(flow, &self.places, &self.options) {
                Err(Unavailable::Permanently(why)) => Some(why),
                Ok(_) | Err(Unavailable::Temporarily(_)) => None,
            };
        }
        // No token is had for a question; whether there could be one is known.
        let bearer = |token: &Token| if self.issuers.is_empty() { Err(no_issuer(token)) } else { Ok(String::new()) };
        let means = Means { places: &self.places, options: &self.options, bearer: &bearer };
        match attempt::attempt(flow, &means, "") {
            Err(Unavailable::Permanently(why)) => Some(why),
            Ok(_) | Err(Unavailable::Temporarily(_)) => None,
        }
    }
}

impl Live<'_> {
    /// Tries flows that need no world of their own, all at once.
    fn round_of(&mut self, flows: &[&Flow]) -> Vec<Observation> {
        self.refresh();
        self.rounds += 1;
        let issued = self.issue(flows);
        let mut jobs = Jobs::new();
        let mut tracks = BTreeMap::new();
        let mut kubelets = Vec::new();
        let mut seen = vec![answer::failed("it was not tried"); flows.len()];
        for (number, flow) in flows.iter().enumerate() {
            if let Some(change) = admission::change(flow) {
                seen[number] = change.attempt(self.cluster);
                continue;
            }
            if kubelet::is_probe(flow) {
                match kubelet::question(flow, &self.places, &self.options) {
                    Ok(question) => kubelets.push((number, question)),
                    Err(Unavailable::Permanently(why) | Unavailable::Temporarily(why)) => {
                        self.stale = true;
                        seen[number] = answer::failed(why);
                    }
                }
                continue;
            }
            match self.attempt(number, flow, &issued) {
                Ok(Attempt { from, what, tunnel, mark }) => {
                    tracks.insert(number, Tracks { from: from.clone(), mark });
                    jobs.entry(from).or_default().push(Job { number, what, tunnel });
                }
                Err(Unavailable::Permanently(why) | Unavailable::Temporarily(why)) => {
                    self.stale = true;
                    seen[number] = answer::failed(why);
                }
            }
        }
        self.ask_for_signs_of_life(flows.len(), &mut jobs);
        let mut alive = BTreeSet::new();
        let mut answered = BTreeMap::new();
        let (results, told) = self.round(&jobs, &kubelets);
        for (number, observation) in told {
            seen[number] = observation;
        }
        for (number, result) in results {
            if number >= flows.len() {
                let from = jobs.keys().nth(number - flows.len()).cloned();
                alive.extend(from.filter(|_| result.is_ok_and(|own| elimination::something_came_back(&own.answer))));
                continue;
            }
            match (result, tracks.remove(&number)) {
                (Ok(own), Some(tracks)) => {
                    seen[number] =
                        answer::observation(flows[number], &own, bearer(flows[number], &issued), &self.places);
                    answered.insert(number, (tracks, own));
                }
                (Err(why), _) => {
                    self.stale = true;
                    seen[number] = answer::failed(why);
                }
                (Ok(_), None) => {}
            }
        }
        self.attribute(flows, &answered, &mut seen);
        elimination::name_gateways(&self.places, flows, &answered, &mut seen);
        if let Some(denials) = &self.options.unobserved {
            elimination::name(denials, &alive, flows, &answered, &mut seen);
        }
        seen
    }
}

fn no_issuer(token: &Token) -> Unavailable {
    Unavailable::Permanently(format!(
        "refused: no issuer stands in the cluster from which a token of {} is had",
        token.issuer
    ))
}

/// The token that a flow brings, as it is sent.
fn bearer<'i>(flow: &Flow, issued: &'i Issued<'_>) -> Option<&'i str> {
    issued.get(flow.request.as_ref()?.token.as_ref()?)?.as_deref().ok()
}
