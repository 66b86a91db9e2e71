//! Certificates of TLS listeners.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::wire::{Certificate, Own};

/// The process's own certificate authority, made when it is first needed. Its key never leaves the process.
#[derive(Default)]
pub(super) struct Authority(Option<CertifiedIssuer<'static, KeyPair>>);

impl Authority {
    /// Its certificate (PEM); none if it was not needed.
    pub(super) fn pem(&self) -> Option<String> {
        self.0.as_ref().map(CertifiedIssuer::pem)
    }

    /// What accepts TLS with `certificate` and takes these protocols by ALPN, any if there is none; otherwise what is
    /// wrong with it.
    pub(super) fn acceptor(&mut self, certificate: &Certificate, protocols: &[&str]) -> Result<TlsAcceptor, String> {
        let (chain, key) = match certificate {
            Certificate::Files { certificate, key } => from_files(certificate, key)?,
            Certificate::Own(own) => self.issue(own).map_err(|error| error.to_string())?,
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| error.to_string())?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn issue(&mut self, own: &Own) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rcgen::Error> {
        let issuer = match self.0.take() {
            Some(issuer) => self.0.insert(issuer),
            None => self.0.insert(authority()?),
        };
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(own.names.clone())?;
        let common = own.names.first().map_or("airtight stand-in", String::as_str);
        params.distinguished_name.push(DnType::CommonName, common);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, issuer)?;
        let chain = vec![certificate.der().clone(), issuer.der().clone()];
        Ok((chain, PrivateKeyDer::Pkcs8(key.serialize_der().into())))
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "airtight stand-in authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn from_files(certificate: &str, key: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{certificate}: {error}"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{key}: {error}"))?;
    Ok((chain, key))
}
