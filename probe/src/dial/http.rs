//! HTTP/1.1 as a client that sends what it is told byte for byte: a library would tidy paths up.

mod body;

use std::io;
use std::net::Ipv6Addr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use self::body::{Body, Progress};
use super::ending::Ending;
use super::record::Record;
use crate::wire::{BodyEnd, HttpExchange, Outcome, Phase, Request};

/// The longest head of a response that is read, in bytes.
const LONGEST_HEAD: usize = 128 * 1024;

/// The most headers of a response that are read.
const MOST_HEADERS: usize = 256;

/// The request's bytes.
///
/// # Errors
/// A line break or NUL in the method, path, host or a header would make two requests out of one.
pub(super) fn request(exchange: &HttpExchange) -> Result<Vec<u8>, String> {
    let request = &exchange.request;
    let lines = [&request.method, &request.path].into_iter().chain(&request.host);
    let parts = lines.chain(request.headers.iter().flat_map(|(name, value)| [name, value]));
    if let Some(part) = parts.into_iter().find(|part| part.contains(['\r', '\n', '\0'])) {
        return Err(format!("{part:?} holds a line break, which would end the line of an HTTP head"));
    }
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for (name, value) in implied_headers(exchange).iter().chain(&request.headers) {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(request.body.as_ref().map_or(&[], |body| &body.0));
    Ok(bytes)
}

/// The headers that a client adds, unless the flow has its own.
fn implied_headers(exchange: &HttpExchange) -> Vec<(String, String)> {
    let request = &exchange.request;
    let has = |name: &str| request.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let host = request.host.clone().unwrap_or_else(|| authority(exchange));
    let mut headers = vec![("Host".to_owned(), host)];
    headers.push(("Connection".to_owned(), "close".to_owned()));
    headers.push(("User-Agent".to_owned(), "airtight-probe".to_owned()));
    if let Some(body) = &request.body
        && !has("Transfer-Encoding")
    {
        headers.push(("Content-Length".to_owned(), body.0.len().to_string()));
    }
    headers.retain(|(name, _)| !has(name));
    headers
}

/// The target as clients write it: without the final dot of an absolute name, and without the scheme's own port
/// (RFC 9110, section 7.2).
fn authority(exchange: &HttpExchange) -> String {
    let to = &exchange.to;
    let name = to.host.trim_end_matches('.');
    let name = if name.parse::<Ipv6Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
    let own_port = if exchange.tls.is_some() { 443 } else { 80 };
    if to.port == own_port { name } else { format!("{name}:{}", to.port) }
}

/// Sends `bytes` and reads the response into the record.
///
/// A status is the outcome as soon as the head is there, however the body ends. Bytes that are no HTTP, or no whole
/// head, are still an answer: `connected`.
pub(super) async fn exchange<S>(
    stream: &mut S,
    bytes: &[u8],
    request: &Request,
    record: &mut Record,
) -> Result<Outcome, Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    record.enter(Phase::Request);
    // A server may answer and close before it has read everything: what it said counts.
    let sent = stream.write_all(bytes).await.and(stream.flush().await);
    record.enter(Phase::Response);
    match read_head(stream, record).await {
        Ok(Head::Whole { status, framing, rest }) => {
            record.status = Some(status);
            record.body = Vec::new();
            let framing = if request.method == "HEAD" { body::Framing::Nothing } else { framing };
            read_body(stream, Body::new(framing, request.body_limit), &rest, record).await;
            Ok(Outcome::Http(status))
        }
        Ok(Head::Foreign(why)) => {
            record.end = Some(BodyEnd::Limit);
            Err(Ending::explained(Outcome::Connected, why))
        }
        Err(error) if record.body.is_empty() => Err(Ending::of_socket(&sent.err().unwrap_or(error), None)),
        Err(_) => {
            record.end = Some(BodyEnd::Cut);
            Err(Ending::explained(Outcome::Connected, "the answer broke off inside the head of the response"))
        }
    }
}

/// The head of a response.
enum Head {
    Whole {
        status: u16,
        framing: body::Framing,
        rest: Vec<u8>,
    },
    /// What came back is no HTTP response.
    Foreign(String),
}

/// Reads the head; what was read of it so far stands in the record's body.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S, record: &mut Record) -> io::Result<Head> {
    let mut chunk = [0; 8192];
    loop {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        record.body.extend_from_slice(&chunk[..count]);
        while let Some((head, length)) = parse_head(&record.body, &mut record.headers) {
            match head {
                // An interim response; the final one follows (RFC 9110, section 15.2).
                Head::Whole { status: 100 | 102..=199, .. } => drop(record.body.drain(..length)),
                head => return Ok(head),
            }
        }
        if record.body.len() > LONGEST_HEAD {
            return Ok(Head::Foreign(format!("the head of the response is longer than {LONGEST_HEAD} bytes")));
        }
    }
}

/// The head at the beginning of `bytes` and its length; none if there is more to come.
fn parse_head(bytes: &[u8], headers: &mut Vec<(String, String)>) -> Option<(Head, usize)> {
    let mut fields = vec![httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return None,
        Err(error) => return Some((Head::Foreign(format!("what came back is no HTTP response: {error}")), 0)),
    };
    let status = response.code?;
    *headers = response
        .headers
        .iter()
        .map(|field| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned()))
        .collect();
    let framing = body::Framing::of(status, headers);
    Some((Head::Whole { status, framing, rest: bytes[length..].to_vec() }, length))
}

/// Reads the body up to its end or limit into the record.
async fn read_body<S: AsyncRead + Unpin>(stream: &mut S, mut body: Body, first: &[u8], record: &mut Record) {
    let mut chunk = [0; 8192];
    let mut progress = body.push(first, &mut record.body);
    while progress == Progress::More {
        progress = match stream.read(&mut chunk).await {
            Ok(0) => body.closed(),
            Ok(count) => body.push(&chunk[..count], &mut record.body),
            Err(_) => Progress::Ended(BodyEnd::Cut),
        };
    }
    if let Progress::Ended(end) = progress {
        record.end = Some(end);
    }
}
