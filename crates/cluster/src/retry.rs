//! Which refusals may pass: after these, and no others, the same call may end better soon.

use crate::ApiAnswer;

/// Whether an answer with this status may pass: the API server is busy, or something behind or before it fails.
#[must_use]
pub fn status(status: u16) -> bool {
    matches!(status, 429 | 500..=599)
}

/// Whether a failure of this code may pass: no answer came, or one that says no more than that something fails.
#[must_use]
pub fn code(code: &str) -> bool {
    silent(code) || code == "api-failing"
}

/// Whether a failure of this code says that no answer came at all.
#[must_use]
pub fn silent(code: &str) -> bool {
    matches!(code, "api-unreachable" | "api-broken" | "api-timeout")
}

/// Whether no waiting mends a failure of this code: somebody must grant something.
#[must_use]
pub fn lasts(code: &str) -> bool {
    matches!(code, "unauthenticated" | "forbidden")
}

/// The same for what was to be applied: after a conflict it applies to what the other writer wrote.
#[must_use]
pub fn application(answer: &ApiAnswer) -> bool {
    status(answer.status) || answer.status == 409 || is_unheard_of(answer)
}

/// The same for a creation: a fresh namespace has no service account for a moment, and pods are refused until then
/// (Kubernetes `plugin/pkg/admission/serviceaccount/admission.go`).
#[must_use]
pub fn creation(answer: &ApiAnswer) -> bool {
    let accountless = answer.status == 403 && answer.message().contains("error looking up service account");
    status(answer.status) || accountless || is_unheard_of(answer)
}

/// Whether a webhook has not heard yet of a namespace that was just made, which the API server has (seen of Kyverno 1.14:
/// "mutation policy managed-label error: namespace "a" not found").
fn is_unheard_of(answer: &ApiAnswer) -> bool {
    let message = answer.message();
    matches!(answer.status, 400 | 403) && message.contains("admission webhook") && {
        let behind = message.split_once("namespace \"").and_then(|(_, rest)| rest.split_once('"'));
        behind.is_some_and(|(_, rest)| rest.starts_with(" not found"))
    }
}

/// The same for a deletion: a webhook of a policy that was just deleted acts for a moment longer.
#[must_use]
pub fn deletion(answer: &ApiAnswer) -> bool {
    status(answer.status) || answer.message().contains("admission webhook")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_person_must_mend_does_not_pass() {
        for lasting in [200, 400, 401, 403, 404, 409, 422] {
            assert!(!status(lasting), "{lasting}");
        }
        let says = |status, message: &str| ApiAnswer { status, body: json!({"message": message}) };
        assert!(!creation(&says(403, "pods is forbidden")) && !deletion(&says(403, "pods is forbidden")));
        assert!(creation(&says(403, "pods \"a\" is forbidden: error looking up service account shop/web")));
        assert!(deletion(&says(400, "admission webhook \"x\" denied the request")));
        let late = "admission webhook \"mutate.kyverno.svc-fail\" denied the request: mutation policy managed-label error: \
                    namespace \"shop\" not found";
        assert!(creation(&says(400, late)) && application(&says(400, late)));
        let lasting = "admission webhook \"x\" denied the request: secret \"shop\" not found in namespace \"shop\"";
        assert!(!creation(&says(400, lasting)) && !application(&says(400, lasting)));
        assert!(application(&says(409, "the object has been modified")) && !application(&says(422, "invalid")));
    }
}
