//! `airtight run --testbed kind|cluster`: the matrix on a real cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use airtight_cluster::Stop;
use airtight_cluster::kube::{Access, KubeCluster, Limits};
use airtight_cluster::wait::{Awaited, NotInForce, Patience, wait};
use airtight_cluster::{ApiCall, Cluster, Stopping, Verb};
use airtight_live::detect::{Distance, Installed, looks_like_production, outcomes};
use airtight_live::evidence::ClusterWitness;
use airtight_live::guest::{Guests, reference};
use airtight_live::raw::{Recorder, Recording, Recounting};
use airtight_live::{Live, Options, Outside};
use airtight_manifest::Diagnostic;
use airtight_manifest::Failure;
use airtight_matrix::scenario::Plan;
use airtight_matrix::testbed::Testbed;
use airtight_model::world::Built;
use airtight_provision::StepFailure;
use clap::Args;
use serde_json::Value;

use super::error::CliError;
use super::evidence::{self, Kept};
use super::guests::{Brought, GuestArgs, admitted, say, settle};
use super::input::Inputs;
use super::output::Output;
use super::probe;
use super::run::GoOn;
use super::signals::stop;
use super::site::NameArgs;

/// Which cluster, and how flows are tried there.
#[derive(Debug, Args)]
pub(super) struct LiveArgs {
    /// For `--testbed cluster`: context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", help_heading = "Clusters")]
    context: Option<String>,
    /// For `--testbed cluster`: the kubeconfig [default: KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE", help_heading = "Clusters")]
    kubeconfig: Option<PathBuf>,
    /// For a cluster whose context or server looks like production: its context, once more
    #[arg(long, value_name = "CONTEXT", help_heading = "Clusters")]
    in_production: Option<String>,
    #[command(flatten, next_help_heading = "Clusters")]
    name: NameArgs,
    #[command(flatten)]
    guests: GuestArgs,
    /// After how many seconds without an answer a flow counts as dropped
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    #[arg(help_heading = "Clusters")]
    deny_timeout: u64,
    /// How many seconds observers have to write what they saw of a round: Envoy may hold its access log back for ten
    #[arg(long, value_name = "SECONDS", default_value_t = 12, help_heading = "Clusters")]
    log_wait: u64,
    /// How many seconds to wait for a state: manifests that come into force, a policy that bites
    #[arg(long, value_name = "SECONDS", default_value_t = 120, help_heading = "Clusters")]
    wait: u64,
    /// Label of the throw-away namespace in which the testbed shows that it enforces, such as one by which a default
    /// deny of all namespaces leaves it out [default: zt.example.com/isolate=false, which the reference set knows]
    #[arg(long, value_name = "NAME=VALUE", value_parser = label, help_heading = "Clusters")]
    canary_label: Vec<(String, String)>,
    /// The program `airtight-probe` for flows from outside the cluster, which start on this machine [default: the one
    /// beside this program, otherwise this program itself]
    #[arg(long, value_name = "PATH", env = "AIRTIGHT_PROBE", help_heading = "Clusters")]
    probe: Option<PathBuf>,
    /// How often a case that did not pass is tried again
    #[arg(long, value_name = "COUNT", default_value_t = 2, help_heading = "Clusters")]
    retries: u32,
}

/// How observers are waited for.
fn until_logged(seconds: u64) -> Patience {
    let (first_pause, longest_pause) = (Duration::from_millis(300), Duration::from_secs(3));
    Patience { within: Duration::from_secs(seconds), first_pause, longest_pause }
}

/// What the context of a pod's own cluster is called, which has no name.
pub(super) const IN_CLUSTER: &str = "in-cluster";

/// Whose cluster it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// One that `airtight up` made.
    Ours,
    /// One that was there before.
    Theirs,
}

/// A cluster that was reached.
pub(super) struct Reached {
    cluster: KubeCluster,
    /// The context to be told twice, if the cluster is not ours; [`IN_CLUSTER`] within a pod.
    context: Option<String>,
    confirmed: Option<String>,
    guests: GuestArgs,
    options: Options,
    /// How many seconds observers have to write what they saw.
    log_wait: u64,
    stop: Stop,
}

