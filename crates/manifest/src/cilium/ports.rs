//! Ports and what is spoken on them (Cilium `pkg/policy/api/l4.go`, `http.go`, `icmp.go`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;

use crate::located::{Located, Unmodelled};

/// One item of `toPorts` in an allow rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortRule {
    /// Redirection to a listener of one's own.
    pub listener: Option<Unmodelled>,
    /// TLS towards the destination after interception.
    #[serde(rename = "originatingTLS")]
    pub originating_tls: Option<Unmodelled>,
    /// Ports; an item without ports matches nothing.
    pub ports: Option<Vec<PortProtocol>>,
    /// What may be said.
    pub rules: Option<Located<L7Rules>>,
    /// TLS server names.
    pub server_names: Option<Vec<String>>,
    /// TLS from the source, intercepted.
    #[serde(rename = "terminatingTLS")]
    pub terminating_tls: Option<Unmodelled>,
}

/// One item of `toPorts` in a deny rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PortDenyRule {
    /// Ports.
    pub ports: Option<Vec<PortProtocol>>,
}

/// A port or range of ports of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortProtocol {
    /// The last port of a range, inclusive.
    pub end_port: Option<i32>,
    /// A number or a name; `"0"` is every port.
    pub port: Option<String>,
    /// The protocol; absent means TCP, UDP and SCTP.
    pub protocol: Option<PortProtocolName>,
}

/// A protocol as the CRD names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "each variant is the protocol of its name")]
pub enum PortProtocolName {
    Tcp,
    Udp,
    Sctp,
    /// TCP, UDP and SCTP; not ICMP.
    Any,
    /// Since 1.19, behind `enable-extended-ip-protocols`.
    Vrrp,
    Igmp,
    /// Since 1.20, behind `enable-extended-ip-protocols`.
    Gre,
    Ipip,
    Ipv6,
    Esp,
    Ah,
}

/// What may be said on a port; at most one protocol.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct L7Rules {
    /// Names that may be looked up.
    pub dns: Option<Vec<Located<DnsRule>>>,
    /// HTTP requests.
    pub http: Option<Vec<Located<HttpRule>>>,
    /// Kafka requests (before 1.20).
    pub kafka: Option<Unmodelled>,
    /// Requests of another protocol, as that protocol's own fields (before 1.20).
    pub l7: Option<Vec<BTreeMap<String, String>>>,
    /// That protocol (before 1.20).
    pub l7proto: Option<Unmodelled>,
}

/// A domain name or pattern of names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsRule {
    /// The name.
    pub match_name: Option<String>,
    /// The pattern.
    pub match_pattern: Option<String>,
}

/// An HTTP request; all fields present must match.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRule {
    /// Headers by value, with what to do otherwise.
    pub header_matches: Option<Vec<HeaderMatch>>,
    /// Headers: `Name: value`, or `Name` alone.
    pub headers: Option<Vec<String>>,
    /// RE2 expression over the whole `:authority`.
    pub host: Option<String>,
    /// RE2 expression over the whole `:method`.
    pub method: Option<String>,
    /// RE2 expression over the whole `:path`, query included.
    pub path: Option<String>,
}

/// A header by value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeaderMatch {
    /// What to do if it does not match; absent: the rule does not match.
    pub mismatch: Option<MismatchAction>,
    /// Its name.
    pub name: String,
    /// A Secret that holds the value.
    pub secret: Option<SecretRef>,
    /// The value.
    pub value: Option<String>,
}

/// What to do with a request whose header does not match; in each case the rule still matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "each variant is the action of its name")]
pub enum MismatchAction {
    Log,
    Add,
    Delete,
    Replace,
}

/// A Secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SecretRef {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Option<String>,
}

/// ICMP messages.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct IcmpRule {
    /// Any of these.
    pub fields: Option<Vec<IcmpField>>,
}

/// One type of ICMP message.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct IcmpField {
    /// IPv4 if absent.
    pub family: Option<IcmpFamily>,
    /// A number, or a name in CamelCase.
    #[serde(rename = "type")]
    pub type_: IntOrString,
}

/// Which ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
pub enum IcmpFamily {
    /// ICMP.
    #[default]
    #[serde(rename = "IPv4")]
    V4,
    /// ICMPv6.
    #[serde(rename = "IPv6")]
    V6,
}

const ICMP_V4: &[(&str, u8)] = &[
    ("EchoReply", 0),
    ("DestinationUnreachable", 3),
    ("Redirect", 5),
    ("Echo", 8),
    ("EchoRequest", 8),
    ("RouterAdvertisement", 9),
    ("RouterSelection", 10),
    ("TimeExceeded", 11),
    ("ParameterProblem", 12),
    ("Timestamp", 13),
    ("TimestampReply", 14),
    ("Photuris", 40),
    ("ExtendedEchoRequest", 42),
    ("ExtendedEchoReply", 43),
];

const ICMP_V6: &[(&str, u8)] = &[
    ("DestinationUnreachable", 1),
    ("PacketTooBig", 2),
    ("TimeExceeded", 3),
    ("ParameterProblem", 4),
    ("EchoRequest", 128),
    ("EchoReply", 129),
    ("MulticastListenerQuery", 130),
    ("MulticastListenerReport", 131),
    ("MulticastListenerDone", 132),
    ("RouterSolicitation", 133),
    ("RouterAdvertisement", 134),
    ("NeighborSolicitation", 135),
    ("NeighborAdvertisement", 136),
    ("RedirectMessage", 137),
    ("RouterRenumbering", 138),
    ("ICMPNodeInformationQuery", 139),
    ("ICMPNodeInformationResponse", 140),
    ("InverseNeighborDiscoverySolicitation", 141),
    ("InverseNeighborDiscoveryAdvertisement", 142),
    ("HomeAgentAddressDiscoveryRequest", 144),
    ("HomeAgentAddressDiscoveryReply", 145),
    ("MobilePrefixSolicitation", 146),
    ("MobilePrefixAdvertisement", 147),
    ("DuplicateAddressRequestCodeSuffix", 157),
    ("DuplicateAddressConfirmationCodeSuffix", 158),
    ("ExtendedEchoRequest", 160),
    ("ExtendedEchoReply", 161),
];

impl IcmpField {
    /// Family and number of the type; none if the family has no type of this name or number.
    #[must_use]
    pub fn number(&self) -> Option<(IcmpFamily, u8)> {
        let family = self.family.unwrap_or_default();
        let number = match &self.type_ {
            IntOrString::Int(number) => u8::try_from(*number).ok(),
            IntOrString::String(text) => text.parse().ok().or_else(|| named(family, text)),
        };
        number.map(|number| (family, number))
    }
}

fn named(family: IcmpFamily, name: &str) -> Option<u8> {
    let table = match family {
        IcmpFamily::V4 => ICMP_V4,
        IcmpFamily::V6 => ICMP_V6,
    };
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}
