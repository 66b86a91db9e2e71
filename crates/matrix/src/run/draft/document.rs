//! Drafted cases as a scenario file, with comments that name the rules behind them.

use std::fmt::Write as _;

use airtight_model::path::{Destination, Flow};
use airtight_model::policy::{Outcome, Request, Token, TokenState};
use airtight_model::world::{Protocol, World, service_host};

use super::drafted::{Drafted, DraftedCase, Expected};
use crate::scenario::{API_VERSION, KIND, default_denials};

/// The width at which comments are broken.
const WIDTH: usize = 110;

/// The text of a scenario file, one document for each namespace.
pub(super) fn write(head: &str, drafted: &Drafted, world: &World) -> String {
    let mut text = String::new();
    comment(&mut text, "", head);
    for (number, scenario) in drafted.scenarios.iter().enumerate() {
        if number > 0 {
            text.push_str("---\n");
        }
        let _ = write!(
            text,
            "apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata:\n  name: {}\nspec:\n  title: {}\n  severity: medium\n  \
             controls: []\n  cases:\n",
            scalar(&scenario.name),
            scalar(&scenario.title),
        );
        for case in &scenario.cases {
            write_case(&mut text, case, world);
        }
    }
    write_rest(&mut text, drafted);
    text
}

/// What a draft of a whole policy set begins with.
pub(super) const HEAD: &str = "Drafted by `airtight init` from a policy set: it says what the policies do, not what they should do. \
                    Read every case, delete what is not meant, raise the severity of what matters, and name the \
                    controls that it is evidence for.";

fn write_case(text: &mut String, case: &DraftedCase, world: &World) {
    for rule in &case.rules {
        comment(text, "  ", rule);
    }
    if case.rules.is_empty() {
        comment(text, "  ", "No rule of its own: it shows that the target of a denied case answers.");
    }
    let _ = writeln!(text, "  - id: {}\n    title: {}", scalar(&case.id), scalar(&case.title));
    let _ = writeln!(text, "    from: {}\n    to: {}", scalar(&case.flow.from.to_string()), target(&case.flow));
    if let Some(request) = &case.flow.request {
        write_request(text, request, &case.flow, world);
    }
    match &case.expect {
        Expected::Allow { outcome, by } => {
            let status = match outcome {
                Outcome::Http(status) if !(200..300).contains(status) => Some(format!("status: {status}")),
                _ => None,
            };
            let by = by.iter().map(|by| format!("answeredBy: {}", scalar(by)));
            let conditions: Vec<String> = status.into_iter().chain(by).collect();
            let _ = writeln!(text, "    expect: {{allow: {{{}}}}}", conditions.join(", "));
        }
        Expected::Deny { by, outcome, because, twin } => {
            let unusual = !default_denials(*by, &case.flow).contains(outcome);
            let outcome = if unusual { format!(", outcome: {outcome}") } else { String::new() };
            let reason = because.map(|reason| format!(", reason: {reason}")).unwrap_or_default();
            let _ = writeln!(text, "    expect: {{deny: {{by: {by}{outcome}{reason}}}}}\n    twin: {}", scalar(twin));
        }
    }
}

fn target(flow: &Flow) -> String {
    let placed = |namespace: &str, name: &str| scalar(&format!("{namespace}/{name}"));
    let mut fields = vec![match &flow.to {
        Destination::Service(namespace, name) => format!("service: {}", placed(namespace, name)),
        Destination::Pod(namespace, name) => format!("pod: {}", placed(namespace, name)),
        Destination::Host(name) => format!("host: {}", scalar(name)),
        Destination::Address(address) => format!("address: {}", scalar(&address.to_string())),
        Destination::Gateway(namespace, name) => format!("gateway: {}", placed(namespace, name)),
        Destination::Node(name) => format!("node: {}", scalar(name)),
        Destination::Name(name) => return format!("{{name: {}}}", scalar(name)),
        // Changes to objects are not drafted.
        Destination::Object(change) => format!("apply: {}", scalar(&change.to_string())),
    }];
    fields.extend(flow.port.map(|port| format!("port: {port}")));
    if flow.protocol != Protocol::Tcp {
        fields.push(format!("protocol: {}", flow.protocol));
    }
    if flow.tls.is_some() && flow.request.is_none() {
        fields.push("tls: true".to_owned());
    }
    format!("{{{}}}", fields.join(", "))
}

