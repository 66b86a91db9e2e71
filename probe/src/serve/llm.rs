//! An LLM provider: OpenAI's chat completions and Anthropic's messages, in shape and not in wit.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::http::{Asked, Said};

/// What it says to everything.
const WORDS: &str = "This is a stand-in.";

/// Answers by path; anything that the providers do not have is a 404 in their shape.
pub(super) fn answer(asked: &Asked) -> Said {
    match (&asked.parts.method, asked.path()) {
        (&Method::POST, "/v1/chat/completions") => with_body(asked, chat_completion),
        (&Method::POST, "/v1/messages") => with_body(asked, message),
        (&Method::GET, "/v1/models") => {
            Said::marked(asked, StatusCode::OK, json!({"object": "list", "data": [model()]}))
        }
        _ => error(asked, StatusCode::NOT_FOUND, "no such path"),
    }
}

/// No body at all stands for an empty request: a probe need not know the providers' shapes.
fn with_body(asked: &Asked, answer: fn(&str) -> Value) -> Said {
    let body = if asked.body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&asked.body) };
    match body {
        Ok(Value::Object(request)) => {
            let model = request.get("model").and_then(Value::as_str).unwrap_or("airtight-stand-in");
            Said::marked(asked, StatusCode::OK, answer(model))
        }
        Ok(_) | Err(_) => error(asked, StatusCode::BAD_REQUEST, "the body is no JSON object"),
    }
}

/// OpenAI API reference, "The chat completion object".
fn chat_completion(model: &str) -> Value {
    json!({
        "id": "chatcmpl-airtight",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": WORDS, "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6},
    })
}

/// Anthropic API reference, "Messages".
fn message(model: &str) -> Value {
    json!({
        "id": "msg_airtight",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": WORDS}],
        "stop_reason": "end_turn",
        "stop_sequence": null,
        "usage": {"input_tokens": 1, "output_tokens": 5},
    })
}

fn model() -> Value {
    json!({"id": "airtight-stand-in", "object": "model", "created": 0, "owned_by": "airtight"})
}

/// Both providers' errors are an object `error` with `type` and `message`.
fn error(asked: &Asked, status: StatusCode, message: &str) -> Said {
    Said::marked(asked, status, json!({"error": {"type": "invalid_request_error", "message": message}}))
}
