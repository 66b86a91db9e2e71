//! Sessions: what is read, what is written, and how they end.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use airtight_probe::wire::{Answer, Outcome, Phase};
use serde_json::json;

use crate::program::{PROGRAM, Served, closed_port, dialler, run, to};

fn answers(output: &str) -> Vec<Answer> {
    let mut answers: Vec<Answer> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    answers.sort_by_key(|answer| answer.line);
    answers
}

#[test]
fn a_line_that_is_no_flow_is_answered_by_its_number() {
    let good = json!({"id": "good", "attempt": {"tcp": {"to": to(closed_port())}}}).to_string();
    let long = "x".repeat((1 << 20) + 1);
    let lines = [
        "{\"id\": \"typo\", \"attempt\": {\"tcp\": {\"to\": {\"host\": \"h\", \"prot\": 1}}}}".as_bytes(),
        b"",
        b"   ",
        b"\xff\xfe",
        good.as_bytes(),
        b"[1, 2",
        long.as_bytes(),
        b"{\"id\": 5}",
    ];
    // The last line has no line break.
    let (output, status) = run(&mut dialler(), &lines.join(&b'\n'));
    assert!(status.success(), "every line was answered");
    let answers = answers(&output);
    assert_eq!(answers.iter().map(|answer| answer.line).collect::<Vec<_>>(), [1, 4, 5, 6, 7, 8]);
    for answer in answers.iter().filter(|answer| answer.line != 5) {
        let Outcome::ProbeError(why) = &answer.outcome else { panic!("{answer:?}") };
        assert!(why.contains(&format!("line {}", answer.line)), "{why}");
        assert_eq!(answer.phase, Phase::Read);
    }
    assert_eq!(answers[0].id.as_deref(), Some("typo"), "the driver knows which flow it was");
    assert_eq!(answers[2].outcome, Outcome::Refused);
    assert_eq!(answers[5].id, None);
}

#[test]
fn nothing_in_is_nothing_out() {
    let (output, status) = run(&mut dialler(), b"");
    assert!(output.is_empty() && status.success());
}

#[test]
fn answers_come_while_the_input_is_open_and_its_end_ends_the_session() {
    let mut child = dialler().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let flow = json!({"id": "a", "attempt": {"tcp": {"to": to(closed_port())}}});
    stdin.write_all(format!("{flow}\n").as_bytes()).unwrap();
    let mut bytes = [0; 4096];
    let count = stdout.read(&mut bytes).unwrap();
    let answer: Answer = serde_json::from_slice(&bytes[..count]).unwrap();
    assert_eq!(answer.outcome, Outcome::Refused);
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn flows_are_tried_at_the_same_time_up_to_a_number() {
    let mute = Served::one(&json!("mute"));
    let flow =
        |index: usize| json!({"id": index.to_string(), "attempt": {"tcp": {"to": mute.to(0)}}, "deadlineMs": 300});
    let input = (0..20).map(|index| flow(index).to_string() + "\n").collect::<String>();
    let timed = |concurrency: &str, input: &str| {
        let began = Instant::now();
        let (output, status) = run(dialler().args(["--concurrency", concurrency]), input.as_bytes());
        assert!(status.success());
        (answers(&output), began.elapsed())
    };
    let (all, together) = timed("20", &input);
    assert!(all.len() == 20 && all.iter().all(|answer| answer.outcome == Outcome::Timeout));
    assert!(together < Duration::from_millis(2500), "{together:?}");
    let three = input.lines().take(3).flat_map(|line| [line, "\n"]).collect::<String>();
    let (few, in_turn) = timed("1", &three);
    assert_eq!(few.len(), 3);
    assert!(in_turn >= Duration::from_millis(900), "waiting in the queue is not taken from a flow's time: {in_turn:?}");
}

#[test]
fn a_session_whose_answers_cannot_be_written_fails() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut child = dialler().stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let flow = json!({"id": "a", "attempt": {"tcp": {"to": to(closed_port())}}});
    stdin.write_all(format!("{flow}\n").as_bytes()).unwrap();
    // The input stays open: the failure alone ends it.
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!status.success());
    assert!(said.contains("cannot write answers"), "{said}");
}

#[test]
fn a_server_that_is_told_to_stop_answers_what_is_under_way() {
    let mut served =
        Served::new(&json!([{"bind": "127.0.0.1:0", "speak": {"http": {}}}, {"bind": "127.0.0.1:0", "speak": "mute"}]));
    let _open = TcpStream::connect(served.address(1)).unwrap();
    let mut stream = TcpStream::connect(served.address(0)).unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").unwrap();
    thread::sleep(Duration::from_millis(100));
    served.terminate();
    thread::sleep(Duration::from_millis(100));
    stream.write_all(b"cd").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(served.wait().success());
    assert!(TcpStream::connect(served.address(0)).is_err());
}

#[test]
fn pausing_ends_with_the_signal() {
    let mut child = Command::new(PROGRAM).arg("pause").spawn().unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none());
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_configuration_that_is_wrong_says_what_is() {
    let serve = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("serve").args(arguments).env_remove("POD_NAME").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let taken = Served::one(&json!("tcp"));
    let taken = format!("tcp={}", taken.address(0));
    for (arguments, code, words) in [
        (vec!["--pod", "p"], 1, "no listener"),
        (vec!["--listen", "tcp=127.0.0.1:0"], 2, "--pod"),
        (vec!["--pod", "p", "--listen", "ftp=127.0.0.1:0"], 2, "ftp=127.0.0.1:0"),
        (vec!["--pod", "p", "--listen", &taken], 1, "cannot listen on"),
        (vec!["--config", "/nonexistent"], 2, "/nonexistent"),
        (vec!["--config", r#"{"listeners": [{"bind": "127.0.0.1:0", "speek": "tcp"}]}"#], 2, "speek"),
        (
            vec![
                "--pod",
                "p",
                "--config",
                r#"{"listeners": [{"bind": "127.0.0.1:0", "speak": {"http": {"status": 99}}}]}"#,
            ],
            1,
            "99",
        ),
        (
            vec![
                "--pod",
                "p",
                "--config",
                r#"{"listeners": [{"bind": "127.0.0.1:0", "tls": {"own": {"names": []}}, "speak": "udp"}]}"#,
            ],
            1,
            "UDP",
        ),
        (
            vec![
                "--pod",
                "p",
                "--config",
                r#"{"listeners": [{"bind": "127.0.0.1:0", "tls": {"files": {"certificate": "/nonexistent", "key": "/nonexistent"}}, "speak": "tcp"}]}"#,
            ],
            1,
            "/nonexistent",
        ),
    ] {
        let (found, said) = serve(&arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{said}");
    }
}