/// What a run is about.
#[derive(Clone, Copy)]
pub(super) struct Matter<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) built: &'a Built,
    pub(super) plan: &'a Plan,
    /// What the model finds wrong with it.
    pub(super) findings: &'a [Diagnostic],
}

/// A cluster on which cases can be tried.
pub(super) struct Prepared<'a> {
    /// What was found about it.
    pub(super) findings: Vec<Diagnostic>,
    pub(super) evidence: Kept<'a>,
}

impl LiveArgs {
    /// How often a case that did not pass is tried again.
    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    /// Refuses what changes clusters where there is none.
    ///
    /// # Errors
    /// When one of these options was given.
    pub(super) fn refuse_guests(&self, testbed: &str) -> Result<(), CliError> {
        self.guests.refuse(testbed)
    }

    /// Reaches the cluster.
    ///
    /// # Errors
    /// When there is none, or it looks like production and was named only once.
    pub(super) fn reach(&self, whose: Whose) -> Result<Reached, CliError> {
        if whose == Whose::Ours {
            self.guests.refuse("kind")?;
        }
        let access = self.access(whose)?;
        let cluster = KubeCluster::connect(&access, Limits::default()).map_err(Failure::from)?;
        let name = match whose {
            Whose::Ours => "kind",
            Whose::Theirs => "cluster",
        };
        let context = match whose {
            Whose::Ours => None,
            Whose::Theirs => {
                let used = access.context_used().map_err(Failure::from)?;
                Some(used.unwrap_or_else(|| IN_CLUSTER.to_owned()))
            }
        };
        let deny_timeout = Duration::from_secs(self.deny_timeout);
        Ok(Reached {
            cluster,
            context,
            confirmed: self.in_production.clone(),
            log_wait: self.log_wait,
            guests: self.guests.clone(),
            options: Options {
                name,
                deny_timeout,
                patience: Duration::from_secs(self.wait),
                canary_labels: self.canary_labels(),
                outside: self.outside(),
                image: self.guests.probe_image.clone(),
                ..Options::default()
            },
            stop: stop()?,
        })
    }

    /// Whoever runs in a pod is not outside.
    fn outside(&self) -> Outside {
        if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            return Outside::Nowhere("refused: this program runs in a pod, and not outside of the cluster".to_owned());
        }
        match probe::dialler(self.probe.clone()) {
            Ok(probe) => Outside::Probe(probe),
            Err(error) => Outside::Nowhere(format!(
                "refused: this program does not find itself, to dial from outside ({error}); name a probe with --probe"
            )),
        }
    }

    fn canary_labels(&self) -> BTreeMap<String, String> {
        if self.canary_label.is_empty() {
            return BTreeMap::from([("zt.example.com/isolate".to_owned(), "false".to_owned())]);
        }
        self.canary_label.iter().cloned().collect()
    }

    fn access(&self, whose: Whose) -> Result<Access, CliError> {
        match whose {
            Whose::Theirs => Ok(Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }),
            Whose::Ours => {
                let kubeconfig = self.name.folder()?.kubeconfig();
                if !kubeconfig.exists() {
                    let missing = Failure::new("no-cluster", format!("there is no {}", kubeconfig.display()));
                    return Err(missing
                        .hint("`airtight up` makes the cluster; `airtight status` shows what is there")
                        .into());
                }
                Ok(Access { kubeconfig: Some(kubeconfig), context: None })
            }
        }
    }
}

