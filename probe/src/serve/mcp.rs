//! An MCP server over streamable HTTP (Model Context Protocol, "Transports" and "Lifecycle"), with one tool.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::echo;
use super::http::{Asked, Said};

/// Versions of the protocol that it speaks, newest first.
const VERSIONS: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// JSON-RPC 2.0's codes of errors.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;

/// Answers a JSON-RPC message. A request that is none, such as a health check, gets the echo.
pub(super) fn answer(asked: &Asked) -> Said {
    let wants_stream = asked.header("accept").is_some_and(|accept| accept.contains("text/event-stream"));
    match asked.parts.method {
        Method::POST if !asked.body.is_empty() => rpc(asked),
        // There is nothing that it would stream, and no session that could be deleted.
        Method::GET if wants_stream => Said::text(StatusCode::METHOD_NOT_ALLOWED, "").header("allow", "POST"),
        Method::DELETE => Said::text(StatusCode::METHOD_NOT_ALLOWED, "").header("allow", "POST"),
        _ => echo::answer(asked, StatusCode::OK),
    }
}

fn rpc(asked: &Asked) -> Said {
    let Ok(message) = serde_json::from_slice::<Value>(&asked.body) else {
        return failure(StatusCode::BAD_REQUEST, &Value::Null, PARSE_ERROR, "the body is no JSON");
    };
    let id = message.get("id").cloned();
    match (message.get("method").and_then(Value::as_str), id) {
        (Some(method), Some(id)) => result(asked, method, &message["params"], &id),
        // A notification, or an answer to a request that it never made.
        (Some(_), None) => Said::text(StatusCode::ACCEPTED, ""),
        (None, Some(_)) if message.get("result").is_some() => Said::text(StatusCode::ACCEPTED, ""),
        (None, _) => failure(StatusCode::BAD_REQUEST, &Value::Null, INVALID_REQUEST, "the message has no method"),
    }
}

fn result(asked: &Asked, method: &str, params: &Value, id: &Value) -> Said {
    let mut result = match method {
        "initialize" => initialize(params),
        "ping" => json!({}),
        "tools/list" => json!({"tools": [whoami()]}),
        "tools/call" if params["name"] == "whoami" => {
            let identity = serde_json::to_string(&asked.seen.identity).unwrap_or_default();
            json!({"content": [{"type": "text", "text": identity}], "isError": false})
        }
        "tools/call" => return failure(StatusCode::OK, id, INVALID_PARAMS, "the only tool is `whoami`"),
        _ => return failure(StatusCode::OK, id, METHOD_NOT_FOUND, "no such method"),
    };
    // JSON-RPC allows no members of one's own beside `result`; MCP has `_meta` inside it.
    result["_meta"] = json!({"airtight": asked.seen});
    Said::json(StatusCode::OK, json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
}

/// The client's version if it is known, otherwise the newest.
fn initialize(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.iter().find(|version| **version == asked).unwrap_or(&VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": false}},
        "serverInfo": {"name": "airtight-probe", "version": env!("CARGO_PKG_VERSION")},
    })
}

fn whoami() -> Value {
    json!({
        "name": "whoami",
        "description": "Says which probe answers.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": false},
    })
}

fn failure(status: StatusCode, id: &Value, code: i32, message: &str) -> Said {
    let body = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
    Said::json(status, body.to_string())
}
