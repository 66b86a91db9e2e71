//! `airtight run --testbed cluster` with guests: policies, stand-ins and probes that a run brings along.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_cluster::wait::{Awaited, Patience, Revisions};
use airtight_live::Options;
use airtight_live::guest::{
    EPHEMERAL, Guests, StandIn, Survey, Workload, account, enter, lacking, reference, service, stand_in, unserved_kinds,
};
use airtight_manifest::Failure;
use airtight_manifest::{Diagnostic, File, ObjectRef};
use airtight_matrix::scenario::Plan;
use airtight_model::path::Source;
use airtight_model::world::{AdmissionEvent, Built};
use airtight_probe::image;
use airtight_provision::{PROBE_IMAGE, in_order};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::error::CliError;
use super::output::Output;
use super::rbac::RbacArgs;

/// What a run may put on a cluster. Without any of these, it makes nothing but the canary's namespace.
#[derive(Debug, Clone, Args)]
pub(super) struct GuestArgs {
    /// For `--testbed cluster`: the probe's image, as its nodes can pull it
    #[arg(long, value_name = "IMAGE", default_value = PROBE_IMAGE, help_heading = "Clusters")]
    pub(super) probe_image: String,
    /// For `--testbed cluster`: create the policies of the manifests, allows before denies, and remove them after the
    /// run; refused if one of them is there already
    #[arg(long, help_heading = "Clusters")]
    pub(super) apply_policies: bool,
    /// For `--testbed cluster`: create the workloads of the manifests as probe pods, and remove them after the run; in
    /// namespaces that are not there yet, or `anywhere`, but never where a Service would send them real traffic
    #[arg(long, value_name = "WHERE", value_enum, num_args = 0..=1, default_missing_value = "new")]
    #[arg(require_equals = true, conflicts_with = "as_deployed", help_heading = "Clusters")]
    pub(super) stand_ins: Option<Where>,
    /// For `--testbed cluster`: start flows in the real workloads, from ephemeral containers named `airtight-probe`,
    /// which nobody can remove: they stay in their pods until those are replaced
    #[arg(long, help_heading = "Clusters")]
    pub(super) as_deployed: bool,
}

/// Where stand-ins are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Where {
    /// In namespaces that are not there yet
    New,
    /// In namespaces of others too, next to what is there
    Anywhere,
}

/// API groups whose objects decide about traffic or objects.
const POLICY_GROUPS: &[&str] = &[
    "cilium.io",
    "policy.networking.k8s.io",
    "security.istio.io",
    "networking.istio.io",
    "gateway.networking.k8s.io",
    "gateway.kgateway.dev",
    "agentgateway.dev",
    "kyverno.io",
    "policies.kyverno.io",
];

/// Namespaces of the platform, in which nothing stands in for anything.
const PLATFORM: &[&str] =
    &["istio-system", "kgateway-system", "agentgateway-system", "kyverno", "cilium", "cilium-system"];

/// What the manifests hold that can be brought along.
pub(super) struct Brought<'a> {
    pub(super) args: &'a GuestArgs,
    pub(super) plan: &'a Plan,
    /// The objects that exist by the manifests, as the model sees it.
    pub(super) objects: &'a [Value],
    pub(super) options: &'a Options,
    pub(super) patience: Patience,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) findings: Vec<Diagnostic>,
    /// What to wait for besides the manifests' own objects.
    pub(super) awaited: Vec<Awaited>,
}

impl GuestArgs {
    /// The options as they were written.
    pub(super) fn words(&self) -> Vec<String> {
        let stand_ins = self.stand_ins.map(|place| match place {
            Where::New => "--stand-ins",
            Where::Anywhere => "--stand-ins=anywhere",
        });
        let flags =
            [self.apply_policies.then_some("--apply-policies"), stand_ins, self.as_deployed.then_some("--as-deployed")];
        let image = ["--probe-image".to_owned(), self.probe_image.clone()];
        flags.into_iter().flatten().map(str::to_owned).chain(image).collect()
    }

    /// The role that they take.
    pub(super) fn role(&self) -> RbacArgs {
        RbacArgs {
            apply_policies: self.apply_policies,
            stand_ins: self.stand_ins.is_some(),
            as_deployed: self.as_deployed,
        }
    }

