//! Steps of a walk: what the checkpoints of one hop decide, and who sends the flow on from there.
//!
//! [`outbound`] is the door: the sender's own ztunnel picks the way ([`waypoint`] or the destination itself), or the
//! sender goes [`direct`]; that leads to a [`service`], by its own address or one that is [`published`], a [`node`], a
//! host that is [`external`], or the [`delivery`] to a pod, and behind that to a [`gateway`]. Proxies send on to a
//! [`backend`], some of them by way of its waypoint ([`ingress`]). None of them calls an earlier one: a step
//! that goes on is a [`Leg`], which the walk takes up again.

mod backend;
mod delivery;
mod direct;
mod external;
mod from_outside;
mod gateway;
mod ingress;
mod leg;
mod node;
pub(super) mod outbound;
mod published;
mod service;
mod waypoint;

pub(super) use leg::{Leg, Step};
