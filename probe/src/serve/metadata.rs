//! A cloud's instance metadata service, with credentials that are worth nothing.
//!
//! AWS (instance metadata, both versions), Google Cloud (`Metadata-Flavor: Google`), Azure (`Metadata: true`).

use hyper::{Method, StatusCode};
use serde_json::json;

use super::http::{Asked, Said};

const ROLE: &str = "airtight-stand-in";

/// Answers by path. As the clouds do, Google's and Azure's paths want their header.
pub(super) fn answer(asked: &Asked) -> Said {
    let path = asked.path();
    match (&asked.parts.method, path) {
        (&Method::PUT, "/latest/api/token") => Said::text(StatusCode::OK, "airtight-stand-in-token"),
        (&Method::GET, _) if path.starts_with("/computeMetadata/") => google(asked),
        (&Method::GET, _) if path.starts_with("/metadata/") => azure(asked),
        (&Method::GET, _) => amazon(asked),
        _ => Said::text(StatusCode::METHOD_NOT_ALLOWED, ""),
    }
}

fn amazon(asked: &Asked) -> Said {
    match asked.path() {
        "/" => Said::text(StatusCode::OK, "latest"),
        "/latest" | "/latest/" => Said::text(StatusCode::OK, "dynamic\nmeta-data\nuser-data"),
        "/latest/meta-data" | "/latest/meta-data/" => {
            Said::text(StatusCode::OK, "hostname\niam/\ninstance-id\nlocal-ipv4")
        }
        "/latest/meta-data/instance-id" => Said::text(StatusCode::OK, "i-airtightstandin"),
        "/latest/meta-data/hostname" => Said::text(StatusCode::OK, "airtight-stand-in.internal"),
        "/latest/meta-data/iam" | "/latest/meta-data/iam/" => Said::text(StatusCode::OK, "security-credentials/"),
        "/latest/meta-data/iam/security-credentials" | "/latest/meta-data/iam/security-credentials/" => {
            Said::text(StatusCode::OK, ROLE)
        }
        "/latest/meta-data/iam/security-credentials/airtight-stand-in" => Said::marked(
            asked,
            StatusCode::OK,
            json!({
                "Code": "Success",
                "Type": "AWS-HMAC",
                "AccessKeyId": "worth-nothing",
                "SecretAccessKey": "worth-nothing",
                "Token": "worth-nothing",
                "Expiration": "2000-01-01T00:00:00Z",
            }),
        ),
        _ => Said::text(StatusCode::NOT_FOUND, ""),
    }
}

fn google(asked: &Asked) -> Said {
    if asked.header("metadata-flavor") != Some("Google") {
        return Said::text(StatusCode::FORBIDDEN, "Missing Metadata-Flavor:Google header.");
    }
    let said = if asked.path().ends_with("/service-accounts/default/token") {
        let token = json!({"access_token": "worth-nothing", "expires_in": 3599, "token_type": "Bearer"});
        Said::marked(asked, StatusCode::OK, token)
    } else {
        Said::text(StatusCode::OK, "instance/\noslogin/\nproject/")
    };
    said.header("metadata-flavor", "Google")
}

fn azure(asked: &Asked) -> Said {
    if asked.header("metadata") != Some("true") {
        let error = json!({"error": "Bad request. Required metadata header not specified"});
        return Said::marked(asked, StatusCode::BAD_REQUEST, error);
    }
    if asked.path().starts_with("/metadata/identity/oauth2/token") {
        let token = json!({"access_token": "worth-nothing", "expires_in": "3599", "token_type": "Bearer"});
        return Said::marked(asked, StatusCode::OK, token);
    }
    Said::marked(asked, StatusCode::OK, json!({"compute": {"name": ROLE, "provider": "airtight"}}))
}
