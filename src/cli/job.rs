//! `airtight job`: the matrix from within a cluster, as manifests.

use std::path::{Path, PathBuf};

use airtight_manifest::{Diagnostic, Loaded, Reading, load, load_manifests};
use airtight_matrix::run::ExitStatus;
use clap::Args;
use serde_json::{Value, json};

use super::deploy::DeployArgs;
use super::error::CliError;
use super::input::InputArgs;
use super::live::{IN_CLUSTER, label};
use super::output::{Output, OutputFormat};
use super::run::SelectionArgs;

/// What a ConfigMap may hold at most is 1 MiB; its own fields need some of it (Kubernetes
/// `pkg/apis/core/validation/validation.go`, `MaxSecretSize`).
const MOST: usize = 900 * 1024;

/// Where inputs are in the container.
const INPUTS: &str = "/inputs";

/// Where reports are in the container.
const REPORTS: &str = "/reports";

/// What the Job is to run.
#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// Image with `airtight` on its path, as the cluster's nodes can pull it
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// Namespace of the Job; made by the manifests
    #[arg(long, short, value_name = "NAME", default_value = "airtight")]
    namespace: String,
    /// Claim in that namespace for the reports [default: they go with the pod, and only its log stays]
    #[arg(long, value_name = "NAME")]
    report_claim: Option<String>,
    /// Name the cluster for the second time, if it looks like production
    #[arg(long)]
    in_production: bool,
    /// Label of the Job's and the canary's namespace, such as one by which a default deny of all namespaces leaves them
    /// out [default: zt.example.com/isolate=false, which the reference set knows]
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    canary_label: Vec<(String, String)>,
    /// How many seconds to wait for a state
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    deploy: DeployArgs,
}

/// Prints Namespace, ServiceAccount, role, binding, inputs and Job.
///
/// # Errors
/// When inputs cannot be read or do not fit, or standard output cannot be written.
pub(super) fn job(args: &JobArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    // A filter that does not parse is better found here than in the pod.
    args.selection.selection()?;
    let manifests = Packed::read("manifests", &args.input.manifests, as_manifests)?;
    let scenarios = Packed::read("scenarios", &args.input.scenarios, load)?;
    let role = args.deploy.role().role();
    let mut documents = vec![args.namespace(), args.account(), args.binding()];
    for packed in [&manifests, &scenarios] {
        documents.extend(packed.config_maps(&args.namespace));
    }
    documents.push(args.job(&[&manifests, &scenarios]));
    write!(output.out, "{role}").map_err(CliError::Output)?;
    for document in &documents {
        writeln!(output.out, "---").map_err(CliError::Output)?;
        output.serialized(document, OutputFormat::Yaml)?;
    }
    Ok(ExitStatus::Passed)
}

impl JobArgs {
    fn labels(&self) -> Vec<(String, String)> {
        if self.canary_label.is_empty() {
            return vec![("zt.example.com/isolate".to_owned(), "false".to_owned())];
        }
        self.canary_label.clone()
    }

    fn namespace(&self) -> Value {
        let mut labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        for (name, value) in self.labels() {
            labels[name] = json!(value);
        }
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}})
    }

    fn account(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "airtight", "namespace": self.namespace}})
    }

    fn binding(&self) -> Value {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "airtight"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "airtight"},
            "subjects": [{"kind": "ServiceAccount", "name": "airtight", "namespace": self.namespace}],
        })
    }

    fn job(&self, inputs: &[&Packed]) -> Value {
        let mut volumes = vec![json!({"name": "tmp", "emptyDir": {}}), self.reports()];
        let mut mounts =
            vec![json!({"name": "tmp", "mountPath": "/tmp"}), json!({"name": "reports", "mountPath": REPORTS})];
        for packed in inputs.iter().filter(|packed| !packed.files.is_empty()) {
            volumes.push(packed.volume());
            let path = format!("{INPUTS}/{}", packed.name);
            mounts.push(json!({"name": packed.name, "mountPath": path, "readOnly": true}));
        }
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "airtight", "namespace": self.namespace},
            "spec": {
                // A run that failed is a result, and another one would not make it better.
                "backoffLimit": 0,
                "template": {"metadata": {"labels": {"app.kubernetes.io/name": "airtight"}}, "spec": {
                    "serviceAccountName": "airtight",
                    "restartPolicy": "Never",
                    // Time to remove what the run made.
                    "terminationGracePeriodSeconds": 120,
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [{
                        "name": "airtight",
                        "image": self.image,
                        "command": self.command(inputs),
                        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": mounts,
                    }],
                    "volumes": volumes,
                }},
            },
        })
    }

    fn reports(&self) -> Value {
        match &self.report_claim {
            Some(claim) => json!({"name": "reports", "persistentVolumeClaim": {"claimName": claim}}),
            None => json!({"name": "reports", "emptyDir": {}}),
        }
    }

    fn command(&self, inputs: &[&Packed]) -> Vec<String> {
        let mut words: Vec<String> =
            ["airtight", "run", "--testbed", "cluster", "--report-dir", REPORTS].map(str::to_owned).to_vec();
        let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
        add("--wait", self.wait.to_string());
        add("--stack", self.input.stack_name().to_owned());
        for (name, value) in &self.canary_label {
            add("--canary-label", format!("{name}={value}"));
        }
        for packed in inputs {
            for root in &packed.roots {
                add(&format!("--{}", packed.name), format!("{INPUTS}/{}/{root}", packed.name));
            }
        }
        for filter in &self.selection.filter {
            add("--filter", filter.clone());
        }
        for suite in &self.selection.suite {
            add("--suite", suite.clone());
        }
        if self.in_production {
            add("--in-production", IN_CLUSTER.to_owned());
        }
        words.extend(self.deploy.words());
        words
    }
}

