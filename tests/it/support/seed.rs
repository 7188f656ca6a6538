//! Where generators begin.

/// The seed of a suite: a new one each time, or that of `SIDEGATE_SEED`. Printed, which a failed test shows.
pub fn seed(suite: &str) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the seed is for the test alone")]
    let given = std::env::var("SIDEGATE_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("{suite}: SIDEGATE_SEED={seed}");
    seed
}
