//! The Job that runs the matrix from within a cluster: manifests that an API server takes, and a command that works
//! with nothing but the pod's service account.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use airtight_testkit::api_server::Denial;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::stage::{Stage, told};

fn printed(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
    command.args(["job", "--image", "registry.example/airtight:1"]).args(args).current_dir(folder);
    command.output().unwrap()
}

fn manifests(folder: &Path, args: &[&str]) -> Vec<Value> {
    let output = printed(folder, args);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = airtight_manifest::yaml::parse(&"job.yaml".into(), &text).unwrap();
    documents.iter().map(|document| document.root.to_json()).collect()
}

fn of<'m>(manifests: &'m [Value], kind: &str) -> &'m Value {
    manifests.iter().find(|each| each["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// An object with a field that Kubernetes' types do not have, or have in another shape, comes back another.
fn takes<T: Serialize + DeserializeOwned>(object: &Value) {
    let read: T = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), *object);
}

#[test]
fn an_api_server_takes_the_manifests() {
    let stage = Stage::empty();
    let args = ["--manifests", "manifests", "--scenarios", "scenarios/shop.yaml", "--report-claim", "reports"];
    let manifests = manifests(stage.folder.path(), &args);
    let kinds: Vec<_> = manifests.iter().map(|each| each["kind"].as_str().unwrap()).collect();
    let expected =
        ["ClusterRole", "Namespace", "ServiceAccount", "ClusterRoleBinding", "ConfigMap", "ConfigMap", "Job"];
    assert_eq!(kinds, expected);
    for each in &manifests {
        match each["kind"].as_str().unwrap() {
            "ClusterRole" => takes::<ClusterRole>(each),
            "Namespace" => takes::<Namespace>(each),
            "ServiceAccount" => takes::<ServiceAccount>(each),
            "ClusterRoleBinding" => takes::<ClusterRoleBinding>(each),
            "ConfigMap" => takes::<ConfigMap>(each),
            _ => takes::<Job>(each),
        }
    }
    let pod = &of(&manifests, "Job")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    // Pod Security `restricted`.
    assert_eq!(
        (&pod["securityContext"]["runAsNonRoot"], &container["image"]),
        (&json!(true), &json!("registry.example/airtight:1"))
    );
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
    let volumes: Vec<_> = pod["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
    for mount in container["volumeMounts"].as_array().unwrap() {
        assert!(volumes.contains(&&mount["name"]), "{mount}");
    }
    assert_eq!(
        of(&manifests, "ClusterRoleBinding")["subjects"][0]["namespace"],
        of(&manifests, "Namespace")["metadata"]["name"]
    );
}

#[test]
fn the_role_is_the_one_that_is_printed() {
    let stage = Stage::empty();
    for flags in [&[][..], &["--apply-policies", "--stand-ins"], &["--as-deployed"]] {
        let manifests = manifests(stage.folder.path(), flags);
        assert_eq!(of(&manifests, "ClusterRole")["rules"], json!(super::role::rules(flags)), "{flags:?}");
        let command = of(&manifests, "Job")["spec"]["template"]["spec"]["containers"][0]["command"].to_string();
        assert!(flags.iter().all(|flag| command.contains(flag)), "{command}");
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let stage = Stage::empty();
    stage.write("manifests/large.yaml", &format!("{}# {}\n", super::stage::MANIFESTS, "x".repeat(1_000_000)));
    let output = printed(stage.folder.path(), &["--manifests", "manifests"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("large.yaml") && told(&output).contains("1 MiB"), "{}", told(&output));
    let output = printed(stage.folder.path(), &["--filter", "no such thing"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
}

#[test]
fn many_inputs_fill_several_config_maps() {
    let stage = Stage::empty();
    for number in 0..3 {
        let name = format!("manifests/deep/{number}.yaml");
        let object =
            format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: n{number}}}}}\n# {}\n", "x".repeat(500_000));
        stage.write(&name, &object);
    }
    let manifests = manifests(stage.folder.path(), &["--manifests", "manifests"]);
    let maps: Vec<_> = manifests.iter().filter(|each| each["kind"] == "ConfigMap").collect();
    assert!(maps.len() >= 3, "{}", maps.len());
    assert!(maps.iter().all(|map| map.to_string().len() < 1_048_576));
}

/// What a kubelet makes of a pod's volumes: the files, and the command with their real places.
fn mounted(manifests: &[Value], folder: &Path) -> Vec<String> {
    let pod = &of(manifests, "Job")["spec"]["template"]["spec"];
    for volume in pod["volumes"].as_array().unwrap() {
        for source in volume["projected"]["sources"].as_array().into_iter().flatten() {
            let name = &source["configMap"]["name"];
            let map =
                manifests.iter().find(|each| each["kind"] == "ConfigMap" && each["metadata"]["name"] == *name).unwrap();
            for item in source["configMap"]["items"].as_array().unwrap() {
                let path =
                    folder.join("inputs").join(volume["name"].as_str().unwrap()).join(item["path"].as_str().unwrap());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, map["data"][item["key"].as_str().unwrap()].as_str().unwrap()).unwrap();
            }
        }
    }
    let command = pod["containers"][0]["command"].as_array().unwrap().iter();
    let place = |word: &Value| {
        let word = word.as_str().unwrap();
        let real = |name: &str| folder.join(name).display().to_string();
        word.replacen("/inputs", &real("inputs"), 1).replacen("/reports", &real("reports"), 1)
    };
    command.map(place).collect()
}

