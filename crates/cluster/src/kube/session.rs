//! An exec session: the input goes in while both outputs come out.
//!
//! Each message is a byte that names its channel, and what goes through it (Kubernetes
//! `apimachinery/pkg/util/remotecommand/constants.go`): 0 the program's input, 1 and 2 its outputs, 3 the status with
//! which it ended; 255, from `v5.channel.k8s.io` on, closes the channel that the next byte names.

use std::time::Duration;

use futures_util::{Sink, SinkExt, StreamExt};
use kube::client::Connection;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::{self, Message};

use super::limits::LARGEST;
use crate::{Ended, Execution};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;

/// How much of the input a message carries, in bytes.
const PIECE: usize = 32 * 1024;

pub(super) struct Session {
    connection: Connection,
}

/// What has come out so far.
#[derive(Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    ended: Option<Ended>,
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Runs the session until the program ends, the connection does, or the time is up.
    pub(super) async fn run(self, stdin: &[u8], end: Instant, within: Duration) -> Execution {
        let closes = self.connection.supports_stream_close();
        // Without a way to say that the input has ended, a program that answers lines has ended with its last answer.
        let enough = (!closes && !stdin.is_empty()).then(|| lines(stdin));
        let (mut sink, mut stream) = self.connection.into_stream().split();
        let mut output = Output::default();
        let talk = async {
            let write = async {
                let written = write(&mut sink, stdin, closes).await;
                written.err().map(|error| format!("the input could not be written: {error}"))
            };
            let read = async {
                while output.ended.is_none() && !output.has(enough) {
                    output.take(stream.next().await);
                }
            };
            futures_util::future::join(write, read).await.0
        };
        let unwritten = match timeout_at(end, talk).await {
            Ok(unwritten) => unwritten,
            Err(_) => Some(format!("the time was up after {} ms", within.as_millis())),
        };
        // The other side may be gone, and then there is nobody to say good-bye to.
        let _ = timeout_at(Instant::now() + Duration::from_secs(1), sink.close()).await;
        output.into_execution(unwritten)
    }
}

fn lines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count() - 1
}

async fn write<S>(sink: &mut S, stdin: &[u8], closes: bool) -> Result<(), tungstenite::Error>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    if stdin.is_empty() {
        return Ok(());
    }
    for piece in stdin.chunks(PIECE) {
        let message: Vec<u8> = std::iter::once(STDIN).chain(piece.iter().copied()).collect();
        sink.send(Message::binary(message)).await?;
    }
    if closes {
        sink.send(Message::binary(vec![CLOSE, STDIN])).await?;
    }
    Ok(())
}

impl Output {
    /// Whether as many lines were written as are waited for.
    fn has(&self, enough: Option<usize>) -> bool {
        enough.is_some_and(|enough| lines(&self.stdout) >= enough)
    }

    fn take(&mut self, message: Option<Result<Message, tungstenite::Error>>) {
        let bytes = match message {
            Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
            Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return,
            Some(Ok(Message::Close(_))) | None => {
                return self.cut("the connection was closed before the program ended");
            }
            Some(Err(error)) => return self.cut(&format!("the connection broke: {error}")),
        };
        match bytes.split_first() {
            Some((&STDOUT, rest)) => self.stdout.extend_from_slice(rest),
            Some((&STDERR, rest)) => self.stderr.extend_from_slice(rest),
            Some((&STATUS, rest)) => self.ended = Some(ended(rest)),
            Some(_) | None => {}
        }
        if self.stdout.len() > LARGEST || self.stderr.len() > LARGEST {
            self.cut("the program wrote more than anybody can read");
        }
    }

    fn cut(&mut self, why: &str) {
        self.ended = Some(Ended::Cut(why.to_owned()));
    }

    fn into_execution(self, unwritten: Option<String>) -> Execution {
        let Self { stdout, stderr, ended } = self;
        let ended = match (ended, unwritten) {
            // A program that has ended need not have read all of its input.
            (Some(Ended::Status(status)), _) => Ended::Status(status),
            (Some(Ended::Cut(why)), _) | (None, Some(why)) => Ended::Cut(why),
            (None, None) => Ended::Cut("the API server cannot tell a program that its input has ended".to_owned()),
        };
        Execution { stdout, stderr, ended }
    }
}

/// The status that a session ends with: `Success`, or a failure with the cause `ExitCode` (Kubernetes
/// `apimachinery/pkg/util/remotecommand`, `NonZeroExitCodeReason`). Any other failure is one of the container runtime.
fn ended(status: &[u8]) -> Ended {
    let Ok(status) = serde_json::from_slice::<Value>(status) else {
        return Ended::Cut("how the program ended was not said in JSON".to_owned());
    };
    if status["status"] == "Success" {
        return Ended::Status(0);
    }
    let causes = status["details"]["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let code = causes
        .iter()
        .find(|cause| cause["reason"] == "ExitCode")
        .and_then(|cause| cause["message"].as_str()?.parse().ok());
    match code {
        Some(code) => Ended::Status(code),
        None => Ended::Cut(status["message"].as_str().unwrap_or("the container runtime failed").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_how_the_program_ended() {
        assert_eq!(ended(br#"{"status": "Success"}"#), Ended::Status(0));
        let failed = br#"{"status": "Failure", "message": "command terminated with non-zero exit code",
            "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "137"}]}}"#;
        assert_eq!(ended(failed), Ended::Status(137));
        let runtime = br#"{"status": "Failure", "message": "no such file", "reason": "InternalError"}"#;
        assert_eq!(ended(runtime), Ended::Cut("no such file".to_owned()));
        assert!(matches!(ended(b"gone"), Ended::Cut(_)));
    }

    #[test]
    fn what_came_before_a_cut_is_kept() {
        let mut output = Output::default();
        output.take(Some(Ok(Message::binary(b"\x01half".to_vec()))));
        output.take(None);
        let execution = output.into_execution(None);
        assert_eq!(execution.stdout, b"half");
        assert!(matches!(execution.ended, Ended::Cut(why) if why.contains("closed")));
    }
}
