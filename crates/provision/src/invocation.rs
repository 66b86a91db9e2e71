//! What a step calls: a program, or Docker's daemon.

use std::fmt;

use serde::Serialize;

use super::docker_call::DockerCall;
use super::program::Call;

/// What a step calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Invocation {
    /// A program with its arguments.
    Program(Call),
    /// A request of Docker's daemon.
    Docker(DockerCall),
}

impl From<Call> for Invocation {
    fn from(call: Call) -> Self {
        Self::Program(call)
    }
}

impl From<DockerCall> for Invocation {
    fn from(call: DockerCall) -> Self {
        Self::Docker(call)
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(call) => call.fmt(f),
            Self::Docker(call) => call.fmt(f),
        }
    }
}
