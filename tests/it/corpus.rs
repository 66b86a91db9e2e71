//! Small worlds in the shapes that real repositories have, and what the command must say of each: `tests/corpus/NAME/`
//! is what a user has, `tests/corpus/NAME.yaml` what is run on it and what must be told.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use airtight_testkit::{repository, vectors};
use serde::Deserialize;

use crate::shop::{assert_sound, command_in};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    /// Whose folder it is.
    title: String,
    /// A program without which the story cannot be told.
    #[serde(default)]
    needs: Option<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Arguments, parted by spaces.
    run: String,
    /// A file of the folder that is piped in.
    #[serde(default)]
    input: Option<PathBuf>,
    exit: i32,
    /// What is told, in this order.
    #[serde(default)]
    says: Vec<String>,
    /// What is not told.
    #[serde(default)]
    never: Vec<String>,
}

#[test]
fn each_folder_is_read_as_its_owner_expects() {
    let mut wrong = Vec::new();
    for file in vectors::files(repository::root().join("tests/corpus")) {
        let story: Story = file.read();
        if let Some(program) = story.needs.as_deref().filter(|program| !is_there(program)) {
            let _ = writeln!(std::io::stderr(), "SKIPPED: {}, because {program} is not here", story.title);
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        copy(&file.path.with_extension(""), folder.path());
        for step in &story.steps {
            let name = file.path.file_stem().unwrap().to_string_lossy();
            wrong.extend(step.complaint(folder.path()).map(|why| format!("{name}: airtight {}\n{why}", step.run)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

impl Step {
    fn complaint(&self, folder: &Path) -> Option<String> {
        let arguments: Vec<&str> = self.run.split_whitespace().collect();
        let mut command = command_in(folder, &arguments);
        if let Some(input) = &self.input {
            command.stdin(fs::File::open(folder.join(input)).unwrap());
        }
        let output = command.output().unwrap();
        assert_sound(&output);
        let told = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        let mut rest = told.as_str();
        for said in &self.says {
            match rest.split_once(said.as_str()) {
                Some((_, after)) => rest = after,
                None => return Some(format!("does not say `{said}`, or not in its turn:\n{told}")),
            }
        }
        if let Some(said) = self.never.iter().find(|said| told.contains(said.as_str())) {
            return Some(format!("says `{said}`:\n{told}"));
        }
        let code = output.status.code();
        (code != Some(self.exit)).then(|| format!("ends with {code:?}, not {}:\n{told}", self.exit))
    }
}

fn is_there(program: &str) -> bool {
    let call =
        Command::new(program).arg("version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    call.is_ok()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
