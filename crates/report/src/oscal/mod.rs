//! OSCAL (NIST): Assessment Results, the Assessment Plan that they import, and a Component Definition of the layers.
//!
//! An observation is what came of one case, a finding the judgement on one control, a risk what a failure exposes. OSCAL
//! has no "not tested": the plan has all controls in its scope, the results those that evidence reached, and the
//! difference is the gap. Nobody can tell is `not-satisfied` for another reason than a failure. `satisfied` is said of
//! controls of which cases exercise the very behaviour; what gives partial or supporting evidence stays an observation.

mod component_definition;
mod control;
mod parts;
mod plan;
mod results;

pub use component_definition::render as component_definition;
pub use plan::render as plan;
pub use results::render as results;
