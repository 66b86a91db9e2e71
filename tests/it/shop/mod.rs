//! The command, run in a folder of its own with a small shop: a pod, a Service behind a waypoint, three cases.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const POLICIES: &str = include_str!("manifests/policies.yaml");
pub(crate) const WORKLOADS: &str = include_str!("manifests/shop.yaml");
pub(crate) const SCENARIO: &str = include_str!("scenarios/api.yaml");

/// A folder with `manifests/` and `scenarios/`, in which the command runs.
pub(crate) struct Shop {
    folder: TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        shop.write("manifests/policies.yaml", POLICIES);
        shop.write("manifests/shop.yaml", WORKLOADS);
        shop.write("scenarios/api.yaml", SCENARIO);
        shop
    }

    /// The shop with another policy file.
    pub(crate) fn with_policy(text: &str) -> Self {
        let shop = Self::new();
        shop.write("manifests/policies.yaml", text);
        shop
    }

    /// The shop with other cases, `cases` being the list under `spec.cases`.
    pub(crate) fn with_cases(cases: &str) -> Self {
        let shop = Self::new();
        let head = SCENARIO.split_once("  cases:\n").unwrap().0;
        shop.write("scenarios/api.yaml", format!("{head}  cases:\n{cases}"));
        shop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command_in(self.folder.path(), arguments)
    }

    /// What the command says and how it ends, with times and folders left out.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert_sound(&output);
        redact(&transcript(&output), self.folder.path())
    }

    /// The names in a folder, or that there is none.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return vec!["(no such folder)".to_owned()] };
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The command in `folder`, deaf to the settings of whoever runs the tests.
pub(crate) fn command_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for name in ["TESTBED", "MANIFESTS", "SCENARIOS", "STACK", "REPORT_DIR", "WAIVERS", "SOURCE_URL"] {
        command.env_remove(format!("AIRTIGHT_{name}"));
    }
    command.env("COLUMNS", "100").env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE").env_remove("RUST_BACKTRACE");
    command
}

/// A documented exit code, a hint where something is wrong with the input, and no trace of a panic.
pub(crate) fn assert_sound(output: &Output) {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    let code = output.status.code().unwrap();
    assert!((0..=5).contains(&code), "exit code {code}\n{told}");
    assert!(!told.contains("panicked") && !told.contains("RUST_BACKTRACE"), "{told}");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &told;
    let advised = ["hint", "help", "Usage:", "tip:"].iter().any(|word| shown.contains(word));
    assert!(code != 2 || advised, "no hint in\n{shown}");
}

fn transcript(output: &Output) -> String {
    let mut text = format!("exit {}\n", output.status.code().unwrap());
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let said = String::from_utf8_lossy(bytes);
        if !said.is_empty() {
            let _ = writeln!(text, "--- {name}\n{}", said.trim_end());
        }
    }
    text
}

fn redact(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.to_string_lossy().into_owned(), "[folder]");
    let time = regex::Regex::new(r"in \d+(\.\d+)? (ms|s|µs)\b").unwrap();
    time.replace_all(&text, "in [time]").into_owned()
}
