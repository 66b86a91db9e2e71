//! Laws: nothing that comes in makes the dialler panic or go silent, and what goes out comes back in.

use std::io::Cursor;

use airtight_probe::dial::{Dialler, Settings};
use airtight_probe::wire::{
    Answer, Attempt, BodyEnd, Exchange, Family, Flow, HttpExchange, Icmp, Identity, Lookups, Member, Outcome, Payload,
    Phase, Ping, Rcode, Refusal, Reply, Request, Resolver, Say, Target, Timing, Tls, TlsExchange, Trust, Tunnel,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, duplex};
use tokio::runtime::Builder;

/// Feeds bytes to a session; what it wrote.
fn feed(input: Vec<u8>) -> String {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let (output, mut written) = duplex(1 << 16);
        let session =
            tokio::spawn(async move { Dialler::new(8, Ok(Settings::default())).run(Cursor::new(input), output).await });
        let mut text = String::new();
        written.read_to_string(&mut text).await.unwrap();
        session.await.unwrap().unwrap();
        text
    })
}

fn target() -> impl Strategy<Value = Target> {
    let family = prop_oneof![Just(Family::Any), Just(Family::Ipv4), Just(Family::Ipv6)];
    (".*", any::<u16>(), family).prop_map(|(host, port, family)| Target { host, port, family })
}

fn payload() -> impl Strategy<Value = Payload> {
    vec(any::<u8>(), 0..20).prop_map(Payload)
}

fn say() -> impl Strategy<Value = Say> {
    prop_oneof![
        Just(Say::Nonce),
        Just(Say::Nothing),
        Just(Say::Postgres),
        Just(Say::Redis),
        Just(Say::Amqp),
        payload().prop_map(Say::Bytes)
    ]
}

fn tls() -> impl Strategy<Value = Tls> {
    let trust = prop_oneof![Just(Trust::Any), ".*".prop_map(Trust::Ca)];
    (option::of(".*"), trust, vec("[a-z0-9/.]*", 0..3)).prop_map(|(server_name, trust, alpn)| Tls {
        server_name,
        trust,
        alpn,
    })
}

fn request() -> impl Strategy<Value = Request> {
    (".*", ".*", option::of(".*"), vec((".*", ".*"), 0..3), option::of(payload()), any::<usize>()).prop_map(
        |(method, path, host, headers, body, body_limit)| Request { method, path, host, headers, body, body_limit },
    )
}

fn attempt() -> impl Strategy<Value = Attempt> {
    prop_oneof![
        (target(), say()).prop_map(|(to, say)| Attempt::Tcp(Exchange { to, say })),
        (target(), say()).prop_map(|(to, say)| Attempt::Udp(Exchange { to, say })),
        (target(), tls(), option::of(say())).prop_map(|(to, tls, say)| Attempt::Tls(TlsExchange { to, tls, say })),
        (target(), option::of(tls()), request()).prop_map(|(to, tls, request)| Attempt::Http(HttpExchange {
            to,
            tls,
            request
        })),
        ".*".prop_map(|name| Attempt::Lookup(Lookups { name, family: Family::Any })),
        ".*".prop_map(|host| Attempt::Ping(Ping { host, family: Family::Any })),
    ]
}

fn resolver() -> impl Strategy<Value = Resolver> {
    (vec(".*", 0..2), option::of(vec(".*", 0..2)), option::of(any::<u32>()), option::of(any::<u64>()), any::<bool>())
        .prop_map(|(servers, search, ndots, timeout_ms, tcp)| Resolver {
            servers,
            search,
            ndots,
            timeout_ms,
            attempts: None,
            tcp,
        })
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let to = any::<std::net::SocketAddr>().prop_filter("a scope is not written", std::net::SocketAddr::is_ipv4);
    (to, any::<u16>(), target(), option::of(".*")).prop_map(|(to, port, authority, cluster)| Tunnel {
        to,
        port,
        member: Member { cluster, ..Member::of(authority) },
    })
}