/// Runs a command with a service account where a kubelet puts it, and no kubeconfig; none if that takes more rights.
fn in_pod(stage: &Stage, folder: &Path, command: &[String]) -> Option<Output> {
    let kubeconfig: Value = serde_json::from_str(&fs::read_to_string(stage.server.kubeconfig()).unwrap()).unwrap();
    let account = folder.join("account");
    fs::create_dir_all(&account).unwrap();
    fs::write(account.join("token"), kubeconfig["users"][0]["user"]["token"].as_str().unwrap()).unwrap();
    fs::write(account.join("ca.crt"), stage.server.ca()).unwrap();
    fs::write(account.join("namespace"), "airtight").unwrap();
    let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let (host, port) = server.trim_start_matches("https://").split_once(':').unwrap();
    let script = "mount -t tmpfs none /var/run && mkdir -p /var/run/secrets/kubernetes.io && \
                  cp -r \"$ACCOUNT\" /var/run/secrets/kubernetes.io/serviceaccount || exit 99; exec \"$0\" \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_airtight")]);
    unshare.args(&command[1..]).current_dir(folder).env_remove("KUBECONFIG").env("HOME", "/nonexistent");
    unshare.env("ACCOUNT", &account).env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port);
    let output = unshare.output().ok()?;
    (output.status.code() != Some(99) && !told(&output).starts_with("unshare:")).then_some(output)
}

#[test]
fn the_command_works_with_the_pods_own_account() {
    let stage = Stage::empty();
    stage
        .server
        .state()
        .deny_by(Denial { namespace: "shop".into(), workload: "intruder".into(), port: 8080 }, ("shop", "web"));
    let args =
        ["--manifests", "manifests", "--scenarios", "scenarios", "--apply-policies", "--stand-ins", "--wait", "10"];
    let manifests = manifests(stage.folder.path(), &args);
    let folder = tempfile::tempdir().unwrap();
    let command = mounted(&manifests, folder.path());
    assert_eq!(command[0], "airtight");
    let before = stage.server.state().seen().len();
    let Some(output) = in_pod(&stage, folder.path(), &command) else {
        // Not by `eprintln!`, which the test harness keeps to itself when the test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no pod was imitated, because this process may not mount a tmpfs");
        return;
    };
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(folder.path().join("reports/run.json").exists() && folder.path().join("reports/evidence").exists());
    assert_eq!(stage.server.state().labelled("airtight.dev/run"), Vec::<String>::new());
    super::role::suffices(&stage, before, &["--apply-policies", "--stand-ins"]);
    // A pod's cluster has no name, and is told twice all the same.
    stage.create(
        "/api/v1/namespaces",
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments-prod"}}),
    );
    let output = in_pod(&stage, folder.path(), &command).unwrap();
    assert!(told(&output).contains("--in-production in-cluster"), "{}", told(&output));
}
