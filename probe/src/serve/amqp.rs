//! AMQP 0-9-1: from the protocol header to an open connection (AMQP 0-9-1 specification, sections 2.2.4, 2.3.5, 4.2).

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::Connection;
use super::mark;
use crate::wire::Identity;

/// How a client that speaks 0-9-1 begins.
const HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

const FRAME_METHOD: u8 = 1;
const FRAME_HEARTBEAT: u8 = 8;
const FRAME_END: u8 = 0xce;

/// The largest frame, in bytes; proposed to the client.
const LARGEST_FRAME: u32 = 131_072;

/// Methods of the class `connection` (10).
const START: u16 = 10;
const START_OK: u16 = 11;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;
const CLOSE_OK: u16 = 51;

/// Negotiates a connection and keeps it until the client closes it. A client that speaks another protocol is told which
/// one is spoken here.
pub(super) async fn serve(mut connection: Connection, identity: &Identity) -> io::Result<()> {
    let mut header = [0; 8];
    connection.stream.read_exact(&mut header).await?;
    if header != HEADER {
        connection.stream.write_all(&HEADER).await?;
        return connection.stream.shutdown().await;
    }
    let start = start(&mark::of(&connection, identity));
    send(&mut connection, START, &start).await?;
    while let Some(method) = next_method(&mut connection).await? {
        match method {
            // Channels: as RabbitMQ proposes; no heartbeats.
            START_OK => {
                let tune = [&2047_u16.to_be_bytes()[..], &LARGEST_FRAME.to_be_bytes(), &[0; 2]].concat();
                send(&mut connection, TUNE, &tune).await?;
            }
            OPEN => send(&mut connection, OPEN_OK, &[0]).await?,
            CLOSE => {
                send(&mut connection, CLOSE_OK, &[]).await?;
                return connection.stream.shutdown().await;
            }
            TUNE_OK => {}
            // There is nothing behind the connection.
            _ => return connection.stream.shutdown().await,
        }
    }
    Ok(())
}

/// The next method of the connection; none if the client breaks the protocol.
async fn next_method(connection: &mut Connection) -> io::Result<Option<u16>> {
    loop {
        let kind = connection.stream.read_u8().await?;
        let _channel = connection.stream.read_u16().await?;
        let size = connection.stream.read_u32().await?;
        if size > LARGEST_FRAME {
            return Ok(None);
        }
        let mut payload = vec![0; size as usize];
        connection.stream.read_exact(&mut payload).await?;
        if connection.stream.read_u8().await? != FRAME_END {
            return Ok(None);
        }
        match (kind, payload.as_slice()) {
            (FRAME_METHOD, [0, 10, high, low, ..]) => return Ok(Some(u16::from_be_bytes([*high, *low]))),
            // Another class: the connection is all that there is.
            (FRAME_METHOD, [_, _, _, _, ..]) => return Ok(Some(0)),
            (FRAME_HEARTBEAT, _) => {}
            _ => return Ok(None),
        }
    }
}

/// The arguments of `connection.start`: version 0-9, the server's properties, one mechanism, one locale.
fn start(who: &str) -> Vec<u8> {
    let mut properties = Vec::new();
    for (name, value) in [("product", "airtight-probe"), ("airtight", who)] {
        // Names are shorter than 256 bytes.
        properties.push(u8::try_from(name.len()).unwrap_or_default());
        properties.extend_from_slice(name.as_bytes());
        properties.push(b'S');
        long_text(&mut properties, value.as_bytes());
    }
    let mut arguments = vec![0, 9];
    long_text(&mut arguments, &properties);
    long_text(&mut arguments, b"PLAIN");
    long_text(&mut arguments, b"en_US");
    arguments
}

/// A length of four bytes and the bytes, as tables and long strings are written.
fn long_text(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(bytes);
}

/// Sends a method of the class `connection` on channel 0.
async fn send(connection: &mut Connection, method: u16, arguments: &[u8]) -> io::Result<()> {
    let payload = [&10_u16.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let frame = [&[FRAME_METHOD, 0, 0][..], &size, &payload, &[FRAME_END]].concat();
    connection.stream.write_all(&frame).await?;
    connection.stream.flush().await
}
