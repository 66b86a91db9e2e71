//! Tokens, from the issuers that stand in a cluster as probes.
//!
//! An issuer is asked from within its own pod: no policy stands between a container and itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use airtight_cluster::pod::Pod;
use airtight_cluster::read::list;
use airtight_cluster::{Cluster, Container};
use airtight_manifest::Failure;
use airtight_model::policy::{Token, TokenState};
use airtight_probe::wire;
use serde::Deserialize;
use serde_json::Value;

use crate::options::Options;
use crate::origin::Origin;
use crate::session::{self, Job, Jobs};

/// How much of an issuer's answer is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Where tokens are had, by the issuer's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Issuers(BTreeMap<String, Desk>);

/// A container that issues tokens, and the address at which it does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Desk {
    container: Container,
    at: SocketAddr,
}

/// A token of each kind that was asked for, or why there is none.
pub(super) type Issued<'f> = BTreeMap<&'f Token, Result<String, String>>;

impl Issuers {
    /// Finds the issuers by what the probes are configured to serve.
    pub(super) fn read(cluster: &dyn Cluster, image: &str) -> Result<Self, Failure> {
        let pods = list(cluster, "/api/v1/pods")?;
        Ok(Self(pods.iter().flat_map(|pod| desks(pod, image)).collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A token whose issuer does not stand in the cluster is issued by another one in its name, so that its signature
    /// is none that a verifier could know.
    fn desk(&self, token: &Token) -> Option<&Desk> {
        self.0.get(&token.issuer).or_else(|| self.0.values().next())
    }

    /// One token of each kind that is wanted.
    pub(super) fn issue<'f>(
        &self,
        cluster: &dyn Cluster,
        options: &Options,
        wanted: impl Iterator<Item = &'f Token>,
    ) -> Issued<'f> {
        let mut wanted: Vec<&Token> = wanted.collect();
        wanted.sort();
        wanted.dedup();
        let mut jobs = Jobs::new();
        for (number, token) in wanted.iter().enumerate() {
            if let Some(desk) = self.desk(token) {
                let own = jobs.entry(Origin::Pod(desk.container.clone())).or_default();
                own.push(Job::plain(number, order(token, desk.at)));
            }
        }
        let answers = session::round(cluster, options, &jobs);
        let mut issued: Issued<'f> = wanted.iter().map(|token| (*token, Err("no issuer".to_owned()))).collect();
        for (number, answer) in answers {
            let token = answer.and_then(|answered| read(&answered.answer));
            issued.insert(wanted[number], token);
        }
        issued
    }
}

fn desks(pod: &Value, image: &str) -> Vec<(String, Desk)> {
    let Some(read) = Pod::read(pod, image).filter(|pod| pod.unready.is_none()) else { return Vec::new() };
    let (Some(container), Some(address)) = (read.probe, read.address) else { return Vec::new() };
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = containers.iter().filter(|each| each["name"] == container.container.as_str());
    let words = own.flat_map(|each| [&each["command"], &each["args"]]).filter_map(Value::as_array).flatten();
    let configured = words.filter_map(|word| serde_json::from_str::<wire::Serving>(word.as_str()?).ok());
    let desk = |bind: SocketAddr| {
        let ip = if bind.ip().is_unspecified() { address } else { bind.ip() };
        Desk { container: container.clone(), at: SocketAddr::new(ip, bind.port()) }
    };
    let listeners = configured.flat_map(|serving| serving.listeners);
    listeners.filter_map(|listener| Some((issuer(&listener)?, desk(listener.bind)))).collect()
}

/// The issuer that a listener stands in for. One that speaks TLS is left out: it is asked in clear.
fn issuer(listener: &wire::Listener) -> Option<String> {
    match (&listener.speak, &listener.tls) {
        (wire::Speak::Http(wire::HttpListener { answer: wire::HttpAnswer::Issuer { issuer, .. }, .. }), None) => {
            Some(issuer.clone())
        }
        (_, _) => None,
    }
}

fn order(token: &Token, at: SocketAddr) -> wire::Attempt {
    let asked = wire::TokenRequest {
        subject: token.subject.clone(),
        audiences: token.audiences.clone(),
        issuer: Some(token.issuer.clone()),
        claims: token.claims.iter().map(|(name, claim)| (name.clone(), claim.0.clone())).collect(),
        state: state(token.state),
    };
    let to = wire::Target { host: at.ip().to_string(), port: at.port(), family: wire::Family::Any };
    let request = wire::Request {
        method: "POST".to_owned(),
        path: "/token".to_owned(),
        body: Some(wire::Payload::from(serde_json::json!(asked).to_string().as_str())),
        body_limit: LONGEST,
        ..wire::Request::default()
    };
    wire::Attempt::Http(wire::HttpExchange { to, tls: None, request })
}

fn state(state: TokenState) -> wire::TokenState {
    match state {
        TokenState::Valid => wire::TokenState::Valid,
        TokenState::Expired => wire::TokenState::Expired,
        TokenState::NotYetValid => wire::TokenState::NotYetValid,
        TokenState::Forged => wire::TokenState::Forged,
        TokenState::Unsigned => wire::TokenState::Unsigned,
    }
}

/// The part of an issuer's answer that counts.
#[derive(Deserialize)]
struct Told {
    token: String,
}

fn read(answer: &wire::Answer) -> Result<String, String> {
    let refused = |why: &str| Err(format!("the issuer gave no token: {why}"));
    match (&answer.outcome, answer.reply.as_ref().and_then(|reply| reply.body.text())) {
        (wire::Outcome::Http(200), Some(body)) => match serde_json::from_str::<Told>(body) {
            Ok(told) => Ok(told.token),
            Err(error) => refused(&error.to_string()),
        },
        (_, _) => refused(&format!("{}{}", crate::answer::outcome(answer), detail(answer))),
    }
}

fn detail(answer: &wire::Answer) -> String {
    if answer.detail.is_empty() { String::new() } else { format!(" ({})", answer.detail) }
}
