//! Tunnels of the mesh: a certificate is had of an authority, and nothing that fails on the way to it is a flow's end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use airtight_probe::wire::{Answer, Outcome, Phase};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::program::{Served, closed_port, dial_flows};

type Issuer = Arc<CertifiedIssuer<'static, KeyPair>>;

/// A mesh of one authority and one pod's proxy.
struct Mesh {
    authority: SocketAddr,
    proxy: SocketAddr,
    files: tempfile::TempDir,
}

#[derive(Clone, PartialEq, Message)]
struct Asked {
    #[prost(string, tag = "1")]
    csr: String,
}

#[derive(Clone, PartialEq, Message)]
struct Issued {
    #[prost(string, repeated, tag = "1")]
    cert_chain: Vec<String>,
}

impl Mesh {
    /// `status` is what the proxy says to who has a certificate.
    async fn new(status: StatusCode) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer: Issuer = Arc::new(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap());
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("token"), "of-the-proxy\n").unwrap();
        std::fs::write(files.path().join("roots.pem"), issuer.pem()).unwrap();
        let at = Arc::clone(&issuer);
        let authority = serve(&issuer, false, move |request| issue(Arc::clone(&at), request)).await;
        let proxy = serve(&issuer, true, move |request| carry(status, request)).await;
        Self { authority, proxy, files }
    }

    fn flow(&self, to: SocketAddr, token: &str) -> Value {
        let file = |name: &str| self.files.path().join(name);
        json!({
            "attempt": {"http": {"to": {"host": to.ip(), "port": to.port()}}},
            "deadlineMs": 1000,
            "tunnel": {"to": to, "port": self.proxy.port(), "member": {
                "authority": {"host": "127.0.0.1", "port": self.authority.port()},
                "token": file(token), "roots": file("roots.pem"),
            }},
        })
    }

    async fn dial(&self, flow: Value) -> Answer {
        tokio::task::spawn_blocking(move || dial_flows(&[flow]).remove(0)).await.unwrap()
    }
}

async fn serve<F, R, B>(issuer: &Issuer, members_alone: bool, answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<B>> + Send + 'static,
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, acceptor) = (listener.local_addr().unwrap(), acceptor(issuer, members_alone));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    address
}

fn acceptor(issuer: &Issuer, members_alone: bool) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &**issuer).unwrap();
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let builder = match members_alone {
        true => builder.unwrap().with_client_cert_verifier(verifier),
        false => builder.unwrap().with_no_client_auth(),
    };
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Issues to whoever has the proxy's token.
async fn issue(issuer: Issuer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    assert_eq!(request.uri().path(), "/istio.v1.auth.IstioCertificateService/CreateCertificate");
    if request.headers()["authorization"] != "Bearer of-the-proxy" {
        let refusal = Response::builder().header("grpc-status", "16").header("grpc-message", "no such token");
        return refusal.body(Full::default()).unwrap();
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked = Asked::decode(&body[5..]).unwrap();
    let certificate = CertificateSigningRequestParams::from_pem(&asked.csr).unwrap().signed_by(&*issuer).unwrap();
    let message = Issued { cert_chain: vec![certificate.pem(), issuer.pem()] }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    Response::new(Full::from([&[0], &length[..], &message].concat()))
}

/// Carries what a member sends, as ztunnel does.
async fn carry(status: StatusCode, request: Request<Incoming>) -> Response<Empty<Bytes>> {
    let to = request.uri().to_string();
    if status == StatusCode::OK {
        tokio::spawn(async move {
            let mut tunnel = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut server = TcpStream::connect(to).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut tunnel, &mut server).await;
        });
    }
    Response::builder().status(status).body(Empty::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_the_mesh_gets_through_and_the_pod_answers() {
    let (mesh, pod) = (Mesh::new(StatusCode::OK).await, Served::one(&json!({"http": {}})));
    let answer = mesh.dial(mesh.flow(pod.address(0), "token")).await;
    assert_eq!((&answer.outcome, answer.phase), (&Outcome::Http(200), Phase::Response), "{answer:?}");
    // Observers of the network see the tunnel, those of the mesh what is in it.
    assert_eq!((answer.peer, answer.inner), (Some(mesh.proxy), Some(pod.address(0))));
    assert!(answer.tls.is_none() && answer.answered_by.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pods_proxy_refuses_is_a_reset() {
    let (mesh, pod) = (Mesh::new(StatusCode::UNAUTHORIZED).await, Served::one(&json!({"http": {}})));
    let answer = mesh.dial(mesh.flow(pod.address(0), "token")).await;
    assert_eq!((&answer.outcome, answer.phase), (&Outcome::Reset, Phase::Tunnel), "{answer:?}");
    assert!(answer.detail.contains("401"), "{}", answer.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_tunnel_ends_the_connection_tells() {
    let mut mesh = Mesh::new(StatusCode::OK).await;
    mesh.proxy = closed_port();
    let answer = mesh.dial(mesh.flow(closed_port(), "token")).await;
    assert_eq!((answer.outcome, answer.phase), (Outcome::Refused, Phase::Connect));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_there_is_no_flow() {
    let mut mesh = Mesh::new(StatusCode::OK).await;
    std::fs::write(mesh.files.path().join("other"), "of-another").unwrap();
    for (token, why) in [("missing", "No such file"), ("other", "no such token")] {
        let answer = mesh.dial(mesh.flow(closed_port(), token)).await;
        assert!(matches!(&answer.outcome, Outcome::ProbeError(text) if text.contains(why)), "{answer:?}");
    }
    // An authority that somebody else plays is not told the token.
    let other = Mesh::new(StatusCode::OK).await;
    mesh.authority = other.authority;
    let answer = mesh.dial(mesh.flow(closed_port(), "token")).await;
    assert!(matches!(&answer.outcome, Outcome::ProbeError(text) if text.contains("tls-failure")), "{answer:?}");
    // Not even a name that does not resolve is one of the flow's.
    let mut flow = mesh.flow(closed_port(), "token");
    flow["tunnel"]["member"]["authority"]["host"] = json!("istiod.invalid");
    let answer = mesh.dial(flow).await;
    assert!(matches!(&answer.outcome, Outcome::ProbeError(_)), "{answer:?}");
    assert_eq!(answer.peer, None);
}
