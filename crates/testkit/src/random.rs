//! How many random inputs a law is held against.

use std::env;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// As many inputs as `PROPTEST_CASES` says, each time others; without it `cases`, each time the same: whoever changes
/// something sees what the change did.
///
/// ```
/// use proptest::prelude::*;
///
/// proptest! {
///     #![proptest_config(airtight_testkit::random::cases(64))]
///
///     fn twice_is_even(number in 0..1_000_u32) {
///         prop_assert_eq!(number * 2 % 2, 0);
///     }
/// }
/// twice_is_even();
/// ```
#[must_use]
pub fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()) {
        Some(asked) => ProptestConfig { cases: asked, ..default },
        None => ProptestConfig { cases, rng_seed: RngSeed::Fixed(20_250_704), ..default },
    }
}
