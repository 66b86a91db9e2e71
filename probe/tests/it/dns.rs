//! Outcomes of name resolution, by a little server of the test's own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;

use airtight_probe::wire::{Answer, Outcome, Phase, Rcode, Refusal, Transport};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use serde_json::{Value, json};

use crate::program::{Served, dial_flows};

/// The server's answer by the name's first label; none: it says nothing. Over TCP the same, and never truncated.
fn answer(query: &Message, over_tcp: bool) -> Option<Message> {
    let question = query.queries.first().unwrap();
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.add_query(question.clone());
    let name = question.name().to_string();
    let v4 = |last| Record::from_rdata(question.name().clone(), 1, RData::A(A(Ipv4Addr::new(127, 0, 0, last))));
    match (name.split('.').next().unwrap(), question.query_type()) {
        ("silent", _) => return None,
        ("failing", _) => answer.metadata.response_code = ResponseCode::ServFail,
        ("odd", _) => answer.metadata.response_code = ResponseCode::NotImp,
        ("empty", _) | ("v6only", RecordType::A) => {}
        ("v6only", RecordType::AAAA) => {
            let data = RData::AAAA(AAAA(Ipv6Addr::LOCALHOST));
            answer.add_answer(Record::from_rdata(question.name().clone(), 1, data));
        }
        ("long", _) if !over_tcp => answer.metadata.truncation = true,
        ("here" | "long" | "forged", RecordType::A) => drop(answer.add_answer(v4(1))),
        ("two", RecordType::A) => drop(answer.add_answer(v4(99)).add_answer(v4(1))),
        // Found only with the second suffix of a search list.
        ("short", RecordType::A) if name == "short.b.test." => drop(answer.add_answer(v4(1))),
        // A proxy that knows only some names refuses the others.
        ("proxied", RecordType::A) if name == "proxied.example." => drop(answer.add_answer(v4(1))),
        ("refused" | "proxied", _) => answer.metadata.response_code = ResponseCode::Refused,
        _ => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    Some(answer)
}

/// The same port over UDP and TCP.
fn both_ports() -> (UdpSocket, TcpListener) {
    let mut tries = (0..50).filter_map(|_| {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
        Some((udp, tcp))
    });
    tries.next().unwrap()
}

fn server() -> SocketAddr {
    let (udp, tcp) = both_ports();
    let address = udp.local_addr().unwrap();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok((count, peer)) = udp.recv_from(&mut bytes) {
            let query = Message::from_vec(&bytes[..count]).unwrap();
            let Some(answer) = answer(&query, false) else { continue };
            if query.queries[0].name().to_string().starts_with("forged.") {
                let mut forged = answer.clone();
                forged.metadata.id = forged.metadata.id.wrapping_add(1);
                forged.metadata.response_code = ResponseCode::Refused;
                udp.send_to(&forged.to_vec().unwrap(), peer).unwrap();
                udp.send_to(b"no message at all", peer).unwrap();
            }
            udp.send_to(&answer.to_vec().unwrap(), peer).unwrap();
        }
    });
    thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut bytes = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut bytes).unwrap();
            let Some(answer) = answer(&Message::from_vec(&bytes).unwrap(), true) else { continue };
            let bytes = answer.to_vec().unwrap();
            stream.write_all(&u16::try_from(bytes.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&bytes).unwrap();
        }
    });
    address
}

fn resolver(server: SocketAddr) -> Value {
    json!({"servers": [server.to_string()]})
}

fn look_up(name: &str, resolver: &Value) -> Value {
    json!({"attempt": {"lookup": {"name": name}}, "resolver": resolver, "deadlineMs": 900})
}

fn asked(answer: &Answer) -> Vec<(&str, &str)> {
    answer.lookups.iter().map(|lookup| (lookup.name.as_str(), lookup.result.as_str())).collect()
}

#[test]
fn every_way_not_to_resolve_is_another_outcome() {
    let resolver = resolver(server());
    let names = ["here.", "refused.", "nowhere.", "failing.", "silent.", "empty."];
    let flows: Vec<Value> = names.iter().map(|name| look_up(name, &resolver)).collect();
    let failure = Outcome::DnsFailure;
    let expected = [
        Outcome::Connected,
        failure(Rcode::Refused),
        failure(Rcode::Nxdomain),
        failure(Rcode::Servfail),
        failure(Rcode::Timeout),
        failure(Rcode::Nodata),
    ];
    let answers = dial_flows(&flows);
    for (answer, outcome) in answers.iter().zip(expected) {
        assert_eq!((&answer.outcome, answer.phase), (&outcome, Phase::Dns));
        assert!(answer.timing.dns_us.is_some());
    }
    assert_eq!(answers[0].addresses, [Ipv4Addr::LOCALHOST]);
    assert_eq!(answers[4].lookups.len(), 2, "a datagram may be lost, so it is asked again");
}

#[test]
fn a_code_that_means_nothing_here_is_a_probe_error() {
    let answer = dial_flows(&[look_up("odd.", &resolver(server()))]).remove(0);
    assert!(matches!(answer.outcome, Outcome::ProbeError(_)));
    assert_eq!(answer.lookups[0].result, "NOTIMP");
}

