//! Flows from outside the cluster: the probe as a program on this machine.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use airtight_cluster::{Cluster, Ended, Execution};

/// How often it is looked whether the program has ended, or the user wants it to.
const LOOK: Duration = Duration::from_millis(20);

/// Whether flows can start outside the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// By this probe.
    Probe(Dialler),
    /// They cannot, with the reason.
    Nowhere(String),
}

impl Outside {
    /// Whether there is a way from there to the addresses of pods.
    pub(super) fn reaches_pods(&self) -> bool {
        match self {
            Self::Probe(probe) => probe.reaches_pods,
            Self::Nowhere(_) => false,
        }
    }
}

/// A program that is the probe on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialler {
    /// The program.
    pub program: PathBuf,
    /// The arguments with which it is the probe, before the probe's own; the probe itself needs none.
    pub role: Vec<String>,
    /// Whether there is a way from it to the addresses of pods.
    pub reaches_pods: bool,
}

/// Runs the probe with `arguments`: writes `stdin`, and reads both outputs until it ends, the time is up, or nothing
/// more may be done with the cluster. It never outlives the call.
///
/// # Errors
/// When it cannot be started.
pub(super) fn run(
    cluster: &dyn Cluster,
    probe: &Dialler,
    arguments: &[&str],
    stdin: &[u8],
    within: Duration,
) -> Result<Execution, String> {
    let mut command = Command::new(&probe.program);
    command.args(&probe.role).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", probe.program.display()))?;
    let (mut input, out, err) = (child.stdin.take(), reader(child.stdout.take()), reader(child.stderr.take()));
    thread::scope(|scope| {
        // A program that ends early need not read all of its input.
        scope.spawn(|| input.take().map(|mut input| input.write_all(stdin)));
        let ended = wait(cluster, &mut child, within);
        Ok(Execution { stdout: collect(out), stderr: collect(err), ended })
    })
}

fn reader<R: Read + Send + 'static>(output: Option<R>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was written until the pipe broke is worth reading.
        let _ = output.map(|mut output| output.read_to_end(&mut bytes));
        bytes
    })
}

fn collect(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    reader.join().unwrap_or_default()
}

fn wait(cluster: &dyn Cluster, child: &mut Child, within: Duration) -> Ended {
    let end = Instant::now() + within;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ended::Status(status.code().unwrap_or(137)),
            Ok(None) if cluster.is_over() => return cut(child, "it was interrupted".to_owned()),
            Ok(None) if Instant::now() >= end => {
                return cut(child, format!("the time was up after {} ms", within.as_millis()));
            }
            Ok(None) => thread::sleep(LOOK),
            Err(error) => return cut(child, format!("it cannot be waited for: {error}")),
        }
    }
}

fn cut(child: &mut Child, why: String) -> Ended {
    // One that has ended meanwhile is what was wanted.
    let gone: io::Result<_> = child.kill().and_then(|()| child.wait());
    match gone {
        Ok(_) => Ended::Cut(why),
        Err(error) => Ended::Cut(format!("{why}, and it could not be ended: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use airtight_cluster::{ApiAnswer, ApiCall, Container};
    use airtight_manifest::Failure;

    use super::*;

    /// A cluster of which only the end is known.
    struct Over(bool);

    impl Cluster for Over {
        fn send(&self, _: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
            unreachable!("nobody asks it")
        }

        fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
            unreachable!("nobody asks it")
        }

        fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
            unreachable!("nobody asks it")
        }

        fn is_over(&self) -> bool {
            self.0
        }
    }

    fn shell(script: &str, stdin: &[u8], within: Duration, over: bool) -> Execution {
        let shell = Dialler { program: "/bin/sh".into(), role: vec!["-c".to_owned()], reaches_pods: false };
        run(&Over(over), &shell, &[script], stdin, within).unwrap()
    }

    #[test]
    fn what_goes_in_comes_out() {
        let much = vec![b'x'; 1 << 20];
        let told = shell("cat; echo oops >&2; exit 3", &much, Duration::from_secs(20), false);
        assert_eq!((told.stdout.len(), told.stderr.as_slice()), (1 << 20, &b"oops\n"[..]));
        assert_eq!(told.ended, Ended::Status(3));
    }

    #[test]
    fn input_that_nobody_reads_does_not_hang() {
        let told = shell("exec 0<&-; echo done", &vec![b'x'; 1 << 20], Duration::from_secs(20), false);
        assert_eq!((told.stdout.as_slice(), told.ended), (&b"done\n"[..], Ended::Status(0)));
    }

    #[test]
    fn nothing_outlives_its_time_or_the_run() {
        let late = shell("echo half; exec sleep 60", b"", Duration::from_millis(300), false);
        assert_eq!(late.stdout, b"half\n");
        assert!(matches!(late.ended, Ended::Cut(why) if why.contains("300 ms")));
        let over = shell("exec sleep 60", b"", Duration::from_mins(1), true);
        assert!(matches!(over.ended, Ended::Cut(why) if why.contains("interrupted")));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let nowhere = Dialler { program: "/nowhere/probe".into(), role: Vec::new(), reaches_pods: false };
        let missing = run(&Over(false), &nowhere, &[], b"", Duration::from_secs(1));
        assert!(missing.unwrap_err().starts_with("cannot start /nowhere/probe"));
    }
}
