//! Ports, protocols and ICMP types (Cilium `pkg/policy/api/l4.go`).

use airtight_manifest::cilium::{IcmpFamily, PortProtocol, PortProtocolName};

use super::dialect::Dialect;
use crate::world::{ContainerPort, Protocol};

/// A set of transport protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Protocols(u8);

impl Protocols {
    /// TCP, UDP and SCTP: `ANY` does not include ICMP.
    pub(super) const ANY: Self = Self(0b111);
    /// None of those that flows have: VRRP, IGMP and other protocols without ports.
    pub(super) const OTHER: Self = Self(0);

    pub(super) fn one(protocol: Protocol) -> Self {
        Self(Self::bit(protocol))
    }

    fn bit(protocol: Protocol) -> u8 {
        match protocol {
            Protocol::Tcp => 0b001,
            Protocol::Udp => 0b010,
            Protocol::Sctp => 0b100,
            Protocol::Icmp => 0,
        }
    }

    pub(super) fn contain(self, protocol: Protocol) -> bool {
        self.0 & Self::bit(protocol) != 0
    }

    pub(super) fn named(name: Option<PortProtocolName>) -> Self {
        match name {
            None | Some(PortProtocolName::Any) => Self::ANY,
            Some(PortProtocolName::Tcp) => Self::one(Protocol::Tcp),
            Some(PortProtocolName::Udp) => Self::one(Protocol::Udp),
            Some(PortProtocolName::Sctp) => Self::one(Protocol::Sctp),
            Some(
                PortProtocolName::Vrrp
                | PortProtocolName::Igmp
                | PortProtocolName::Gre
                | PortProtocolName::Ipip
                | PortProtocolName::Ipv6
                | PortProtocolName::Esp
                | PortProtocolName::Ah,
            ) => Self::OTHER,
        }
    }
}

/// One port, range, name or ICMP type of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PortMatch {
    /// Every port of these protocols.
    All(Protocols),
    /// First to last, inclusive.
    Range(Protocols, u16, u16),
    /// A container port by name, in lower case.
    Named(Protocols, String),
    /// An ICMP type; none for every type of the family.
    Icmp(IcmpFamily, Option<u8>),
    /// Nothing: a port that cannot be read.
    Nothing,
}

/// What a hop is on layer 4.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transport {
    pub(super) protocol: Protocol,
    pub(super) port: Option<u16>,
    pub(super) icmp: Option<(IcmpFamily, u8)>,
}

impl PortMatch {
    /// A port of a Cilium rule; the agent has checked it (`PortProtocol.sanitize`).
    ///
    /// Since 1.20 port zero is every port, whatever the end of its range (`pkg/policy/l4.go`).
    pub(super) fn of(port: &PortProtocol, dialect: &Dialect) -> Self {
        let protocols = Protocols::named(port.protocol);
        let text = port.port.as_deref().unwrap_or("0");
        match parse_port(text) {
            Some(0) if dialect.zero_is_every_port() => Self::All(protocols),
            Some(number) => Self::numbered(protocols, number, port.end_port),
            None => Self::Named(protocols, text.to_ascii_lowercase()),
        }
    }

    /// A number, with the end of its range; zero without end is every port.
    pub(super) fn numbered(protocols: Protocols, first: u16, end: Option<i32>) -> Self {
        let end = end.and_then(|end| u16::try_from(end).ok()).filter(|end| *end != 0);
        match (first, end) {
            (0, None) => Self::All(protocols),
            (first, end) => Self::Range(protocols, first, end.unwrap_or(first).max(first)),
        }
    }

    /// An ICMP type. The agent makes a port of it, and zero is the wildcard of ports: a rule for type 0, the echo reply
    /// of IPv4, is one for every type (`pkg/policy/api/icmp.go`, `PortProtocol`).
    pub(super) fn icmp(family: IcmpFamily, number: u8) -> Self {
        Self::Icmp(family, (number != 0).then_some(number))
    }

    /// Whether it is a port by name.
    pub(super) fn is_named(&self) -> bool {
        matches!(self, Self::Named(..))
    }

    /// Whether it takes `transport`; `names` gives the number of a named port.
    pub(super) fn takes(&self, transport: Transport, names: impl Fn(&str, Protocol) -> Option<u16>) -> bool {
        match self {
            Self::All(protocols) => protocols.contain(transport.protocol),
            Self::Range(protocols, first, last) => {
                protocols.contain(transport.protocol)
                    && transport.port.is_some_and(|port| (*first..=*last).contains(&port))
            }
            Self::Named(protocols, name) => {
                protocols.contain(transport.protocol)
                    && transport.port.is_some()
                    && names(name, transport.protocol) == transport.port
            }
            Self::Icmp(family, number) => {
                transport.icmp.is_some_and(|(own, kind)| own == *family && number.is_none_or(|number| number == kind))
            }
            Self::Nothing => false,
        }
    }
}

/// A number as Go's `strconv.ParseUint(text, 0, 16)` reads it, for texts that are no service names.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    // Base 0: a leading zero means octal, as in Go.
    let (digits, radix) = match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => (octal, 8),
        Some(_) | None => (text, 10),
    };
    u16::from_str_radix(digits, radix).ok()
}

/// The number of a container port by name, case aside.
pub(super) fn container_port(ports: &[ContainerPort], name: &str, protocol: Protocol) -> Option<u16> {
    let named = |port: &&ContainerPort| {
        port.protocol == protocol && port.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
    };
    ports.iter().find(named).map(|port| port.number)
}