impl Reached {
    /// Prepares the cluster and does something with the testbed, which gets to know what was found and whether the
    /// user interrupted it. What was brought along is removed, however it ends.
    ///
    /// # Errors
    /// When the cluster cannot be prepared, what `run` ends with, and what could not be removed.
    pub(super) fn run<T>(
        self,
        matter: Matter<'_>,
        output: &mut Output<'_>,
        run: impl FnOnce(&mut dyn Testbed, Prepared<'_>, GoOn<'_>, &mut Output<'_>) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let stop = self.stop.clone();
        let stopped = || stop.interrupted();
        let cluster = Stopping::new(&self.cluster, &stopped);
        let patience = Patience { within: self.options.patience, ..Patience::default() };
        let mut guests = Guests::new(&cluster, &self.cluster, patience);
        let (recorder, mut options) = (Recorder::default(), self.options.clone());
        let go_on = || if stopped() { Err(StepFailure::interrupted().into()) } else { Ok(()) };
        let ended = self.prepare(matter, &mut options, &cluster, &mut guests, output).and_then(|(findings, found)| {
            let witness = ClusterWitness::new(&cluster, until_logged(self.log_wait));
            let (witness, recording) = (Recounting::new(&witness, &recorder), Recording::new(&cluster, &recorder));
            let about = evidence::cluster(
                &cluster,
                self.cluster.server(),
                self.context.as_deref(),
                &found,
                &self.options.image,
            );
            let mut live = Live::new(&recording, options, Some(&witness))?;
            let objects = evidence::objects(matter.inputs, &guests);
            let evidence = Kept { recorder: &recorder, cluster: about, objects };
            run(&mut live, Prepared { findings, evidence }, &go_on, output)
        });
        // Whatever failed then failed because of it.
        let ended = go_on().and(ended);
        if guests.count() > 0 {
            say(output, &format!("removing {} objects (run {})", guests.count(), guests.run()))?;
        }
        let left = guests.remove();
        for each in &left {
            say(output, &format!("left behind: {each}"))?;
        }
        let value = ended?;
        match left.as_slice() {
            [] => Ok(value),
            left => Err(left_behind(left.len()).into()),
        }
    }

    /// Looks at what is installed, brings along what was asked for, and waits until the manifests are in force. What
    /// differs from the stack is a finding.
    fn prepare(
        &self,
        matter: Matter<'_>,
        options: &mut Options,
        cluster: &dyn Cluster,
        guests: &mut Guests<'_>,
        output: &mut Output<'_>,
    ) -> Result<(Vec<Diagnostic>, Installed), CliError> {
        if let Some(context) = &self.context {
            guard(cluster, context, self.cluster.server(), self.confirmed.as_deref())?;
        }
        let installed = Installed::detect(cluster);
        options.lacks = installed.absent();
        options.denials = installed.denials().as_ref().map(outcomes);
        options.unobserved = installed.unobserved();
        let mut findings = differences(&installed, matter.inputs);
        let documents = matter.inputs.manifests.documents.iter().map(|document| document.root.to_json());
        let objects = admitted(documents, matter.built);
        let patience = Patience { within: options.patience, ..Patience::default() };
        let brought = Brought { args: &self.guests, plan: matter.plan, objects: &objects, options, patience };
        let settled = settle(&brought, cluster, guests, output)?;
        findings.extend(settled.findings);
        let (mut awaited, unserved) = awaited(cluster, &objects, matter.findings)?;
        findings.extend(unserved);
        awaited.extend(settled.awaited);
        say(output, &format!("waiting until {} objects are in force", awaited.len()))?;
        let took = wait(cluster, &awaited, patience).map_err(|error| not_in_force(&error))?;
        say(output, &format!("they are ({} s)", took.as_secs()))?;
        Ok((findings, installed))
    }
}

fn left_behind(count: usize) -> Failure {
    let message = match count {
        1 => "an object that this run made could not be removed".to_owned(),
        count => format!("{count} objects that this run made could not be removed"),
    };
    Failure::new("left-behind", message).hint("`airtight clean` with the same cluster tries again")
}

/// Refuses a cluster that people may depend on, unless its context was named twice.
fn guard(cluster: &dyn Cluster, context: &str, server: &str, confirmed: Option<&str>) -> Result<(), Failure> {
    let path = "/api/v1/namespaces";
    let answer = cluster.send(&ApiCall { verb: Verb::Get, path, body: None, user: None })?;
    let items = answer.body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let names: Vec<&str> = items.iter().filter_map(|item| item.pointer("/metadata/name")?.as_str()).collect();
    match looks_like_production(context, server, &names) {
        Some(why) if confirmed != Some(context) => {
            let message = format!("the cluster looks like production: {why}; nothing was made");
            Err(Failure::new("production", message).hint(format!("if it is meant, say so: --in-production {context}")))
        }
        Some(_) | None => Ok(()),
    }
}

/// What to wait for, and findings about kinds that the cluster does not serve.
fn awaited(
    cluster: &dyn Cluster,
    objects: &[Value],
    foreseen: &[Diagnostic],
) -> Result<(Vec<Awaited>, Vec<Diagnostic>), Failure> {
    let objects = objects.iter().filter(|object| !stays_unresolved(object, foreseen));
    let (mut served, mut unserved) = (Vec::new(), BTreeMap::<String, usize>::new());
    let mut known = BTreeMap::new();
    for (object, awaited) in objects.filter_map(|object| Some((object, Awaited::of_object(object)?))) {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let is_served = match known.get(&(version.clone(), kind.clone())) {
            Some(is_served) => *is_served,
            None => serves(cluster, &version, &kind)?,
        };
        known.insert((version, kind.clone()), is_served);
        if is_served {
            served.push(awaited);
        } else {
            *unserved.entry(kind).or_default() += 1;
        }
    }
    let finding = |(kind, count): (String, usize)| {
        Diagnostic::warning(
            "not-served",
            format!("the cluster does not serve {kind}, of which the manifests have {count}"),
        )
    };
    Ok((served, unserved.into_iter().map(finding).collect()))
}

/// Whether the model foresees that a route's references are never resolved, so that its controller will never say so.
fn stays_unresolved(object: &Value, foreseen: &[Diagnostic]) -> bool {
    let about = format!("{} ", reference(object));
    foreseen.iter().any(|finding| finding.code == "backend-unresolved" && finding.message.starts_with(&about))
}

fn serves(cluster: &dyn Cluster, version: &str, kind: &str) -> Result<bool, Failure> {
    let path = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let answer = cluster.send(&ApiCall { verb: Verb::Get, path: &path, body: None, user: None })?;
    let resources = answer.body.get("resources").and_then(Value::as_array).cloned().unwrap_or_default();
    // What cannot be read is waited for, and then named.
    Ok(answer.status != 404
        && (!answer.accepted() || resources.iter().any(|each| each.get("kind").and_then(Value::as_str) == Some(kind))))
}

/// Components that are not those of the stack, which the model computes with.
fn differences(installed: &Installed, inputs: &Inputs) -> Vec<Diagnostic> {
    let stack = &inputs.stack;
    let unread =
        installed.unread.iter().map(|what| Diagnostic::warning("unread", format!("not known of the cluster: {what}")));
    let differ = installed.differences(&stack.versions).into_iter().filter(|each| each.distance != Distance::Patch);
    let differ = differ.map(|each| {
        let found = each
            .found
            .map_or_else(|| "no version of it is found".to_owned(), |found| format!("the cluster has {found}"));
        Diagnostic::warning(
            "other-version",
            format!("{}: the stack {} has {}, {found}", each.component, stack.name, each.pinned),
        )
        .hint("name a stack of the cluster's versions with --stack, or the model foresees another cluster")
    });
    let wrong = installed.findings().into_iter().map(|what| Diagnostic::warning("cluster", what));
    differ.chain(unread).chain(wrong).collect()
}

fn not_in_force(error: &NotInForce) -> CliError {
    let hint = match error {
        NotInForce::Rejected(_) => "correct the object, apply it again, and run again",
        NotInForce::Deadline { .. } => "apply what is missing, or look at its controller; --wait gives it more time",
    };
    Failure::new("not-in-force", error.to_string()).hint(hint).into()
}

pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is written NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_route_that_is_meant_to_stay_unresolved_is_not_waited_for() {
        let route = json!({"kind": "HTTPRoute", "metadata": {"namespace": "shop", "name": "web"}});
        let finding = |message: &str| [Diagnostic::warning("backend-unresolved", message)];
        assert!(stays_unresolved(&route, &finding("HTTPRoute shop/web cannot use Service bank/api port 80")));
        assert!(!stays_unresolved(&route, &finding("HTTPRoute shop/web-2 cannot use Service bank/api port 80")));
        assert!(!stays_unresolved(&route, &[Diagnostic::warning("other", "HTTPRoute shop/web cannot")]));
    }
}
