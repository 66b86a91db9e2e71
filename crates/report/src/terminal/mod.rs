//! The terminal: for people, while the run goes on and after.

mod cases;
mod progress;
mod run;
mod style;
mod trace;

pub use run::Terminal;
pub use style::Style;
pub use trace::render_trace;
