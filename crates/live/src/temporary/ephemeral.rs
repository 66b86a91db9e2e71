//! Probes in pods that are somebody else's: ephemeral containers, which stay until their pod goes.

use std::collections::BTreeSet;

use airtight_cluster::pod::{Pod, ephemeral_probe, is_hopeless};
use airtight_cluster::read::{items, list, text};
use airtight_cluster::wait::{Look, Patience, until};
use airtight_cluster::{ApiCall, Cluster, Verb};
use airtight_manifest::Failure;
use serde_json::{Value, json};

use crate::mesh::CREDENTIALS;
use crate::options::Options;

/// The container's name; a further one in the same pod has a number behind it.
pub const NAME: &str = "airtight-probe";

/// The user as whom a probe runs that needs no other.
const NOBODY: u64 = 65532;

/// Words of those who refuse an object and not the user: webhooks (`k8s.io/apiserver`
/// `pkg/admission/plugin/webhook/errors/statuserror.go`), policies of the API server's own, Pod Security
/// (`k8s.io/pod-security-admission` `admission/admission.go`).
const ADMISSION: [&str; 3] = ["admission webhook \"", "ValidatingAdmissionPolicy '", "violates PodSecurity"];

/// Into which pods probes were put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entered {
    /// Pods with a container more than before, as `namespace/name`.
    pub pods: Vec<String>,
    /// Pods in which a probe ran already.
    pub reused: Vec<String>,
    /// Workloads into which none could be put, each with the reason.
    pub left_out: Vec<String>,
}

/// Puts a probe into one running pod of each workload (namespace and name), unless one runs there, and waits until all
/// of them run.
///
/// # Errors
/// When pods cannot be listed, when the API server refuses a container, and when one does not run in time.
pub fn enter(
    cluster: &dyn Cluster,
    options: &Options,
    patience: Patience,
    workloads: &BTreeSet<(String, String)>,
) -> Result<Entered, Failure> {
    let pods = list(cluster, "/api/v1/pods")?;
    let (mut entered, mut awaited) = (Entered::default(), Vec::new());
    for (namespace, workload) in workloads {
        let mut own: Vec<(&Value, Pod)> = pods
            .iter()
            .filter_map(|pod| Some((pod, Pod::read(pod, &options.image)?)))
            .filter(|(_, pod)| pod.namespace == *namespace && pod.workload == *workload)
            .collect();
        own.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
        let shown = format!("{namespace}/{workload}");
        if let Some((_, pod)) = own.iter().find(|(_, pod)| pod.probe.is_some() && pod.unready.is_none()) {
            entered.reused.push(format!("{namespace}/{}", pod.name));
            continue;
        }
        let Some((object, pod)) = own.iter().find(|(object, _)| is_running(object)) else {
            entered.left_out.push(format!("{shown}: no pod of it is running"));
            continue;
        };
        if object.pointer("/spec/hostNetwork") == Some(&json!(true)) {
            entered.left_out.push(format!("{shown}: it is on its node's network, which no policy of pods reaches"));
            continue;
        }
        match put(cluster, options, object)? {
            Ok(container) => {
                entered.pods.push(format!("{namespace}/{}", pod.name));
                awaited.push((namespace.clone(), pod.name.clone(), container));
            }
            Err(why) => entered.left_out.push(format!("{shown}: {why}")),
        }
    }
    wait(cluster, options, patience, awaited)?;
    Ok(entered)
}

fn is_running(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running" && pod.pointer("/metadata/deletionTimestamp").is_none()
}