#[test]
fn ipv6_is_asked_for_when_there_is_no_ipv4() {
    let answer = dial_flows(&[look_up("v6only.", &resolver(server()))]).remove(0);
    assert_eq!(answer.addresses, [Ipv6Addr::LOCALHOST]);
    let records: Vec<&str> = answer.lookups.iter().map(|lookup| lookup.record.as_str()).collect();
    assert_eq!(records, ["A", "AAAA"]);
}

#[test]
fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = server();
    let always = json!({"servers": [server.to_string()], "tcp": true});
    let answers = dial_flows(&[look_up("long.", &resolver(server)), look_up("here.", &always)]);
    let transports = |answer: &Answer| answer.lookups.iter().map(|lookup| lookup.transport).collect::<Vec<_>>();
    assert_eq!(transports(&answers[0]), [Transport::Udp, Transport::Tcp]);
    assert_eq!(transports(&answers[1]), [Transport::Tcp]);
    assert!(answers.iter().all(|answer| answer.outcome == Outcome::Connected));
}

#[test]
fn an_answer_to_another_question_is_passed_over() {
    let answer = dial_flows(&[look_up("forged.", &resolver(server()))]).remove(0);
    assert_eq!(answer.outcome, Outcome::Connected);
}

#[test]
fn the_search_list_is_walked_as_the_c_library_does() {
    let resolver = json!({"servers": [server().to_string()], "search": ["a.test", "b.test"], "ndots": 5});
    let flows = ["short", "proxied.example", "nowhere", "refused"].map(|name| look_up(name, &resolver));
    let answers = dial_flows(&flows);
    assert_eq!(asked(&answers[0]), [("short.a.test.", "NXDOMAIN"), ("short.b.test.", "NOERROR")]);
    assert_eq!(answers[0].outcome, Outcome::Connected);
    // A refusal ends the list, and the name as it stands comes next.
    assert_eq!(asked(&answers[1]), [("proxied.example.a.test.", "REFUSED"), ("proxied.example.", "NOERROR")]);
    assert_eq!(answers[1].outcome, Outcome::Connected);
    assert_eq!(asked(&answers[2]).len(), 3);
    assert_eq!(answers[2].outcome, Outcome::DnsFailure(Rcode::Nxdomain));
    assert_eq!(answers[3].outcome, Outcome::DnsFailure(Rcode::Refused));
}

#[test]
fn a_server_that_says_no_is_passed_over_for_the_next() {
    let (down, server) = (UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap(), server());
    let resolver = json!({"servers": [down.to_string(), server.to_string()]});
    let answer = dial_flows(&[look_up("here.", &resolver)]).remove(0);
    assert_eq!(asked(&answer), [("here.", "ECONNREFUSED"), ("here.", "NOERROR")]);
    assert_eq!(answer.outcome, Outcome::Connected);
}

#[test]
fn a_server_that_rejects_is_refused_for_a_lookup_and_a_probe_error_for_a_connection() {
    let down = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connect = json!({"attempt": {"tcp": {"to": {"host": "here.", "port": 1}}}, "resolver": resolver(down)});
    let answers = dial_flows(&[look_up("here.", &resolver(down)), connect]);
    assert_eq!((&answers[0].outcome, answers[0].phase), (&Outcome::Refused, Phase::Dns));
    assert_eq!(answers[0].refusal, Some(Refusal::PortUnreachable));
    assert!(matches!(answers[1].outcome, Outcome::ProbeError(_)));
    assert_eq!((answers[1].phase, answers[1].errno.as_deref()), (Phase::Dns, Some("ECONNREFUSED")));
}

#[test]
fn without_a_server_there_is_no_outcome_but_a_probe_error() {
    let flow = json!({"attempt": {"lookup": {"name": "here."}}});
    let answer = dial_flows(&[flow, look_up("here.", &json!({"servers": ["no address"]}))]);
    assert!(answer.iter().all(|answer| matches!(answer.outcome, Outcome::ProbeError(_))));
}

#[test]
fn a_name_leads_to_its_address_and_any_of_several_will_do() {
    let served = Served::one(&json!({"http": {}}));
    let port = served.address(0).port();
    let flow = |name: &str| {
        let attempt = json!({"http": {"to": {"host": name, "port": port}}});
        json!({"attempt": attempt, "resolver": resolver(server()), "deadlineMs": 2000})
    };
    // Nobody listens on the first of the two addresses.
    let answers = dial_flows(&[flow("here."), flow("two.")]);
    for answer in &answers {
        assert_eq!(answer.outcome, Outcome::Http(200));
        assert_eq!(answer.peer, Some(served.address(0)));
    }
    assert_eq!(answers[1].addresses.len(), 2);
    assert_eq!(answers[0].arrived.as_ref().unwrap().host, Some(format!("here:{port}")));
}

#[test]
fn a_name_that_is_refused_never_connects() {
    let attempt = json!({"http": {"to": {"host": "refused.example", "port": 80}}});
    let flow = json!({"attempt": attempt, "resolver": resolver(server())});
    let answer = dial_flows(&[flow]).remove(0);
    assert_eq!((answer.outcome, answer.phase), (Outcome::DnsFailure(Rcode::Refused), Phase::Dns));
    assert!(answer.peer.is_none() && answer.timing.connect_us.is_none());
}
