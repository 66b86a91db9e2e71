//! A token issuer: OpenID discovery, its keys (RFC 7517), and tokens (RFC 7519, ES256) in any state that is asked for.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::{Method, StatusCode};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Map, Value, json};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::http::{Asked, Said};
use super::server::ServeError;
use crate::wire::{TokenRequest, TokenState};

/// How long a token holds, in seconds.
const LIFETIME: u64 = 3600;

/// What the paths end with at which issuers publish their keys: it is up to each, and `/certs` is Keycloak's.
const KEYS: &[&str] = &["/.well-known/jwks.json", "/jwks", "/keys", "/certs"];

/// Issues tokens.
pub(super) struct Issuer {
    /// Its `iss`.
    name: String,
    key: EcdsaKeyPair,
    /// Signs forged tokens; nobody is told of it.
    unpublished: EcdsaKeyPair,
    key_id: String,
    random: SystemRandom,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Issuer {
    /// The issuer of this name, with the key in this file or a new one.
    pub(super) fn new(issuer: &str, key_file: Option<&str>) -> Result<Self, ServeError> {
        let random = SystemRandom::new();
        let key = match key_file {
            Some(file) => {
                let der = PrivatePkcs8KeyDer::from_pem_file(file)
                    .map_err(|error| ServeError::IssuerKey(format!("{file}: {error}")))?;
                key_pair(der.secret_pkcs8_der(), &random)?
            }
            None => new_key(&random)?,
        };
        let fingerprint = digest::digest(&digest::SHA256, key.public_key().as_ref());
        let key_id = URL_SAFE_NO_PAD.encode(&fingerprint.as_ref()[..12]);
        Ok(Self { name: issuer.to_owned(), unpublished: new_key(&random)?, key, key_id, random })
    }

    pub(super) fn answer(&self, asked: &Asked) -> Said {
        let path = asked.path();
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        match asked.parts.method {
            Method::GET if ends(&["/.well-known/openid-configuration"]) => {
                Said::marked(asked, StatusCode::OK, self.discovery())
            }
            Method::GET if ends(KEYS) => Said::marked(asked, StatusCode::OK, json!({"keys": [self.public_key()]})),
            Method::POST if ends(&["/token"]) => self.issue(asked),
            _ => Said::marked(asked, StatusCode::NOT_FOUND, json!({"error": "no such path"})),
        }
    }

    fn discovery(&self) -> Value {
        let base = self.name.trim_end_matches('/');
        json!({
            "issuer": self.name,
            "jwks_uri": format!("{base}/.well-known/jwks.json"),
            "token_endpoint": format!("{base}/token"),
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    /// The key as a JWK (RFC 7518, section 6.2): an uncompressed point is a 4 and two coordinates.
    fn public_key(&self) -> Value {
        let point = self.key.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        json!({
            "kty": "EC",
            "use": "sig",
            "alg": "ES256",
            "kid": self.key_id,
            "crv": "P-256",
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    fn issue(&self, asked: &Asked) -> Said {
        let request: TokenRequest = match serde_json::from_slice(&asked.body) {
            Ok(request) => request,
            Err(error) => {
                let why = json!({"error": "invalid_request", "error_description": error.to_string()});
                return Said::marked(asked, StatusCode::BAD_REQUEST, why);
            }
        };
        match self.token(request) {
            Some(token) => Said::marked(asked, StatusCode::OK, json!({"token": token})),
            None => Said::marked(asked, StatusCode::INTERNAL_SERVER_ERROR, json!({"error": "signing failed"})),
        }
    }

    /// A token as it is asked for; none if it cannot be signed.
    fn token(&self, request: TokenRequest) -> Option<String> {
        let state = request.state;
        let algorithm = if state == TokenState::Unsigned { "none" } else { "ES256" };
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": self.key_id});
        let claims = self.claims(request, SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs());
        let signed = format!("{}.{}", part(&header), part(&Value::Object(claims)));
        let key = match state {
            TokenState::Unsigned => return Some(format!("{signed}.")),
            TokenState::Forged => &self.unpublished,
            TokenState::Valid | TokenState::Expired | TokenState::NotYetValid => &self.key,
        };
        let signature = key.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn claims(&self, request: TokenRequest, now: u64) -> Map<String, Value> {
        let (from, until) = match request.state {
            TokenState::Valid | TokenState::Forged | TokenState::Unsigned => (now.saturating_sub(60), now + LIFETIME),
            TokenState::Expired => (now.saturating_sub(2 * LIFETIME), now.saturating_sub(LIFETIME)),
            TokenState::NotYetValid => (now + LIFETIME, now + 2 * LIFETIME),
        };
        let mut claims: Map<String, Value> = request.claims.into_iter().collect();
        claims.insert("iss".to_owned(), request.issuer.unwrap_or_else(|| self.name.clone()).into());
        claims.insert("sub".to_owned(), request.subject.into());
        if !request.audiences.is_empty() {
            claims.insert("aud".to_owned(), request.audiences.into());
        }
        for (name, time) in [("iat", from), ("nbf", from), ("exp", until)] {
            claims.insert(name.to_owned(), time.into());
        }
        claims
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn new_key(random: &SystemRandom) -> Result<EcdsaKeyPair, ServeError> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random)
        .map_err(|error| ServeError::IssuerKey(error.to_string()))?;
    key_pair(document.as_ref(), random)
}

fn key_pair(pkcs8: &[u8], random: &SystemRandom) -> Result<EcdsaKeyPair, ServeError> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, random)
        .map_err(|error| ServeError::IssuerKey(error.to_string()))
}
