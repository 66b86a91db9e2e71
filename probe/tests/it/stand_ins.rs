//! What the HTTP stand-ins answer.

use airtight_probe::wire::{Answer, Outcome, TokenAnswer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::program::{Served, dial, dial_one};

fn request(served: &Served, method: &str, path: &str, headers: &Value, body: &Value) -> Value {
    let body = if body.is_null() { Value::Null } else { json!({"text": body.to_string()}) };
    json!({"http": {"to": served.to(0), "request": {"method": method, "path": path, "headers": headers, "body": body}}})
}

fn post(served: &Served, path: &str, body: &Value) -> Value {
    request(served, "POST", path, &json!([]), body)
}

fn get(served: &Served, path: &str) -> Value {
    request(served, "GET", path, &json!([]), &Value::Null)
}

fn text(answer: &Answer) -> &str {
    answer.reply.as_ref().unwrap().body.text().unwrap()
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(text(answer)).unwrap()
}

#[test]
fn mcp_initializes_lists_and_calls() {
    let served = Served::one(&json!({"http": {"answer": "mcp"}}));
    let rpc = |method: &str, params: &Value| {
        post(&served, "/mcp/teamalpha", &json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
    };
    let answers = dial(&[
        rpc("initialize", &json!({"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {}})),
        rpc("tools/list", &json!({})),
        rpc("tools/call", &json!({"name": "whoami", "arguments": {}})),
        rpc("resources/list", &json!({})),
        post(&served, "/mcp", &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})),
        post(&served, "/mcp", &json!({"jsonrpc": "2.0"})),
        request(&served, "GET", "/mcp", &json!([["Accept", "text/event-stream"]]), &Value::Null),
        get(&served, "/healthz"),
    ]);
    let statuses: Vec<&Outcome> = answers.iter().map(|answer| &answer.outcome).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 202, 400, 405, 200].map(Outcome::Http).iter().collect::<Vec<_>>());
    let initialized = body(&answers[0]);
    assert_eq!((&initialized["id"], &initialized["result"]["protocolVersion"]), (&json!(7), &json!("2025-03-26")));
    assert!(initialized["result"]["capabilities"]["tools"].is_object());
    assert_eq!(body(&answers[1])["result"]["tools"][0]["name"], "whoami");
    let called = body(&answers[2])["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&called).unwrap()["pod"], "web-0");
    assert_eq!(body(&answers[3])["error"]["code"], -32601);
    assert_eq!(answers[0].arrived.as_ref().unwrap().path, "/mcp/teamalpha");
}

#[test]
fn a_provider_answers_in_its_shape() {
    let served = Served::one(&json!({"http": {"answer": "llm"}}));
    let chat = json!({"model": "m-1", "messages": [{"role": "user", "content": "hello"}]});
    let answers = dial(&[
        request(&served, "POST", "/v1/chat/completions", &json!([["Authorization", "Bearer key"]]), &chat),
        post(&served, "/v1/messages", &chat),
        post(&served, "/v1/chat/completions", &Value::Null),
        get(&served, "/v1/models"),
        post(&served, "//v1/chat/completions", &chat),
        post(&served, "/v1/messages", &json!(["no object"])),
    ]);
    let statuses: Vec<&Outcome> = answers.iter().map(|answer| &answer.outcome).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 404, 400].map(Outcome::Http).iter().collect::<Vec<_>>());
    let chat = body(&answers[0]);
    assert_eq!((&chat["object"], &chat["model"]), (&json!("chat.completion"), &json!("m-1")));
    assert!(chat["choices"][0]["message"]["content"].is_string() && chat["usage"]["total_tokens"].is_u64());
    let message = body(&answers[1]);
    assert_eq!((&message["type"], &message["content"][0]["type"]), (&json!("message"), &json!("text")));
    assert!(body(&answers[4])["error"]["message"].is_string());
    let arrived = answers[0].arrived.as_ref().unwrap();
    assert!(arrived.headers.contains(&("authorization".to_owned(), "Bearer key".to_owned())));
}

