//! Outcomes of bare connections and datagrams.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use airtight_probe::wire::{Outcome, Phase, Refusal};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::program::{Served, closed_port, dial, dial_flows, dial_one, saying, server, to};

fn tcp(address: SocketAddr) -> Value {
    json!({"tcp": {"to": to(address)}})
}

fn udp(address: SocketAddr) -> Value {
    json!({"udp": {"to": to(address)}})
}

#[test]
fn bytes_that_come_back_make_a_connection() {
    let served = Served::one(&json!("tcp"));
    let answer = dial_one(tcp(served.address(0)));
    assert_eq!((answer.outcome, answer.phase), (Outcome::Connected, Phase::Response));
    let who = answer.answered_by.unwrap();
    assert_eq!((who.namespace.as_str(), who.pod.as_str(), who.role.as_str()), ("shop", "web-0", "web"));
    assert_eq!(answer.peer, Some(served.address(0)));
    assert!(answer.local.is_some() && answer.timing.connect_us.is_some() && answer.timing.response_us.is_some());
    assert!(answer.timing.dns_us.is_none() && answer.timing.tls_us.is_none());
}

#[test]
fn a_closed_port_refuses_by_reset() {
    let answer = dial_one(tcp(closed_port()));
    assert_eq!((answer.outcome, answer.phase), (Outcome::Refused, Phase::Connect));
    assert_eq!(answer.refusal, Some(Refusal::Reset));
    assert_eq!(answer.errno.as_deref(), Some("ECONNREFUSED"));
    assert_eq!(answer.icmp, None);
}

#[test]
fn a_connection_that_is_reset_or_closed_without_a_word_is_a_reset() {
    let resetting = Served::one(&json!("reset"));
    let answers = dial(&[tcp(resetting.address(0)), tcp(saying(b""))]);
    assert_eq!((&answers[0].outcome, answers[0].phase), (&Outcome::Reset, Phase::Response));
    assert_eq!(answers[0].errno.as_deref(), Some("ECONNRESET"));
    assert_eq!((&answers[1].outcome, answers[1].phase), (&Outcome::Reset, Phase::Response));
    assert!(answers.iter().all(|answer| answer.reply.is_none()));
}

#[test]
fn a_server_that_never_answers_is_a_timeout_at_the_deadline() {
    let mute = Served::one(&json!("mute"));
    let began = Instant::now();
    let flow = json!({"attempt": tcp(mute.address(0)), "deadlineMs": 400});
    let answer = dial_flows(&[flow]).remove(0);
    assert_eq!((answer.outcome, answer.phase), (Outcome::Timeout, Phase::Response));
    assert!((400_000..1_500_000).contains(&answer.timing.total_us), "{} µs", answer.timing.total_us);
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_syn_that_is_dropped_is_a_timeout_of_the_connection() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // Once the backlog is full, the kernel drops SYNs.
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let backlog: Vec<TcpStream> = std::iter::from_fn(connect).take(16).collect();
    assert!(backlog.len() < 16, "the backlog is never full here");
    let answer = dial_flows(&[json!({"attempt": tcp(address), "deadlineMs": 300})]).remove(0);
    assert_eq!((answer.outcome, answer.phase), (Outcome::Timeout, Phase::Connect));
    assert_ne!(answer.local.unwrap().port(), 0, "observers name the flow by its port");
}

#[test]
fn a_flow_with_too_little_time_is_no_timeout() {
    let flows = [0, 99].map(|deadline| json!({"attempt": tcp(closed_port()), "deadlineMs": deadline}));
    for answer in dial_flows(&flows) {
        assert!(
            matches!(answer.outcome, Outcome::ProbeError(_)),
            "nothing was tried, so nothing is denied: {answer:?}"
        );
        assert_eq!(answer.phase, Phase::Read);
    }
}

#[test]
fn an_echo_makes_a_datagram_arrive() {
    let served = Served::one(&json!("udp"));
    let answer = dial_one(udp(served.address(0)));
    assert_eq!(answer.outcome, Outcome::Connected);
    assert_eq!(answer.answered_by.unwrap().pod, "web-0");
}

#[test]
fn a_closed_udp_port_refuses_by_icmp() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answer = dial_one(udp(address));
    assert_eq!((answer.outcome, answer.refusal), (Outcome::Refused, Some(Refusal::PortUnreachable)));
    let icmp = answer.icmp.unwrap();
    assert_eq!((icmp.version, icmp.kind, icmp.code), (4, 3, 3));
}

#[test]
fn a_datagram_without_an_answer_is_a_timeout_and_one_without_an_echo_a_probe_error() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let foreign = UdpSocket::bind("127.0.0.1:0").unwrap();
    let foreign_address = foreign.local_addr().unwrap();
    std::thread::spawn(move || {
        let (_, peer) = foreign.recv_from(&mut [0; 2048]).unwrap();
        foreign.send_to(b"something else", peer).unwrap();
    });
    let flow = json!({"attempt": udp(silent.local_addr().unwrap()), "deadlineMs": 400});
    let answers = dial_flows(&[flow, json!({"attempt": udp(foreign_address)})]);
    assert_eq!((&answers[0].outcome, answers[0].phase), (&Outcome::Timeout, Phase::Response));
    assert!(matches!(answers[1].outcome, Outcome::ProbeError(_)));
}

#[test]
fn a_target_without_a_route_is_a_probe_error() {
    // 0.0.0.0/8 has no place on the wire; the kernel refuses to send to the broadcast address.
    let answer = dial_one(tcp("255.255.255.255:80".parse().unwrap()));
    assert!(matches!(answer.outcome, Outcome::ProbeError(_)), "{answer:?}");
    assert!(answer.errno.is_some());
}

#[test]
fn what_came_before_a_reset_is_an_answer() {
    let address = server(|stream| {
        use std::io::Write;
        let mut stream = stream;
        let _ = stream.write_all(b"half a gree");
        std::thread::sleep(Duration::from_millis(50));
        // Bytes of the client that nobody read make the kernel reset.
        drop(stream);
    });
    let answer = dial_one(tcp(address));
    assert_eq!(answer.outcome, Outcome::Connected, "the target was reached: it cannot pass for denied");
    assert_eq!(answer.reply.unwrap().body.text(), Some("half a gree"));
}
