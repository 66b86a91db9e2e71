//! What an API server says when it does not do what it was asked.

use airtight_cluster::ApiAnswer;
use airtight_manifest::Failure;

use super::objects::Object;
use crate::failure::StepFailure;
use crate::symptom::Speaker;

/// No answer came.
pub(super) fn of_call(error: Failure) -> StepFailure {
    let hint = error.hint.unwrap_or_else(|| "`airtight up` tries again from this step".to_owned());
    // It was tried a few times already; an API server that restarts takes longer.
    let transient = matches!(error.code, "api-unreachable" | "api-broken" | "api-timeout" | "api-failing");
    StepFailure { transient, ..StepFailure::new(error.code, error.message, hint) }
}

/// An answer that is none: `what` was asked.
pub(super) fn of_answer(answer: &ApiAnswer, what: &str) -> StepFailure {
    let ApiAnswer { status, .. } = answer;
    let said = answer.message();
    let message = format!("{what}: the API server says {status}: {said}");
    if let Some(known) = StepFailure::recognised(Speaker::Kubernetes, said) {
        return StepFailure { message: format!("{}: {message}", known.message), ..known };
    }
    let (code, hint) = match status {
        401 => {
            ("unauthenticated", "the kubeconfig is another cluster's: `airtight down` and `airtight up` make it anew")
        }
        403 => (
            "forbidden",
            "the API server's words name what is missing: grant it, or see which admission policy refuses",
        ),
        // Another writer came between; the same again applies to what it wrote.
        409 => ("conflict", "`airtight up` tries again from this step"),
        429 | 500.. => ("api-failing", "the API server's log says why; `airtight up` tries again from this step"),
        _ => ("refused", "correct the object: the API server's words say what it did not like"),
    };
    StepFailure { transient: matches!(status, 409 | 429 | 500..), ..StepFailure::new(code, message, hint) }
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
