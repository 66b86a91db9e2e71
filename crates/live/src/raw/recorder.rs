//! What has come in so far of a run, without secrets.

use std::sync::{Mutex, MutexGuard, PoisonError};

use airtight_cluster::{ApiAnswer, ApiCall, Container, Ended, Execution};
use airtight_manifest::Failure;
use airtight_matrix::judge::Evidence;
use serde_json::{Value, json};

use super::redact::redact;
use crate::origin::Origin;
use crate::witness::Tried;

/// What has come in so far, without secrets.
#[derive(Debug, Default)]
pub struct Recorder {
    kept: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    sessions: usize,
    answers: Vec<Value>,
    observers: Vec<Value>,
    admission: Vec<Value>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What probes answered, session by session: the flows, each answer, and how the session ended.
    #[must_use]
    pub fn answers(&self) -> Vec<u8> {
        lines(&self.lock().answers)
    }

    /// For each flow that was tried, the lines of observers by which it was attributed.
    #[must_use]
    pub fn observers(&self) -> Vec<u8> {
        lines(&self.lock().observers)
    }

    /// What the API server answered to dry runs on behalf of users.
    #[must_use]
    pub fn admission(&self) -> Vec<u8> {
        lines(&self.lock().admission)
    }

    pub(super) fn session(&self, place: &Container, stdin: &[u8], result: &Result<Execution, Failure>) {
        let mut kept = self.lock();
        kept.sessions += 1;
        let (number, from) = (kept.sessions, place.to_string());
        let mut keep = |key: &str, value: Value| {
            let mut line = json!({"session": number, "from": from});
            line[key] = redacted(value);
            kept.answers.push(line);
        };
        for line in String::from_utf8_lossy(stdin).lines() {
            keep("flow", parsed(line));
        }
        match result {
            Ok(execution) => {
                for answer in documents(&String::from_utf8_lossy(&execution.stdout)) {
                    keep("answer", answer);
                }
                let how = match &execution.ended {
                    Ended::Status(status) => format!("status {status}"),
                    Ended::Cut(why) => format!("cut: {why}"),
                };
                keep("ended", json!(how));
                if !execution.stderr.is_empty() {
                    keep("wrote", json!(String::from_utf8_lossy(&execution.stderr)));
                }
            }
            Err(error) => keep("ended", json!(format!("no session: {error}"))),
        }
    }

    pub(super) fn dry_run(&self, request: &ApiCall<'_>, result: &Result<ApiAnswer, Failure>) {
        let user = request.user.map(|user| json!({"name": user.name, "groups": user.groups}));
        let answer = match result {
            Ok(answer) => json!({"status": answer.status, "body": answer.body}),
            Err(error) => json!({"none": error.message}),
        };
        let line = json!({"verb": format!("{:?}", request.verb).to_lowercase(), "path": request.path, "as": user,
            "object": request.body, "answer": answer});
        self.lock().admission.push(redacted(line));
    }

    pub(super) fn told(&self, tried: &Tried<'_>, evidence: &Evidence) {
        if *tried.from == Origin::Outside {
            // No session of the cluster's has it.
            let line = json!({"from": tried.from.to_string(), "answer": tried.answer});
            self.lock().answers.push(redacted(line));
        }
        let line = json!({"flow": tried.flow.to_string(), "from": tried.from.to_string(),
            "id": tried.answer.id, "startedUnixUs": tried.answer.started_unix_us,
            "deniedBy": evidence.denied_by, "passed": evidence.passed, "lines": evidence.logs});
        self.lock().observers.push(redacted(line));
    }
}

/// How long one answer of many lines may be: what agents list of all their endpoints is read again and again until they
/// agree, and is nobody's evidence.
const LONGEST: usize = 16 * 1024;

/// What a session wrote: each line, or the whole if it is one document of many lines.
fn documents(text: &str) -> Vec<Value> {
    let each = || text.lines().map(parsed).collect::<Vec<_>>();
    // Probes and logs write an object a line.
    if text.lines().next().is_none_or(|first| serde_json::from_str::<Value>(first).is_ok()) {
        return each();
    }
    match serde_json::from_str::<Value>(text) {
        Ok(_) if text.len() > LONGEST => vec![json!({"tooLongToKeep": text.len()})],
        Ok(whole) => vec![whole],
        Err(_) => each(),
    }
}

/// A line that is no JSON is kept as a text.
fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| json!(line))
}

fn redacted(mut value: Value) -> Value {
    redact(&mut value);
    value
}

fn lines(values: &[Value]) -> Vec<u8> {
    values.iter().flat_map(|value| format!("{value}\n").into_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use airtight_model::path::{Destination, Flow, Source};
    use airtight_model::policy::Layer;
    use airtight_model::world::Protocol;

    use super::*;

    #[test]
    fn a_document_of_many_lines_is_one_answer() {
        assert_eq!(documents("{\"a\": 1}\n{\"a\": 2}\n"), [json!({"a": 1}), json!({"a": 2})]);
        assert_eq!(documents("[\n  1,\n  2\n]\n"), [json!([1, 2])]);
        assert_eq!(documents("level=info a\nlevel=info b\n"), [json!("level=info a"), json!("level=info b")]);
        assert_eq!(documents(""), Vec::<Value>::new());
        let long = format!("[\n{}0\n]", "1,\n".repeat(LONGEST));
        assert_eq!(documents(&long), [json!({"tooLongToKeep": long.len()})]);
    }

    #[test]
    fn flows_from_outside_are_kept_with_what_was_told_of_them() {
        let flow = Flow {
            from: Source::Outside,
            to: Destination::Host("shop.example".to_owned()),
            protocol: Protocol::Tcp,
            port: Some(443),
            request: None,
            tls: None,
            after: Vec::new(),
        };
        let answer = serde_json::from_value(json!({"id": "0", "line": 1, "outcome": "timeout", "phase": "connect",
            "startedUnixUs": 1, "timing": {"totalUs": 1}}))
        .unwrap();
        let recorder = Recorder::default();
        let evidence = Evidence {
            denied_by: Some(Layer::Gateway),
            logs: vec!["authorization: Bearer s3cret".to_owned()],
            ..Evidence::default()
        };
        recorder.told(&Tried { flow: &flow, from: &Origin::Outside, answer: &answer, mark: None }, &evidence);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert!(text(recorder.answers()).contains("\"outcome\":\"timeout\""), "{}", text(recorder.answers()));
        let told = text(recorder.observers());
        assert!(told.contains("\"deniedBy\":\"gateway\"") && !told.contains("s3cret"), "{told}");
    }
}
