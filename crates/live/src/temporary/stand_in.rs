//! Workloads of manifests as probe pods: what policies see of them, and nothing else.

use std::collections::BTreeMap;

use airtight_cluster::pod::repository;
use airtight_cluster::read::{items, text};
use serde_json::{Value, json};

use super::created::reference;
use super::listener::listener;

/// Listeners below this port take a sysctl that Pod Security `restricted` allows (Kubernetes "Pod Security Standards").
const PRIVILEGED: u64 = 1024;

/// A workload as a probe pod.
#[derive(Debug, Clone, PartialEq)]
pub struct StandIn {
    /// The workload's namespace.
    pub namespace: String,
    /// Its name, which is the pod's too.
    pub workload: String,
    /// The pod's labels.
    pub labels: BTreeMap<String, String>,
    /// The service account that the pod runs as.
    pub service_account: String,
    /// The pod.
    pub pod: Value,
}

/// A workload that nothing stands in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Kind, namespace and name.
    pub what: String,
    /// Why.
    pub why: String,
}

/// The stand-in of a Pod, or of what controllers make pods of; none for any other kind.
///
/// It keeps the labels, the service account, the ports and the annotations of mesh and CNI. A container that runs the
/// probe already keeps its arguments; any other is replaced by listeners on its ports, and on those that `services`
/// (manifests of Services) send to it.
#[must_use]
pub fn stand_in(workload: &Value, services: &[Value], image: &str, program: &str) -> Option<Result<StandIn, LeftOut>> {
    let template = template(workload)?;
    let left_out = |why: &str| Some(Err(LeftOut { what: reference(workload), why: why.to_owned() }));
    let spec = &template["spec"];
    if spec["hostNetwork"] == true {
        return left_out("it is on its node's network, where a stand-in would listen on the node");
    }
    if workload.pointer("/spec/replicas").and_then(Value::as_u64) == Some(0) {
        return left_out("it has no replicas");
    }
    let namespace = or(text(workload, "/metadata/namespace"), "default").to_owned();
    let name = text(workload, "/metadata/name").to_owned();
    if name.is_empty() {
        return left_out("it has no name of its own");
    }
    let labels = kept(&template["metadata"]["labels"], |label| label != "pod-template-hash");
    let annotations = kept(&template["metadata"]["annotations"], |name| {
        let owner = name.split('/').next().unwrap_or(name);
        owner.ends_with("istio.io") || owner.ends_with("cilium.io")
    });
    let service_account = or(text(spec, "/serviceAccountName"), "default").to_owned();
    let container = container(spec, &Seen { namespace: &namespace, labels: &labels, services }, &name, image, program);
    let low = items(&container, "/ports").iter().any(|port| port["containerPort"].as_u64() < Some(PRIVILEGED));
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations},
        "spec": {
            "serviceAccountName": service_account,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    });
    if low {
        pod["spec"]["securityContext"]["sysctls"] =
            json!([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]);
    }
    Some(Ok(StandIn { namespace, workload: name, labels, service_account, pod }))
}

