//! What keeps a rule from a request, and how far that is.

use airtight_manifest::{RuleRef, closest};

use crate::policy::NearMiss;

/// How many near misses are told.
const TOLD: usize = 3;

/// The most that a rule may be away: two slips of the pen, or one value and a slip.
const FARTHEST: u32 = 3;

/// What keeps a rule from a request, and how far that is: 1 for what looks like a slip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub(super) distance: u32,
    pub(super) words: String,
}

impl Obstacle {
    pub(super) fn slip(words: String) -> Self {
        Self { distance: 1, words }
    }

    pub(super) fn other(words: String) -> Self {
        Self { distance: 2, words }
    }
}

/// The distance of several obstacles.
pub(super) fn distance(obstacles: &[Obstacle]) -> u32 {
    obstacles.iter().map(|obstacle| obstacle.distance).sum()
}

/// The rule as a near miss; none if nothing keeps it, or too much.
pub(super) fn near_miss(rule: RuleRef, obstacles: Vec<Obstacle>) -> Option<NearMiss> {
    let distance = distance(&obstacles);
    if distance == 0 || distance > FARTHEST {
        return None;
    }
    let but = obstacles.into_iter().map(|obstacle| obstacle.words).collect::<Vec<_>>().join("; ");
    Some(NearMiss { rule, but, distance })
}

/// The nearest few.
pub(super) fn nearest(mut near: Vec<NearMiss>) -> Box<[NearMiss]> {
    near.sort_by(|a, b| (a.distance, &a.rule).cmp(&(b.distance, &b.rule)));
    near.dedup();
    near.truncate(TOLD);
    near.into()
}

/// Whether one text looks like a slip of the pen for the other.
pub(super) fn is_slip(wanted: &str, own: &str) -> bool {
    wanted.eq_ignore_ascii_case(own) || closest(wanted, [own]).is_some()
}

/// Values as a reader wants them: the first few.
pub(super) fn listed(values: &[String]) -> String {
    let shown: Vec<String> = values.iter().take(3).map(|value| format!("`{value}`")).collect();
    match values.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
