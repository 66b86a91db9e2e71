//! Outcomes of TLS handshakes.

use airtight_probe::wire::{Outcome, Phase};
use serde_json::json;

use crate::program::{Served, dial, dial_flows, dial_one, saying, to};

fn served() -> Served {
    let tls = json!({"own": {"names": ["api.provider.example", "127.0.0.1"]}});
    Served::new(&json!([
        {"bind": "127.0.0.1:0", "tls": tls, "speak": "tcp"},
        {"bind": "127.0.0.1:0", "tls": tls, "speak": {"http": {}}},
    ]))
}

#[test]
fn a_certificate_of_the_given_authority_is_trusted_for_its_name_only() {
    let served = served();
    let tls = |name: &str| json!({"serverName": name, "trust": {"ca": served.ca(0)}});
    let answers = dial(&[
        json!({"tls": {"to": served.to(0), "tls": tls("api.provider.example")}}),
        json!({"tls": {"to": served.to(0), "tls": tls("evil.example")}}),
        json!({"tls": {"to": served.to(0), "tls": {"trust": {"ca": served.ca(0)}}}}),
    ]);
    assert_eq!((&answers[0].outcome, answers[0].phase), (&Outcome::Connected, Phase::Tls));
    assert_eq!(answers[0].tls.as_ref().unwrap().version, "TLSv1_3");
    assert_eq!((&answers[1].outcome, answers[1].phase), (&Outcome::TlsFailure, Phase::Tls));
    assert_eq!(answers[2].outcome, Outcome::Connected, "an address is verified too");
}

#[test]
fn another_authority_is_not_trusted() {
    let (served, other) = (served(), served());
    let tls = json!({"serverName": "api.provider.example", "trust": {"ca": other.ca(0)}});
    let answer = dial_one(json!({"tls": {"to": served.to(0), "tls": tls}}));
    assert_eq!(answer.outcome, Outcome::TlsFailure);
    assert!(answer.detail.contains("certificate"), "{}", answer.detail);
}

#[test]
fn the_server_name_arrives() {
    let served = served();
    // What is no HTTP leaves the choice of a protocol to the client.
    let tls = json!({"serverName": "exfil.example", "alpn": ["http/1.1"]});
    let answers = dial(&[
        json!({"tls": {"to": served.to(0), "tls": tls, "say": "nonce"}}),
        json!({"http": {"to": served.to(1), "tls": tls}}),
    ]);
    assert_eq!(answers[0].outcome, Outcome::Connected);
    assert_eq!(answers[1].outcome, Outcome::Http(200));
    assert_eq!(answers[1].tls.as_ref().unwrap().alpn.as_deref(), Some("http/1.1"));
    for answer in &answers {
        let body = answer.reply.as_ref().unwrap().body.text().unwrap();
        assert!(body.contains(r#""serverName":"exfil.example""#), "{body}");
    }
}

#[test]
fn a_server_that_speaks_no_tls_fails_the_handshake() {
    let answer = dial_one(json!({"tls": {"to": to(saying(b"220 mail.example ready\r\n"))}}));
    assert_eq!((answer.outcome, answer.phase), (Outcome::TlsFailure, Phase::Tls));
}

#[test]
fn a_connection_that_breaks_in_the_handshake_is_a_reset_and_silence_a_timeout() {
    let broken =
        Served::new(&json!([{"bind": "127.0.0.1:0", "speak": "reset"}, {"bind": "127.0.0.1:0", "speak": "mute"}]));
    let answers = dial_flows(&[
        json!({"attempt": {"tls": {"to": broken.to(0)}}}),
        json!({"attempt": {"tls": {"to": to(saying(b""))}}}),
        json!({"attempt": {"tls": {"to": broken.to(1)}}, "deadlineMs": 300}),
    ]);
    for (answer, outcome) in answers.iter().zip([Outcome::Reset, Outcome::Reset, Outcome::Timeout]) {
        assert_eq!((&answer.outcome, answer.phase), (&outcome, Phase::Tls));
    }
}

/// In TLS 1.3 the client is through before the server has asked for its certificate in vain.
#[tokio::test]
async fn an_alert_after_the_handshake_is_its_failure() {
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig};

    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_err()
    });
    let answer = tokio::task::spawn_blocking(move || dial_one(json!({"tls": {"to": to(address)}}))).await.unwrap();
    assert!(server.await.unwrap(), "the server took a client without a certificate");
    assert_eq!(answer.outcome, Outcome::TlsFailure, "{answer:?}");
}

#[test]
fn settings_that_cannot_work_are_probe_errors() {
    let to = json!({"host": "127.0.0.1", "port": 1});
    let answers = dial(&[
        json!({"tls": {"to": to, "tls": {"trust": {"ca": "no certificate"}}}}),
        json!({"tls": {"to": to, "tls": {"serverName": "not a name"}}}),
    ]);
    for answer in answers {
        assert!(matches!(answer.outcome, Outcome::ProbeError(_)), "{answer:?}");
        assert_eq!(answer.phase, Phase::Read);
    }
}
