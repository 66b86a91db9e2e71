//! A certificate of the mesh for the workload in whose pod the probe runs, as its proxy gets its own: a signing request
//! to Istio's authority, with the token of the service account (Istio `security/pkg/nodeagent/caclient/providers/citadel/client.go`).

use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, TE};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::record::Record;
use super::{tcp, tls};
use crate::wire::{Member, Tls, Trust};

/// How long the authority may take in all.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The most that an answer of the authority is read of, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// The method of the authority's service (Istio `istio.io/api` `security/v1alpha1/ca.proto`).
const METHOD: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

/// A certificate with what it was issued by, and its key.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// `IstioCertificateRequest`.
#[derive(Clone, PartialEq, Message)]
struct CertificateRequest {
    /// A signing request in PEM. Whose certificate it becomes is told by the token alone.
    #[prost(string, tag = "1")]
    csr: String,
    /// How long the certificate is wanted for, in seconds.
    #[prost(int64, tag = "3")]
    validity_duration: i64,
}

/// `IstioCertificateResponse`.
#[derive(Clone, PartialEq, Message)]
struct CertificateResponse {
    /// The certificate and those above it, in PEM.
    #[prost(string, repeated, tag = "1")]
    cert_chain: Vec<String>,
}

/// Gets a certificate of the authority at one of `addresses`.
pub(super) async fn certificate(member: &Member, addresses: &[IpAddr]) -> Result<Identity, String> {
    let token = std::fs::read_to_string(&member.token).map_err(|error| format!("{}: {error}", member.token))?;
    let roots = std::fs::read_to_string(&member.roots).map_err(|error| format!("{}: {error}", member.roots))?;
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let csr = CertificateParams::default().serialize_request(&key).and_then(|csr| csr.pem());
    let asked = CertificateRequest { csr: csr.map_err(|error| error.to_string())?, validity_duration: 3600 };
    let stream = connected(member, addresses, roots).await?;
    let answer = called(stream, request(member, token.trim(), &asked)?).await?;
    let chain = answer.cert_chain.concat();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.map_err(|error| format!("what it issued is no PEM: {error}"))?;
    if chain.is_empty() { Err("it issued nothing".to_owned()) } else { Ok(Identity { chain, key: pkcs8(&key) }) }
}

fn pkcs8(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}

/// A connection to the authority, whose certificate is verified: it is going to be told a token.
async fn connected(member: &Member, addresses: &[IpAddr], roots: String) -> Result<TlsStream<TcpStream>, String> {
    let to = &member.authority;
    let mut record = Record::start(0, "", PATIENCE);
    let verified = Tls { server_name: None, trust: Trust::Ca(roots), alpn: vec!["h2".to_owned()] };
    let plan = tls::plan(&verified, &to.host).map_err(|ending| ending.outcome.to_string())?;
    let at = format!("{}:{}", to.host, to.port);
    let stream = tcp::connect_any(addresses, to.port, &mut record).await;
    let stream = stream.map_err(|ending| format!("no connection to {at}: {}", ending.outcome))?;
    tls::shake(plan, stream, &mut record).await.map_err(|ending| format!("{at}: {} {}", ending.outcome, ending.detail))
}

/// A call as gRPC frames it: one message, not compressed (gRPC `doc/PROTOCOL-HTTP2.md`).
fn request(member: &Member, token: &str, asked: &CertificateRequest) -> Result<Request<Full<Bytes>>, String> {
    let message = asked.encode_to_vec();
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).map_err(|error| error.to_string())?);
    framed.put_slice(&message);
    let mut request = Request::post(format!("https://{}:{}{METHOD}", member.authority.host, member.authority.port))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(AUTHORIZATION, format!("Bearer {token}"));
    if let Some(cluster) = &member.cluster {
        request = request.header("clusterid", cluster);
    }
    request.body(Full::new(framed.freeze())).map_err(|_| "the token holds what no header can".to_owned())
}

async fn called(stream: TlsStream<TcpStream>, request: Request<Full<Bytes>>) -> Result<CertificateResponse, String> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| format!("it does not speak HTTP/2: {error}"))?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let read = read(answer).await;
    driver.abort();
    read
}

async fn read(answer: Response<hyper::body::Incoming>) -> Result<CertificateResponse, String> {
    let refused = grpc_error(answer.headers());
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await.map_err(|error| error.to_string())?;
    let late = body.trailers().and_then(grpc_error);
    if let Some(why) = refused.or(late) {
        return Err(format!("it refuses: {why}"));
    }
    let bytes = body.to_bytes();
    let message = bytes.get(5..).ok_or("its answer is empty")?;
    CertificateResponse::decode(message).map_err(|error| format!("its answer is none: {error}"))
}

/// What is wrong, if the status of a call is not 0.
fn grpc_error(headers: &hyper::HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let status = text("grpc-status").filter(|status| *status != "0")?;
    Some(format!("gRPC status {status} {}", text("grpc-message").unwrap_or_default()))
}
