//! What a stand-in listens on and how it answers, as the probe takes it.

use std::net::{Ipv4Addr, SocketAddr};

use airtight_model::world::{Host, StandsFor};
use airtight_probe::wire::{Certificate, HttpAnswer, HttpListener, Identity, Listener, Serving, Speak};

/// Where a stand-in finds its certificate.
pub(super) const TLS: &str = "/tls";

/// DNS, which no web server answers.
const DNS: u16 = 53;

/// DNS over TLS (RFC 7858).
const DNS_OVER_TLS: u16 = 853;

/// The configuration of a host's stand-in, as JSON; none if it listens nowhere.
pub(super) fn of(host: &Host, name: &str) -> Option<String> {
    let clear = host.ports.iter().flat_map(|port| in_clear(host, *port));
    let listeners: Vec<Listener> = clear.chain(host.tls_ports.iter().map(|port| over_tls(host, *port))).collect();
    if listeners.is_empty() {
        return None;
    }
    let identity = Identity { pod: name.to_owned(), namespace: String::new(), role: role(host).to_owned() };
    serde_json::to_string(&Serving { identity, listeners }).ok()
}

fn role(host: &Host) -> &'static str {
    match host.stands_for {
        StandsFor::Any => "host",
        StandsFor::Llm => "llm",
        StandsFor::Metadata => "metadata",
        StandsFor::Issuer => "issuer",
    }
}

fn in_clear(host: &Host, port: u16) -> Vec<Listener> {
    let listener = |speak| Listener { bind: any(port), tls: None, speak };
    if port == DNS {
        return vec![listener(Speak::Tcp), listener(Speak::Udp)];
    }
    // A provider sends clear text away: an answer in its place would hide that somebody left TLS out.
    let status = (host.stands_for == StandsFor::Llm && !host.tls_ports.is_empty()).then_some(301);
    vec![listener(Speak::Http(HttpListener { answer: answer(host), status, routes: Vec::new() }))]
}

fn over_tls(host: &Host, port: u16) -> Listener {
    let tls = Certificate::Files { certificate: format!("{TLS}/tls.crt"), key: format!("{TLS}/tls.key") };
    let speak = if port == DNS_OVER_TLS {
        Speak::Tcp
    } else {
        Speak::Http(HttpListener { answer: answer(host), ..HttpListener::default() })
    };
    Listener { bind: any(port), tls: Some(tls), speak }
}

fn answer(host: &Host) -> HttpAnswer {
    match host.stands_for {
        StandsFor::Any => HttpAnswer::Echo,
        StandsFor::Llm => HttpAnswer::Llm,
        StandsFor::Metadata => HttpAnswer::Metadata,
        StandsFor::Issuer => HttpAnswer::Issuer { issuer: url(host), key: None },
    }
}

/// Where an issuer is found by its name, or by its address if it has none.
fn url(host: &Host) -> String {
    let name = host.names.first().map(ToString::to_string);
    let name = name.or_else(|| host.addresses.first().map(ToString::to_string)).unwrap_or_default();
    let (scheme, usual, port) = match (host.tls_ports.first(), host.ports.first()) {
        (Some(port), _) => ("https", 443, *port),
        (None, port) => ("http", 80, port.copied().unwrap_or(80)),
    };
    if port == usual { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") }
}

fn any(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}
