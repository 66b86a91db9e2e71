//! Policy rules as Envoy RBAC filters evaluate them (Istio `pilot/pkg/security/authz/model/model.go`).

use airtight_manifest::istio::{Condition, Operation, Rule as Written, Source};
use airtight_manifest::re2;

use super::input::Input;
use super::matcher::{self, Dialect, Matcher, Text};

/// A rule: one of `from`, one of `to` and all of `when` must hold.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    from: Vec<Vec<Field>>,
    to: Vec<Vec<Field>>,
    when: Vec<Field>,
}

/// One of `any` (unless it is empty) and none of `none`.
#[derive(Debug, Clone)]
struct Field {
    attribute: Attribute,
    any: Vec<Matcher>,
    none: Vec<Matcher>,
}

/// What a field looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attribute {
    /// The peer's identity.
    Peer,
    /// The peer's address.
    SourceIp,
    /// The client's address, by `x-forwarded-for`.
    RemoteIp,
    /// The address that the client dialled.
    DestinationIp,
    /// The port that the client dialled.
    DestinationPort,
    /// The server name of a TLS client.
    ServerName,
    /// `:authority`.
    Host,
    /// `:method`.
    Method,
    /// `:path` without query.
    Path,
    /// A header, by name in lower case.
    Header(String),
    /// `iss` and `sub` of the verified token.
    RequestPrincipal,
    /// A claim of the verified token, by path.
    Claim(Vec<String>),
    /// Something that the engine does not model.
    Unmodelled,
}

impl Attribute {
    fn needs_http(&self) -> bool {
        match self {
            Self::Host | Self::Method | Self::Path | Self::Header(_) | Self::RequestPrincipal | Self::Claim(_) => true,
            Self::Peer
            | Self::SourceIp
            | Self::RemoteIp
            | Self::DestinationIp
            | Self::DestinationPort
            | Self::ServerName
            | Self::Unmodelled => false,
        }
    }
}

/// Why a rule cannot be evaluated: a value makes no regular expression, or a condition is not modelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable(pub(super) String);

impl From<re2::Error> for Unusable {
    fn from(error: re2::Error) -> Self {
        Self(format!("a value makes no valid regular expression ({error})"))
    }
}

