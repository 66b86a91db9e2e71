//! Outcomes of HTTP requests, and what goes over the wire for them.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use airtight_probe::wire::{Answer, BodyEnd, Outcome, Phase};
use serde_json::{Value, json};

use crate::program::{Served, dial, dial_flows, dial_one, saying, server, to};

fn get(to: &Value, request: &Value) -> Value {
    json!({"http": {"to": to, "request": request}})
}

fn body(answer: &Answer) -> (&str, BodyEnd) {
    let reply = answer.reply.as_ref().unwrap();
    (reply.body.text().unwrap(), reply.end)
}

#[test]
fn the_status_is_the_outcome() {
    let statuses = [200, 204, 301, 401, 403, 404, 503];
    let routes: Vec<Value> = statuses.iter().map(|s| json!({"prefix": format!("/{s}"), "status": s})).collect();
    let served = Served::one(&json!({"http": {"routes": routes, "status": 418}}));
    let paths = statuses.iter().map(|status| format!("/{status}/x")).chain(["/elsewhere".to_owned()]);
    let attempts: Vec<Value> = paths.map(|path| get(&served.to(0), &json!({"path": path}))).collect();
    let answers = dial(&attempts);
    for (answer, status) in answers.iter().zip(statuses.iter().chain(&[418])) {
        assert_eq!((&answer.outcome, answer.phase), (&Outcome::Http(*status), Phase::Response));
        assert_eq!(answer.answered_by.as_ref().unwrap().pod, "web-0");
    }
}

#[test]
fn paths_arrive_as_they_were_written() {
    let served = Served::one(&json!({"http": {}}));
    let paths = [
        "//database/dump",
        "/api/../database/dump",
        "/api/%2e%2e/database/dump",
        "/.%2E/a",
        "/api/./trips?next=/x",
        "/%61pi%2ftrips",
        "/a;b=c",
        "*",
    ];
    let attempts: Vec<Value> = paths.iter().map(|path| get(&served.to(0), &json!({"path": path}))).collect();
    for (answer, path) in dial(&attempts).iter().zip(paths) {
        assert_eq!(answer.arrived.as_ref().unwrap().path, path);
    }
}