fn write_request(text: &mut String, request: &Request, flow: &Flow, world: &World) {
    let mut fields = vec![format!("method: {}", scalar(&request.method)), format!("path: {}", scalar(&request.path))];
    if default_host(flow, world).as_ref() != Some(&request.host) {
        fields.push(format!("host: {}", scalar(&request.host)));
    }
    if flow.tls.is_some() {
        fields.push("tls: true".to_owned());
    }
    if !request.headers.is_empty() {
        let headers = request.headers.iter().map(|(name, value)| format!("{}: {}", scalar(name), scalar(value)));
        fields.push(format!("headers: {{{}}}", headers.collect::<Vec<_>>().join(", ")));
    }
    fields.extend(request.token.as_ref().map(|token| format!("token: {}", token_fields(token))));
    let _ = writeln!(text, "    request: {{{}}}", fields.join(", "));
}

fn token_fields(token: &Token) -> String {
    let list = |values: &[String]| values.iter().map(|value| scalar(value)).collect::<Vec<_>>().join(", ");
    let mut fields = vec![format!("issuer: {}", scalar(&token.issuer)), format!("subject: {}", scalar(&token.subject))];
    if !token.audiences.is_empty() {
        fields.push(format!("audiences: [{}]", list(&token.audiences)));
    }
    if !token.claims.is_empty() {
        // JSON is YAML's flow style.
        let claims = token.claims.iter().map(|(name, claim)| format!("{}: {}", scalar(name), claim.0));
        fields.push(format!("claims: {{{}}}", claims.collect::<Vec<_>>().join(", ")));
    }
    let state = match token.state {
        TokenState::Valid => None,
        TokenState::Expired => Some("expired"),
        TokenState::NotYetValid => Some("not-yet-valid"),
        TokenState::Forged => Some("forged"),
        TokenState::Unsigned => Some("unsigned"),
    };
    fields.extend(state.map(|state| format!("state: {state}")));
    format!("{{{}}}", fields.join(", "))
}

/// The host that is understood where a request names none.
fn default_host(flow: &Flow, world: &World) -> Option<String> {
    let host = match &flow.to {
        Destination::Service(namespace, name) => service_host(namespace, name),
        Destination::Pod(namespace, name) => {
            let address = world.workload(namespace, name).find_map(|pod| pod.addresses.first().copied())?;
            if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }
        }
        Destination::Host(name) => name.clone(),
        Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => return None,
    };
    Some(super::aim::authority(&host, flow.port?, flow.tls.is_some()))
}

fn write_rest(text: &mut String, drafted: &Drafted) {
    if !drafted.undrafted.is_empty() {
        comment(text, "", "Not drafted, since no flow was found that gets through because of the rule:");
        for (rule, why) in &drafted.undrafted {
            comment(text, "", &format!("- {rule}: {why}"));
        }
    }
    if !drafted.unnoticed.is_empty() {
        comment(
            text,
            "",
            "Noticed by none of these cases, which would all pass without the object; another may do the same as well:",
        );
        for rule in &drafted.unnoticed {
            comment(text, "", &format!("- {rule}"));
        }
    }
}

/// A comment, broken between words.
fn comment(text: &mut String, indent: &str, content: &str) {
    let mut line = format!("{indent}#");
    let empty = line.len();
    for word in content.split_whitespace() {
        if line.len() > empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = format!("{indent}#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

/// A text as a YAML scalar that reads back as the same text, within a flow mapping too.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '/' | '-' | '=' | '→');
    let safe = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !text.ends_with(' ')
        && text.chars().all(plain)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if safe { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// Texts that YAML 1.1 reads as something else.
const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
