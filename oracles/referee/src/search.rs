//! Worlds one after the other, and the smallest one of which something still holds.

use airtight_manifest::Failure;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Steps of shrinking after which the smallest world so far has to do.
const STEPS: usize = 600;

/// Worlds of a strategy, always the same for a seed.
pub(crate) fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *slot = byte;
    }
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// The next world.
///
/// # Errors
/// The strategy gives none.
pub(crate) fn next<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> Result<S::Tree, Failure> {
    strategy.new_tree(runner).map_err(|reason| Failure::new("no-world", reason.to_string()))
}

/// The smallest world in reach of which `holds` is true, as it is of the one to begin with.
///
/// # Errors
/// Those of `holds`.
pub(crate) fn smallest<T: ValueTree>(
    mut tree: T,
    mut holds: impl FnMut(&T::Value) -> Result<bool, Failure>,
) -> Result<T::Value, Failure> {
    let mut best = tree.current();
    let mut smaller = tree.simplify();
    for _ in 0..STEPS {
        if !smaller {
            break;
        }
        let candidate = tree.current();
        if holds(&candidate)? {
            best = candidate;
            smaller = tree.simplify();
        } else {
            smaller = tree.complicate();
        }
    }
    Ok(best)
}
