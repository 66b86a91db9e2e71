//! Routers and firewalls that say no, between network namespaces. Needs root and `ip`.

use std::process::Command;

use airtight_probe::wire::{Answer, Outcome, Phase, Refusal};
use serde_json::{Value, json};

use crate::program::{PROGRAM, run};

/// A client and the router behind which everything lies.
struct Lab {
    client: String,
    router: String,
}

impl Lab {
    /// None if this machine does not let us.
    fn new() -> Option<Self> {
        let name = |role: &str| format!("airtight-{role}-{}", std::process::id());
        let lab = Self { client: name("client"), router: name("router") };
        ip(&format!("netns add {}", lab.client)).then_some(())?;
        ip(&format!("netns add {}", lab.router)).then_some(())?;
        let (client, router) = (&lab.client, &lab.router);
        let set_up = [
            format!("-n {client} link add c0 type veth peer name r0 netns {router}"),
            format!("-n {client} addr add 192.0.2.2/24 dev c0"),
            format!("-n {client} addr add 2001:db8::2/64 dev c0 nodad"),
            format!("-n {router} addr add 192.0.2.1/24 dev r0"),
            format!("-n {router} addr add 2001:db8::1/64 dev r0 nodad"),
            format!("-n {client} link set c0 up"),
            format!("-n {client} link set lo up"),
            format!("-n {router} link set r0 up"),
            format!("-n {client} route add default via 192.0.2.1"),
            format!("-n {client} route add default via 2001:db8::1"),
            format!("-n {client} route add prohibit 198.51.100.9"),
            format!("-n {router} route add prohibit 198.51.100.1"),
            format!("-n {router} route add prohibit 2001:db8:1::1"),
            format!("-n {router} route add unreachable 198.51.100.2"),
            format!("-n {router} route add blackhole 198.51.100.3"),
            format!("netns exec {router} sysctl -qw net.ipv4.ip_forward=1"),
            format!("netns exec {router} sysctl -qw net.ipv6.conf.all.forwarding=1"),
            // A router sends few ICMP errors a second to one host, and a rejection without one looks like a drop.
            format!("netns exec {router} sysctl -qw net.ipv4.icmp_ratelimit=0"),
            format!("netns exec {router} sysctl -qw net.ipv6.icmp.ratelimit=0"),
        ];
        set_up.iter().all(|step| ip(step)).then_some(())?;
        // IPv6 takes a while to come up.
        let is_up = || lab.dial(&["tcp 192.0.2.1", "tcp 2001:db8::1"]).iter().all(|a| a.outcome == Outcome::Refused);
        assert!((0..10).any(|_| is_up()), "the namespaces never reach each other");
        Some(lab)
    }

    fn dial(&self, hosts: &[&str]) -> Vec<Answer> {
        let line = |(index, host): (usize, &&str)| {
            let (kind, host) = host.split_once(' ').unwrap();
            let attempt: Value = json!({kind: {"to": {"host": host, "port": 80}}});
            format!("{}\n", json!({"id": index.to_string(), "attempt": attempt, "deadlineMs": 700}))
        };
        let input: String = hosts.iter().enumerate().map(line).collect();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.client, PROGRAM, "dial"]);
        let (output, status) = run(&mut command, input.as_bytes());
        assert!(status.success());
        let mut answers: Vec<Answer> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        answers.sort_by_key(|answer| answer.line);
        answers
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.client));
        ip(&format!("netns del {}", self.router));
    }
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_rejection_is_no_closed_port_and_a_missing_route_is_no_rejection() {
    let Some(lab) = Lab::new() else {
        eprintln!("SKIPPED: network namespaces cannot be made here (needs root and iproute2)");
        return;
    };
    let answers = lab.dial(&[
        "tcp 192.0.2.1",
        "tcp 198.51.100.1",
        "udp 198.51.100.1",
        "tcp 2001:db8:1::1",
        "tcp 198.51.100.2",
        "udp 198.51.100.2",
        "tcp 198.51.100.3",
        "tcp 198.51.100.9",
    ]);
    let [closed, prohibited, prohibited_udp, prohibited_v6, unreachable, unreachable_udp, dropped, local] =
        answers.try_into().unwrap();

    assert_eq!((&closed.outcome, closed.refusal), (&Outcome::Refused, Some(Refusal::Reset)));
    for (answer, errno, from, code) in [
        (prohibited, "EHOSTUNREACH", "192.0.2.1", 13),
        (prohibited_udp, "EHOSTUNREACH", "192.0.2.1", 13),
        (prohibited_v6, "EACCES", "2001:db8::1", 1),
    ] {
        assert_eq!((&answer.outcome, answer.refusal), (&Outcome::Refused, Some(Refusal::Prohibited)), "{answer:?}");
        assert_eq!(answer.errno.as_deref(), Some(errno));
        let icmp = answer.icmp.unwrap();
        assert_eq!((icmp.from, icmp.code), (Some(from.parse().unwrap()), code));
    }
    for answer in [unreachable, unreachable_udp] {
        assert!(matches!(answer.outcome, Outcome::ProbeError(_)), "{answer:?}");
        assert_eq!(answer.errno.as_deref(), Some("EHOSTUNREACH"));
        assert_eq!(answer.icmp.map(|icmp| icmp.code), Some(1));
    }
    assert_eq!((&dropped.outcome, dropped.phase), (&Outcome::Timeout, Phase::Connect));
    assert!(matches!(local.outcome, Outcome::ProbeError(_)), "{local:?}");
    assert_eq!((local.errno.as_deref(), local.icmp), (Some("EACCES"), None));
}
