//! HBONE as a client: what a proxy of the mesh does for its clients (Istio `architecture/ambient/ztunnel.md`).

use std::net::SocketAddr;

use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::rustls::ClientConfig;

use super::ending::Ending;
use super::member::Identity;
use super::record::Record;
use super::{tcp, tls};
use crate::wire::{Outcome, Phase, Tunnel};

/// What a tunnel is opened with, made before anything of the flow is sent.
pub(super) struct Plan<'a> {
    tunnel: &'a Tunnel,
    config: ClientConfig,
}

/// Prepares a tunnel that is opened as `identity`.
pub(super) fn plan(tunnel: &Tunnel, identity: Identity) -> Result<Plan<'_>, String> {
    Ok(Plan { tunnel, config: tls::member(identity)? })
}

/// Opens the tunnel. That the pod's proxy refuses it is what the proxy's client would see as a reset.
pub(super) async fn open(plan: Plan<'_>, record: &mut Record) -> Result<TokioIo<Upgraded>, Ending> {
    let to = plan.tunnel.to;
    record.inner = Some(to);
    let stream = tcp::connect_any(&[to.ip()], plan.tunnel.port, record).await?;
    let shaken = tls::shake(tls::Plan::at(plan.config, to.ip()), stream, record).await;
    let stream = shaken.map_err(|ending| refused(ending, "the tunnel's end breaks off the handshake"))?;
    let (mut sender, connection) =
        http2::handshake::<_, _, Empty<hyper::body::Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(
            |error| Ending::explained(Outcome::Reset, format!("the tunnel's end speaks no HTTP/2: {error}")),
        )?;
    tokio::spawn(connection);
    // What a client would see of TLS is its own.
    record.tls = None;
    record.enter(Phase::Tunnel);
    let answer = sender.send_request(connect(to)?).await;
    let answer =
        answer.map_err(|error| Ending::explained(Outcome::Reset, format!("the tunnel breaks off: {error}")))?;
    if !answer.status().is_success() {
        let why = format!("the tunnel's end refuses: {}", answer.status());
        return Err(Ending::explained(Outcome::Reset, why));
    }
    let upgraded = hyper::upgrade::on(answer).await;
    upgraded.map(TokioIo::new).map_err(|error| Ending::probe_error(format!("the tunnel does not open: {error}")))
}

/// That no handshake comes about is an end of the tunnel and not of a client's own TLS.
fn refused(ending: Ending, why: &str) -> Ending {
    match ending.outcome {
        Outcome::TlsFailure | Outcome::Reset => {
            Ending { outcome: Outcome::Reset, detail: format!("{why}: {}", ending.detail), ..ending }
        }
        Outcome::Connected
        | Outcome::Http(_)
        | Outcome::Refused
        | Outcome::Timeout
        | Outcome::DnsFailure(_)
        | Outcome::ProbeError(_) => ending,
    }
}

fn connect(to: SocketAddr) -> Result<Request<Empty<hyper::body::Bytes>>, Ending> {
    let request = Request::builder().method(Method::CONNECT).uri(to.to_string()).body(Empty::new());
    request.map_err(|error| Ending::probe_error(format!("{to} is no authority: {error}")))
}
