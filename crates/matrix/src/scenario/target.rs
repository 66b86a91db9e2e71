//! One attempt: source, target and request as written → a flow of known names.

use std::net::IpAddr;

use airtight_manifest::{Diagnostic, Document, Located, Position};
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Request, Token};
use airtight_model::world::{ApiRequest, ApiUser, Protocol, TargetPort, World, service_host};

use super::change::ChangeForm;
use super::directory::Directory;
use super::form::{RequestForm, SourceForm, TargetForm, TlsForm};

/// A complaint and its place in the document.
pub(super) type Complaint = (Diagnostic, Position);

/// What a flow aims at, its names known.
#[derive(Debug, Clone)]
pub(super) struct FlowTarget {
    pub(super) destination: Destination,
    pub(super) protocol: Protocol,
    pub(super) port: Option<u16>,
    pub(super) at: Position,
    tls: Option<Located<TlsForm>>,
}

/// A flow, and which of its parts were written and which follow from the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenFlow {
    pub(super) flow: Flow,
    /// The request's host is the one that a client would send for this target.
    pub(super) default_host: bool,
    /// The server name is the request's host.
    pub(super) default_server_name: bool,
}

/// Who attempts the flow.
pub(super) fn source(directory: &Directory<'_>, form: &Located<SourceForm>) -> Result<Source, Complaint> {
    match (source_user(form)?, &form.name) {
        (Some(user), _) => Ok(Source::User(user)),
        (None, Some(name)) => named_source(directory, name),
        (None, None) => Err(no_source(form, "names nobody")),
    }
}

/// The user of the API server that a source names; none for any other source.
pub(super) fn source_user(form: &Located<SourceForm>) -> Result<Option<ApiUser>, Complaint> {
    if let (Some(group), None) = (form.groups.first(), &form.user) {
        let finding = Diagnostic::error("source", "only a `user` has groups that can be written");
        return Err((finding.hint("a service account has the groups of all service accounts"), group.at));
    }
    match (&form.name, &form.user, &form.service_account) {
        (Some(name), None, None) => Ok((name.as_str() == "cluster-admin").then(ApiUser::cluster_admin)),
        (None, Some(user), None) => Ok(Some(ApiUser::new(user, form.groups.iter().map(|group| group.value.clone())))),
        (None, None, Some(account)) => match account.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Some(ApiUser::service_account(namespace, name)))
            }
            Some(_) | None => {
                let finding = Diagnostic::error("source", format!("`{}` does not name a service account", **account));
                Err((finding.hint("write it as `namespace/name`"), account.at))
            }
        },
        (None, None, None) => Err(no_source(form, "names nobody")),
        (Some(_), _, _) | (_, Some(_), Some(_)) => Err(no_source(form, "names more than one source")),
    }
}

fn no_source(form: &Located<SourceForm>, what: &str) -> Complaint {
    let finding = Diagnostic::error("source", format!("`from` {what}"));
    (finding.hint("write a name, `{user: NAME, groups: [...]}` or `{serviceAccount: namespace/name}`"), form.at)
}

fn named_source(directory: &Directory<'_>, text: &Located<String>) -> Result<Source, Complaint> {
    let placed = |finding| (finding, text.at);
    match text.as_str() {
        "outside" => Ok(Source::Outside),
        "kubelet" => Ok(Source::Kubelet),
        name => match name.strip_prefix("node/") {
            Some(node) => directory.node(node).map(Source::Node).map_err(placed),
            None => directory
                .workload(name)
                .map(|(namespace, name)| Source::Workload(namespace, name))
                .map_err(|finding| placed(with_other_sources(finding, name))),
        },
    }
}

fn with_other_sources(finding: Diagnostic, text: &str) -> Diagnostic {
    if text.contains('/') {
        return finding;
    }
    finding.hint("write `namespace/workload`, `outside`, `node/NAME` or `kubelet`")
}

/// What the flow aims at.
pub(super) fn target(
    document: &Document,
    directory: &Directory<'_>,
    form: &Located<TargetForm>,
) -> Result<FlowTarget, Complaint> {
    let destination = destination(document, directory, form)?;
    let protocol = form.protocol.unwrap_or(match destination {
        Destination::Name(_) => Protocol::Udp,
        Destination::Service(..)
        | Destination::Pod(..)
        | Destination::Host(_)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Object(_) => Protocol::Tcp,
    });
    let port = port(form, &destination, protocol)?;
    let target = FlowTarget { destination, protocol, port, at: form.at, tls: form.tls.clone() };
    check_service_port(directory.world, &target)?;
    Ok(target)
}

