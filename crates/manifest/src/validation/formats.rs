//! Formats of names, labels, selectors and prefixes.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// What is wrong with a label selector (apimachinery `pkg/apis/meta/v1/validation`).
pub fn label_selector(selector: &LabelSelector) -> Vec<String> {
    let labels = selector.match_labels.iter().flatten().flat_map(|(key, value)| {
        let value = (!is_label_value(value)).then(|| format!("invalid label value \"{value}\""));
        label_key(key).into_iter().chain(value)
    });
    labels.chain(selector.match_expressions.iter().flatten().flat_map(requirement)).collect()
}

fn requirement(requirement: &LabelSelectorRequirement) -> Vec<String> {
    let mut messages: Vec<String> = label_key(&requirement.key).into_iter().collect();
    let values = requirement.values.as_deref().unwrap_or_default();
    match requirement.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => {
            messages.push(format!("values must be specified when operator is {}", requirement.operator));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            messages.push(format!("values may not be specified when operator is {}", requirement.operator));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => messages.push(format!("\"{other}\" is not a valid selector operator")),
    }
    messages.extend(
        values.iter().filter(|value| !is_label_value(value)).map(|value| format!("invalid label value \"{value}\"")),
    );
    messages
}

fn label_key(key: &str) -> Option<String> {
    (!is_label_key(key)).then(|| format!("invalid label key \"{key}\""))
}

/// A qualified name: an optional DNS subdomain and a slash, then at most 63 characters.
pub(crate) fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    prefix.is_none_or(is_subdomain) && !name.is_empty() && name.len() <= 63 && is_wrapped(name)
}

pub(crate) fn is_label_value(value: &str) -> bool {
    value.is_empty() || (value.len() <= 63 && is_wrapped(value))
}

/// Alphanumeric at both ends, with `-`, `_` and `.` allowed between.
fn is_wrapped(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// An RFC 1123 subdomain in lower case.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

/// An RFC 1123 label in lower case.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_part(text)
}

fn is_part(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// An IANA service name as Kubernetes checks it: at most 15 characters, lower case, one letter at least.
pub(crate) fn is_port_name(name: &str) -> bool {
    name.len() <= 15 && is_service_name(name) && !name.chars().any(|c| c.is_ascii_uppercase())
}

/// An IANA service name: letters, digits and single inner hyphens, one letter at least.
#[must_use]
pub fn is_service_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && name.chars().any(|c| c.is_ascii_alphabetic())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// What is wrong with a prefix and its exceptions.
pub(crate) fn cidr_block(cidr: &str, except: &[String]) -> Vec<String> {
    let Ok(block) = cidr.parse::<IpNet>() else {
        return vec![not_a_cidr(cidr)];
    };
    except
        .iter()
        .filter_map(|text| match text.parse::<IpNet>() {
            Err(_) => Some(not_a_cidr(text)),
            Ok(hole) if !block.contains(&hole) || hole.prefix_len() <= block.prefix_len() => {
                Some(format!("except \"{text}\" must be a strict subset of cidr \"{cidr}\""))
            }
            Ok(_) => None,
        })
        .collect()
}

/// The message for a text that is no prefix.
pub(crate) fn not_a_cidr(text: &str) -> String {
    if text.parse::<IpAddr>().is_ok() {
        format!("\"{text}\" has no prefix length: write it in CIDR notation, such as {text}/32 for one IPv4 address")
    } else {
        format!("\"{text}\" is not a valid CIDR, such as 10.9.8.0/24 or 2001:db8::/64")
    }
}
