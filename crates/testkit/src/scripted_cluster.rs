//! A cluster that answers as written down: each answer in its turn, the last one for ever.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use airtight_cluster::{ApiAnswer, ApiCall, Cluster, Container, Ended, Execution};
use airtight_manifest::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

/// What a cluster answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Script {
    /// By path, without `limit`: objects, lists of objects (`items`), or refusals (`status` as a number).
    pub api: BTreeMap<String, Vec<Value>>,
    /// By pod and the beginning of the command.
    pub exec: BTreeMap<String, Vec<Run>>,
    /// By pod.
    pub logs: BTreeMap<String, Vec<Log>>,
}

/// What a program wrote.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Run {
    stdout: String,
    stderr: String,
    status: i32,
    cut: Option<String>,
    fails: Option<String>,
}

/// What a container wrote.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Log {
    /// This.
    Text(String),
    /// Nothing that can be read, with the reason.
    Fails(String),
}

/// A cluster that follows a script and writes down what it was asked.
#[derive(Default)]
pub struct Scripted {
    script: Script,
    turns: Mutex<BTreeMap<String, usize>>,
    /// Commands that were run, each with its pod.
    pub asked: Mutex<Vec<String>>,
}

impl Scripted {
    /// A cluster at the beginning of a script.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self { script, ..Self::default() }
    }

    fn turn<'a, T>(&self, key: &str, answers: &'a [T]) -> Option<&'a T> {
        let mut turns = self.turns.lock().unwrap();
        let turn = turns.entry(key.to_owned()).or_default();
        let answer = answers.get(*turn).or(answers.last());
        *turn += 1;
        answer
    }
}

fn failed(message: &str) -> Failure {
    Failure { code: "scripted", message: message.to_owned(), hint: None }
}

impl Cluster for Scripted {
    fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
        let path = request.path.replace("?limit=500", "").replace("&limit=500", "");
        let Some(answer) = self.script.api.get(&path).and_then(|answers| self.turn(&path, answers)) else {
            return Ok(ApiAnswer { status: 404, body: json!({"kind": "Status", "message": "not found"}) });
        };
        if let Some(message) = answer.get("unanswered").and_then(Value::as_str) {
            return Err(failed(message));
        }
        let status = answer.get("refused").and_then(Value::as_u64).map_or(200, |status| u16::try_from(status).unwrap());
        Ok(ApiAnswer { status, body: answer.clone() })
    }

    fn exec(&self, place: &Container, command: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
        let command = format!("{} {}", place.pod, command.join(" "));
        self.asked.lock().unwrap().push(command.clone());
        let known = self.script.exec.iter().find(|(beginning, _)| command.starts_with(beginning.as_str()));
        let run = known.and_then(|(key, runs)| self.turn(key, runs)).ok_or_else(|| failed("no such container"))?;
        if let Some(message) = &run.fails {
            return Err(failed(message));
        }
        let ended = run.cut.clone().map_or(Ended::Status(run.status), Ended::Cut);
        Ok(Execution { stdout: run.stdout.clone().into_bytes(), stderr: run.stderr.clone().into_bytes(), ended })
    }

    fn logs(&self, place: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
        let key = format!("logs of {}", place.pod);
        match self.script.logs.get(&place.pod).and_then(|logs| self.turn(&key, logs)) {
            Some(Log::Text(text)) => Ok(text.clone()),
            Some(Log::Fails(message)) => Err(failed(message)),
            None => Err(failed("no such container")),
        }
    }
}