fn destination(
    document: &Document,
    directory: &Directory<'_>,
    form: &Located<TargetForm>,
) -> Result<Destination, Complaint> {
    let change = ChangeForm { apply: form.apply.as_ref(), update: form.update.as_ref(), delete: form.delete.as_ref() };
    let forms = [&form.service, &form.pod, &form.host, &form.address, &form.gateway, &form.node, &form.name];
    let written = forms.iter().filter(|field| field.is_some()).count() + change.written();
    if written != 1 {
        let what = if written == 0 { "names no target" } else { "names more than one target" };
        return Err((
            Diagnostic::error("target", format!("`to` {what}"))
                .hint("write one of service, pod, host, address, gateway, node, name, apply, update, delete, such as `{service: ns/name, port: 8080}`"),
            form.at,
        ));
    }
    if let Some(change) = change.read(document) {
        return change.map(Destination::Object);
    }
    let [service, pod, host, address, gateway, node, name] = forms;
    let look = |field: &Option<Located<String>>, find: &dyn Fn(&str) -> Result<Destination, Diagnostic>| {
        field.as_ref().map(|text| find(text).map_err(|finding| (finding, text.at)))
    };
    look(service, &|text| directory.service(text).map(|(ns, name)| Destination::Service(ns, name)))
        .or_else(|| look(pod, &|text| directory.workload(text).map(|(ns, name)| Destination::Pod(ns, name))))
        .or_else(|| look(host, &|text| directory.host(text).map(Destination::Host)))
        .or_else(|| look(address, &|text| ip(text).map(Destination::Address)))
        .or_else(|| look(gateway, &|text| directory.gateway(text).map(|(ns, name)| Destination::Gateway(ns, name))))
        .or_else(|| look(node, &|text| directory.node(text).map(Destination::Node)))
        .or_else(|| look(name, &|text| dns_name(text).map(Destination::Name)))
        .unwrap_or_else(|| Err((Diagnostic::error("target", "`to` names no target"), form.at)))
}

fn ip(text: &str) -> Result<IpAddr, Diagnostic> {
    text.parse().map_err(|_| {
        Diagnostic::error("address", format!("`{text}` is not an IP address"))
            .hint("write a single address without port or mask, or a name with `host`")
    })
}

fn dns_name(text: &str) -> Result<String, Diagnostic> {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(Diagnostic::error("dns-name", format!("`{text}` is not a DNS name"))
        .hint("a name is labels of letters, digits and hyphens, joined by dots, without a port"))
}

fn port(form: &TargetForm, destination: &Destination, protocol: Protocol) -> Result<Option<u16>, Complaint> {
    let lookup = matches!(destination, Destination::Name(_));
    if matches!(destination, Destination::Object(_)) {
        return no_port(form);
    }
    match (&form.port, protocol) {
        (Some(port), Protocol::Icmp) => Err((
            Diagnostic::error("port", "ICMP has no ports").hint("leave out `port`, or write another protocol"),
            port.at,
        )),
        (Some(port), _) if port.value == 0 => {
            Err((Diagnostic::error("port", "nothing can be dialled on port 0").hint("write a port from 1"), port.at))
        }
        (Some(port), Protocol::Tcp | Protocol::Udp | Protocol::Sctp) => Ok(Some(port.value)),
        (None, Protocol::Icmp) => Ok(None),
        (None, Protocol::Tcp | Protocol::Udp) if lookup => Ok(Some(53)),
        (None, Protocol::Tcp | Protocol::Udp | Protocol::Sctp) => Err((
            Diagnostic::error("port", "the target has no port")
                .hint("write the port that the client dials, such as `port: 8080`"),
            first_place(form),
        )),
    }
}

/// The API server is where it is.
fn no_port(form: &TargetForm) -> Result<Option<u16>, Complaint> {
    let written = form.port.as_ref().map(|port| port.at).or(form.tls.as_ref().map(|tls| tls.at));
    let manifest = form.apply.as_ref().or(form.update.as_ref()).map(|manifest| manifest.at);
    let object = manifest.or(form.delete.as_ref().map(|object| object.at));
    match (written, form.protocol) {
        (None, None) => Ok(None),
        (at, _) => Err((
            Diagnostic::error("port", "an attempt to change an object takes no port, protocol or TLS")
                .hint("leave them out: it goes to the API server"),
            at.or(object).unwrap_or_default(),
        )),
    }
}

