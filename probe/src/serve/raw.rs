//! Bytes without a protocol.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::Connection;
use super::mark;
use crate::wire::Identity;

/// Says who answers, in one line, and then sends back whatever comes.
pub(super) async fn echo(mut connection: Connection, identity: &Identity) -> io::Result<()> {
    let greeting = mark::of(&connection, identity);
    connection.stream.write_all(format!("{greeting}\n").as_bytes()).await?;
    connection.stream.flush().await?;
    let mut chunk = [0; 4096];
    loop {
        let count = connection.stream.read(&mut chunk).await?;
        if count == 0 {
            return connection.stream.shutdown().await;
        }
        connection.stream.write_all(&chunk[..count]).await?;
        connection.stream.flush().await?;
    }
}

/// Reads to the end and says nothing.
pub(super) async fn mute(mut connection: Connection) -> io::Result<()> {
    let mut chunk = [0; 4096];
    while connection.stream.read(&mut chunk).await? > 0 {}
    Ok(())
}

/// Waits for the first byte and goes.
pub(super) async fn first_byte(mut connection: Connection) -> io::Result<()> {
    connection.stream.read_u8().await.map(drop)
}
