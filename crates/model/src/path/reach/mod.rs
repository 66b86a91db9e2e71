//! Reachability: who reaches whom, for all pods of a world at once.
//!
//! Pods that no policy can tell apart form a [`Class`]; a cell says for a class as source and a listening port as
//! destination how every flow between their pods ends. Where a flow goes straight from pod to pod, the
//! checkpoints' decisions are shared: one side of a hop decides once for each group of peers that the same rules
//! match, with the very functions that [`Engine::trace`](super::Engine::trace) asks. Every other way is travelled
//! as a trace travels it, once for each pair of classes. Time and memory grow with classes and rules, never with
//! pairs of pods.

mod basis;
mod cells;
mod class;
mod direct;
mod doubts;
mod fold;
mod grid;
mod reachability;
mod scope;
mod service;
mod travel;
mod verdict;

pub use basis::Basis;
pub use class::{Class, ClassId};
pub use grid::{GridTarget, Nearness, Place, Row, Who};
pub use reachability::{Cell, Reachability};
pub use scope::{Scope, View};
pub use verdict::CellVerdict;