#[test]
fn the_metadata_service_wants_each_clouds_header() {
    let served = Served::one(&json!({"http": {"answer": "metadata"}}));
    let google = "/computeMetadata/v1/instance/service-accounts/default/token";
    let azure = "/metadata/identity/oauth2/token?api-version=2018-02-01";
    let role = "/latest/meta-data/iam/security-credentials/";
    let answers = dial(&[
        get(&served, "/latest/meta-data/"),
        request(&served, "PUT", "/latest/api/token", &json!([]), &Value::Null),
        get(&served, role),
        get(&served, &format!("{role}airtight-stand-in")),
        get(&served, google),
        request(&served, "GET", google, &json!([["Metadata-Flavor", "Google"]]), &Value::Null),
        get(&served, azure),
        request(&served, "GET", azure, &json!([["Metadata", "true"]]), &Value::Null),
        get(&served, "/latest/nothing"),
    ]);
    let statuses: Vec<&Outcome> = answers.iter().map(|answer| &answer.outcome).collect();
    let expected = [200, 200, 200, 200, 403, 200, 400, 200, 404].map(Outcome::Http);
    assert_eq!(statuses, expected.iter().collect::<Vec<_>>());
    assert_eq!(text(&answers[2]), "airtight-stand-in");
    assert_eq!(body(&answers[3])["Code"], "Success");
    assert_eq!(body(&answers[5])["access_token"], "worth-nothing");
    assert!(answers.iter().all(|answer| answer.answered_by.as_ref().unwrap().pod == "web-0"));
}

/// A token's header, claims, and whether its signature is by the key.
fn verify(token: &str, key: &Value) -> (Value, Value, bool) {
    let parts: Vec<&str> = token.split('.').collect();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
    let coordinate = |name: &str| decode(key[name].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signed = format!("{}.{}", parts[0], parts[1]);
    let verified = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &decode(parts[2]));
    (json(parts[0]), json(parts[1]), verified.is_ok())
}

#[test]
fn an_issuers_tokens_are_in_the_state_that_was_asked_for() {
    let issuer = json!({"issuer": {"issuer": "https://issuer.example"}});
    let served = Served::one(&json!({"http": {"answer": issuer}}));
    let discovery = body(&dial_one(get(&served, "/.well-known/openid-configuration")));
    assert_eq!(discovery["issuer"], "https://issuer.example");
    assert_eq!(discovery["jwks_uri"], "https://issuer.example/.well-known/jwks.json");
    let keys = body(&dial_one(get(&served, "/.well-known/jwks.json")));
    let key = &keys["keys"][0];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (state, alg, in_time, verified) in [
        ("valid", "ES256", true, true),
        ("expired", "ES256", false, true),
        ("not-yet-valid", "ES256", false, true),
        ("forged", "ES256", true, false),
        ("unsigned", "none", true, false),
    ] {
        let asked = json!({"subject": "alice", "audiences": ["api"], "claims": {"groups": ["a", "b"]}, "state": state});
        let answer = dial_one(post(&served, "/token", &asked));
        let TokenAnswer { token } = serde_json::from_value(body(&answer)).unwrap();
        let (header, claims, by_key) = verify(&token, key);
        assert_eq!((&header["alg"], &header["kid"]), (&json!(alg), &key["kid"]), "{state}");
        assert_eq!(by_key, verified, "{state}");
        let holds = claims["nbf"].as_u64().unwrap() <= now && now < claims["exp"].as_u64().unwrap();
        assert_eq!(holds, in_time, "{state}");
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("https://issuer.example"), &json!("alice")));
        assert_eq!((&claims["aud"], &claims["groups"]), (&json!(["api"]), &json!(["a", "b"])));
    }
    let wrong = dial_one(post(&served, "/token", &json!({"subjekt": "alice"})));
    assert_eq!(wrong.outcome, Outcome::Http(400));
}

#[tokio::test]
async fn the_echo_speaks_http_2_with_prior_knowledge() {
    use http_body_util::{BodyExt, Empty};
    use hyper::Request;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let served = Served::one(&json!({"http": {}}));
    let stream = tokio::net::TcpStream::connect(served.address(0)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://grpc.example//a/%2e%2e/b").body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let seen = &body["airtight"]["request"];
    assert_eq!((&seen["version"], &seen["path"]), (&json!("HTTP/2.0"), &json!("//a/%2e%2e/b")));
    assert_eq!(seen["host"], "grpc.example");
}
