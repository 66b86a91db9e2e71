//! What Docker says when it does not do what it was asked.

use std::error::Error as _;
use std::io;

use bollard::errors::Error;

use crate::failure::StepFailure;
use crate::symptom::Speaker;

/// A request that failed: `call` is what it was.
pub(super) fn of(error: &Error, call: &str) -> StepFailure {
    let said = said(error);
    let known = StepFailure::recognised(Speaker::Docker, &said);
    let failure = match error {
        Error::DockerResponseServerError { .. } | Error::DockerStreamError { .. } => {
            known.unwrap_or_else(|| refused(&said))
        }
        _ => known.unwrap_or_else(|| of_connection(error, &said)),
    };
    StepFailure { detail: vec![format!("$ {call}"), said], ..failure }
}

/// A tool that ran and failed.
pub(super) fn of_tool(status: i64, call: &str, output: &str) -> StepFailure {
    let failure = StepFailure::recognised(Speaker::Docker, output).unwrap_or_else(|| {
        let message = format!("a program in a container exited with status {status}");
        StepFailure::new("container-failed", message, "its output is above; `airtight up` tries again from this step")
    });
    let lines = output.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned);
    StepFailure { detail: std::iter::once(format!("$ {call}")).chain(lines).collect(), ..failure }
}

fn refused(said: &str) -> StepFailure {
    let hint = "Docker's words are above; `airtight up` tries again from this step";
    StepFailure::new("docker-refused", format!("Docker refuses: {said}"), hint)
}

/// The daemon's own words as the docker command would repeat them, or the error with its causes.
fn said(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => format!("Error response from daemon: {}", message.trim()),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => {
            let mut said = other.to_string();
            let mut cause = other.source();
            while let Some(error) = cause {
                if !said.contains(&error.to_string()) {
                    said = format!("{said}: {error}");
                }
                cause = error.source();
            }
            said
        }
    }
}

/// No answer came: the user may not connect, or nobody listens.
fn of_connection(error: &Error, said: &str) -> StepFailure {
    let code = match kind(error) {
        Some(io::ErrorKind::PermissionDenied) => "docker-denied",
        Some(_) => "docker-unreachable",
        None if said.contains("client error (Connect)") => "docker-unreachable",
        None if is_of_client(error) => {
            let hint = "see DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or the current context of `docker context ls`";
            return StepFailure::new("docker-endpoint", format!("Docker cannot be reached: {said}"), hint);
        }
        None => return StepFailure::new("docker-answer", format!("Docker's answer is none: {said}"), "update Docker"),
    };
    StepFailure::known(code)
}

/// Whether it went wrong before anything was sent.
fn is_of_client(error: &Error) -> bool {
    matches!(
        error,
        Error::NoHomePathError
            | Error::CertPathError { .. }
            | Error::CertMultipleKeys { .. }
            | Error::CertParseError { .. }
            | Error::NoNativeCertsError { .. }
            | Error::LoadNativeCertsErrors { .. }
            | Error::UnsupportedURISchemeError { .. }
    )
}

fn kind(error: &Error) -> Option<io::ErrorKind> {
    if matches!(error, Error::SocketNotFoundError(_)) {
        return Some(io::ErrorKind::NotFound);
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}