    /// Refuses what only makes sense on a cluster that is there already.
    ///
    /// # Errors
    /// When one of the options was given.
    pub(super) fn refuse(&self, testbed: &str) -> Result<(), CliError> {
        let given = [
            (self.apply_policies, "--apply-policies"),
            (self.stand_ins.is_some(), "--stand-ins"),
            (self.as_deployed, "--as-deployed"),
            (self.probe_image != PROBE_IMAGE, "--probe-image"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(CliError::Argument {
                value: (*name).to_owned(),
                expected: "an option of this testbed",
                hint: format!("it is for --testbed cluster, and this is --testbed {testbed}"),
            }),
            None => Ok(()),
        }
    }
}

/// The manifests' objects without those that the model's admission refuses: they would be refused, or be in force
/// against the model's account.
pub(super) fn admitted(documents: impl Iterator<Item = Value>, built: &Built) -> Vec<Value> {
    let refused: BTreeSet<&ObjectRef> = built
        .world
        .admission
        .iter()
        .filter_map(|event| match event {
            AdmissionEvent::Rejected { object, .. } => Some(object),
            AdmissionEvent::Generated { .. } | AdmissionEvent::Mutated { .. } => None,
        })
        .collect();
    documents.filter(|object| !refused.contains(&object_ref(object))).collect()
}

fn object_ref(object: &Value) -> ObjectRef {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    ObjectRef::new(
        text("/kind").unwrap_or_default(),
        text("/metadata/namespace"),
        text("/metadata/name").unwrap_or_default(),
    )
}

/// Brings along what was asked for.
///
/// # Errors
/// When something that exists would be overwritten, when the API server refuses something, and when a pod does not
/// become ready.
pub(super) fn settle(
    brought: &Brought<'_>,
    cluster: &dyn Cluster,
    guests: &mut Guests<'_>,
    output: &mut Output<'_>,
) -> Result<Settled, CliError> {
    let mut settled = Settled::default();
    if brought.args.apply_policies || brought.args.stand_ins.is_some() {
        make(brought, cluster, guests, &mut settled, output)?;
    }
    if brought.args.as_deployed {
        enter_workloads(brought, cluster, &mut settled, output)?;
    }
    Ok(settled)
}

fn make(
    brought: &Brought<'_>,
    cluster: &dyn Cluster,
    guests: &mut Guests<'_>,
    settled: &mut Settled,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let policies = if brought.args.apply_policies { policies(brought, cluster, settled)? } else { Vec::new() };
    let (mut stand_ins, mut accounts, mut services) = (Vec::new(), Vec::new(), Vec::new());
    if brought.args.stand_ins.is_some() {
        stand_ins = all_stand_ins(brought, settled);
        accounts = all_accounts(brought, &stand_ins);
        services = brought.objects.iter().filter(|object| is(object, "v1", "Service")).map(service).collect();
    }
    let survey = guests.survey(&[policies.as_slice(), &accounts, &services].concat())?;
    refuse_to_overwrite(&policies, &survey)?;
    if let Some(place) = brought.args.stand_ins {
        stand_ins.retain(|stand_in| fits(stand_in, place, &survey, settled));
        let used = |account: &Value| {
            let key = (text(account, "/metadata/namespace"), text(account, "/metadata/name"));
            stand_ins.iter().any(|each| (each.namespace.as_str(), each.service_account.as_str()) == key)
        };
        accounts.retain(|account| used(account) && !survey.existing.contains_key(&reference(account)));
        services.retain(|service| belongs(service, &stand_ins, &survey));
    }
    let pods: Vec<Value> = stand_ins.iter().map(|stand_in| stand_in.pod.clone()).collect();
    let namespaces = namespaces(brought, &survey, &[&policies, &accounts, &services, &pods], settled);
    let before = if policies.is_empty() { Revisions::default() } else { revisions(cluster)? };
    if !policies.is_empty() {
        say(output, &sentence(&policies, &namespaces, guests.run()))?;
    }
    if !pods.is_empty() {
        say(output, &format!("creating {} stand-ins (run {})", pods.len(), guests.run()))?;
    }
    for object in [&namespaces, &policies, &accounts, &services, &pods].into_iter().flatten() {
        guests.make(object)?;
    }
    let at_nodes = policies.iter().filter(|policy| counts_for_cilium(policy)).count();
    if at_nodes > 0 {
        settled.awaited = Awaited::revisions(&before, u64::try_from(at_nodes).unwrap_or(u64::MAX));
    }
    let names: Vec<_> = stand_ins.iter().map(|each| (each.namespace.clone(), each.workload.clone())).collect();
    let took = guests.wait_for(&names, &brought.options.image)?;
    if !names.is_empty() {
        say(output, &format!("{} stand-ins are ready ({} s)", names.len(), took.as_secs()))?;
    }
    Ok(())
}

/// Policies in the order in which a roll-out under traffic cuts nothing that is meant to work.
fn policies(brought: &Brought<'_>, cluster: &dyn Cluster, settled: &mut Settled) -> Result<Vec<Value>, CliError> {
    let all: Vec<Value> = brought.objects.iter().filter(|object| is_policy(object)).cloned().collect();
    let missing = unserved_kinds(cluster, &all)?;
    let kind = |object: &Value| (text(object, "/apiVersion").to_owned(), text(object, "/kind").to_owned());
    for (version, kind) in &missing {
        settled.findings.push(Diagnostic::warning(
            "not-served",
            format!("the cluster does not serve {kind} of {version}: those of the manifests were not applied"),
        ));
    }
    Ok(safe_order(all.into_iter().filter(|object| !missing.contains(&kind(object)))))
}

fn is_policy(object: &Value) -> bool {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    POLICY_GROUPS.contains(&group) || (group == "networking.k8s.io" && text(object, "/kind") == "NetworkPolicy")
}

/// Whether Cilium's agents count it: each such policy makes a new revision (Cilium `pkg/policy/repository.go`).
fn counts_for_cilium(policy: &Value) -> bool {
    let counted = ["NetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"];
    let group = text(policy, "/apiVersion").split('/').next().unwrap_or_default();
    counted.contains(&text(policy, "/kind")) && matches!(group, "networking.k8s.io" | "cilium.io")
}

fn safe_order(objects: impl Iterator<Item = Value>) -> Vec<Value> {
    let named = objects.enumerate().map(|(number, object)| (format!("policies/{number:06}.yaml"), object));
    let by_name: BTreeMap<String, Value> = named.collect();
    let files =
        by_name.iter().map(|(name, object)| File { name: name.clone(), bytes: object.to_string().into_bytes() });
    let files: Vec<File> = files.collect();
    in_order("policies", &files).iter().filter_map(|manifest| by_name.get(&manifest.name).cloned()).collect()
}

fn refuse_to_overwrite(policies: &[Value], survey: &Survey) -> Result<(), CliError> {
    let mut there = policies.iter().filter_map(|policy| survey.existing.get_key_value(&reference(policy)));
    let Some((first, run)) = there.next() else { return Ok(()) };
    let more = match there.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let error = |message: String, hint: &str| Err(Failure::new("exists", message).hint(hint).into());
    match run {
        Some(run) => error(
            format!("{first}{more} of the manifests is on the cluster, left there by {run}; nothing was made"),
            "`airtight clean` removes what earlier runs left",
        ),
        None => error(
            format!("{first}{more} of the manifests is on the cluster already; nothing was made"),
            "what is in force already needs no --apply-policies; or take it out of --manifests, or delete it",
        ),
    }
}

fn all_stand_ins(brought: &Brought<'_>, settled: &mut Settled) -> Vec<StandIn> {
    let services: Vec<Value> = brought.objects.iter().filter(|object| is(object, "v1", "Service")).cloned().collect();
    let mut made: BTreeMap<(String, String), StandIn> = BTreeMap::new();
    for object in brought.objects {
        match stand_in(object, &services, &brought.options.image, image::PROGRAM) {
            Some(Ok(stand_in)) if is_platform(&stand_in.namespace) => {}
            Some(Ok(stand_in)) => {
                made.entry((stand_in.namespace.clone(), stand_in.workload.clone())).or_insert(stand_in);
            }
            Some(Err(left_out)) => settled.findings.push(left(&left_out.what, &left_out.why)),
            None => {}
        }
    }
    made.into_values().collect()
}

fn is_platform(namespace: &str) -> bool {
    namespace.starts_with("kube-") || PLATFORM.contains(&namespace)
}

fn all_accounts(brought: &Brought<'_>, stand_ins: &[StandIn]) -> Vec<Value> {
    let names: BTreeSet<(&str, &str)> =
        stand_ins.iter().map(|each| (each.namespace.as_str(), each.service_account.as_str())).collect();
    let manifest = |namespace: &str, name: &str| {
        brought.objects.iter().find(|object| {
            is(object, "v1", "ServiceAccount")
                && text(object, "/metadata/name") == name
                && text(object, "/metadata/namespace") == namespace
        })
    };
    let own = names.into_iter().filter(|(_, name)| *name != "default");
    own.map(|(namespace, name)| account(namespace, name, manifest(namespace, name))).collect()
}

/// Whether a stand-in may be put where its manifest says; if not, that is a finding.
fn fits(stand_in: &StandIn, place: Where, survey: &Survey, settled: &mut Settled) -> bool {
    let StandIn { namespace, workload, labels, .. } = stand_in;
    let what = format!("{namespace}/{workload}");
    match survey.place(namespace, workload, labels) {
        Workload::Exists => settled.findings.push(left(&what, "it has pods, which were left alone")),
        Workload::Selected(service) => settled.findings.push(left(
            &what,
            &format!("Service {service} selects its labels, and would send it real traffic; --as-deployed starts in what is there"),
        )),
        Workload::Free if place == Where::New && survey.namespaces.contains_key(namespace) => settled.findings.push(
            left(&what, &format!("namespace {namespace} is not this run's; --stand-ins=anywhere uses it all the same")),
        ),
        Workload::Free => return true,
    }
    false
}

/// A Service is made if it is not there: in a namespace of this run's, or for a stand-in that it selects.
fn belongs(service: &Value, stand_ins: &[StandIn], survey: &Survey) -> bool {
    let namespace = text(service, "/metadata/namespace");
    if survey.existing.contains_key(&reference(service)) {
        return false;
    }
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    let selects = |each: &&StandIn| {
        each.namespace == namespace
            && selector.is_some_and(|selector| {
                selector.iter().all(|(name, value)| each.labels.get(name).map(String::as_str) == value.as_str())
            })
    };
    let selects_one =
        selector.is_some_and(|selector| !selector.is_empty()) && stand_ins.iter().any(|each| selects(&each));
    let own = !survey.namespaces.contains_key(namespace) && stand_ins.iter().any(|each| each.namespace == namespace);
    own || selects_one
}

/// The namespaces that objects need and the cluster lacks. One that is there and differs from its manifest is a finding.
fn namespaces(brought: &Brought<'_>, survey: &Survey, objects: &[&Vec<Value>], settled: &mut Settled) -> Vec<Value> {
    let needed: BTreeSet<&str> = objects
        .iter()
        .flat_map(|objects| objects.iter())
        .map(|object| text(object, "/metadata/namespace"))
        .filter(|namespace| !namespace.is_empty())
        .collect();
    let mut made = Vec::new();
    for name in needed {
        let manifest =
            brought.objects.iter().find(|each| is(each, "v1", "Namespace") && text(each, "/metadata/name") == name);
        match (survey.namespaces.get(name), manifest) {
            (Some(there), Some(manifest)) => {
                let lacking = lacking(manifest, there);
                if !lacking.is_empty() {
                    let message = format!("namespace {name} was left as it is, and lacks {}", lacking.join(", "));
                    settled.findings.push(
                        Diagnostic::warning("namespace", message).hint("the model foresees with the manifest's labels"),
                    );
                }
            }
            (Some(_), None) => {}
            (None, Some(manifest)) => made.push(manifest.clone()),
            (None, None) => {
                made.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
            }
        }
    }
    made
}

/// Cilium's agents count policies: what they had before says when they have the new ones.
fn revisions(cluster: &dyn Cluster) -> Result<Revisions, CliError> {
    Revisions::now(cluster).map_err(|error| {
        Failure::new("revision", format!("nobody could tell when the policies are in force: {error}"))
            .hint("it takes `exec` in Cilium's agents; `airtight rbac` prints the role")
            .into()
    })
}

fn sentence(policies: &[Value], namespaces: &[Value], run: &str) -> String {
    let made: BTreeSet<&str> = namespaces.iter().map(|each| text(each, "/metadata/name")).collect();
    let own = |policy: &&Value| made.contains(text(policy, "/metadata/namespace"));
    let beyond = policies.iter().filter(|policy| !own(policy)).count();
    format!(
        "creating {} policies (run {run}), {beyond} of them in or over namespaces that were there before",
        policies.len()
    )
}

fn enter_workloads(
    brought: &Brought<'_>,
    cluster: &dyn Cluster,
    settled: &mut Settled,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let sources = brought.plan.cases.iter().filter_map(|planned| match &planned.case.flow.from {
        Source::Workload(namespace, name) => Some((namespace.clone(), name.clone())),
        Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => None,
    });
    let sources: BTreeSet<(String, String)> = sources.collect();
    say(
        output,
        &format!(
            "starting probes in pods of {} workloads; an ephemeral container ({EPHEMERAL}) stays until its pod is replaced",
            sources.len()
        ),
    )?;
    let entered = enter(cluster, brought.options, brought.patience, &sources)?;
    settled.findings.extend(entered.left_out.iter().map(|why| left_alone(why)));
    say(output, &format!("{} pods were entered, in {} a probe ran already", entered.pods.len(), entered.reused.len()))?;
    if !entered.pods.is_empty() {
        settled.findings.push(
            Diagnostic::warning(
                "ephemeral-containers",
                format!("these pods keep an ephemeral container with the probe: {}", entered.pods.join(", ")),
            )
            .hint("it does nothing and takes no traffic; restart the workload to be rid of it"),
        );
    }
    Ok(())
}

fn left(what: &str, why: &str) -> Diagnostic {
    Diagnostic::warning("no-stand-in", format!("nothing stands in for {what}: {why}"))
}

fn left_alone(why: &str) -> Diagnostic {
    Diagnostic::warning("no-probe", format!("no probe was started in {why}"))
}

fn is(object: &Value, version: &str, kind: &str) -> bool {
    text(object, "/apiVersion") == version && text(object, "/kind") == kind
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn say(output: &mut Output<'_>, what: &str) -> Result<(), CliError> {
    writeln!(output.err, "  {what}").map_err(CliError::Output)
}
