//! PostgreSQL: start-up without a password, and one row for any query (PostgreSQL documentation,
//! "Frontend/Backend Protocol": "Message Flow", "Message Formats").

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::Connection;
use super::mark;
use crate::wire::Identity;

/// Codes that stand where a start-up message has its version.
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_ENCRYPTION_REQUEST: u32 = 80_877_104;

/// Protocol 3.0: the major version in the upper half.
const PROTOCOL: u32 = 3 << 16;

/// The server's own limit of a start-up message, in bytes.
const LONGEST_STARTUP: u32 = 10_000;

/// The longest query that is read, in bytes.
const LONGEST_QUERY: u32 = 1 << 20;

/// Serves a client from its first message to its last.
pub(super) async fn serve(mut connection: Connection, identity: &Identity) -> io::Result<()> {
    let who = mark::of(&connection, identity);
    let Some(version) = start_up(&mut connection).await? else { return Ok(()) };
    let mut greeting = Vec::new();
    if version != PROTOCOL {
        // NegotiateProtocolVersion: the newest that is spoken, and no option that was not understood.
        message(&mut greeting, b'v', &[PROTOCOL.to_be_bytes(), [0; 4]].concat());
    }
    message(&mut greeting, b'R', &[0; 4]);
    for (name, value) in [("server_version", "17.0"), ("client_encoding", "UTF8"), ("airtight_identity", &who)] {
        message(&mut greeting, b'S', format!("{name}\0{value}\0").as_bytes());
    }
    message(&mut greeting, b'K', &[0; 8]);
    message(&mut greeting, b'Z', b"I");
    send(&mut connection, &greeting).await?;
    answer_queries(&mut connection, &who).await
}

/// The version that the client starts with; none if it only wants to cancel, or speaks another protocol.
async fn start_up(connection: &mut Connection) -> io::Result<Option<u32>> {
    loop {
        let length = connection.stream.read_u32().await?;
        if !(8..=LONGEST_STARTUP).contains(&length) {
            return Ok(None);
        }
        let code = connection.stream.read_u32().await?;
        let mut rest = vec![0; (length - 8) as usize];
        connection.stream.read_exact(&mut rest).await?;
        match code {
            // No encryption: the client goes on in clear text if it wants to.
            SSL_REQUEST | GSS_ENCRYPTION_REQUEST => send(connection, b"N").await?,
            CANCEL_REQUEST => return Ok(None),
            version if version >> 16 == 3 => return Ok(Some(version)),
            _ => {
                send(connection, &error("0A000", "unsupported frontend protocol")).await?;
                return Ok(None);
            }
        }
    }
}

async fn answer_queries(connection: &mut Connection, who: &str) -> io::Result<()> {
    loop {
        let kind = connection.stream.read_u8().await?;
        let length = connection.stream.read_u32().await?;
        if !(4..=LONGEST_QUERY).contains(&length) {
            return Ok(());
        }
        let mut body = vec![0; (length - 4) as usize];
        connection.stream.read_exact(&mut body).await?;
        match kind {
            b'Q' => send(connection, &row(who)).await?,
            b'X' => return connection.stream.shutdown().await,
            // Of the extended protocol, only its end is answered.
            b'S' => {
                let mut answer = error("0A000", "only simple queries are answered");
                message(&mut answer, b'Z', b"I");
                send(connection, &answer).await?;
            }
            _ => {}
        }
    }
}

/// One row with one column of text.
fn row(value: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    // Name; table 0, column 0; type 25 (text) of variable length, no modifier, in text.
    let column = [b"airtight\0".as_slice(), &[0; 6], &25_u32.to_be_bytes(), &[0xff; 2], &[0xff; 4], &[0; 2]].concat();
    message(&mut answer, b'T', &[1_u16.to_be_bytes().as_slice(), &column].concat());
    let length = u32::try_from(value.len()).unwrap_or_default().to_be_bytes();
    message(&mut answer, b'D', &[1_u16.to_be_bytes().as_slice(), &length, value.as_bytes()].concat());
    message(&mut answer, b'C', b"SELECT 1\0");
    message(&mut answer, b'Z', b"I");
    answer
}

fn error(code: &str, text: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    message(&mut answer, b'E', format!("SERROR\0VERROR\0C{code}\0M{text}\0\0").as_bytes());
    answer
}

/// Adds a message: its kind, its length with the length's own four bytes, its body.
fn message(to: &mut Vec<u8>, kind: u8, body: &[u8]) {
    to.push(kind);
    to.extend_from_slice(&u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(body);
}

async fn send(connection: &mut Connection, bytes: &[u8]) -> io::Result<()> {
    connection.stream.write_all(bytes).await?;
    connection.stream.flush().await
}
