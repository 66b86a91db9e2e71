//! Kustomizations and charts, rendered by programs that stand in for the real ones.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::shop::{assert_sound, command_in};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: main, image: w, ports: [{containerPort: 80}]}]}\n";

/// A folder with a chart and a kustomization, and one with the programs that are installed.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(programs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        write("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");
        write("chart/templates/pod.yaml", "kind: {{ .Values.kind }}\n");
        write("prod/kustomization.yaml", "namespace: prod\nresources: [pod.yaml]\n");
        write("prod/pod.yaml", POD);
        fs::create_dir(folder.path().join("bin")).unwrap();
        for (name, script) in programs {
            let path = write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}"));
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = command_in(self.path(), arguments);
        let output: Output = command.env("PATH", self.path().join("bin")).output().unwrap();
        assert_sound(&output);
        let told = [output.stderr, output.stdout].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code(), told)
    }
}

fn printing(text: &str) -> String {
    format!("/bin/cat <<'END'\n{text}END\n")
}

#[test]
fn a_missing_program_is_named_with_the_command_to_pipe() {
    let place = Place::new(&[]);
    let (code, told) = place.run(&["matrix", "-m", "prod"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("neither `kustomize` nor `kubectl` is here to render prod"), "{told}");
    assert!(told.contains("`kubectl kustomize prod | airtight matrix -m -`"), "{told}");
    let (code, told) = place.run(&["matrix", "-m", "chart", "--set", "a=b c"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("there is no `helm` here to render chart"), "{told}");
    assert!(told.contains("helm template chart chart --include-crds --skip-tests --set 'a=b c' | airtight"), "{told}");
}

#[test]
fn a_chart_is_rendered_with_its_values_and_without_a_network() {
    let script = format!("echo \"$@\" \"$HTTPS_PROXY\" > asked\n{}", printing(POD));
    let place = Place::new(&[("helm", &script)]);
    let (code, told) =
        place.run(&["list", "--workloads", "-m", "chart", "-n", "shop", "--values", "v.yaml", "--release-name", "one"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("workload  shop/web"), "{told}");
    let asked = fs::read_to_string(place.path().join("asked")).unwrap();
    let wanted = "template one chart --include-crds --skip-tests --namespace shop --values v.yaml --api-versions ";
    let definitions = asked.trim().strip_prefix(wanted).and_then(|rest| rest.strip_suffix(" http://127.0.0.1:9"));
    let definitions: Vec<&str> = definitions.unwrap_or_else(|| panic!("{asked}")).split(',').collect();
    // Charts ask which of them there are.
    for known in ["cilium.io/v2", "cilium.io/v2/CiliumNetworkPolicy", "gateway.networking.k8s.io/v1/HTTPRoute"] {
        assert!(definitions.contains(&known), "{known}: {definitions:?}");
    }
    let (code, told) = place.run(&["list", "--workloads", "-m", "chart", "--values", "/dev/zero"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("/dev/zero is a device, and no file with values"), "{told}");
}

#[test]
fn a_kustomization_is_rendered_by_whichever_program_is_there() {
    for (program, verb) in [("kustomize", "build"), ("kubectl", "kustomize")] {
        let script = format!("test \"$*\" = '{verb} prod' || exit 3\n{}", printing(POD));
        let place = Place::new(&[(program, &script)]);
        let (code, told) = place.run(&["matrix", "-m", "prod"]);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("default/web:80"), "{told}");
    }
}

#[test]
fn what_a_program_complains_of_is_passed_on_without_what_steers_a_terminal() {
    let place = Place::new(&[("kustomize", "printf 'Error: \\033[31mno such base\\n' >&2\nexit 1\n")]);
    let (code, told) = place.run(&["matrix", "-m", "prod"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("kustomize does not render prod: Error: \\u{1b}[31mno such base"), "{told:?}");
    assert!(told.contains("`kustomize build prod` shows the same"), "{told}");
}

#[test]
fn what_a_program_prints_is_read_like_a_file() {
    let place = Place::new(&[("kustomize", &printing("apiVersion: v1\nkind: Pod\nmetadata: {name: [\n"))]);
    let (code, told) = place.run(&["matrix", "-m", "prod"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("prod (rendered):"), "{told}");
}