/// A pod, as manifests have it.
fn template(workload: &Value) -> Option<&Value> {
    match text(workload, "/kind") {
        "Pod" => Some(workload),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => workload.pointer("/spec/template"),
        "CronJob" => workload.pointer("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn kept(map: &Value, keep: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten().filter(|(name, _)| keep(name));
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// What of other manifests bears on a pod's ports.
struct Seen<'a> {
    namespace: &'a str,
    labels: &'a BTreeMap<String, String>,
    services: &'a [Value],
}

impl Seen<'_> {
    /// The ports of Services that select the pod.
    fn ports(&self) -> impl Iterator<Item = &Value> {
        let selects = |service: &&Value| {
            let selector = service.pointer("/spec/selector").and_then(Value::as_object);
            let own = or(text(service, "/metadata/namespace"), "default") == self.namespace;
            own && selector.is_some_and(|selector| {
                !selector.is_empty()
                    && selector.iter().all(|(name, value)| self.labels.get(name).map(String::as_str) == value.as_str())
            })
        };
        self.services.iter().filter(selects).flat_map(|service| items(service, "/spec/ports"))
    }

    /// What a Service says of the port that it sends to.
    fn app_protocol(&self, port: &Value) -> (Option<&str>, Option<&str>) {
        let is_it = |of: &&Value| {
            let target = of.get("targetPort").or_else(|| of.get("port"));
            target.is_some_and(|target| *target == port["containerPort"] || *target == port["name"])
        };
        let of = self.ports().find(is_it);
        (of.and_then(|of| of["appProtocol"].as_str()), of.and_then(|of| of["name"].as_str()))
    }
}

fn container(spec: &Value, seen: &Seen<'_>, pod: &str, image: &str, program: &str) -> Value {
    let probe = items(spec, "/containers").iter().find(|each| is_probe(text(each, "/image"), image));
    let mut ports: Vec<Value> =
        items(spec, "/containers").iter().flat_map(|each| items(each, "/ports")).cloned().collect();
    for of in seen.ports() {
        // A target port that has a name is a container's, and is among them.
        let number = of.get("targetPort").unwrap_or(&of["port"]);
        if number.is_u64() && !ports.iter().any(|port| port["containerPort"] == *number) {
            ports.push(json!({"containerPort": number, "protocol": or(text(of, "/protocol"), "TCP")}));
        }
    }
    for port in &mut ports {
        if let Some(fields) = port.as_object_mut() {
            // It would take the port of the node.
            fields.remove("hostPort");
            fields.remove("hostIP");
        }
    }
    let command = match probe.map(|probe| words(probe, program)) {
        Some(words) if !words.is_empty() => identified(words, pod, seen.namespace),
        Some(_) | None => command(&ports, seen, pod, program),
    };
    json!({
        "name": "probe",
        "image": image,
        "command": command,
        "ports": ports,
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    })
}

/// Whether a container of a manifest runs the probe: by the name that the cluster's nodes know it by, or by its own.
fn is_probe(of: &str, image: &str) -> bool {
    [repository(image), "airtight-probe"].contains(&repository(of))
}

/// The words of a container that runs the probe; none if it says none.
fn words(probe: &Value, program: &str) -> Vec<String> {
    let of = |list: &str| items(probe, list).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let (mut words, args) = (of("/command"), of("/args"));
    if words.is_empty() && !args.is_empty() {
        words.push(program.to_owned());
    }
    words.extend(args);
    words
}

/// A server must know who it is.
fn identified(mut words: Vec<String>, pod: &str, namespace: &str) -> Vec<String> {
    let serves = words.get(1).is_some_and(|role| role == "serve");
    for (flag, value) in [("--pod", pod), ("--namespace", namespace)] {
        if serves && !words.iter().any(|word| word == flag) {
            words.extend([flag.to_owned(), value.to_owned()]);
        }
    }
    words
}

fn command(ports: &[Value], seen: &Seen<'_>, pod: &str, program: &str) -> Vec<String> {
    let listeners = ports.iter().filter_map(|port| {
        let number = port["containerPort"].as_u64()?;
        let (app_protocol, service_port) = seen.app_protocol(port);
        let name = port["name"].as_str().or(service_port);
        let speaks = listener(or(text(port, "/protocol"), "TCP"), app_protocol, name, number)?;
        Some(format!("{speaks}=0.0.0.0:{number}"))
    });
    let listeners: std::collections::BTreeSet<String> = listeners.collect();
    if listeners.is_empty() {
        return vec![program.to_owned(), "pause".to_owned()];
    }
    let mut words = vec![program.to_owned(), "serve".to_owned()];
    words.extend(listeners.into_iter().flat_map(|each| ["--listen".to_owned(), each]));
    identified(words, pod, seen.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "registry.example/airtight-probe:1";

    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"replicas": 3, "template": {
                "metadata": {
                    "labels": {"app": "web", "pod-template-hash": "x"},
                    "annotations": {"prometheus.io/scrape": "true", "ambient.istio.io/bypass": "1"},
                },
                "spec": {"serviceAccountName": "web", "containers": [
                    {"name": "web", "image": "nginx:1", "ports": [{"name": "http", "containerPort": 80, "hostPort": 80}]},
                    {"name": "log", "image": "logger:1"},
                ]},
            }},
        })
    }

    fn of(workload: &Value, services: &[Value]) -> StandIn {
        stand_in(workload, services, IMAGE, "/airtight-probe").unwrap().unwrap()
    }

    #[test]
    fn policies_see_the_workload() {
        let services = [json!({"kind": "Service", "metadata": {"namespace": "shop", "name": "web"}, "spec": {
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": "http"}, {"name": "tcp-admin", "port": 9000}, {"port": 5353, "protocol": "UDP"}],
        }})];
        let made = of(&deployment(), &services);
        assert_eq!(made.service_account, "web");
        assert_eq!(made.pod["metadata"]["labels"], json!({"app": "web"}));
        assert_eq!(made.pod["metadata"]["annotations"], json!({"ambient.istio.io/bypass": "1"}));
        let container = &made.pod["spec"]["containers"];
        assert_eq!(container.as_array().unwrap().len(), 1);
        assert_eq!(
            (&container[0]["image"], &container[0]["ports"][0]),
            (&json!(IMAGE), &json!({"name": "http", "containerPort": 80}))
        );
        let listen: Vec<_> = items(&container[0], "/command")
            .iter()
            .filter_map(Value::as_str)
            .filter(|word| word.contains('='))
            .collect();
        // The Service's own name says what the port speaks.
        assert_eq!(listen, ["http=0.0.0.0:80", "tcp=0.0.0.0:9000", "udp=0.0.0.0:5353"]);
        assert_eq!(made.pod["spec"]["securityContext"]["sysctls"][0]["value"], "0");
    }

    #[test]
    fn a_probe_keeps_its_words() {
        let mut workload = deployment();
        workload["spec"]["template"]["spec"]["containers"][0] = json!({"name": "web", "image": "airtight-probe:dev",
            "args": ["serve", "--listen", "mcp=8080"], "ports": [{"containerPort": 8080}]});
        let made = of(&workload, &[]);
        assert_eq!(
            made.pod["spec"]["containers"][0]["command"],
            json!(["/airtight-probe", "serve", "--listen", "mcp=8080", "--pod", "web", "--namespace", "shop"])
        );
    }

    #[test]
    fn what_cannot_be_stood_in_for_says_so() {
        let mut workload = deployment();
        workload["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
        let left_out = stand_in(&workload, &[], IMAGE, "/p").unwrap().unwrap_err();
        assert!(left_out.what == "Deployment shop/web" && left_out.why.contains("node"), "{left_out:?}");
        workload = deployment();
        workload["spec"]["replicas"] = json!(0);
        assert!(stand_in(&workload, &[], IMAGE, "/p").unwrap().is_err());
        assert!(stand_in(&json!({"kind": "Service"}), &[], IMAGE, "/p").is_none());
    }
}
