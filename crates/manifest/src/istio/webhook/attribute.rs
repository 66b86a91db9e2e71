//! Values of policy fields and conditions (Istio `pkg/config/security/security.go`).

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use semver::Version;

use crate::istio::since;

type Check = Result<(), String>;

pub(super) fn filled(field: &str, values: &[String]) -> Check {
    if values.iter().any(String::is_empty) { Err(format!("`{field}` has an empty value")) } else { Ok(()) }
}

pub(super) fn addresses(values: &[String]) -> Check {
    let valid = |value: &str| match value.rsplit_once('/') {
        Some((_, length)) => plain_number(length) && value.parse::<IpNet>().is_ok(),
        None => is_address(value),
    };
    each(values, valid, |value| format!("`{value}` is no IP address or CIDR range"))
}

/// An address of version 6 may name its zone (Go `net/netip`, `ParseAddr`).
fn is_address(text: &str) -> bool {
    match text.split_once('%') {
        Some((address, zone)) => !zone.is_empty() && address.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<IpAddr>().is_ok(),
    }
}

/// Digits without a zero in front, as Go reads the length of a prefix.
fn plain_number(text: &str) -> bool {
    digits(text) && (text == "0" || !text.starts_with('0'))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number without sign (Go `strconv`, `ParseUint`).
pub(super) fn is_port(text: &str) -> bool {
    digits(text) && text.parse::<u16>().is_ok()
}

pub(super) fn ports(values: &[String]) -> Check {
    each(values, is_port, |value| format!("`{value}` is no port"))
}

/// `SERVICE_ACCOUNT` or `NAMESPACE/SERVICE_ACCOUNT`, no wildcards, 16 of at most 320 characters.
pub(super) fn service_accounts(field: &str, values: &[String]) -> Check {
    if values.len() > 16 {
        return Err(format!("`{field}` can have 16 values at most"));
    }
    let valid = |value: &str| {
        let parts: Vec<&str> = value.split('/').collect();
        value.len() <= 320 && parts.len() <= 2 && !value.contains('*') && parts.iter().all(|part| !part.is_empty())
    };
    each(values, valid, |value| {
        format!("`{field}` takes `serviceAccount` or `namespace/serviceAccount` without wildcards, found `{value}`")
    })
}

/// One wildcard at most, at one of the ends, and no slash.
pub(super) fn trust_domains(field: &str, values: &[String]) -> Check {
    wildcards(field, values)?;
    each(values, |value| !value.contains('/'), |value| format!("`{field}` cannot contain a slash, found `{value}`"))
}

fn wildcards(field: &str, values: &[String]) -> Check {
    filled(field, values)?;
    let valid = |value: &str| match value.matches('*').count() {
        0 => true,
        1 => value.starts_with('*') || value.ends_with('*'),
        _ => false,
    };
    each(values, valid, |value| format!("`{field}` takes one `*` at its start or end, found `{value}`"))
}

/// `{*}` and `{**}` stand for whole segments, `{**}` is the last operator, and no other brace is allowed.
pub(super) fn path_templates(field: &str, values: &[String]) -> Check {
    each(values, valid_template, |value| {
        format!(
            "`{field}` has the invalid path template `{value}`: use `{{*}}` for one segment and `{{**}}` once, last"
        )
    })
}

fn valid_template(path: &str) -> bool {
    let template = path.contains("{*}") || path.contains("{**}");
    let mut rest_seen = false;
    path.trim_matches('/').split('/').all(|segment| match segment {
        "{*}" => !rest_seen,
        "{**}" => !std::mem::replace(&mut rest_seen, true),
        _ => !segment.contains(['{', '}']) && (!template || valid_literal(segment)),
    })
}

fn valid_literal(segment: &str) -> bool {
    !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%!$&'()+,;:@=".contains(c))
}

/// A condition's key and values.
pub(super) fn condition(key: &str, values: &[String], istio: &Version) -> Check {
    filled(key, values)?;
    match key {
        "source.ip" | "remote.ip" | "destination.ip" => addresses(values),
        "destination.port" => ports(values),
        "source.serviceAccount" => service_accounts(key, values),
        "source.trustDomain" if since(istio, 1, 30, 2) => wildcards(key, values),
        "source.namespace"
        | "source.principal"
        | "request.auth.principal"
        | "request.auth.audiences"
        | "request.auth.presenter"
        | "connection.sni" => Ok(()),
        "destination.namespace" => Err("`destination.namespace` is replaced by `metadata.namespace`".to_owned()),
        "destination.name" | "destination.user" => Err(format!("`{key}` is no longer supported")),
        _ if key.starts_with("destination.labels") => Err(format!("`{key}` is replaced by `selector`")),
        _ if bracketed(key) => map_key(key),
        _ => Err(format!("unknown attribute `{key}`")),
    }
}

fn bracketed(key: &str) -> bool {
    ["request.headers", "request.auth.claims", "experimental.envoy.filters."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

fn map_key(key: &str) -> Check {
    match key.find('[') {
        Some(open) if open > 0 && key.ends_with(']') && open + 2 < key.len() => Ok(()),
        _ => Err(format!("`{key}` should have the form `attribute[name]`")),
    }
}

fn each(values: &[String], valid: impl Fn(&str) -> bool, message: impl Fn(&str) -> String) -> Check {
    match values.iter().find(|value| !valid(value)) {
        Some(value) => Err(message(value)),
        None => Ok(()),
    }
}
