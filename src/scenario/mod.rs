//! Scenarios: the matrix as files, expanded to cases.

mod case;
mod catalogue;
mod change;
mod directory;
mod expand;
mod expectation;
mod filter;
mod form;
mod load;
mod one_or_many;
mod parse;
mod plan;
mod schema;
mod target;
mod twin;

pub use case::{AllowExpectation, Case, CaseId, DenyExpectation, Expectation, Severity, Waiver};
pub use catalogue::{Catalogue, Control, Framework, Strength, Topic};
pub use expectation::{default_denials, got_through};
pub use filter::{Filter, FilterError};
pub use form::{API_VERSION, KIND};
pub use load::load;
pub use plan::{Plan, PlannedCase, ScenarioInfo, Selection};
pub use schema::schema;
