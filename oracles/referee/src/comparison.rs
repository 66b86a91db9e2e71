//! The comparison of one engine with the model, whichever it is: worlds, disagreements made small, exceptions.

use std::fmt::Debug;

use airtight_manifest::Failure;
use proptest::strategy::{BoxedStrategy, ValueTree};

use crate::exceptions::{self, Exception};
use crate::oracle::Oracle;
use crate::tally::Tally;
use crate::{Comparison, say, search};

/// What an engine and the model are both asked.
pub(crate) trait Engine {
    /// Its name, for a reader.
    const NAME: &'static str;
    /// What is not compared, and why.
    const OUT_OF_SCOPE: &'static [&'static str];
    /// A world before it is built; its text is the world's documents.
    type Sketch: Debug;

    /// Worlds.
    fn sketches() -> BoxedStrategy<Self::Sketch>;

    /// What model and engine say of every cell of a world.
    ///
    /// # Errors
    /// The oracle does not answer.
    fn ask(sketch: &Self::Sketch, stack: &str, oracle: &mut Oracle) -> Result<(Tally, Vec<Difference>), Failure>;
}

/// A cell, or a document, on which model and engine differ.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) what: String,
    pub(crate) model: String,
    pub(crate) engine: String,
}

/// Compares as many worlds as are asked for.
///
/// # Errors
/// The oracle does not answer, or the exceptions cannot be read.
pub(crate) fn compare<E: Engine>(comparison: &Comparison) -> Result<Tally, Failure> {
    let exceptions = exceptions::read(&comparison.exceptions, E::NAME, &comparison.engine)?;
    let mut oracle = Oracle::start(&comparison.oracle)?;
    let mut total = Tally {
        name: E::NAME.to_owned(),
        engine: comparison.engine.clone(),
        stack: comparison.stack.clone(),
        seed: comparison.seed,
        out_of_scope: E::OUT_OF_SCOPE.iter().map(ToString::to_string).collect(),
        ..Tally::default()
    };
    let (strategy, mut runner) = (E::sketches(), search::runner(comparison.seed));
    let mut failed = 0;
    for _ in 0..comparison.worlds {
        let tree = search::next(&strategy, &mut runner)?;
        let (mut tally, differences) = E::ask(&tree.current(), &comparison.stack, &mut oracle)?;
        if !differences.is_empty() {
            let name = settle::<E>(tree, &comparison.stack, &mut oracle, &exceptions)?;
            match name {
                Some(name) => {
                    let count = std::mem::take(&mut tally.disagreed);
                    tally.excepted.insert(name, count);
                }
                None => failed += 1,
            }
        }
        total.add(&tally);
        if failed >= comparison.patience {
            say("stopped: too many worlds disagree");
            break;
        }
    }
    Ok(total)
}

/// The exception that covers a disagreement; none, and the smallest world is shown, if there is none.
fn settle<E: Engine>(
    tree: impl ValueTree<Value = E::Sketch>,
    stack: &str,
    oracle: &mut Oracle,
    exceptions: &[Exception],
) -> Result<Option<String>, Failure> {
    let least = search::smallest(tree, |sketch| Ok(!E::ask(sketch, stack, oracle)?.1.is_empty()))?;
    let (_, differences) = E::ask(&least, stack, oracle)?;
    let text = format!("{least:?}");
    let covering = |difference: &Difference| {
        exceptions.iter().find(|one| one.covers(&text, &difference.model, &difference.engine))
    };
    let names: Option<Vec<&Exception>> = differences.iter().map(covering).collect();
    if let Some(name) = names.and_then(|names| names.first().map(|one| one.name.clone())) {
        return Ok(Some(name));
    }
    say(&format!("\nDISAGREEMENT, in the smallest world:\n{text}"));
    for difference in differences.iter().take(8) {
        say(&format!("# {}: the model says {}, the engine {}", difference.what, difference.model, difference.engine));
    }
    Ok(None)
}