fn first_place(form: &TargetForm) -> Position {
    [&form.service, &form.pod, &form.host, &form.address, &form.gateway, &form.node, &form.name]
        .into_iter()
        .flatten()
        .map(|name| name.at)
        .next()
        .unwrap_or_default()
}

/// A Service drops or ignores what is sent to a port that it does not have, whatever the policies say.
fn check_service_port(world: &World, target: &FlowTarget) -> Result<(), Complaint> {
    let Destination::Service(namespace, name) = &target.destination else { return Ok(()) };
    let Some(service) = world.service(namespace, name) else { return Ok(()) };
    let Some(port) = target.port else {
        return Err((
            Diagnostic::error("port", "a Service's virtual address answers no ICMP").hint("aim at the `pod` instead"),
            target.at,
        ));
    };
    if service.port(target.protocol, port).is_some() {
        return Ok(());
    }
    let ports: Vec<_> = service.ports.iter().map(|port| format!("{}/{}", port.port, port.protocol)).collect();
    let finding = Diagnostic::error(
        "unknown-port",
        format!("service `{namespace}/{name}` has no port {port}/{}", target.protocol),
    );
    Err((finding.hint(format!("its ports are: {}", ports.join(", "))), target.at))
}

/// The flow of one source, target and request.
pub(super) fn attempt(
    world: &World,
    from: &Source,
    target: &FlowTarget,
    request: Option<&Located<RequestForm>>,
    after: Vec<ApiRequest>,
) -> Result<WrittenFlow, Complaint> {
    check_kubelet(from, target)?;
    check_user(from, target)?;
    if let Some(form) = request {
        check_request(target, form)?;
    }
    let tls = request.and_then(|form| form.tls.as_ref()).or(target.tls.as_ref());
    let speaks_tls = tls.is_some_and(|tls| tls.value != TlsForm::Plain(false));
    let host = default_host(world, &target.destination);
    let default_host = request.is_none_or(|form| form.host.is_none());
    let request = request.map(|form| build_request(target, form, host.as_deref(), speaks_tls)).transpose()?;
    let (server_name, default_server_name) = match tls.filter(|_| speaks_tls) {
        None => (None, true),
        Some(Located { value: TlsForm::Named(name), .. }) => (Some(name.clone()), false),
        Some(tls) => {
            let asked = request.as_ref().map(|request| without_port(&request.host).to_owned()).or(host);
            (Some(server_name(asked, tls.at)?), true)
        }
    };
    let (protocol, port) = (target.protocol, target.port);
    let flow =
        Flow { from: from.clone(), to: target.destination.clone(), protocol, port, request, tls: server_name, after };
    Ok(WrittenFlow { flow, default_host, default_server_name })
}

fn check_kubelet(from: &Source, target: &FlowTarget) -> Result<(), Complaint> {
    if *from != Source::Kubelet || matches!(target.destination, Destination::Pod(..)) {
        return Ok(());
    }
    Err((
        Diagnostic::error("target", "the kubelet probes pods only")
            .hint("write `to: {pod: namespace/workload, port: …}`"),
        target.at,
    ))
}

/// Users change objects, and nobody else does.
fn check_user(from: &Source, target: &FlowTarget) -> Result<(), Complaint> {
    let hint = match (matches!(from, Source::User(_)), matches!(target.destination, Destination::Object(_))) {
        (true, true) | (false, false) => return Ok(()),
        (true, false) => "write `to: {apply: …}`, `{update: …}` or `{delete: …}`, or another source",
        (false, true) => "write `from: cluster-admin`, `{user: NAME}` or `{serviceAccount: namespace/name}`",
    };
    let finding = Diagnostic::error("target", "users of the API server change objects, and only they do");
    Err((finding.hint(hint), target.at))
}

fn check_request(target: &FlowTarget, form: &Located<RequestForm>) -> Result<(), Complaint> {
    if matches!(target.destination, Destination::Object(_)) {
        return Err((
            Diagnostic::error("request", "an attempt to change an object carries no request of its own")
                .hint("leave `request` out"),
            form.at,
        ));
    }
    if matches!(target.destination, Destination::Name(_)) {
        return Err((
            Diagnostic::error("request", "a bare lookup carries no request").hint("aim at a `host` to send a request"),
            form.at,
        ));
    }
    if target.protocol != Protocol::Tcp {
        return Err((
            Diagnostic::error("request", format!("an HTTP request cannot go over {}", target.protocol))
                .hint("leave out `protocol` or `request`"),
            form.at,
        ));
    }
    if let (Some(_), Some(tls)) = (&target.tls, &form.tls) {
        return Err((Diagnostic::error("request", "`tls` is written twice").hint("keep the one in `request`"), tls.at));
    }
    Ok(())
}

