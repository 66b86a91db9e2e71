//! The matrix: scenarios, what is judged of them, and laws of the whole engine.

mod claims;
mod governance;
mod governance_vectors;
mod guide;
mod judge_laws;
mod judge_run;
mod judge_vectors;
mod known_bad;
mod laws;
mod scenario_selection;
mod scenario_shipped;
mod scenario_vectors;
mod scripted;
mod waivers;
