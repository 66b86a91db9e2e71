//! TLS as a client.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};

use super::ending::Ending;
use super::member::Identity;
use super::record::Record;
use crate::wire::{Outcome, Phase, Tls, TlsSeen, Trust};

/// What a handshake needs, checked before anything is sent.
pub(super) struct Plan {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Plan {
    /// A handshake with a host that has no name.
    pub(super) fn at(config: ClientConfig, host: IpAddr) -> Self {
        Self { config: Arc::new(config), name: ServerName::IpAddress(host.into()) }
    }
}

/// Prepares to speak TLS as `tls` says with `host`.
pub(super) fn plan(tls: &Tls, host: &str) -> Result<Plan, Ending> {
    let name = tls.server_name.as_deref().unwrap_or(host).trim_end_matches('.');
    let server = ServerName::try_from(name.to_owned())
        .map_err(|error| Ending::probe_error(format!("{name:?} is no server name: {error}")))?;
    let config =
        config(tls).map_err(|why| Ending::probe_error(format!("the flow's TLS settings do not work: {why}")))?;
    Ok(Plan { config: Arc::new(config), name: server })
}

/// Shakes hands over `stream`.
pub(super) async fn shake<S>(plan: Plan, stream: S, record: &mut Record) -> Result<TlsStream<S>, Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    record.enter(Phase::Tls);
    let stream = TlsConnector::from(plan.config).connect(plan.name, stream).await.map_err(|error| failed(&error))?;
    let (_, session) = stream.get_ref();
    record.tls = Some(TlsSeen {
        version: session.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
        alpn: session.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
    });
    Ok(stream)
}

/// A handshake that TLS itself ended has failed; one whose connection broke was reset.
fn failed(error: &io::Error) -> Ending {
    let ending = Ending::of_socket(error, None);
    match ending.outcome {
        Outcome::Reset => Ending { detail: "the connection was closed during the handshake".to_owned(), ..ending },
        _ => ending,
    }
}

fn config(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = match &tls.trust {
        Trust::Any => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        Trust::Ca(pem) => builder.with_root_certificates(roots(pem)?),
    }
    .with_no_client_auth();
    config.alpn_protocols = tls.alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

/// How a member of the mesh speaks to another. Whose certificate the other has is not looked at: the connection is to
/// an address, and what is asked is what policies let this end do there.
pub(super) fn member(identity: Identity) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_client_auth_cert(identity.chain, identity.key)
        .map_err(|error| format!("the certificate of the mesh does not fit its key: {error}"))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("`ca` is no PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("`ca` holds no certificate authority: {error}"))?;
    }
    if roots.is_empty() { Err("`ca` holds no certificate".to_owned()) } else { Ok(roots) }
}

/// Takes any certificate, but not a forged handshake.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _stapled: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
