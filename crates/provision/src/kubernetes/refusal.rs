//! What an API server says when it does not do what it was asked.

use airtight_cluster::{ApiAnswer, retry};
use airtight_manifest::Failure;

use super::objects::Object;
use crate::failure::StepFailure;
use crate::symptom::Speaker;

/// A call that came to nothing.
pub(super) fn of_call(error: Failure) -> StepFailure {
    let said = !retry::silent(error.code);
    if let Some(known) = StepFailure::recognised(Speaker::Kubernetes, &error.message).filter(|_| said) {
        return StepFailure { message: format!("{}: {}", known.message, error.message), ..known };
    }
    let hint = hint(error.code).map(str::to_owned).or(error.hint);
    let hint = hint.unwrap_or_else(|| "`airtight up` tries again from this step".to_owned());
    // It was tried a few times already; an API server that restarts takes longer.
    StepFailure { transient: retry::code(error.code), ..StepFailure::new(error.code, error.message, hint) }
}

/// What the owner of the cluster knows better than whoever asks another's.
fn hint(code: &str) -> Option<&'static str> {
    match code {
        "unauthenticated" => {
            Some("the kubeconfig is another cluster's: `airtight down` and `airtight up` make it anew")
        }
        "forbidden" => {
            Some("the API server's words name what is missing: grant it, or see which admission policy refuses")
        }
        "conflict" => Some("`airtight up` tries again from this step"),
        "api-failing" => Some("the API server's log says why; `airtight up` tries again from this step"),
        "refused" => Some("correct the object: the API server's words say what it did not like"),
        _ => None,
    }
}

/// An answer that is none: `what` was asked.
pub(super) fn of_answer(answer: &ApiAnswer, what: &str) -> StepFailure {
    let code = match answer.status {
        401 => "unauthenticated",
        403 => "forbidden",
        409 => "conflict",
        status if retry::status(status) => "api-failing",
        _ => "refused",
    };
    let message = format!("{what}: the API server says {}: {}", answer.status, answer.message());
    let failure = of_call(Failure::new(code, message));
    StepFailure { transient: failure.transient || retry::application(answer), ..failure }
}

/// A kind that the API server does not serve, or not yet.
pub(super) fn unserved(object: &Object) -> StepFailure {
    let said = format!("no matches for kind \"{}\" in version \"{}\"", object.kind, object.api_version);
    let message = format!("{object}: {said}");
    match StepFailure::recognised(Speaker::Kubernetes, &said) {
        Some(known) => StepFailure { message: format!("{}: {message}", known.message), ..known },
        None => StepFailure::new("kind-unknown", message, "the component that brings it must be ready before"),
    }
}
