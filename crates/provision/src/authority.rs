//! A cluster's own certificate authority, for the stand-ins outside of it.
//!
//! Its folder is closed to everybody else. What a stand-in mounts is open, because the stand-in runs as another user.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::plan::Certificate;
use super::state::write_atomically;

/// The authority's certificate, in its folder.
pub(super) const CERTIFICATE: &str = "ca.crt";

/// Its key.
const KEY: &str = "ca.key";

/// Why a certificate or authority was not made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The key or a name is no good.
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Whether a folder has an authority.
pub(super) fn has_authority(folder: &Path) -> bool {
    folder.join(CERTIFICATE).exists() && folder.join(KEY).exists()
}

/// Whether a certificate is there.
#[cfg(feature = "live")]
pub(super) fn is_issued(certificate: &Certificate) -> bool {
    certificate.folder.join("tls.crt").exists() && certificate.folder.join("tls.key").exists()
}

/// Makes an authority in a folder, unless it has one: who trusts it need not learn of another.
///
/// # Errors
/// When the folder cannot be written.
pub fn make_authority(folder: &Path) -> Result<(), AuthorityError> {
    if has_authority(folder) {
        return Ok(());
    }
    open(folder, 0o700)?;
    let key = KeyPair::generate()?;
    let certificate = params().self_signed(&key)?;
    // The key first: with the certificate, there is an authority.
    write(&folder.join(KEY), &key.serialize_pem(), 0o600)?;
    write(&folder.join(CERTIFICATE), &certificate.pem(), 0o644)
}

/// Issues a certificate with a new key.
///
/// # Errors
/// When there is no authority, a name is no good, or the folder cannot be written.
pub fn issue(wanted: &Certificate) -> Result<(), AuthorityError> {
    let read = |name: &str| {
        let path = wanted.authority.join(name);
        fs::read_to_string(&path).map_err(|source| file(&path, source))
    };
    let authority = Issuer::new(params(), KeyPair::from_pem(&read(KEY)?)?);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(wanted.names.clone())?;
    let common = wanted.names.first().map_or("airtight stand-in", String::as_str);
    params.distinguished_name.push(DnType::CommonName, common);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let chain = params.signed_by(&key, &authority)?.pem() + &read(CERTIFICATE)?;
    open(&wanted.folder, 0o755)?;
    write(&wanted.folder.join("tls.key"), &key.serialize_pem(), 0o644)?;
    write(&wanted.folder.join("tls.crt"), &chain, 0o644)
}

/// The authority but for its key: it signs no other authority.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "airtight stand-in authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn open(folder: &Path, mode: u32) -> Result<(), AuthorityError> {
    fs::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(mode)))
        .map_err(|source| file(folder, source))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    write_atomically(path, text.as_bytes())
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|source| file(path, source))
}

fn file(path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::File { path: path.display().to_string(), source }
}