#[test]
fn a_request_is_sent_byte_for_byte() {
    let (sender, receiver) = mpsc::channel();
    let address = server(move |mut stream| {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        sender.send(bytes[..count].to_vec()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let request = json!({
        "method": "pOsT", "path": "//a/../b c#d?\u{e9}", "host": "other.example",
        "headers": [["X-Twice", "1"], ["x-twice", " 2"]], "body": {"hex": "00ff"}, "bodyLimit": 10,
    });
    let answer = dial_one(get(&to(address), &request));
    assert_eq!(answer.outcome, Outcome::Http(200));
    let expected = "pOsT //a/../b c#d?\u{e9} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\
                    User-Agent: airtight-probe\r\nContent-Length: 2\r\nX-Twice: 1\r\nx-twice:  2\r\n\r\n";
    assert_eq!(receiver.recv().unwrap(), [expected.as_bytes(), &[0x00, 0xff]].concat());
}

#[test]
fn headers_of_the_flow_replace_those_of_the_client() {
    let served = Served::one(&json!({"http": {}}));
    let headers = json!([["Host", "own.example"], ["User-Agent", "curl/8"]]);
    let answer = dial_one(get(&served.to(0), &json!({"headers": headers, "host": "other.example"})));
    let arrived = answer.arrived.unwrap();
    assert_eq!(arrived.host.as_deref(), Some("own.example"));
    let agents: Vec<&str> =
        arrived.headers.iter().filter(|(name, _)| name == "user-agent").map(|(_, value)| value.as_str()).collect();
    assert_eq!(agents, ["curl/8"]);
}

#[test]
fn a_line_break_in_a_request_is_a_probe_error() {
    let to = json!({"host": "127.0.0.1", "port": 1});
    let requests = [
        json!({"path": "/ HTTP/1.1\r\nX: y"}),
        json!({"method": "GET\n"}),
        json!({"host": "a\r\nb"}),
        json!({"headers": [["a", "b\r\nc: d"]]}),
    ];
    let attempts: Vec<Value> = requests.iter().map(|request| get(&to, request)).collect();
    for answer in dial(&attempts) {
        assert!(matches!(&answer.outcome, Outcome::ProbeError(why) if why.contains("line break")), "{answer:?}");
    }
}

#[test]
fn bodies_end_where_their_framing_says() {
    let limit = |bytes: &'static [u8], limit: u64| get(&to(saying(bytes)), &json!({"bodyLimit": limit}));
    let answers = dial(&[
        limit(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello+more", 100),
        limit(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: x\r\n\r\n",
            100,
        ),
        limit(b"HTTP/1.0 200 OK\r\n\r\nhello", 100),
        limit(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 100),
        limit(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 5),
    ]);
    for answer in &answers {
        assert_eq!((&answer.outcome, body(answer)), (&Outcome::Http(200), ("hello", BodyEnd::Complete)));
    }
}

#[test]
fn a_body_that_is_not_whole_says_so_and_the_status_stands() {
    let limit = |bytes: &'static [u8], limit: u64| get(&to(saying(bytes)), &json!({"bodyLimit": limit}));
    let stalling = server(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel");
        thread::sleep(Duration::from_secs(3));
    });
    let flows = [
        (limit(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 100), ("hello", BodyEnd::Cut)),
        (limit(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 100), ("hello", BodyEnd::Cut)),
        (limit(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfoo\r\nhello", 100), ("", BodyEnd::Cut)),
        (limit(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 3), ("hel", BodyEnd::Limit)),
        (limit("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhel\u{20ac}lo".as_bytes(), 5), ("hel", BodyEnd::Limit)),
        (get(&to(stalling), &json!({})), ("hel", BodyEnd::Deadline)),
    ];
    let attempts: Vec<Value> =
        flows.iter().map(|(attempt, _)| json!({"attempt": attempt, "deadlineMs": 500})).collect();
    for (answer, (_, expected)) in dial_flows(&attempts).iter().zip(&flows) {
        assert_eq!((&answer.outcome, &body(answer)), (&Outcome::Http(200), expected));
    }
}

#[test]
fn an_answer_that_is_no_response_still_is_an_answer() {
    let answers = dial(&[
        get(&to(saying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")), &json!({})),
        get(&to(saying(b"HTTP/1.1 200 O")), &json!({})),
    ]);
    for answer in &answers {
        assert_eq!(answer.outcome, Outcome::Connected, "the target was reached: it cannot pass for denied");
        assert!(!answer.detail.is_empty());
    }
}

#[test]
fn no_answer_is_a_reset_or_a_timeout() {
    let served =
        Served::new(&json!([{"bind": "127.0.0.1:0", "speak": "reset"}, {"bind": "127.0.0.1:0", "speak": "mute"}]));
    let answers = dial_flows(&[
        json!({"attempt": get(&served.to(0), &json!({}))}),
        json!({"attempt": get(&to(saying(b"")), &json!({}))}),
        json!({"attempt": get(&served.to(1), &json!({})), "deadlineMs": 300}),
    ]);
    for (answer, outcome) in answers.iter().zip([Outcome::Reset, Outcome::Reset, Outcome::Timeout]) {
        assert_eq!((&answer.outcome, answer.phase), (&outcome, Phase::Response));
    }
}

/// A proxy may deny a request before it has read all of it.
#[test]
fn an_early_answer_is_heard() {
    let address = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        thread::sleep(Duration::from_millis(100));
    });
    let request = json!({"method": "POST", "body": {"text": "x".repeat(300_000)}});
    assert_eq!(dial_one(get(&to(address), &request)).outcome, Outcome::Http(403));
}

#[test]
fn a_head_request_waits_for_no_body() {
    let answer =
        dial_one(get(&to(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")), &json!({"method": "HEAD"})));
    assert_eq!(answer.outcome, Outcome::Http(200));
    assert_eq!(body(&answer), ("", BodyEnd::Complete));
}
