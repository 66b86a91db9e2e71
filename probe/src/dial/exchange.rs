//! Speaking over a connection: say something, and see whether anything comes back.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::ending::Ending;
use super::record::Record;
use super::{mark, question};
use crate::wire::{BodyEnd, DEFAULT_BODY_LIMIT, Outcome, Phase, Say};

/// How long an answer may pause before it counts as whole. The outcome is settled by its first byte.
const PAUSE: Duration = Duration::from_millis(100);

/// Speaks and listens. The first byte that comes back makes the flow `connected`; an end without one is a `reset`.
pub(super) async fn speak<S>(stream: &mut S, say: &Say, id: &str, record: &mut Record) -> Result<Outcome, Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    record.enter(Phase::Request);
    // What was already on its way back stays readable when writing fails.
    let sent = stream.write_all(&words(say, id)).await.and(stream.flush().await);
    record.enter(Phase::Response);
    if let Err(error) = listen(stream, record).await
        && record.body.is_empty()
    {
        return Err(Ending::of_socket(&sent.err().unwrap_or(error), None));
    }
    if record.body.is_empty() {
        return Err(Ending::explained(Outcome::Reset, "the connection was closed without an answer"));
    }
    match say {
        Say::Dns => question::judge_over_tcp(&record.body, id),
        Say::Nonce | Say::Nothing | Say::Postgres | Say::Redis | Say::Amqp | Say::Bytes(_) => Ok(Outcome::Connected),
    }
}

/// Waits a little for what a server says unasked after a handshake. In TLS 1.3 the client is through before the server
/// has judged it: an alert here is the handshake's failure.
pub(super) async fn overhear<S: AsyncRead + Unpin>(stream: &mut S, record: &mut Record) -> Result<Outcome, Ending> {
    match timeout(PAUSE, listen(stream, record)).await {
        Ok(Err(error)) => match Ending::of_socket(&error, None) {
            ending if ending.outcome == Outcome::TlsFailure => Err(ending),
            _ => Ok(Outcome::Connected),
        },
        Ok(Ok(())) | Err(_) => Ok(Outcome::Connected),
    }
}

/// Reads until the answer is marked, pauses, is long enough or ends.
async fn listen<S: AsyncRead + Unpin>(stream: &mut S, record: &mut Record) -> std::io::Result<()> {
    let mut chunk = [0; 4096];
    loop {
        let read = if record.body.is_empty() {
            stream.read(&mut chunk).await
        } else if let Ok(read) = timeout(PAUSE, stream.read(&mut chunk)).await {
            read
        } else {
            record.end = Some(BodyEnd::Limit);
            return Ok(());
        };
        let count = read.inspect_err(|_| record.end = Some(BodyEnd::Cut))?;
        if count == 0 {
            record.end = Some(BodyEnd::Complete);
            return Ok(());
        }
        record.body.extend_from_slice(&chunk[..count]);
        if record.body.len() >= DEFAULT_BODY_LIMIT || mark::find(&record.body).is_some() {
            record.end = Some(BodyEnd::Limit);
            return Ok(());
        }
    }
}

/// The bytes of what a client says first.
pub(super) fn words(say: &Say, id: &str) -> Vec<u8> {
    match say {
        Say::Nonce => format!("airtight {} {id}\n\n", super::record::unix_us()).into_bytes(),
        Say::Dns => question::ask_over_tcp(id),
        Say::Nothing => Vec::new(),
        Say::Postgres => postgres_startup(),
        // `INFO server` names the server; a server that wants a password answers both with an error, which is an answer.
        Say::Redis => b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n".to_vec(),
        Say::Amqp => b"AMQP\x00\x00\x09\x01".to_vec(),
        Say::Bytes(payload) => payload.0.clone(),
    }
}

/// `StartupMessage` of protocol 3.0, as a client sends it first that asks for no encryption (PostgreSQL
/// documentation, "Message Formats").
fn postgres_startup() -> Vec<u8> {
    let parameters = b"user\0airtight\0database\0postgres\0\0";
    let length = u32::try_from(8 + parameters.len()).unwrap_or(u32::MAX);
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(&196_608_u32.to_be_bytes());
    message.extend_from_slice(parameters);
    message
}