impl Rule {
    /// Compiles a rule of a policy in namespace `own`.
    pub(super) fn compile(rule: &Written, own: &str, dialect: &Dialect) -> Result<Self, Unusable> {
        let sources = rule.from.iter().flatten().filter_map(|from| from.source.as_ref());
        let operations = rule.to.iter().flatten().filter_map(|to| to.operation.as_ref());
        Ok(Self {
            from: sources.map(|source| source_fields(source, own, dialect)).collect::<Result<_, _>>()?,
            to: operations.map(operation_fields).collect::<Result<_, _>>()?,
            when: rule
                .when
                .iter()
                .filter_map(|when| condition(when, own, dialect).transpose())
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether it uses an attribute that a TCP filter chain does not have.
    pub(super) fn needs_http(&self) -> bool {
        let lists = self.from.iter().chain(&self.to).flatten();
        lists.chain(&self.when).any(|field| field.attribute.needs_http())
    }

    /// Whether it uses an attribute that the engine does not model.
    pub(super) fn is_unmodelled(&self) -> bool {
        self.when.iter().any(|field| field.attribute == Attribute::Unmodelled)
    }

    /// Whether any request of this peer could match: what a client chooses to say is taken as said.
    pub(super) fn may_match(&self, input: &Input<'_>) -> bool {
        let free = |field: &Field| field.attribute.needs_http() || field.attribute == Attribute::RemoteIp;
        self.holds(|field| free(field) || field.holds(input))
    }

    /// Whether every request of this peer matches: nothing that a client says is asked for.
    pub(super) fn always_matches(&self, input: &Input<'_>) -> bool {
        self.holds(|field| {
            !field.attribute.needs_http() && field.attribute != Attribute::RemoteIp && field.holds(input)
        })
    }

    /// Whether the request or connection matches; fields that the filter chain does not have are left out.
    pub(super) fn matches(&self, input: &Input<'_>) -> bool {
        self.holds(|field| (!input.is_http() && field.attribute.needs_http()) || field.holds(input))
    }

    fn holds(&self, holds: impl Fn(&Field) -> bool) -> bool {
        let one_of = |lists: &[Vec<Field>]| lists.is_empty() || lists.iter().any(|fields| fields.iter().all(&holds));
        one_of(&self.from) && one_of(&self.to) && self.when.iter().all(&holds)
    }
}

impl Field {
    fn new(attribute: Attribute, any: Vec<Matcher>, none: Vec<Matcher>) -> Self {
        Self { attribute, any, none }
    }

    /// A missing attribute matches no value.
    fn holds(&self, input: &Input<'_>) -> bool {
        let matches = |matcher: &Matcher| input.matches(&self.attribute, matcher);
        (self.any.is_empty() || self.any.iter().any(matches)) && !self.none.iter().any(matches)
    }
}

type Compiled = Result<Vec<Matcher>, re2::Error>;

fn all(values: &[String], compile: impl Fn(&str) -> Compiled) -> Compiled {
    let lists: Vec<Vec<Matcher>> = values.iter().map(|value| compile(value)).collect::<Result<_, _>>()?;
    Ok(lists.into_iter().flatten().collect())
}

/// A field of `values` and `not_values`, unless both are empty.
fn field(
    attribute: Attribute,
    values: &[String],
    not_values: &[String],
    compile: impl Fn(&str) -> Compiled,
) -> Result<Option<Field>, Unusable> {
    if values.is_empty() && not_values.is_empty() {
        return Ok(None);
    }
    Ok(Some(Field::new(attribute, all(values, &compile)?, all(not_values, &compile)?)))
}

fn source_fields(source: &Source, own: &str, dialect: &Dialect) -> Result<Vec<Field>, Unusable> {
    let peer = || Attribute::Peer;
    let account = |value: &str| dialect.service_account(value, own);
    let (domains, not_domains): (&[String], &[String]) =
        if dialect.trust_domain_fields { (&source.trust_domains, &source.not_trust_domains) } else { (&[], &[]) };
    let fields = [
        field(peer(), &source.principals, &source.not_principals, |value| dialect.principal(value))?,
        field(Attribute::RequestPrincipal, &source.request_principals, &source.not_request_principals, |value| {
            Ok(vec![matcher::request_principal(value)])
        })?,
        field(peer(), &source.service_accounts, &source.not_service_accounts, account)?,
        field(peer(), domains, not_domains, |value| dialect.trust_domain(value))?,
        field(peer(), &source.namespaces, &source.not_namespaces, |value| dialect.namespace(value))?,
        field(Attribute::RemoteIp, &source.remote_ip_blocks, &source.not_remote_ip_blocks, range)?,
        field(Attribute::SourceIp, &source.ip_blocks, &source.not_ip_blocks, range)?,
    ];
    Ok(fields.into_iter().flatten().collect())
}

fn operation_fields(operation: &Operation) -> Result<Vec<Field>, Unusable> {
    let fields = [
        field(Attribute::Host, &operation.hosts, &operation.not_hosts, |value| text(Text::host(value)))?,
        field(Attribute::Method, &operation.methods, &operation.not_methods, |value| text(Text::header(value)))?,
        field(Attribute::Path, &operation.paths, &operation.not_paths, |value| Ok(vec![matcher::path(value)?]))?,
        field(Attribute::DestinationPort, &operation.ports, &operation.not_ports, port)?,
    ];
    Ok(fields.into_iter().flatten().collect())
}

fn condition(when: &Condition, own: &str, dialect: &Dialect) -> Result<Option<Field>, Unusable> {
    let of = |attribute, compile: &dyn Fn(&str) -> Compiled| field(attribute, &when.values, &when.not_values, compile);
    match when.key.as_str() {
        "destination.ip" => of(Attribute::DestinationIp, &range),
        "destination.port" => of(Attribute::DestinationPort, &port),
        "connection.sni" => of(Attribute::ServerName, &plain),
        "source.ip" => of(Attribute::SourceIp, &range),
        "remote.ip" => of(Attribute::RemoteIp, &range),
        "source.namespace" => of(Attribute::Peer, &|value| dialect.namespace(value)),
        "source.serviceAccount" => of(Attribute::Peer, &|value| dialect.service_account(value, own)),
        "source.principal" => of(Attribute::Peer, &|value| dialect.principal(value)),
        "source.trustDomain" if dialect.trust_domain_fields => {
            of(Attribute::Peer, &|value| dialect.trust_domain(value))
        }
        "request.auth.principal" => {
            of(Attribute::RequestPrincipal, &|value| Ok(vec![matcher::request_principal(value)]))
        }
        "request.auth.audiences" => of(Attribute::Claim(vec!["aud".to_owned()]), &plain),
        "request.auth.presenter" => of(Attribute::Claim(vec!["azp".to_owned()]), &plain),
        key => match (key.strip_prefix("request.headers"), key.strip_prefix("request.auth.claims")) {
            (Some(name), _) => {
                of(Attribute::Header(bracketed(name)?.to_ascii_lowercase()), &|value| text(Text::header(value)))
            }
            (None, Some(path)) => of(Attribute::Claim(nested(path)?), &plain),
            (None, None) => Ok(Some(Field::new(Attribute::Unmodelled, Vec::new(), Vec::new()))),
        },
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of the functions that compile a value")]
fn text(text: Text) -> Compiled {
    Ok(vec![Matcher::Text(text)])
}

fn plain(value: &str) -> Compiled {
    text(Text::parse(value))
}

#[expect(clippy::unnecessary_wraps, reason = "one of the functions that compile a value")]
fn range(value: &str) -> Compiled {
    Ok(matcher::range(value).into_iter().collect())
}

#[expect(clippy::unnecessary_wraps, reason = "one of the functions that compile a value")]
fn port(value: &str) -> Compiled {
    Ok(matcher::port(value).into_iter().collect())
}

/// `[name]`.
fn bracketed(text: &str) -> Result<&str, Unusable> {
    text.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .ok_or_else(|| Unusable(format!("`{text}` is no name in brackets")))
}

/// `[a][b]`; anything else in brackets is one name.
fn nested(text: &str) -> Result<Vec<String>, Unusable> {
    let whole = bracketed(text)?;
    let parts: Vec<&str> = whole.split("][").collect();
    let simple = parts.iter().all(|part| !part.contains(['[', ']']));
    Ok(if simple { parts.into_iter().map(str::to_owned).collect() } else { vec![whole.to_owned()] })
}
