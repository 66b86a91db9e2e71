//! Gateway (`config/crd/standard/gateway.networking.k8s.io_gateways.yaml`).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::LazyLock;

use regex::Regex;

use super::{Bundle, Checks, Pattern, is_like, is_subdomain, repeated};
use crate::gateway_api::{Gateway, GatewayClass, Listener, TlsMode};
use crate::{Diagnostic, Located, Object};

pub(super) fn findings(object: &Object<Gateway>, bundle: Bundle<'_>) -> Vec<Diagnostic> {
    let mut checks = Checks::new(&object.meta);
    let spec = &object.body.spec;
    let top = object.meta.at.position;
    let count = spec.listeners.len();
    checks.demand((1..=64).contains(&count), top, "spec.listeners", "there must be 1 to 64 listeners");
    checks.since(spec.allowed_listeners.is_none() || bundle.at_least(1, 5), top, "spec.allowedListeners", "1.5");
    checks.since(spec.tls.is_none() || bundle.at_least(1, 5), top, "spec.tls", "1.5");
    let names = spec.listeners.iter().map(|listener| listener.name.as_str());
    checks.demand(repeated(names).is_none(), top, "spec.listeners", "listener names must be unique within the Gateway");
    unique(&mut checks, &spec.listeners);
    for (index, entry) in spec.listeners.iter().enumerate() {
        listener(&mut checks, &format!("spec.listeners[{index}]"), entry, bundle);
    }
    for address in &spec.addresses {
        let has_value = address.value.as_deref().is_some_and(|value| !value.is_empty());
        checks.demand(has_value || bundle.at_least(1, 3), top, "spec.addresses", "an address needs a value before 1.3");
        let value = address.value.as_deref().filter(|value| !value.is_empty());
        let holds = match (address.kind.as_deref().unwrap_or("IPAddress"), value) {
            ("IPAddress", Some(value)) => value.parse::<IpAddr>().is_ok(),
            ("Hostname", Some(value)) => is_subdomain(value.strip_prefix("*.").unwrap_or(value)),
            (_, _) => true,
        };
        checks.demand(
            holds,
            top,
            "spec.addresses",
            "an address must be an IP address or a host name, as its type says",
        );
    }
    let addresses = spec.addresses.iter().filter_map(|address| address.value.as_deref());
    checks.demand(repeated(addresses).is_none(), top, "spec.addresses", "addresses must be unique");
    checks.findings
}

/// GatewayClass (`config/crd/standard/gateway.networking.k8s.io_gatewayclasses.yaml`): a domain and a path.
pub(super) fn class(object: &Object<GatewayClass>) -> Vec<Diagnostic> {
    static PATH: Pattern = LazyLock::new(|| Regex::new(r"^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$").ok());
    let mut checks = Checks::new(&object.meta);
    let name = object.body.spec.controller_name.as_str();
    let holds = name.split_once('/').is_some_and(|(domain, path)| is_subdomain(domain) && is_like(&PATH, path));
    let message =
        format!("`{name}` is not a controller's name: write a domain and a path, such as `example.com/gateway`");
    checks.demand(holds, object.meta.at.position, "spec.controllerName", &message);
    checks.findings
}

fn unique(checks: &mut Checks<'_>, listeners: &[Located<Listener>]) {
    let mut seen = BTreeSet::new();
    for (index, listener) in listeners.iter().enumerate() {
        let fresh = seen.insert((listener.port, &listener.protocol, &listener.hostname));
        let message = "the combination of port, protocol and hostname must be unique for each listener";
        checks.demand(fresh, listener.at, &format!("spec.listeners[{index}]"), message);
    }
}

fn listener(checks: &mut Checks<'_>, path: &str, listener: &Located<Listener>, bundle: Bundle<'_>) {
    let at = listener.at;
    let protocol = listener.protocol.as_str();
    let named = is_subdomain(&listener.name) && listener.name.len() <= 253;
    checks.demand(named, at, path, &format!("`{}` is not a listener's name", listener.name));
    checks.demand(listener.port > 0, at, path, "port must be between 1 and 65535");
    if let Some(host) = listener.host() {
        checks.host(host, at, path, true);
        checks.demand(
            !matches!(protocol, "TCP" | "UDP"),
            at,
            path,
            "hostname must not be set for protocols TCP and UDP",
        );
    }
    let Some(tls) = &listener.tls else {
        checks.demand(protocol != "TLS" || !bundle.at_least(1, 5), at, path, "tls.mode must be set for protocol TLS");
        return;
    };
    let mode = tls.mode.unwrap_or_default();
    checks.demand(!matches!(protocol, "HTTP" | "TCP" | "UDP"), tls.at, path, "tls must not be set for this protocol");
    checks.demand(protocol != "HTTPS" || mode == TlsMode::Terminate, tls.at, path, "HTTPS needs tls.mode Terminate");
    let certified = !tls.certificate_refs.is_empty() || tls.options.is_some();
    let message = "certificateRefs or options must be set when tls.mode is Terminate";
    checks.demand(mode != TlsMode::Terminate || certified, tls.at, path, message);
}