fn build_request(
    target: &FlowTarget,
    form: &Located<RequestForm>,
    default_host: Option<&str>,
    tls: bool,
) -> Result<Request, Complaint> {
    let host = match (&form.host, default_host) {
        (Some(host), _) => host.clone(),
        (None, Some(host)) => authority(host, target.port, tls),
        (None, None) => {
            return Err((
                Diagnostic::error("request", "a request to this target must name its host")
                    .hint("write the host name that the user would type, such as `host: app.example.com`"),
                form.at,
            ));
        }
    };
    let path = form.path.as_ref().map_or("/", |path| path.as_str());
    if let Some(written) = &form.path
        && !path.starts_with('/')
        && path != "*"
    {
        return Err((
            Diagnostic::error("request", format!("path `{path}` does not begin with `/`"))
                .hint("write the path as it stands in the request line"),
            written.at,
        ));
    }
    let headers =
        form.headers.iter().flat_map(|(name, values)| values.iter().map(|value| (name.clone(), value.clone())));
    let request = Request {
        method: form.method.clone().unwrap_or_else(|| "GET".to_owned()),
        path: path.to_owned(),
        host,
        headers: headers.collect(),
        token: form.token.as_ref().map(|token| Token {
            issuer: token.issuer.clone(),
            subject: token.subject.clone(),
            audiences: token.audiences.clone(),
            claims: token.claims.clone(),
            state: token.state,
        }),
    };
    match request.unsendable() {
        None => Ok(request),
        Some(why) => {
            let finding = Diagnostic::error("request", format!("no client could send this request: {why}"));
            Err((finding.hint("what is never sent shows nothing of a policy"), form.at))
        }
    }
}

/// The Host header of a request that names none, as a client would send it; none where there is no natural one.
#[must_use]
pub fn default_authority(world: &World, destination: &Destination, port: Option<u16>, tls: bool) -> Option<String> {
    default_host(world, destination).map(|host| authority(&host, port, tls))
}

/// The host that a client would put into a URL for the target; none where there is no natural one.
fn default_host(world: &World, destination: &Destination) -> Option<String> {
    match destination {
        Destination::Service(namespace, name) => Some(service_host(namespace, name)),
        Destination::Pod(namespace, name) => {
            let address = world.workload(namespace, name).find_map(|pod| pod.addresses.first().copied())?;
            Some(bracketed(address))
        }
        Destination::Address(address) => Some(bracketed(*address)),
        Destination::Host(name) | Destination::Node(name) => Some(name.clone()),
        Destination::Gateway(..) | Destination::Name(_) | Destination::Object(_) => None,
    }
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Clients leave out the port that the scheme implies (RFC 9110 §7.2).
fn authority(host: &str, port: Option<u16>, tls: bool) -> String {
    match (port, tls) {
        (None, _) | (Some(80), false) | (Some(443), true) => host.to_owned(),
        (Some(port), _) => format!("{host}:{port}"),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

/// A server name is a DNS name, never an address (RFC 6066 §3).
fn server_name(asked: Option<String>, at: Position) -> Result<String, Complaint> {
    match asked {
        Some(name) if name.parse::<IpAddr>().is_err() && !name.starts_with('[') => Ok(name),
        Some(_) | None => Err((
            Diagnostic::error("request", "there is no server name to ask for")
                .hint("an address is no server name: write `tls: name.example.com`"),
            at,
        )),
    }
}

/// Whether a Service's port leads to this port of this workload.
pub(super) fn leads_to(world: &World, service: &Flow, pod: &Flow) -> bool {
    let (Destination::Service(namespace, name), Destination::Pod(pod_namespace, workload)) = (&service.to, &pod.to)
    else {
        return false;
    };
    let Some(service_object) = world.service(namespace, name) else { return false };
    let Some(entry) = service.port.and_then(|port| service_object.port(service.protocol, port)) else { return false };
    world.workload(pod_namespace, workload).any(|candidate| {
        service_object.backends.contains(&candidate.id)
            && match &entry.target {
                TargetPort::Number(number) => pod.port == Some(*number),
                TargetPort::Name(wanted) => candidate
                    .ports
                    .iter()
                    .any(|port| port.name.as_ref() == Some(wanted) && pod.port == Some(port.number)),
            }
    })
}
