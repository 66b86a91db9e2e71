//! Endpoints and requests as people type them.

use std::net::IpAddr;

use airtight_manifest::decode::decode;
use airtight_manifest::{Diagnostic, Node, Position};
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Request, Token};
use airtight_model::world::{Environment, World};

use super::error::CliError;

const SOURCES: &str = "write `NAMESPACE/WORKLOAD`, `outside`, `kubelet` or `node/NAME`";
const TARGETS: &str = "write `NAMESPACE/SERVICE:PORT`, `pod/NAMESPACE/NAME:PORT`, `gateway/NAMESPACE/NAME:PORT`, \
                       `node/NAME:PORT`, `HOST:PORT`, `ADDRESS:PORT` or `name/DNS-NAME`";

/// Who attempts the flow.
pub(super) fn source(text: &str) -> Result<Source, CliError> {
    match (text, text.split_once('/')) {
        ("outside", _) => Ok(Source::Outside),
        ("kubelet", _) => Ok(Source::Kubelet),
        (_, Some(("node", name))) if !name.is_empty() => Ok(Source::Node(name.to_owned())),
        (_, Some((namespace, name))) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(Source::Workload(namespace.to_owned(), name.to_owned()))
        }
        _ => Err(argument(text, "a source", SOURCES)),
    }
}

/// What the flow aims at, and the port.
pub(super) fn destination(text: &str, world: &World) -> Result<(Destination, Option<u16>), CliError> {
    if let Some(name) = text.strip_prefix("name/") {
        return Ok((Destination::Name(name.to_owned()), None));
    }
    let (place, port) = split_port(text)?;
    let parts: Vec<&str> = place.split('/').collect();
    let destination = match parts.as_slice() {
        ["gateway", namespace, name] => Destination::Gateway((*namespace).to_owned(), (*name).to_owned()),
        ["node", name] => Destination::Node((*name).to_owned()),
        // A workload without a Service of its name is dialled at its own address.
        [namespace, name]
            if world.service(namespace, name).is_some() || world.workload(namespace, name).next().is_none() =>
        {
            Destination::Service((*namespace).to_owned(), (*name).to_owned())
        }
        ["pod", namespace, name] | [namespace, name] => Destination::Pod((*namespace).to_owned(), (*name).to_owned()),
        [""] => return Err(argument(text, "a destination", TARGETS)),
        [host] => match address(host) {
            Some(address) if is_nobodys(&address) => {
                return Err(argument(
                    text,
                    "a destination that others have",
                    "a client that dials it meets itself, or nobody",
                ));
            }
            Some(address) => Destination::Address(address),
            None if is_no_name(host) => return Err(argument(text, "a name or an address", TARGETS)),
            None => Destination::Host((*host).to_owned()),
        },
        _ => return Err(argument(text, "a destination", TARGETS)),
    };
    Ok((destination, port))
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// Whether an address is the client's own wherever it is dialled, or stands for no host.
fn is_nobodys(address: &IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || address.is_multicast()
}

/// Whether a text looks like an address and is none: no domain at the top consists of digits (RFC 3696, 2).
fn is_no_name(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    !last.is_empty() && last.chars().all(|letter| letter.is_ascii_digit())
}

/// Lets what a flow aims at exist, if it is outside and nobody has written down what is there: whoever asks whether it can
/// be reached asks after the policies on the way. The note says so.
pub(super) fn assume(flow: &Flow, environment: &mut Environment) -> Option<Diagnostic> {
    let port = flow.port.unwrap_or(443);
    match &flow.to {
        Destination::Address(address) => environment.assume_address(*address, port),
        Destination::Host(name) => environment.assume_name(name.trim_end_matches('.'), port),
        Destination::Service(..)
        | Destination::Pod(..)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => None,
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), CliError> {
    // A bare IPv6 address has colons of its own.
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text, None));
    }
    match text.rsplit_once(':') {
        None => Ok((text, None)),
        Some((place, port)) => {
            let port =
                port.parse().map_err(|_| argument(text, "a destination with a port from 1 to 65535", TARGETS))?;
            Ok((place, Some(port)))
        }
    }
}

/// `METHOD PATH`, with headers as `NAME: VALUE` and a token as JSON.
pub(super) fn request(http: &str, host: String, headers: &[String], token: Option<&str>) -> Result<Request, CliError> {
    let hint = "write it as 'POST /v1/chat/completions'";
    let (method, path) = http.split_once(' ').ok_or_else(|| argument(http, "a request", hint))?;
    if !path.starts_with('/') {
        return Err(argument(http, "a request with an absolute path", hint));
    }
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        host,
        headers: headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?,
        token: token.map(parse_token).transpose()?,
    };
    match request.unsendable() {
        None => Ok(request),
        Some(why) => Err(argument(http, "a request that a client could send", &why)),
    }
}

fn header(text: &str) -> Result<(String, String), CliError> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| argument(text, "a header", "write it as 'x-tenant-id: acme'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_token(text: &str) -> Result<Token, CliError> {
    let wrong = |why: String| CliError::Argument {
        value: text.to_owned(),
        expected: "a token in JSON",
        hint: format!("{why}; write it as '{{\"issuer\": \"https://issuer.example\", \"subject\": \"alice\"}}'"),
    };
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let node = Node::from_json(&json, Position { line: 1, column: 1 });
    let decoded = decode::<Token>(&node).map_err(|error| wrong(error.to_string()))?;
    match decoded.unknown.first() {
        None => Ok(decoded.value),
        Some(field) => {
            let meant = field.meant.map(|meant| format!(", did you mean `{meant}`?")).unwrap_or_default();
            Err(wrong(format!("there is no field `{}`{meant} (there are {})", field.path, field.accepted.join(", "))))
        }
    }
}

fn argument(value: &str, expected: &'static str, hint: &str) -> CliError {
    CliError::Argument { value: value.to_owned(), expected, hint: hint.to_owned() }
}
