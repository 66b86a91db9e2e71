//! Programs that are called: one way to start, bound, stop and report them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use airtight_cluster::Stop;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

use super::owner::Owner;

/// How often a running program is looked at.
const GLANCE: Duration = Duration::from_millis(25);

/// How long a program has to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How much of an output is kept; of a longer one, the end.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// Lines of output that an error shows.
const SHOWN_LINES: usize = 12;

/// A program that provisioning calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// Docker's command, which pulls with the credentials that `docker login` keeps, and which kind calls.
    Docker,
    /// kind.
    Kind,
    /// Helm.
    Helm,
    /// curl, which fetches manifests for a bundle.
    Curl,
}

impl Program {
    /// The command's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Kind => "kind",
            Self::Helm => "helm",
            Self::Curl => "curl",
        }
    }

    /// A call with these arguments.
    #[must_use]
    pub fn call<A: Into<String>>(self, arguments: impl IntoIterator<Item = A>) -> Call {
        Call {
            program: self,
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            input: None,
        }
    }
}

/// A program with its arguments: exactly what is run, without a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The program.
    pub program: Program,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables set for it beside those of the caller.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// What it reads from standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

impl Call {
    /// The same call with a variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// The same call with something to read.
    #[must_use]
    pub fn reading(mut self, input: impl Into<String>) -> Self {
        self.input = Some(input.into());
        self
    }
}

/// As one would type it into a shell.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(self.program.name())?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// How long a program may run, and who may end it before.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// Until when.
    pub deadline: Instant,
    /// Set when everything is to end.
    pub stop: &'a Stop,
    /// Whose it is.
    pub owner: &'a Owner,
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgramOutput {
    /// On standard output.
    pub stdout: String,
    /// On standard error.
    pub stderr: String,
}

/// A program that did not do what it was called for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{call}` {ending}")]
pub struct ProgramError {
    /// The call.
    pub call: Box<Call>,
    /// How it ended.
    pub ending: Ending,
    /// What it said.
    pub output: Box<ProgramOutput>,
}

/// How a program ended that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// It is not installed, or not on the search path.
    #[error("was not found")]
    NotFound,
    /// It could not be started.
    #[error("could not be started: {0}")]
    NotStarted(String),
    /// It said that it failed.
    #[error("exited with status {0}")]
    Exit(i32),
    /// A signal ended it.
    #[error("was ended by signal {0}")]
    Signal(i32),
    /// It took too long, and was ended with everything that it had started.
    #[error("was ended after {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It was ended because the user asked for it.
    #[error("was interrupted")]
    Interrupted,
}

impl ProgramError {
    /// The last lines that it said, those on standard error last.
    #[must_use]
    pub fn tail(&self) -> Vec<String> {
        let lines = self.output.stdout.lines().chain(self.output.stderr.lines());
        let lines: Vec<&str> = lines.map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].iter().map(|line| (*line).to_owned()).collect()
    }
}

/// Runs a program in a process group of its own, so that it can be ended with all its children.
///
/// # Errors
/// When it cannot be started, fails, or does not end within its bounds.
pub fn run(call: &Call, bounds: Bounds<'_>) -> Result<ProgramOutput, ProgramError> {
    let fail = |ending, output| ProgramError { call: Box::new(call.clone()), ending, output: Box::new(output) };
    let begun = Instant::now();
    let mut child = start(call, bounds.owner).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        fail(if missing { Ending::NotFound } else { Ending::NotStarted(error.to_string()) }, ProgramOutput::default())
    })?;
    feed(&mut child, call.input.clone());
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let ended = wait(&mut child, bounds);
    let output = ProgramOutput { stdout: collect(&stdout), stderr: collect(&stderr) };
    match ended {
        Ok(status) if status.success() => Ok(output),
        Ok(status) => Err(fail(ending(status), output)),
        Err(Why::Stopped) => Err(fail(Ending::Interrupted, output)),
        Err(Why::Late) => Err(fail(Ending::TimedOut(begun.elapsed()), output)),
        Err(Why::Lost(error)) => Err(fail(Ending::NotStarted(error), output)),
    }
}

fn start(call: &Call, owner: &Owner) -> std::io::Result<Child> {
    let stdin = if call.input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut command = Command::new(call.program.name());
    owner.mark(&mut command);
    command
        .args(&call.arguments)
        .envs(&call.environment)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Writes in the background: a program that does not read must not hold up the one who watches it.
fn feed(child: &mut Child, input: Option<String>) {
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        // A program that ends without reading says itself what is wrong.
        thread::spawn(move || pipe.write_all(input.as_bytes()));
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                if sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// What came through a pipe; a grandchild that keeps it open does not hold up the reader.
fn collect(chunks: &Receiver<Vec<u8>>) -> String {
    let until = Instant::now() + Duration::from_millis(500);
    let mut bytes = Vec::new();
    while let Ok(chunk) = chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
        bytes.extend(chunk);
        let surplus = bytes.len().saturating_sub(KEPT_BYTES);
        bytes.drain(..surplus);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

enum Why {
    Stopped,
    Late,
    Lost(String),
}

fn wait(child: &mut Child, bounds: Bounds<'_>) -> Result<ExitStatus, Why> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => return Err(Why::Lost(error.to_string())),
        }
        let why = match () {
            () if bounds.stop.interrupted() => Some(Why::Stopped),
            () if Instant::now() >= bounds.deadline => Some(Why::Late),
            () => None,
        };
        if let Some(why) = why {
            end_group(child);
            return Err(why);
        }
        thread::sleep(GLANCE);
    }
}

/// Asks the whole group to end, and after a while makes it.
fn end_group(child: &mut Child) {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    let _ = kill_process_group(group, Signal::TERM);
    let until = Instant::now() + GRACE;
    while Instant::now() < until && !matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
        thread::sleep(GLANCE);
    }
    // The leader may be gone and a child of it still there.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exit(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Exit(-1),
    }
}
