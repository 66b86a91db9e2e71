//! What went wrong with a call, and what its likely cause is.

use std::error::Error;
use std::io;
use std::time::Duration;

use airtight_manifest::Failure;
use kube::client::AuthError;

use super::limits::LARGEST;
use crate::refusal::code_of;
use crate::retry;

/// A call that the client gave up.
pub(super) fn of_client(error: &kube::Error, what: &str, server: &str) -> Failure {
    let causes = chain(error);
    let said = causes.join(": ");
    if said.contains("certificate") || said.contains("UnknownIssuer") {
        return Failure {
            code: "api-certificate",
            message: format!("{what} at {server}: the API server's certificate is not trusted: {said}"),
            hint: Some(
                "the kubeconfig's certificate-authority is another cluster's, or the server name is not in the \
                 certificate"
                    .to_owned(),
            ),
        };
    }
    match error {
        kube::Error::Auth(error) => Failure {
            code: "credentials",
            message: format!("{what} at {server}: no credentials could be had: {}", of_credentials(error)),
            hint: Some("run the kubeconfig's credential program by hand".to_owned()),
        },
        _ if never_connected(error) => Failure {
            code: "api-unreachable",
            message: format!("{what}: the API server at {server} cannot be reached: {said}"),
            hint: Some("is the cluster up, and is this its address? `kubectl cluster-info` asks the same".to_owned()),
        },
        _ => Failure {
            code: "api-broken",
            message: format!("{what} at {server}: the connection broke: {said}"),
            hint: Some("the API server, or a proxy before it, closed it; its log says why".to_owned()),
        },
    }
}

/// Why there are no credentials, without what a program printed, which may be one.
fn of_credentials(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { cmd, out } => format!("`{cmd}` ended with {}", out.status),
        AuthError::AuthExecStart(error) => format!("the exec plugin cannot be started: {error}"),
        AuthError::AuthExecParse(_) => "what the exec plugin printed is no ExecCredential".to_owned(),
        AuthError::InvalidBasicAuth(_) | AuthError::InvalidBearerToken(_) => {
            "they have characters that no header can carry".to_owned()
        }
        AuthError::MissingCommand
        | AuthError::ExecPluginFailed
        | AuthError::UnrefreshableTokenResponse
        | AuthError::ReadTokenFile(..) => error.to_string(),
        _ => "the kubeconfig's user cannot be used".to_owned(),
    }
}

/// A call that took too long.
pub(super) fn late(what: &str, server: &str, within: Duration) -> Failure {
    Failure {
        code: "api-timeout",
        message: format!("{what} at {server}: no answer within {} ms", within.as_millis()),
        hint: Some("the API server is overloaded, or something between drops the packets".to_owned()),
    }
}

/// A call whose answer does not end.
pub(super) fn endless(what: &str, server: &str) -> Failure {
    Failure {
        code: "api-answer",
        message: format!("{what} at {server}: the answer is larger than {} MiB", LARGEST >> 20),
        hint: Some("is something else than an API server at this address?".to_owned()),
    }
}

/// A call that was answered with an error where none can be used. `needs` is the permission that it takes.
pub(super) fn refused(status: u16, message: &str, what: &str, needs: &str) -> Failure {
    let hint = match status {
        401 => "the kubeconfig's credentials have expired or are another cluster's".to_owned(),
        403 => format!("grant {needs} in this namespace to the kubeconfig's user"),
        404 => "the pod or container is gone; `kubectl get pods` shows what is there".to_owned(),
        _ if retry::status(status) => "the API server or the kubelet fails; their logs say why".to_owned(),
        _ => "the API server's words say what it did not like".to_owned(),
    };
    let message = format!("{what} was answered with {status}: {message}");
    Failure { code: code_of(status), message, hint: Some(hint) }
}

/// The error of a call that was made several times.
pub(super) fn counted(mut error: Failure, attempts: u32) -> Failure {
    if attempts > 1 {
        error.message = format!("{} ({attempts} attempts)", error.message);
    }
    error
}

/// An error and its causes, each said once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if said.last().is_none_or(|last| !last.contains(&text)) {
            said.push(text);
        }
        cause = error.source();
    }
    said
}

fn never_connected(error: &kube::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("dns error") {
            return true;
        }
        if let Some(error) = error.downcast_ref::<io::Error>()
            && is_connect(error.kind())
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_connect(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(kind, ConnectionRefused | HostUnreachable | NetworkUnreachable | TimedOut)
}
