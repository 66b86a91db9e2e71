//! The command with programs that only pretend, in a world that is a folder.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what does not work fails the test")]

mod engine;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use airtight_testkit::stack::SMALL;
use engine::Engine;
use tempfile::TempDir;

/// The head of a static x86-64 program, as little as an image is made of: this program with its symbols is 200 MB.
const STATIC_PROGRAM: &[u8; 64] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0\
    \0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\x38\0\0\0\0\0\0\0\0\0";

/// A machine on which docker, kind, helm and curl only pretend.
pub(crate) struct Machine {
    folder: TempDir,
    /// Docker's daemon.
    pub(crate) engine: Engine,
}

/// What a program does in place of what it would do.
#[derive(Default)]
pub(crate) struct Play<'a> {
    /// A shell pattern of the whole call.
    pub(crate) calls: &'a str,
    /// What it says on standard output.
    pub(crate) out: &'a str,
    /// What it says on standard error.
    pub(crate) err: &'a str,
    /// Its status.
    pub(crate) exit: u8,
    /// Shell text that it runs before.
    pub(crate) run: &'a str,
    /// Whether only once.
    pub(crate) once: bool,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("world")).unwrap();
        let engine = Engine::start(&folder.path().join("docker.sock"), &folder.path().join("world"));
        let machine = Self { folder, engine };
        machine.write("stack.yaml", SMALL);
        machine.write("world/log", "");
        fs::write(machine.path("world/airtight-probe"), STATIC_PROGRAM).unwrap();
        fs::create_dir_all(machine.path("world/rules")).unwrap();
        for program in ["docker", "kind", "helm", "curl"] {
            machine.write(&format!("bin/{program}"), include_str!("program.sh"));
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(machine.path(&format!("bin/{program}")), mode).unwrap();
        }
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// From now on, calls that fit are answered so.
    pub(crate) fn play(&self, name: &str, play: &Play<'_>) {
        let file = |part: &str, text: &str| self.write(&format!("world/rules/{name}/{part}"), text);
        file("out", play.out);
        file("err", play.err);
        file("exit", &play.exit.to_string());
        file("run", play.run);
        if play.once {
            file("once", "");
        }
        // Last: a rule is in force once it says what it is for.
        file("match", play.calls);
    }

    /// Takes a rule back.
    pub(crate) fn stop_playing(&self, name: &str) {
        fs::remove_dir_all(self.path(&format!("world/rules/{name}"))).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
        let programs = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("DOCKER_HOST", format!("unix://{}", self.path("docker.sock").display()));
        command.env("PATH", programs).env("WORLD", self.path("world"));
        command.env("XDG_STATE_HOME", self.path("state")).env("NO_COLOR", "1").env("COLUMNS", "100");
        for name in
            ["AIRTIGHT_STACK", "AIRTIGHT_MANIFESTS", "AIRTIGHT_CLUSTER", "AIRTIGHT_STATE_DIR", "AIRTIGHT_PROBE_IMAGE"]
        {
            command.env_remove(name);
        }
        // Neither beside another image, nor where the help shows what the environment says.
        if ["--probe-image", "-h", "--help"].iter().any(|other| arguments.contains(other)) {
            command.env_remove("AIRTIGHT_PROBE");
        } else {
            command.env("AIRTIGHT_PROBE", self.path("world/airtight-probe"));
        }
        command
    }

    /// `airtight up` of the small stack without a payload, and what more is asked.
    pub(crate) fn up(&self, more: &[&str]) -> Told {
        self.run(&[&["up", "--stack", "stack.yaml", "--platform-only", "--skip-preflight"], more].concat())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        Told::of(&self.command(arguments).output().unwrap(), self)
    }

    /// The calls so far that begin with one of these, and forgets all.
    pub(crate) fn calls(&self, beginnings: &[&str]) -> Vec<String> {
        let log = self.read("world/log");
        self.write("world/log", "");
        let wanted = |line: &&str| beginnings.iter().any(|beginning| line.starts_with(beginning));
        log.lines().filter(wanted).map(|line| self.redact(line)).collect()
    }

    pub(crate) fn redact(&self, text: &str) -> String {
        text.replace(&*self.folder.path().to_string_lossy(), "[folder]")
    }

    /// Waits until a call has this part.
    pub(crate) fn wait_for_call(&self, part: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.read("world/log").contains(part) {
            assert!(Instant::now() < until, "nobody called `{part}`");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a file is there and has something in it.
    pub(crate) fn wait_for(&self, name: &str) -> String {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            let text = self.read(name);
            if !text.trim().is_empty() {
                return text;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{name} did not appear");
    }
}

/// What the command said and how it ended.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Told {
    fn of(output: &Output, machine: &Machine) -> Self {
        let text = |bytes: &[u8]| machine.redact(&String::from_utf8_lossy(bytes));
        let told =
            Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!told.err.contains("panicked"), "{}", told.err);
        told
    }

    /// Code, message and hint, with what a program said.
    pub(crate) fn error(&self) -> String {
        let lines = self.err.lines().skip_while(|line| !line.starts_with("  | ") && !line.starts_with("error["));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Whether a process is there and not only waiting to be reaped.
pub(crate) fn is_alive(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