fn flow() -> impl Strategy<Value = Flow> {
    (".*", attempt(), any::<u64>(), option::of(resolver()), option::of(tunnel()))
        .prop_map(|(id, attempt, deadline_ms, resolver, tunnel)| Flow { id, attempt, deadline_ms, resolver, tunnel })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let rcode = prop_oneof![
        Just(Rcode::Refused),
        Just(Rcode::Nxdomain),
        Just(Rcode::Servfail),
        Just(Rcode::Timeout),
        Just(Rcode::Nodata)
    ];
    prop_oneof![
        Just(Outcome::Connected),
        any::<u16>().prop_map(Outcome::Http),
        Just(Outcome::Refused),
        Just(Outcome::Reset),
        Just(Outcome::Timeout),
        rcode.prop_map(Outcome::DnsFailure),
        Just(Outcome::TlsFailure),
        ".*".prop_map(Outcome::ProbeError),
    ]
}

prop_compose! {
    fn answer()(
        id in option::of(".*"), line in any::<u64>(), outcome in outcome(), detail in ".*",
        peer in option::of(any::<std::net::SocketAddr>().prop_filter("a scope is not written", std::net::SocketAddr::is_ipv4)),
        code in any::<u8>(), body in payload(), header in (".*", ".*"), pod in ".*", us in option::of(any::<u64>()),
    ) -> Answer {
        Answer {
            id, line, outcome, detail, peer,
            inner: None,
            phase: Phase::Response,
            errno: Some("ECONNREFUSED".to_owned()),
            refusal: Some(Refusal::PortUnreachable),
            icmp: Some(Icmp { version: 4, kind: 3, code, from: None }),
            started_unix_us: 1,
            timing: Timing { dns_us: us, ..Timing::default() },
            lookups: Vec::new(),
            addresses: Vec::new(),
            tried: Vec::new(),
            local: None,
            tls: None,
            reply: Some(Reply { headers: vec![header], body, end: BodyEnd::Cut }),
            answered_by: Some(Identity { pod, ..Identity::default() }),
            arrived: None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_input_is_answered_line_by_line(input in vec(any::<u8>(), 0..400)) {
        let lines: Vec<u64> = (1..)
            .zip(input.split(|byte| *byte == b'\n'))
            .filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
            .map(|(number, _)| number)
            .collect();
        let output = feed(input.clone());
        let mut answered: Vec<u64> =
            output.lines().map(|line| serde_json::from_str::<Answer>(line).unwrap().line).collect();
        answered.sort_unstable();
        prop_assert_eq!(answered, lines);
    }

    /// What a flow holds may be nonsense; what comes of it is an outcome. None of these reaches the network: the host
    /// is a name, and there is no DNS server.
    #[test]
    fn any_flow_is_answered(mut flow in flow(), name in "[a-z.!-]{1,300}") {
        flow.resolver = None;
        flow.deadline_ms = 1000;
        match &mut flow.attempt {
            Attempt::Tcp(exchange) | Attempt::Udp(exchange) => exchange.to.host = name,
            Attempt::Tls(exchange) => exchange.to.host = name,
            Attempt::Http(exchange) => exchange.to.host = name,
            Attempt::Lookup(lookup) => lookup.name = name,
            Attempt::Ping(ping) => ping.host = name,
        }
        let output = feed(serde_json::to_vec(&flow).unwrap());
        let answer: Answer = serde_json::from_str(&output).unwrap();
        prop_assert!(matches!(answer.outcome, Outcome::ProbeError(_)), "{:?}", answer);
        prop_assert_eq!(answer.id, Some(flow.id));
    }

    #[test]
    fn flows_survive_the_wire(flow in flow()) {
        let text = serde_json::to_string(&flow).unwrap();
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Flow>(&text).unwrap(), flow);
    }

    #[test]
    fn answers_survive_the_wire(answer in answer()) {
        let text = serde_json::to_string(&answer).unwrap();
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
    }
}
