//! Asking DNS servers for addresses, over UDP and, where an answer is truncated, over TCP (RFC 1035, RFC 7766).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::Settings;
use crate::dial::ending::Ending;
use crate::dial::record::{Record, micros};
use crate::dial::{icmp, udp};
use crate::wire::{Lookup, Rcode, Transport};

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    V4,
    V6,
}

/// What the servers know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Addresses(Vec<IpAddr>),
    Failure(Rcode),
}

/// What one server said.
enum Said {
    Found(Found),
    /// A response code that means nothing here.
    Unexpected(ResponseCode),
    Silence,
    Error(Ending),
}

impl Asked {
    fn record(self) -> RecordType {
        match self {
            Self::V4 => RecordType::A,
            Self::V6 => RecordType::AAAA,
        }
    }
}

/// Asks the servers for the addresses of an absolute name until one answers. As the C library does, a server that
/// fails or refuses is passed over while there is another; the first refusal or failure then counts.
pub(super) async fn ask(name: &str, asked: Asked, settings: &Settings, record: &mut Record) -> Result<Found, Ending> {
    let name = Name::from_ascii(name).map_err(|error| Ending::probe_error(format!("{name:?} is no name: {error}")))?;
    let mut failure = None;
    let mut error = None;
    for _ in 0..settings.attempts {
        for server in &settings.servers {
            match ask_one(*server, &name, asked, settings, record).await {
                Said::Found(Found::Failure(rcode @ (Rcode::Refused | Rcode::Servfail))) => {
                    failure.get_or_insert(rcode);
                }
                Said::Found(found) => return Ok(found),
                Said::Unexpected(code) => {
                    return Err(Ending::probe_error(format!("the DNS server {server} answers {code}")));
                }
                Said::Silence => {}
                Said::Error(ending) => drop(error.get_or_insert(ending)),
            }
        }
        if let Some(rcode) = failure {
            return Ok(Found::Failure(rcode));
        }
    }
    error.map_or(Ok(Found::Failure(Rcode::Timeout)), Err)
}

/// Asks one server, over TCP too if its answer was truncated, and records each query.
async fn ask_one(server: SocketAddr, name: &Name, asked: Asked, settings: &Settings, record: &mut Record) -> Said {
    if settings.tcp {
        return ask_by(Transport::Tcp, server, name, asked, settings.timeout, record).await.0;
    }
    match ask_by(Transport::Udp, server, name, asked, settings.timeout, record).await {
        (_, true) => ask_by(Transport::Tcp, server, name, asked, settings.timeout, record).await.0,
        (said, false) => said,
    }
}

/// One query; what was said, and whether it was truncated.
async fn ask_by(
    transport: Transport,
    server: SocketAddr,
    name: &Name,
    asked: Asked,
    wait: Duration,
    record: &mut Record,
) -> (Said, bool) {
    let began = Instant::now();
    // Written before the answer is there: the flow may end while it is waited for.
    record.lookups.push(Lookup {
        server,
        name: name.to_ascii(),
        record: asked.record().to_string(),
        transport,
        result: "TIMEOUT".to_owned(),
        addresses: 0,
        us: micros(wait),
    });
    let message = query(name, asked);
    let answer = match transport {
        Transport::Udp => timeout(wait, by_udp(server, &message)).await,
        Transport::Tcp => timeout(wait, by_tcp(server, &message)).await,
    };
    let (said, truncated, result) = judge(answer.ok(), asked);
    if let Some(lookup) = record.lookups.last_mut() {
        lookup.result = result;
        lookup.us = micros(began.elapsed());
        lookup.addresses = match &said {
            Said::Found(Found::Addresses(addresses)) => addresses.len(),
            Said::Found(Found::Failure(_)) | Said::Unexpected(_) | Said::Silence | Said::Error(_) => 0,
        };
    }
    (said, truncated)
}

/// What an answer, an error or silence says, whether it was truncated, and its name in the record.
fn judge(answer: Option<Result<Message, Ending>>, asked: Asked) -> (Said, bool, String) {
    match answer {
        None => (Said::Silence, false, "TIMEOUT".to_owned()),
        Some(Ok(answer)) => {
            let code = code_name(answer.metadata.response_code);
            (meaning(&answer, asked), answer.metadata.truncation, code)
        }
        Some(Err(ending)) => {
            let result = ending.errno.clone().unwrap_or_else(|| ending.outcome.to_string());
            (Said::Error(ending), false, result)
        }
    }
}

fn query(name: &Name, asked: Asked) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), asked.record()));
    message
}

fn meaning(answer: &Message, asked: Asked) -> Said {
    let addresses: Vec<IpAddr> = answer.answers.iter().filter_map(|record| address(&record.data, asked)).collect();
    match answer.metadata.response_code {
        ResponseCode::NoError if addresses.is_empty() => Said::Found(Found::Failure(Rcode::Nodata)),
        ResponseCode::NoError => Said::Found(Found::Addresses(addresses)),
        ResponseCode::NXDomain => Said::Found(Found::Failure(Rcode::Nxdomain)),
        ResponseCode::Refused => Said::Found(Found::Failure(Rcode::Refused)),
        ResponseCode::ServFail => Said::Found(Found::Failure(Rcode::Servfail)),
        other => Said::Unexpected(other),
    }
}

fn address(data: &RData, asked: Asked) -> Option<IpAddr> {
    match (data, asked) {
        (RData::A(address), Asked::V4) => Some(IpAddr::V4(address.0)),
        (RData::AAAA(address), Asked::V6) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

/// A response code in the capitals that `dig` prints.
fn code_name(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => format!("RCODE{}", u16::from(other)),
    }
}

/// Sends a query and waits for its answer; datagrams that are none are passed over.
async fn by_udp(server: SocketAddr, query: &Message) -> Result<Message, Ending> {
    let bytes = encode(query)?;
    let socket = udp::open(server).await.map_err(|error| Ending::of_socket(&error, None))?;
    let failed = |error: io::Error| Ending::of_socket(&error, icmp::take(&socket));
    socket.send(&bytes).await.map_err(failed)?;
    let mut datagram = vec![0; usize::from(u16::MAX)];
    loop {
        let count = socket.recv(&mut datagram).await.map_err(failed)?;
        if let Some(answer) = answer_to(query, &datagram[..count]) {
            return Ok(answer);
        }
    }
}

async fn by_tcp(server: SocketAddr, query: &Message) -> Result<Message, Ending> {
    let bytes = encode(query)?;
    let length = u16::try_from(bytes.len()).map_err(|_| Ending::probe_error("the DNS query is too long"))?;
    let mut stream = crate::dial::tcp::connect_to(server).await?;
    let answer = exchange_by_tcp(&mut stream, length, &bytes).await.map_err(|error| Ending::of_socket(&error, None))?;
    answer_to(query, &answer)
        .ok_or_else(|| Ending::probe_error(format!("{server} answers over TCP with no DNS answer")))
}

async fn exchange_by_tcp(stream: &mut TcpStream, length: u16, query: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn encode(query: &Message) -> Result<Vec<u8>, Ending> {
    query.to_vec().map_err(|error| Ending::probe_error(format!("the DNS query cannot be written: {error}")))
}

/// The message in `bytes`, if it answers `query`: same id, same question. An answer that failed may leave the question out.
fn answer_to(query: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let matches = answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == query.metadata.id
        && (answer.queries == query.queries || answer.queries.is_empty());
    matches.then_some(answer)
}
