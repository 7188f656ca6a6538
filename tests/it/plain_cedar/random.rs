//! Random policy sets against plain Cedar.

use super::{World, generator::Generator};

/// How many policy sets; how many requests each.
const SETS: u64 = 400;
const REQUESTS: usize = 60;

/// Prints its seed where it fails; `SIDEGATE_SEED` runs one seed alone.
#[test]
fn equals_plain_cedar_on_random_policy_sets() {
    #[expect(clippy::disallowed_methods, reason = "the seed is for the test alone")]
    let chosen = std::env::var("SIDEGATE_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let seeds = chosen.map_or(0..SETS, |seed| seed..seed + 1);
    let (mut allowed, mut errors) = (0, 0);
    for seed in seeds {
        let mut generator = Generator::new(seed);
        let entities = generator.entities();
        let count = if seed % 10 == 0 { 300 } else { 1 + usize::try_from(seed).unwrap() % 30 };
        let world = World::new(generator.policies(count), entities);
        for _ in 0..REQUESTS {
            let ask = generator.ask();
            world.check(&ask, &format!("SIDEGATE_SEED={seed}"));
            let answer = world.engine(&ask);
            allowed += usize::from(answer.allowed);
            errors += answer.errors.len();
        }
    }
    if chosen.is_none() {
        assert!(allowed > 1000 && errors > 1000, "the generator reaches allows ({allowed}) and errors ({errors})");
    }
}
