//! Running the program: one that serves, and one that dials a few flows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use airtight_probe::wire::{Answer, Bound, Ready};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_airtight-probe");

/// A serving program; it is stopped when this goes.
pub(crate) struct Served {
    child: Child,
    bound: Vec<Bound>,
}

impl Served {
    /// Serves listeners of the wire format.
    pub(crate) fn new(listeners: &Value) -> Self {
        let identity = json!({"pod": "web-0", "namespace": "shop", "role": "web"});
        let config = json!({"identity": identity, "listeners": listeners}).to_string();
        let mut child =
            Command::new(PROGRAM).args(["serve", "--config", &config]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ready { ready: bound } = serde_json::from_str(&line).unwrap();
        Self { child, bound }
    }

    /// Serves one listener in clear text.
    pub(crate) fn one(speak: &Value) -> Self {
        Self::new(&json!([{"bind": "127.0.0.1:0", "speak": speak}]))
    }

    pub(crate) fn address(&self, index: usize) -> SocketAddr {
        self.bound[index].address
    }

    pub(crate) fn ca(&self, index: usize) -> String {
        self.bound[index].ca.clone().unwrap()
    }

    /// Whom a flow dials to reach a listener.
    pub(crate) fn to(&self, index: usize) -> Value {
        to(self.address(index))
    }

    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A target of a flow.
pub(crate) fn to(address: SocketAddr) -> Value {
    json!({"host": address.ip().to_string(), "port": address.port()})
}

/// Dials attempts with a deadline of two seconds; their answers in the same order.
pub(crate) fn dial(attempts: &[Value]) -> Vec<Answer> {
    let flows: Vec<Value> = attempts.iter().map(|attempt| json!({"attempt": attempt, "deadlineMs": 2000})).collect();
    dial_flows(&flows)
}

/// Dials one attempt.
pub(crate) fn dial_one(attempt: Value) -> Answer {
    dial(&[attempt]).remove(0)
}

/// Dials flows, which get their ids here; their answers in the same order.
pub(crate) fn dial_flows(flows: &[Value]) -> Vec<Answer> {
    let mut input = String::new();
    for (index, flow) in flows.iter().enumerate() {
        let mut flow = flow.clone();
        flow["id"] = json!(index.to_string());
        input.extend([flow.to_string().as_str(), "\n"]);
    }
    let (output, status) = run(&mut dialler(), input.as_bytes());
    assert!(status.success());
    let mut answers: Vec<Answer> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    answers.sort_by_key(|answer| answer.line);
    let ids: Vec<Option<String>> = answers.iter().map(|answer| answer.id.clone()).collect();
    assert_eq!(ids, (0..flows.len()).map(|index| Some(index.to_string())).collect::<Vec<_>>());
    answers
}

/// The dialling program, which knows no DNS server of the system's.
pub(crate) fn dialler() -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["dial", "--resolv-conf", "/dev/null"]);
    command
}

/// Runs a command with this input to its end: what it wrote, and how it ended.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> (String, ExitStatus) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = thread::spawn(move || stdin.write_all(&input));
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    writer.join().unwrap().unwrap();
    (output, child.wait().unwrap())
}

/// A TCP server that treats every connection so.
pub(crate) fn server(treat: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(treat));
    address
}

/// A server that reads something, says `words` and closes.
pub(crate) fn saying(words: &'static [u8]) -> SocketAddr {
    server(move |mut stream| {
        let _ = stream.read(&mut [0; 8192]);
        let _ = stream.write_all(words);
    })
}

/// A port on which nobody listens, nor can while the tests run.
pub(crate) fn closed_port() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}
