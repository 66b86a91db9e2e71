//! Endpoints and requests as people type them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use airtight_manifest::decode::decode;
use airtight_manifest::{Diagnostic, Node, Position};
use airtight_model::path::{Destination, Source};
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
        [host] => address(host).map_or_else(|| Destination::Host((*host).to_owned()), Destination::Address),
        _ => return Err(argument(text, "a destination", TARGETS)),
    };
    Ok((destination, port))
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// Lets what `text` aims at exist, if it is outside and nobody has written down what is there: whoever asks whether it
/// can be reached asks after the policies on the way. The note says so. `namespaces` tell a Service's name from a host's.
pub(super) fn assume(text: &str, environment: &mut Environment, namespaces: &BTreeSet<&str>) -> Option<Diagnostic> {
    let (place, port) = split_port(text).ok()?;
    let port = port.unwrap_or(443);
    let is_service = place.contains('/') || place.split('.').nth(1).is_some_and(|label| namespaces.contains(label));
    match address(place) {
        Some(address) => environment.assume_address(address, port),
        None if is_service => None,
        None => environment.assume_name(place, port),
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
