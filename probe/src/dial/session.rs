//! One session: lines in, answers out, until the input ends.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::dns::{Settings, SettingsError};
use super::flow;
use super::lines::{Line, Lines};
use crate::wire::{Answer, Flow, Outcome, Phase, Timing};

/// Tries flows.
#[derive(Debug, Clone)]
pub struct Dialler {
    concurrency: usize,
    system: Arc<Result<Settings, SettingsError>>,
}

/// What a session did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Lines that were read and not blank.
    pub lines: u64,
    /// Answers that were written.
    pub answers: u64,
}

/// Why a session ended early. What was answered until then stands.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The input cannot be read.
    #[error("cannot read flows: {0}")]
    Input(#[source] io::Error),
    /// An answer cannot be written, so its flow does not count.
    #[error("cannot write answers: {0}")]
    Output(#[source] io::Error),
    /// Fewer answers were written than flows were read.
    #[error("{missing} flows have no answer")]
    Unanswered {
        /// How many.
        missing: u64,
    },
}

impl Dialler {
    /// One that tries at most `concurrency` flows at a time (at least one), and resolves names as `system` says
    /// unless a flow says otherwise.
    #[must_use]
    pub fn new(concurrency: usize, system: Result<Settings, SettingsError>) -> Self {
        Self { concurrency: concurrency.clamp(1, Semaphore::MAX_PERMITS), system: Arc::new(system) }
    }

    /// Tries one flow, which `line` of the input named.
    pub async fn dial(&self, line: u64, flow: Flow) -> Answer {
        flow::dial(line, &flow, &self.system).await
    }

    /// Reads flows from `input` until it ends and writes one answer a line to `output`, in the order in which the
    /// flows end. A line that is no flow is answered with a probe error that names the line.
    ///
    /// # Errors
    /// When the input cannot be read or an answer cannot be written.
    pub async fn run<R, W>(&self, input: R, output: W) -> Result<Summary, SessionError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(64);
        let writer = tokio::spawn(write_answers(output, receiver));
        let read = self.read_flows(input, &sender).await;
        drop(sender);
        let answers = match writer.await {
            Ok(written) => written.map_err(SessionError::Output)?,
            Err(panic) => return Err(SessionError::Output(io::Error::other(panic))),
        };
        let lines = read.map_err(SessionError::Input)?;
        match lines.saturating_sub(answers) {
            0 => Ok(Summary { lines, answers }),
            missing => Err(SessionError::Unanswered { missing }),
        }
    }

    /// Starts every flow and waits for them; how many lines were not blank.
    async fn read_flows<R: AsyncRead + Unpin>(&self, input: R, answers: &mpsc::Sender<Answer>) -> io::Result<u64> {
        let slots = Arc::new(Semaphore::new(self.concurrency));
        let mut lines = Lines::new(BufReader::new(input));
        let mut flows = JoinSet::new();
        let mut count = 0;
        loop {
            let line = tokio::select! {
                line = lines.next() => line?,
                () = answers.closed() => break,
            };
            let Some(line) = line else { break };
            if line.is_blank() {
                continue;
            }
            count += 1;
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            let (dialler, answers) = (self.clone(), answers.clone());
            flows.spawn(async move {
                let answer = dialler.answer(line).await;
                // The writer has gone if this fails, and says why.
                let _ = answers.send(answer).await;
                drop(slot);
            });
            while flows.try_join_next().is_some() {}
        }
        while flows.join_next().await.is_some() {}
        Ok(count)
    }

    /// The answer to a line, whatever it holds.
    async fn answer(&self, line: Line) -> Answer {
        let flow = match line.flow() {
            Ok(flow) => flow,
            Err((id, why)) => return unread(line.number, id, why),
        };
        let (id, number, dialler) = (flow.id.clone(), line.number, self.clone());
        match tokio::spawn(async move { dialler.dial(number, flow).await }).await {
            Ok(answer) => answer,
            Err(panic) => unread(number, Some(id), format!("the probe panicked: {panic}")),
        }
    }
}

/// The answer to a line that was not tried.
fn unread(line: u64, id: Option<String>, why: String) -> Answer {
    Answer {
        id,
        line,
        outcome: Outcome::ProbeError(why),
        phase: Phase::Read,
        detail: String::new(),
        errno: None,
        refusal: None,
        icmp: None,
        started_unix_us: super::record::unix_us(),
        timing: Timing::default(),
        lookups: Vec::new(),
        addresses: Vec::new(),
        tried: Vec::new(),
        local: None,
        peer: None,
        inner: None,
        tls: None,
        reply: None,
        answered_by: None,
        arrived: None,
    }
}

/// Writes answers as they come; how many.
async fn write_answers<W: AsyncWrite + Unpin>(mut output: W, mut answers: mpsc::Receiver<Answer>) -> io::Result<u64> {
    let mut count = 0;
    while let Some(answer) = answers.recv().await {
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        output.write_all(&line).await?;
        output.flush().await?;
        count += 1;
    }
    Ok(count)
}
