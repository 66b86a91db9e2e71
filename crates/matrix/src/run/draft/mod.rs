//! Drafts: scenarios for a policy set that has none yet.
//!
//! Every workload is tried at everything that it could aim at. For each allow rule the smallest flow that gets through
//! because of it becomes an allowed case, and the nearest flows that are stopped denied ones: those of neighbours, and
//! those just outside of the rule. For each policy that nothing would miss yet a flow is sought that does. The text is
//! read back and run before anybody gets it.

mod aim;
mod allow_rule;
mod allowed;
mod choose;
mod document;
mod drafted;
mod edge;
mod ledger;
mod moved;
mod neighbour;
mod notice;
mod passing;
mod range;
mod sample;
mod survey;
mod wanted;
mod write;

pub(super) use aim::Aim;
pub(super) use allowed::{Unasserted, draft_allowed, gets_through};
pub(super) use passing::{Site, by_site, ends as cell_ends, is_named as is_named_aim};

pub use moved::{At, MovedRequests, Seen, moved_requests};
pub use passing::PassingRequests;
pub use write::{Draft, DraftError, draft};
