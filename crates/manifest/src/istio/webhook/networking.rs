//! ServiceEntry and DestinationRule (`ValidateServiceEntry`, `ValidateDestinationRule`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use semver::Version;

use super::Refusals;
use crate::istio::{
    ClientTls, ClientTlsMode, DestinationRule, Location, Resolution, ServiceEntry, ServiceEntrySpec, TrafficPolicy,
    since,
};
use crate::located::Located;
use crate::{Diagnostic, Object};

/// Protocols that a ServiceEntry's port can have (Istio `pkg/config/protocol/instance.go`), in lower case.
const PROTOCOLS: &[&str] =
    &["", "tcp", "udp", "grpc", "grpc-web", "http", "http_proxy", "http2", "https", "tls", "mongo", "redis", "mysql"];

impl Object<ServiceEntry> {
    /// Why the API server or istiod's webhook of this version would refuse the object; empty if they accept it.
    #[must_use]
    pub fn webhook_findings(&self, istio: &Version) -> Vec<Diagnostic> {
        let mut refusals = Refusals::of(&self.meta);
        let spec = &self.body.spec;
        refusals.no_dry_run();
        refusals.hosts(spec);
        refusals.addresses(spec);
        refusals.service_ports(spec);
        refusals.endpoints(spec);
        refusals.resolution(self, istio);
        refusals.export_to(&spec.export_to, true);
        if let Some(selector) = &spec.workload_selector {
            refusals.selector(refusals.start(), Some(&selector.labels));
        }
        refusals.found
    }
}

impl Object<DestinationRule> {
    /// Why the API server or istiod's webhook of this version would refuse the object; empty if they accept it.
    #[must_use]
    pub fn webhook_findings(&self, istio: &Version) -> Vec<Diagnostic> {
        let mut refusals = Refusals::of(&self.meta);
        let spec = &self.body.spec;
        refusals.no_dry_run();
        refusals.add_if(!wildcard_domain(&spec.host), spec.host.at, "`host` is no domain name");
        refusals.export_to(&spec.export_to, false);
        let mut names = BTreeSet::new();
        for subset in &spec.subsets {
            refusals.add_if(!names.insert(&subset.name), refusals.start(), "two subsets have the same name");
        }
        let subsets = spec.subsets.iter().filter_map(|subset| subset.traffic_policy.as_ref());
        for policy in spec.traffic_policy.iter().chain(subsets) {
            refusals.traffic_policy(policy, istio);
        }
        if let Some(selector) = &spec.workload_selector {
            refusals.selector(refusals.start(), selector.match_labels.as_ref());
        }
        refusals.found
    }
}

