//! How unit tests run random cases.

use proptest::test_runner::{Config, RngSeed};

/// From a new seed each time, or from that of `SIDEGATE_SEED`. It is printed, which a failed test shows.
pub(crate) fn seeded(suite: &str) -> Config {
    #[expect(clippy::disallowed_methods, reason = "the seed is for the test alone")]
    let given = std::env::var("SIDEGATE_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("{suite}: SIDEGATE_SEED={seed}");
    Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() }
}
