//! Coverage: what the matrix would not notice, at the level of rules and list items.
//!
//! `mutate` makes mutants of the decoded documents: an item less, a selector wider, an action turned round. `trial`
//! runs the part of the matrix that each could touch; `proof` asks the full reachability of what no case noticed,
//! and `asserted` which allowed flows no case asserts. [`measure`] puts it together as a [`CoverageRecord`].

mod asserted;
mod draft;
mod edit;
mod measure;
mod mutant;
mod mutate;
mod proof;
mod record;
mod risk;
mod shares;
mod subject;
mod touch;
mod trial;

pub use measure::{Input, Sample, measure};
pub use mutant::Operator;
pub use record::{
    COVERAGE_SCHEMA, Counts, CoverageRecord, Fate, MutantRecord, ObjectCoverage, OpenFlow, Share, Shares,
    coverage_schema,
};
pub use risk::Risk;
