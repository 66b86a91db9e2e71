//! A program that asks an engine: one JSON object a line, in and out.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use airtight_manifest::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A running oracle; it ends when it is dropped, and cleans up before it does.
pub(crate) struct Oracle {
    process: Child,
    /// Until no more are asked.
    questions: Option<BufWriter<ChildStdin>>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts the program.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(program: &Path) -> Result<Self, Failure> {
        let fail = |why: String| {
            Failure::new("no-oracle", format!("{}: {why}", program.display())).hint("ci/oracles.sh builds it")
        };
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| fail(error.to_string()))?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(fail("it has no standard input or output".to_owned()));
        };
        Ok(Self { process, questions: Some(BufWriter::new(questions)), answers: BufReader::new(answers) })
    }

    /// The answer to one question.
    ///
    /// # Errors
    /// The program has ended, or says what is no answer.
    pub(crate) fn ask<A: DeserializeOwned>(&mut self, question: &impl Serialize) -> Result<A, Failure> {
        let fail = |why: String| Failure::new("oracle-broke", format!("the oracle gives no answer: {why}"));
        let line = serde_json::to_string(question).map_err(|error| fail(error.to_string()))?;
        let questions = self.questions.as_mut().ok_or_else(|| fail("it has ended".to_owned()))?;
        writeln!(questions, "{line}").and_then(|()| questions.flush()).map_err(|error| fail(error.to_string()))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(|error| fail(error.to_string()))?;
        serde_json::from_str(&answer).map_err(|error| fail(format!("{error}: {}", answer.trim())))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.questions.take());
        let _ = self.process.wait();
    }
}
