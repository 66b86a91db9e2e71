//! Whom to ask, and how (`resolv.conf(5)`).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::wire::Resolver;

/// How names are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Servers, in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Suffixes to try.
    pub search: Vec<String>,
    /// With so many dots a name is tried as it stands first.
    pub ndots: u32,
    /// How long one query waits for its answer.
    pub timeout: Duration,
    /// How often each server is asked.
    pub attempts: u32,
    /// Ask over TCP from the start.
    pub tcp: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let timeout = Duration::from_secs(5);
        Self { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout, attempts: 2, tcp: false }
    }
}

/// Why names cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// There is nobody to ask.
    #[error("no DNS server is named, neither by the flow nor by the system")]
    NoServer,
    /// A server is no address.
    #[error("{0:?} is no address of a DNS server; write `10.96.0.10`, `10.96.0.10:53` or `[fd00::a]:53`")]
    NoAddress(String),
}

impl Settings {
    /// Those of a file such as `/etc/resolv.conf`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::Unreadable { path: path.display().to_string(), why: error.to_string() })?;
        Ok(Self::parse(&text))
    }

    /// Those of the text of such a file. As the C library does, lines that it does not know are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => settings.servers.extend(words.next().and_then(|word| server(word).ok())),
                // The last of them counts.
                Some("search" | "domain") => settings.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|word| settings.option(word)),
                _ => {}
            }
        }
        settings
    }

    fn option(&mut self, word: &str) {
        let Some((name, value)) = word.split_once(':') else { return };
        let Ok(value) = value.parse::<u32>() else { return };
        match name {
            // The C library's own caps.
            "ndots" => self.ndots = value.min(15),
            "timeout" => self.timeout = Duration::from_secs(value.clamp(1, 30).into()),
            "attempts" => self.attempts = value.clamp(1, 5),
            _ => {}
        }
    }

    /// Those of a flow: its own, and the system's where it has none. A flow that names its servers does not search as
    /// the system does.
    pub(in crate::dial) fn of(
        resolver: Option<&Resolver>,
        system: &Result<Self, SettingsError>,
    ) -> Result<Self, SettingsError> {
        let settings = match resolver {
            None => system.clone()?,
            Some(own) if own.servers.is_empty() => system.clone()?.overridden(own),
            Some(own) => Self {
                servers: own.servers.iter().map(|text| server(text)).collect::<Result<_, _>>()?,
                ..Self::default()
            }
            .overridden(own),
        };
        if settings.servers.is_empty() { Err(SettingsError::NoServer) } else { Ok(settings) }
    }

    fn overridden(self, own: &Resolver) -> Self {
        Self {
            search: own.search.clone().unwrap_or(self.search),
            ndots: own.ndots.unwrap_or(self.ndots),
            timeout: own.timeout_ms.map_or(self.timeout, Duration::from_millis),
            attempts: own.attempts.unwrap_or(self.attempts).max(1),
            tcp: own.tcp,
            ..self
        }
    }

    /// The same with room for another try within a flow's time: a datagram that is lost must not end the flow.
    pub(in crate::dial) fn within(self, budget: Duration) -> Self {
        Self { timeout: self.timeout.min(budget / 3), ..self }
    }
}

fn server(text: &str) -> Result<SocketAddr, SettingsError> {
    let with_port = text.parse::<SocketAddr>();
    with_port
        .or_else(|_| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53)))
        .map_err(|_| SettingsError::NoAddress(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_file_is_understood() {
        let text = "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\n\
                    nameserver fd00:10:96::a\noptions ndots:5 timeout:2 edns0\n# a remark\n";
        let settings = Settings::parse(text);
        assert_eq!(settings.servers, ["10.96.0.10:53".parse().unwrap(), "[fd00:10:96::a]:53".parse().unwrap()]);
        assert_eq!(settings.search.len(), 3);
        assert_eq!((settings.ndots, settings.timeout, settings.attempts), (5, Duration::from_secs(2), 2));
    }

    #[test]
    fn a_flow_with_its_own_server_does_not_search_the_systems_list() {
        let system = Ok(Settings::parse("nameserver 10.96.0.10\nsearch cluster.local\noptions ndots:5\n"));
        let own = Resolver { servers: vec!["198.51.100.53".to_owned()], ..Resolver::default() };
        let settings = Settings::of(Some(&own), &system).unwrap();
        assert_eq!((settings.search.len(), settings.ndots), (0, 1));
        assert!(Settings::of(Some(&Resolver { servers: vec!["dns".to_owned()], ..own }), &system).is_err());
    }
}
