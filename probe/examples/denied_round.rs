//! How long a round takes in which every flow is dropped: `cargo run -p airtight-probe --example denied_round`.
//!
//! The flows go to a port whose backlog is full, so that the kernel drops their SYNs as a policy would. Exits with 1
//! if a flow ends otherwise than by timeout, or if the round takes longer than five seconds.

#![expect(clippy::print_stdout, reason = "an example says what it found")]

use std::error::Error;
use std::io::Cursor;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use airtight_probe::dial::{Dialler, Settings};
use airtight_probe::wire::{Answer, Attempt, Exchange, Family, Flow, Outcome, Say, Target};
use tokio::io::{AsyncReadExt, duplex};
use tokio::net::TcpSocket;

const FLOWS: usize = 500;
const DENY_TIMEOUT_MS: u64 = 2000;
const BUDGET: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let listener = socket.listen(0)?;
    let address = listener.local_addr()?;
    let _filling = fill(address);

    let input: String =
        (0..FLOWS).map(|number| line(number, address)).collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    let (output, mut answers) = duplex(64 * 1024);
    let began = Instant::now();
    let dialler = Dialler::new(512, Ok(Settings::default()));
    let round = tokio::spawn(async move { dialler.run(Cursor::new(input), output).await });
    let mut text = String::new();
    answers.read_to_string(&mut text).await?;
    let summary = round.await??;
    let took = began.elapsed();

    let timeouts = text
        .lines()
        .map(serde_json::from_str::<Answer>)
        .filter(|answer| matches!(answer, Ok(answer) if answer.outcome == Outcome::Timeout))
        .count();
    println!("{} flows, {timeouts} timeouts, {:.2} s", summary.answers, took.as_secs_f64());
    if timeouts == FLOWS && took < BUDGET { Ok(()) } else { Err("the round was not what it should be".into()) }
}

/// Connections that nobody accepts, until one more would wait.
fn fill(address: SocketAddr) -> Vec<TcpStream> {
    std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()).take(16).collect()
}

fn line(number: usize, address: SocketAddr) -> serde_json::Result<String> {
    let to = Target { host: address.ip().to_string(), port: address.port(), family: Family::Any };
    let attempt = Attempt::Tcp(Exchange { to, say: Say::Nonce });
    let flow =
        Flow { id: format!("flow-{number}"), attempt, deadline_ms: DENY_TIMEOUT_MS, resolver: None, tunnel: None };
    Ok(serde_json::to_string(&flow)? + "\n")
}
