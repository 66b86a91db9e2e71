//! Redis: the commands that clients begin with (Redis documentation, "Redis serialization protocol").

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::connection::{Connection, Stream};
use super::mark;
use crate::wire::Identity;

/// The longest line and the longest argument that are read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The most arguments of a command.
const MOST: usize = 64;

type Client = BufReader<Box<dyn Stream>>;

/// Answers commands until the client goes.
pub(super) async fn serve(connection: Connection, identity: &Identity) -> io::Result<()> {
    let who = mark::of(&connection, identity);
    let mut client = BufReader::new(connection.stream);
    while let Some(command) = command(&mut client).await? {
        let (answer, last) = match command {
            Ok(arguments) if arguments.is_empty() => continue,
            Ok(arguments) => answer(&arguments, &who),
            Err(why) => (format!("-ERR Protocol error: {why}\r\n"), true),
        };
        client.write_all(answer.as_bytes()).await?;
        client.flush().await?;
        if last {
            return client.shutdown().await;
        }
    }
    Ok(())
}

/// The answer to a command, and whether the connection ends with it.
fn answer(arguments: &[String], who: &str) -> (String, bool) {
    let name = arguments[0].to_ascii_uppercase();
    let answer = match (name.as_str(), arguments.get(1)) {
        ("PING", None) => "+PONG\r\n".to_owned(),
        ("PING" | "ECHO", Some(text)) => bulk(text),
        ("INFO", _) => bulk(&format!("# Server\r\nredis_version:7.4.0\r\nairtight:{who}\r\n")),
        ("HELLO", Some(version)) if version == "3" => format!("%3\r\n{}", hello(3)),
        ("HELLO", None) => format!("*6\r\n{}", hello(2)),
        ("HELLO", Some(version)) if version == "2" => format!("*6\r\n{}", hello(2)),
        ("HELLO", Some(_)) => "-NOPROTO unsupported protocol version\r\n".to_owned(),
        ("AUTH" | "SELECT" | "CLIENT" | "QUIT", _) => "+OK\r\n".to_owned(),
        ("COMMAND", _) => "*0\r\n".to_owned(),
        ("GET", Some(_)) => "$-1\r\n".to_owned(),
        _ => format!("-ERR unknown command '{}'\r\n", arguments[0].replace(['\r', '\n'], " ")),
    };
    (answer, name == "QUIT")
}

fn hello(protocol: u8) -> String {
    let text = |name: &str, value: &str| format!("{}{}", bulk(name), bulk(value));
    format!("{}{}{}:{protocol}\r\n", text("server", "redis"), text("version", "7.4.0"), bulk("proto"))
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The next command, as an array of bulk strings or as one line of words; none at the end, an error's text if it is
/// neither.
async fn command(client: &mut Client) -> io::Result<Option<Result<Vec<String>, &'static str>>> {
    let Some(line) = line(client).await? else { return Ok(None) };
    let Some(count) = line.strip_prefix('*') else {
        return Ok(Some(Ok(line.split_whitespace().map(str::to_owned).collect())));
    };
    let Ok(count @ 0..=MOST) = count.parse::<usize>() else { return Ok(Some(Err("invalid multibulk length"))) };
    let mut arguments = Vec::new();
    for _ in 0..count {
        match argument(client).await? {
            Ok(argument) => arguments.push(argument),
            Err(why) => return Ok(Some(Err(why))),
        }
    }
    Ok(Some(Ok(arguments)))
}

async fn argument(client: &mut Client) -> io::Result<Result<String, &'static str>> {
    let Some(line) = line(client).await? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
    let length = line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok());
    let Some(length) = length.filter(|length| *length as u64 <= LONGEST) else { return Ok(Err("invalid bulk length")) };
    let mut bytes = vec![0; length + 2];
    client.read_exact(&mut bytes).await?;
    bytes.truncate(length);
    Ok(Ok(String::from_utf8_lossy(&bytes).into_owned()))
}

/// A line without its break; none at the end.
async fn line(client: &mut Client) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    (&mut *client).take(LONGEST).read_until(b'\n', &mut bytes).await?;
    match bytes.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches('\r').to_owned())),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}
