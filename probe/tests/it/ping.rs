//! Pings of the own host, as far as its kernel lets the tests' groups ping.

use std::fs;

use airtight_probe::wire::Outcome;
use serde_json::json;

use crate::program::dial_one;

/// Which groups may ping (`icmp(7)`).
fn may_ping() -> bool {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap();
    let bounds: Vec<u32> = range.split_whitespace().map(|bound| bound.parse().unwrap()).collect();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let own = status.lines().filter_map(|line| line.strip_prefix("Gid:").or_else(|| line.strip_prefix("Groups:")));
    let mut groups = own.flat_map(str::split_whitespace).map(|group| group.parse::<u32>().unwrap());
    groups.any(|group| (bounds[0]..=bounds[1]).contains(&group))
}

#[test]
fn a_host_that_answers_is_reached_and_a_host_that_lets_nobody_ping_is_named() {
    let answer = dial_one(json!({"ping": {"host": "127.0.0.1"}}));
    match (&answer.outcome, may_ping()) {
        (Outcome::Connected, true) => assert_eq!(answer.peer.unwrap().port(), 0),
        (Outcome::ProbeError(why), false) => assert!(why.contains("ping_group_range"), "{why}"),
        (other, may) => panic!("{other:?}, and pinging is allowed: {may}"),
    }
}
