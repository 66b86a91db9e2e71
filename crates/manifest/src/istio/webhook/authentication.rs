//! PeerAuthentication and RequestAuthentication (`ValidatePeerAuthentication`, `ValidateRequestAuthentication`).

use semver::Version;
use serde_json::Value;

use super::Refusals;
use super::attribute::is_port;
use crate::istio::{JwtRule, PeerAuthentication, RequestAuthentication, since};
use crate::located::Located;
use crate::{Diagnostic, Object};

impl Object<PeerAuthentication> {
    /// Why the API server or istiod's webhook of this version would refuse the object; empty if they accept it.
    #[must_use]
    pub fn webhook_findings(&self, _istio: &Version) -> Vec<Diagnostic> {
        let mut refusals = Refusals::of(&self.meta);
        let spec = &self.body.spec;
        refusals.no_dry_run();
        if let Some(selector) = &spec.selector {
            refusals.selector(selector.at, selector.match_labels.as_ref());
        }
        let Some(ports) = &spec.port_level_mtls else { return refusals.found };
        let at = ports.values().next().map_or_else(|| refusals.start(), |mtls| mtls.at);
        let selects = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
        refusals.add_if(!selects, at, "`portLevelMtls` requires a `selector` with labels");
        refusals.add_if(ports.is_empty(), at, "`portLevelMtls` must have at least one port");
        for (port, mtls) in ports {
            let valid = is_port(port) && port.bytes().any(|digit| digit != b'0');
            refusals.add_if(!valid, mtls.at, "a port must be between 1 and 65535");
        }
        refusals.found
    }
}

impl Object<RequestAuthentication> {
    /// Why the API server or istiod's webhook of this version would refuse the object; empty if they accept it.
    #[must_use]
    pub fn webhook_findings(&self, istio: &Version) -> Vec<Diagnostic> {
        let mut refusals = Refusals::of(&self.meta);
        let spec = &self.body.spec;
        refusals.no_dry_run();
        refusals.attachment(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
        for rule in &spec.jwt_rules {
            refusals.jwt_rule(rule, istio);
        }
        refusals.found
    }
}

impl Refusals<'_> {
    fn jwt_rule(&mut self, rule: &Located<JwtRule>, istio: &Version) {
        let at = rule.at;
        let uri = rule.uri();
        let both = rule.jwks_uri.is_some() && rule.jwks_uri_snake.is_some();
        self.add_if(both || (uri.is_some() && rule.jwks.is_some()), at, "only one of `jwks` and `jwksUri` can be set");
        if since(istio, 1, 27, 0) {
            self.add_if(rule.issuer.is_empty() && uri.is_none(), at, "`issuer` or `jwksUri` must be set");
        } else {
            self.add_if(rule.issuer.is_empty(), at, "`issuer` must be set");
        }
        let splits = !rule.space_delimited_claims.is_empty();
        let unknown = "a JWT rule has no field `spaceDelimitedClaims` before Istio 1.28";
        self.add_if(splits && !since(istio, 1, 28, 0), at, unknown);
        let reachable = uri.is_none_or(is_http_url);
        self.add_if(!reachable, at, "`jwksUri` must be a URL that begins with http:// or https://");
        let keys = rule.jwks.as_deref().filter(|jwks| !jwks.is_empty());
        self.add_if(!keys.is_none_or(is_key_set), at, "`jwks` is no JSON Web Key Set");
        let timeout =
            rule.timeout.as_deref().is_none_or(|text| go_nanoseconds(text).is_some_and(is_whole_milliseconds));
        self.add_if(!timeout, at, "`timeout` must be a duration of whole milliseconds, such as `5s`");
        self.jwt_names(rule);
    }

    fn jwt_names(&mut self, rule: &Located<JwtRule>) {
        let names = rule.audiences.iter().chain(&rule.from_params).chain(&rule.from_cookies);
        let headers = rule.from_headers.iter().map(|header| &header.name);
        let outputs = rule.output_claim_to_headers.iter().flat_map(|output| [&output.header, &output.claim]);
        let empty = names.chain(headers).chain(outputs).any(String::is_empty);
        self.add_if(empty, rule.at, "audiences, locations, headers and claims must not be empty");
        let strict = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let valid = rule.output_claim_to_headers.iter().all(|output| strict(&output.header));
        self.add_if(!valid, rule.at, "a header's name has only letters, digits, `-` and `_`");
    }
}

/// Scheme, then a host and a port that is a number (Go `net/url`, `Parse`; Istio `pkg/config/security/security.go`,
/// `ParseJwksURI`).
fn is_http_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let known = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match host.strip_prefix('[') {
        Some(inside) => inside.split_once(']').map(|(_, after)| after.strip_prefix(':').unwrap_or(after)),
        None => Some(host.split_once(':').map_or("", |(_, port)| port)),
    };
    let strange = |c: char| c.is_control() || matches!(c, ' ' | '"' | '<' | '>');
    known && !authority.contains(strange) && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `{"keys": [...]}`, or one key alone (`github.com/lestrrat-go/jwx` 1.2, `jwk.Parse`).
fn is_key_set(text: &str) -> bool {
    let Ok(set) = serde_json::from_str::<Value>(text) else { return false };
    match set.get("keys") {
        Some(keys) => keys.as_array().is_some_and(|keys| keys.iter().all(is_key)),
        None => is_key(&set),
    }
}

/// A key of a known type with what the type needs, in base64 for URLs.
fn is_key(key: &Value) -> bool {
    let needs: &[&str] = match key.get("kty").and_then(Value::as_str) {
        Some("RSA") => &["n", "e"],
        Some("EC") => &["crv", "x", "y"],
        Some("OKP") => &["crv", "x"],
        Some("oct") => &["k"],
        Some(_) | None => return false,
    };
    let base64 = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte));
    needs.iter().all(|name| key.get(name).and_then(Value::as_str).is_some_and(base64))
}

/// A duration as Go's `time.ParseDuration` reads it, in nanoseconds.
fn go_nanoseconds(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0;
    while !rest.is_empty() || text.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = rest[number..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |end| number + end);
        let (whole, fraction) = rest[..number].split_once('.').unwrap_or((&rest[..number], ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        sum += nanoseconds(whole, fraction, unit_of(&rest[number..unit])?)?;
        rest = &rest[unit..];
    }
    Some(sign * sum)
}

fn nanoseconds(whole: &str, fraction: &str, unit: i128) -> Option<i128> {
    let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    // More digits than these are less than a nanosecond of any unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    number(whole)?.checked_mul(unit)?.checked_add(number(fraction)?.checked_mul(unit)? / scale)
}

fn unit_of(unit: &str) -> Option<i128> {
    match unit {
        "ns" => Some(1),
        "us" | "µs" | "μs" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    }
}

fn is_whole_milliseconds(nanoseconds: i128) -> bool {
    nanoseconds >= 1_000_000 && nanoseconds % 1_000_000 == 0
}