impl Refusals<'_> {
    fn hosts(&mut self, spec: &ServiceEntrySpec) {
        self.add_if(spec.hosts.is_empty(), self.start(), "`hosts` must have at least one name");
        for host in &spec.hosts {
            self.add_if(host.value == "*", host.at, "a host cannot be `*`");
            self.add_if(!wildcard_domain(host), host.at, "a host must be a domain name, with `*` in front at most");
        }
        let plain = |protocol: &str| !(is_http(protocol) || is_tls(protocol));
        let mixed = spec.resolution != Resolution::None && spec.hosts.len() > 1;
        for port in spec.ports.iter().filter(|port| mixed && plain(&port.protocol)) {
            self.add(port.at, "a ServiceEntry with several hosts can have HTTP and TLS ports only");
        }
    }

    fn addresses(&mut self, spec: &ServiceEntrySpec) {
        for address in &spec.addresses {
            let valid = address.parse::<IpAddr>().is_ok() || address.parse::<IpNet>().is_ok();
            self.add_if(!valid, self.start(), "`addresses` must be IP addresses or CIDR ranges");
        }
        let ranges = spec.addresses.iter().any(|address| address.contains('/'));
        let resolved = !matches!(spec.resolution, Resolution::None | Resolution::Static);
        self.add_if(ranges && resolved, self.start(), "CIDR addresses are for resolution NONE and STATIC only");
    }

    fn service_ports(&mut self, spec: &ServiceEntrySpec) {
        let (mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new());
        for port in &spec.ports {
            let at = port.at;
            self.add_if(!numbers.insert(port.number), at, "two ports have the same number");
            self.add_if(!names.insert(&port.name), at, "two ports have the same name");
            self.add_if(!dns_label(&port.name), at, "a port's name must be a DNS label");
            let in_range = |number: u32| (1..=65_535).contains(&number);
            let valid = in_range(port.number) && port.target_port.is_none_or(in_range);
            self.add_if(!valid, at, "a port must be between 1 and 65535");
            let known = PROTOCOLS.contains(&port.protocol.to_ascii_lowercase().as_str());
            self.add_if(!known, at, "the protocol is none that Istio knows");
        }
    }

    fn endpoints(&mut self, spec: &ServiceEntrySpec) {
        let Some(endpoints) = &spec.endpoints else { return };
        let at = endpoints.first().map_or_else(|| self.start(), |endpoint| endpoint.at);
        let selects = spec.workload_selector.is_some();
        self.add_if(selects, at, "only one of `workloadSelector` and `endpoints` can be set");
        for endpoint in endpoints {
            let at = endpoint.at;
            let ports = spec.ports.iter().map(|port| port.name.as_str()).collect::<BTreeSet<_>>();
            let known = endpoint.ports.keys().all(|name| ports.contains(name.as_str()));
            self.add_if(!known, at, "an endpoint's port is not among the ports of the ServiceEntry");
            let missing = endpoint.address.is_empty() && endpoint.network.is_none();
            self.add_if(missing, at, "an endpoint needs an address");
            let socket = endpoint.address.starts_with("unix://");
            let address = endpoint.address.parse::<IpAddr>().is_ok() || socket || endpoint.address.is_empty();
            let fixed = spec.resolution == Resolution::Static;
            self.add_if(fixed && !address, at, "an endpoint of resolution STATIC needs an IP address");
        }
    }

    fn resolution(&mut self, entry: &Object<ServiceEntry>, istio: &Version) {
        let spec = &entry.body.spec;
        let at = self.start();
        let endpoints = spec.endpoints.as_ref().map_or(0, Vec::len);
        match spec.resolution {
            Resolution::None => self.add_if(spec.endpoints.is_some(), at, "resolution NONE cannot have endpoints"),
            Resolution::Static => {}
            Resolution::Dns => self.resolvable(spec),
            Resolution::DnsRoundRobin => {
                self.resolvable(spec);
                self.add_if(endpoints > 1, at, "resolution DNS_ROUND_ROBIN can have one endpoint only");
            }
            Resolution::DynamicDns if !since(istio, 1, 28, 0) => {
                self.add(at, "resolution DYNAMIC_DNS exists since Istio 1.28");
            }
            Resolution::DynamicDns => self.dynamic(entry),
        }
    }

    fn resolvable(&mut self, spec: &ServiceEntrySpec) {
        if spec.endpoints.as_ref().is_some_and(|endpoints| !endpoints.is_empty()) {
            return;
        }
        for host in spec.hosts.iter().filter(|host| host.contains('*')) {
            self.add(host.at, "a wildcard host without endpoints cannot be resolved");
        }
    }

    fn dynamic(&mut self, entry: &Object<ServiceEntry>) {
        let spec = &entry.body.spec;
        let at = self.start();
        for host in spec.hosts.iter().filter(|host| !host.starts_with('*')) {
            self.add(host.at, "resolution DYNAMIC_DNS takes wildcard hosts only");
        }
        self.add_if(!spec.addresses.is_empty(), at, "resolution DYNAMIC_DNS cannot have addresses");
        self.add_if(spec.endpoints.is_some(), at, "resolution DYNAMIC_DNS cannot have endpoints");
        for port in &spec.ports {
            let known = ["http", "http2", "grpc", "tls"].contains(&port.protocol.to_ascii_lowercase().as_str());
            self.add_if(!known, port.at, "resolution DYNAMIC_DNS takes HTTP, HTTP2, GRPC and TLS ports only");
        }
        let bound = entry.meta.labels.get("istio.io/use-waypoint");
        let waypoint = bound.is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case("none"));
        let internal = spec.location == Location::MeshInternal;
        self.add_if(internal && waypoint, at, "resolution DYNAMIC_DNS behind a waypoint needs location MESH_EXTERNAL");
    }

    fn export_to(&mut self, namespaces: &[String], service_entry: bool) {
        let own = self.meta.namespace().to_owned();
        let mut seen = BTreeSet::new();
        for namespace in namespaces {
            let namespace = if namespace == "." { own.as_str() } else { namespace.as_str() };
            self.add_if(!seen.insert(namespace.to_owned()), self.start(), "`exportTo` names a namespace twice");
        }
        let alone = |symbol: &str| !seen.contains(symbol) || namespaces.len() == 1;
        self.add_if(!alone("*"), self.start(), "`*` must be alone in `exportTo`");
        self.add_if(!alone("~"), self.start(), "`~` must be alone in `exportTo`");
        self.add_if(seen.contains("~") && !service_entry, self.start(), "only a ServiceEntry can be exported to `~`");
    }

    fn traffic_policy(&mut self, policy: &TrafficPolicy, istio: &Version) {
        let retry_budget = policy.retry_budget.is_some();
        self.add_if(
            retry_budget && !since(istio, 1, 27, 0),
            self.start(),
            "a traffic policy has no field `retryBudget` before Istio 1.27",
        );
        let empty = policy.tls.is_none()
            && policy.port_level_settings.is_empty()
            && policy.connection_pool.is_none()
            && policy.load_balancer.is_none()
            && policy.outlier_detection.is_none()
            && policy.tunnel.is_none()
            && policy.proxy_protocol.is_none()
            && !retry_budget;
        self.add_if(empty, self.start(), "a traffic policy must have at least one field");
        let ports = policy.port_level_settings.iter();
        for tls in policy.tls.iter().chain(ports.filter_map(|port| port.tls.as_ref())) {
            self.client_tls(tls);
        }
    }

    fn client_tls(&mut self, tls: &Located<ClientTls>) {
        let files = [&tls.client_certificate, &tls.ca_certificates, &tls.private_key, &tls.ca_crl];
        let credential = !tls.credential_name.is_empty();
        let own = matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual);
        if own && credential {
            let both = files.iter().any(|file| !file.is_empty());
            return self.add_if(both, tls.at, "`credentialName` cannot stand beside certificate files");
        }
        let incomplete = tls.client_certificate.is_empty() || tls.private_key.is_empty();
        let mutual = tls.mode == ClientTlsMode::Mutual;
        self.add_if(mutual && incomplete, tls.at, "mode MUTUAL needs a client certificate and its key");
        let verified = !tls.ca_certificates.is_empty() || !tls.subject_alt_names.is_empty();
        self.add_if(own && tls.insecure_skip_verify && verified, tls.at, "`insecureSkipVerify` contradicts the checks");
    }
}

fn is_http(protocol: &str) -> bool {
    ["http", "http2", "http_proxy", "grpc", "grpc-web"].contains(&protocol.to_ascii_lowercase().as_str())
}

fn is_tls(protocol: &str) -> bool {
    ["https", "tls"].contains(&protocol.to_ascii_lowercase().as_str())
}

fn dns_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !label.is_empty()
        && label.len() <= 63
        && label.chars().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// DNS labels, the first of which may be or begin with `*` (`ValidateWildcardDomain`).
fn wildcard_domain(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let (first, rest) = domain.split_once('.').map_or((domain, None), |(first, rest)| (first, Some(rest)));
    let first =
        first.strip_prefix('*').map_or(first, |tail| if tail.is_empty() { "x" } else { tail.trim_start_matches('-') });
    !domain.is_empty()
        && domain.len() <= 255
        && dns_label(first)
        && rest.is_none_or(|rest| rest.split('.').all(dns_label))
}
