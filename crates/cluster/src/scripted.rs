//! A cluster for tests: its answers, one after the other, the last one for ever.

use std::sync::Mutex;
use std::time::Duration;

use airtight_manifest::Failure;
use serde_json::Value;

use crate::{ApiAnswer, ApiCall, Cluster, Container, Execution};

/// A cluster that answers as written down, and notes the paths that were asked for.
pub(crate) struct Scripted {
    answers: Vec<(u16, Value)>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    pub(crate) fn answering(answers: &[(u16, Value)]) -> Self {
        Self { answers: answers.to_vec(), asked: Mutex::default() }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Cluster for Scripted {
    fn send(&self, call: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
        let mut asked = self.asked.lock().unwrap();
        let (status, body) = self.answers.get(asked.len()).or(self.answers.last()).unwrap().clone();
        asked.push(call.path.to_owned());
        Ok(ApiAnswer { status, body })
    }

    fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
        unreachable!("nothing is run")
    }

    fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
        unreachable!("nothing is read")
    }
}