/// Input files on their way into the container, with their folders.
#[derive(Debug)]
struct Packed {
    /// `manifests` or `scenarios`.
    name: &'static str,
    /// What was named on the command line, as paths within the volume.
    roots: Vec<String>,
    files: Vec<PackedFile>,
}

#[derive(Debug)]
struct PackedFile {
    /// Which ConfigMap, from 0.
    map: usize,
    /// Its key there: no key may have a slash.
    key: String,
    /// Its path within the volume.
    path: String,
    text: String,
}

impl Packed {
    fn read(
        name: &'static str,
        paths: &[PathBuf],
        read: fn(&Path) -> Result<Loaded, Vec<Diagnostic>>,
    ) -> Result<Self, CliError> {
        let mut packed = Self { name, roots: Vec::new(), files: Vec::new() };
        let (mut map, mut held) = (0, 0);
        for (number, path) in paths.iter().enumerate() {
            let loaded = read(path).map_err(CliError::Input)?;
            let last = path.file_name().map_or_else(|| "input".to_owned(), |last| last.to_string_lossy().into_owned());
            let root = format!("{number}/{last}");
            for (file, text) in loaded.sources.iter() {
                let size = text.len() + file.len() + 64;
                if size > MOST {
                    return Err(too_large(file));
                }
                if held + size > MOST {
                    (map, held) = (map + 1, 0);
                }
                held += size;
                let below = Path::new(file).strip_prefix(path).unwrap_or(Path::new(""));
                let below = below.to_string_lossy().replace('\\', "/");
                let path = if below.is_empty() { root.clone() } else { format!("{root}/{below}") };
                let key = format!("file-{:04}", packed.files.len());
                packed.files.push(PackedFile { map, key, path, text: text.to_owned() });
            }
            packed.roots.push(root);
        }
        Ok(packed)
    }

    fn maps(&self) -> usize {
        self.files.last().map_or(0, |file| file.map + 1)
    }

    fn map_name(&self, map: usize) -> String {
        format!("airtight-{}-{map}", self.name)
    }

    fn of(&self, map: usize) -> impl Iterator<Item = &PackedFile> {
        self.files.iter().filter(move |file| file.map == map)
    }

    fn config_maps(&self, namespace: &str) -> Vec<Value> {
        let config_map = |map: usize| {
            let data: serde_json::Map<String, Value> =
                self.of(map).map(|file| (file.key.clone(), json!(file.text))).collect();
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": self.map_name(map), "namespace": namespace}, "data": data})
        };
        (0..self.maps()).map(config_map).collect()
    }

    fn volume(&self) -> Value {
        let source = |map: usize| {
            let items: Vec<Value> = self.of(map).map(|file| json!({"key": file.key, "path": file.path})).collect();
            json!({"configMap": {"name": self.map_name(map), "items": items}})
        };
        json!({"name": self.name, "projected": {"sources": (0..self.maps()).map(source).collect::<Vec<_>>()}})
    }
}

/// Manifests whose files say all: what a program would have to render cannot be sent along.
fn as_manifests(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    load_manifests(&[path.to_owned()], Reading::default())
}

fn too_large(file: &str) -> CliError {
    CliError::Argument {
        value: file.to_owned(),
        expected: "a file that fits into a ConfigMap, which holds 1 MiB",
        hint: "split it, or put it into the image".to_owned(),
    }
}