/// Adds the container, as `kubectl debug` does (`pkg/cmd/debug/debug.go`); its name, or why admission refuses it in this
/// pod.
fn put(cluster: &dyn Cluster, options: &Options, pod: &Value) -> Result<Result<String, String>, Failure> {
    let taken: BTreeSet<&str> = ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"]
        .iter()
        .flat_map(|list| items(pod, list))
        .map(|container| text(container, "/name"))
        .collect();
    let numbered = (2..).map(|number| format!("{NAME}-{number}"));
    let name = std::iter::once(NAME.to_owned()).chain(numbered).find(|name| !taken.contains(name.as_str()));
    let name = name.unwrap_or_else(|| NAME.to_owned());
    let member = Credentials::of(pod);
    let container = json!({
        "name": name,
        "image": options.image,
        "command": [options.program, "pause"],
        "terminationMessagePolicy": "File",
        "volumeMounts": member.mounts,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": member.user,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    let (namespace, own) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
    let path = format!("/api/v1/namespaces/{namespace}/pods/{own}/ephemeralcontainers");
    let body = json!({"spec": {"ephemeralContainers": [container]}});
    let answer = cluster.send(&ApiCall { verb: Verb::Strategic, path: &path, body: Some(&body), user: None })?;
    if answer.accepted() {
        return Ok(Ok(name));
    }
    if ADMISSION.iter().any(|words| answer.message().contains(words)) {
        return Ok(Err(format!("admission refuses the container: {}", answer.words())));
    }
    let error =
        Failure::new("as-deployed", format!("no probe can be put into pod {namespace}/{own}: {}", answer.words()));
    Err(match answer.status {
        403 => error.hint("`airtight rbac --as-deployed` prints the role that this takes"),
        _ => error.hint("the API server's words say what it did not like"),
    })
}

/// What a probe beside a proxy of Istio's needs to open tunnels in its stead: the proxy's credentials, and the user who
/// may read them.
struct Credentials {
    mounts: Vec<Value>,
    user: u64,
}

impl Credentials {
    fn of(pod: &Value) -> Self {
        let containers = items(pod, "/spec/containers").iter();
        let mounts = |container: &&Value| {
            let own = items(container, "/volumeMounts");
            CREDENTIALS.iter().all(|(name, _)| own.iter().any(|mount| text(mount, "/name") == *name))
        };
        let Some(proxy) = containers.into_iter().find(mounts) else { return Self { mounts: Vec::new(), user: NOBODY } };
        let mounts = CREDENTIALS.iter().map(|(name, path)| json!({"name": name, "mountPath": path, "readOnly": true}));
        let user = proxy.pointer("/securityContext/runAsUser").and_then(Value::as_u64);
        Self { mounts: mounts.collect(), user: user.filter(|user| *user > 0).unwrap_or(NOBODY) }
    }
}

/// Waits until the containers (namespace, pod and name) run.
fn wait(
    cluster: &dyn Cluster,
    options: &Options,
    patience: Patience,
    mut open: Vec<(String, String, String)>,
) -> Result<(), Failure> {
    let waited = until(patience, &|| cluster.is_over(), || {
        let (mut why, mut still) = (None, Vec::new());
        for each in std::mem::take(&mut open) {
            let (namespace, pod, container) = &each;
            let Some(reason) = state(cluster, namespace, pod, container)? else { continue };
            let message = format!("{container} in pod {namespace}/{pod} does not run: {reason}");
            if is_hopeless(&reason) || reason.contains("has ended") {
                return Err(never_runs(message, options));
            }
            why = Some(message);
            still.push(each);
        }
        open = still;
        Ok(why.map_or(Look::Done(()), Look::Open))
    })?;
    waited.map_err(|late| never_runs(late.last, options))
}

fn never_runs(message: String, options: &Options) -> Failure {
    Failure::new("as-deployed", message).hint(format!(
        "can every node pull {}? --probe-image names another, --wait gives more time; the container stays in its pod",
        options.image
    ))
}

/// Why a container does not run yet; none if it does.
fn state(cluster: &dyn Cluster, namespace: &str, pod: &str, container: &str) -> Result<Option<String>, Failure> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
    let answer = cluster.send(&ApiCall::get(&path))?;
    if !answer.accepted() {
        return Ok(Some(format!("the pod cannot be read ({})", answer.words())));
    }
    if ephemeral_probe(&answer.body, container) {
        return Ok(None);
    }
    let statuses = items(&answer.body, "/status/ephemeralContainerStatuses");
    let Some(status) = statuses.iter().find(|status| text(status, "/name") == container) else {
        return Ok(Some("its kubelet has not taken it up".to_owned()));
    };
    let (reason, message) = (text(status, "/state/waiting/reason"), text(status, "/state/waiting/message"));
    if status.pointer("/state/terminated").is_some() {
        let code = status.pointer("/state/terminated/exitCode").and_then(Value::as_i64).unwrap_or(-1);
        return Ok(Some(
            format!("it has ended with {code} {}", text(status, "/state/terminated/message")).trim_end().to_owned(),
        ));
    }
    Ok(Some(format!("it waits ({reason} {message})").replace(" )", ")")))
}
