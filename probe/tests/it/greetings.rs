//! Data stores' first words, to the bytes that real clients send, and what the dialler sends itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use airtight_probe::wire::Outcome;
use serde_json::{Value, json};

use crate::program::{Served, dial, dial_one};

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.address(0)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

fn read_exactly<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// A PostgreSQL message: its kind and body.
fn message(stream: &mut TcpStream) -> (char, Vec<u8>) {
    let [kind] = read_exactly(stream);
    let mut body = vec![0; u32::from_be_bytes(read_exactly(stream)) as usize - 4];
    stream.read_exact(&mut body).unwrap();
    (kind.into(), body)
}

fn kinds_until_ready(stream: &mut TcpStream) -> String {
    let mut kinds = String::new();
    while !kinds.ends_with('Z') {
        kinds.push(message(stream).0);
    }
    kinds
}

#[test]
fn postgres_answers_psql() {
    let served = Served::one(&json!("postgres"));
    let mut stream = connect(&served);
    // `psql` asks for GSS encryption, then for TLS, before it starts up.
    for request in [b"\x00\x00\x00\x08\x04\xd2\x16\x30", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"] {
        stream.write_all(request).unwrap();
        assert_eq!(read_exactly(&mut stream), *b"N");
    }
    let parameters = b"user\0app\0database\0shop\0application_name\0psql\0client_encoding\0UTF8\0\0";
    let length = u32::try_from(parameters.len() + 8).unwrap();
    stream.write_all(&[&length.to_be_bytes(), &b"\x00\x03\x00\x00"[..], parameters].concat()).unwrap();
    let (kind, body) = message(&mut stream);
    assert_eq!((kind, body.as_slice()), ('R', &[0, 0, 0, 0][..]), "AuthenticationOk");
    assert_eq!(kinds_until_ready(&mut stream), "SSSKZ");
    stream.write_all(b"Q\x00\x00\x00\x0dSELECT 1\0").unwrap();
    assert_eq!(kinds_until_ready(&mut stream), "TDCZ");
    stream.write_all(b"X\x00\x00\x00\x04").unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

/// Newer clients begin with protocol 3.2, and are told what is spoken.
#[test]
fn postgres_negotiates_its_version() {
    let served = Served::one(&json!("postgres"));
    let mut stream = connect(&served);
    stream.write_all(b"\x00\x00\x00\x12\x00\x03\x00\x02user\0app\0\0").unwrap();
    let (kind, body) = message(&mut stream);
    assert_eq!((kind, body.as_slice()), ('v', &[0, 3, 0, 0, 0, 0, 0, 0][..]));
    assert_eq!(kinds_until_ready(&mut stream), "RSSSKZ");
}

#[test]
fn redis_answers_its_clients() {
    let served = Served::one(&json!("redis"));
    let mut stream = connect(&served);
    let mut say = |words: &str, expected: &str| {
        stream.write_all(words.as_bytes()).unwrap();
        let mut bytes = vec![0; expected.len()];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), expected, "{words:?}");
    };
    say("*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
    say("PING\r\n", "+PONG\r\n");
    say("*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n", "$5\r\nhello\r\n");
    // `redis-cli` asks for the commands, `redis-py` names itself, newer clients say hello.
    say("*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n", "*0\r\n");
    say("*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nLIB-NAME\r\n$8\r\nredis-py\r\n", "+OK\r\n");
    say("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
    say("", "$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:3\r\n");
    say("*1\r\n$5\r\nBOGUS\r\n", "-ERR unknown command 'BOGUS'\r\n");
    say("*1\r\n!\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn amqp_opens_a_connection() {
    let served = Served::one(&json!("amqp"));
    let mut stream = connect(&served);
    let next = |stream: &mut TcpStream| {
        let [kind, high, low] = read_exactly(stream);
        assert_eq!([kind, high, low], [1, 0, 0], "a method on channel 0");
        let mut payload = vec![0; u32::from_be_bytes(read_exactly(stream)) as usize];
        stream.read_exact(&mut payload).unwrap();
        assert_eq!(read_exactly(stream), [0xce]);
        (u16::from_be_bytes([payload[2], payload[3]]), payload)
    };
    let send = |stream: &mut TcpStream, method: u8, arguments: &[u8]| {
        let payload = [&[0, 10, 0, method], arguments].concat();
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        stream.write_all(&[&[1, 0, 0], &size[..], &payload, &[0xce]].concat()).unwrap();
    };
    stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
    let (method, start) = next(&mut stream);
    assert_eq!((method, &start[4..6]), (10, &[0, 9][..]), "start, version 0-9");
    assert!(start.windows(5).any(|window| window == b"PLAIN"));
    send(&mut stream, 11, b"\x00\x00\x00\x00\x05PLAIN\x00\x00\x00\x0c\0guest\0guest\x05en_US");
    assert_eq!(next(&mut stream).0, 30, "tune");
    send(&mut stream, 31, &[7, 255, 0, 2, 0, 0, 0, 0]);
    send(&mut stream, 40, b"\x01/\x00\x00");
    assert_eq!(next(&mut stream).0, 41, "open-ok");
    send(&mut stream, 50, &[0, 200, 0, 0, 0, 0, 0]);
    assert_eq!(next(&mut stream).0, 51, "close-ok");
}

#[test]
fn amqp_names_its_version_to_a_client_of_another() {
    let served = Served::one(&json!("amqp"));
    let mut stream = connect(&served);
    stream.write_all(b"AMQP\x00\x01\x00\x00").unwrap();
    assert_eq!(read_exactly(&mut stream), *b"AMQP\x00\x00\x09\x01");
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn the_dialler_speaks_to_each_and_learns_who_answered() {
    for protocol in ["postgres", "redis", "amqp"] {
        let served = Served::one(&json!(protocol));
        let answer = dial_one(json!({"tcp": {"to": served.to(0), "say": protocol}}));
        assert_eq!(answer.outcome, Outcome::Connected, "{protocol}");
        assert_eq!(answer.answered_by.unwrap().pod, "web-0", "{protocol}");
    }
}

#[test]
fn a_protocol_works_over_tls_too_and_bytes_may_be_any() {
    let tls = json!({"own": {"names": ["cache.example"]}});
    let served = Served::new(&json!([
        {"bind": "127.0.0.1:0", "tls": tls, "speak": "redis"},
        {"bind": "127.0.0.1:0", "speak": "tcp"},
    ]));
    let bytes = |payload: Value| json!({"bytes": payload});
    let answers = dial(&[
        json!({"tls": {"to": served.to(0), "say": bytes(json!({"text": "PING\r\n"}))}}),
        json!({"tcp": {"to": served.to(1), "say": "nothing"}}),
    ]);
    assert_eq!(answers[0].reply.as_ref().unwrap().body.text(), Some("+PONG\r\n"));
    assert_eq!(answers[1].outcome, Outcome::Connected, "the server speaks first");
}
