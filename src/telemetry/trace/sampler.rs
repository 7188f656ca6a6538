//! Which traces are recorded.

use super::Context;
use crate::{config, model::TraceId};

/// Two to the power of 63: the numbers that an id's second half stands for.
const RANGE: f64 = 9_223_372_036_854_775_808.0;

/// Says which traces are recorded, in the same way as every other service that samples by the same ratio.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampler {
    heeds_parent: bool,
    /// Of the numbers below 2^63, those below this one.
    bound: u64,
}

impl Sampler {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ratio is from 0 to 1")]
    pub(super) fn new(settings: config::Sampler) -> Self {
        Self { heeds_parent: settings.heeds_parent, bound: (settings.ratio * RANGE) as u64 }
    }

    pub(super) fn samples(self, trace: TraceId, parent: Option<&Context>) -> bool {
        match parent {
            Some(parent) if self.heeds_parent => parent.sampled,
            _ => {
                let bytes = trace.to_bytes();
                let half = bytes.last_chunk().map_or(0, |half| u64::from_be_bytes(*half));
                half >> 1 < self.bound
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(heeds_parent: bool, ratio: f64) -> Sampler {
        Sampler::new(config::Sampler { heeds_parent, ratio })
    }

    #[test]
    fn the_parent_says_so_where_it_is_heeded_and_the_ratio_otherwise() {
        let trace = TraceId::from_bytes([0x7f; 16]);
        let parent = |sampled| Context { trace, span: [1; 8], sampled };
        for (heeds, ratio, parent, samples) in [
            (true, 1.0, None, true),
            (true, 0.0, None, false),
            (true, 0.0, Some(parent(true)), true),
            (true, 1.0, Some(parent(false)), false),
            (false, 0.0, Some(parent(true)), false),
            (false, 1.0, Some(parent(false)), true),
            (false, 0.5, None, true),
            (false, 0.49, None, false),
        ] {
            assert_eq!(sampler(heeds, ratio).samples(trace, parent.as_ref()), samples, "{heeds} {ratio} {parent:?}");
        }
        assert!(sampler(false, 1.0).samples(TraceId::from_bytes([0xff; 16]), None), "every id is below the whole");
    }

    #[test]
    fn about_the_ratio_is_recorded() {
        let sampler = sampler(true, 0.25);
        let mut random = fastrand::Rng::with_seed(7);
        let count =
            (0..10_000).filter(|_| sampler.samples(TraceId::from_bytes(random.u128(..).to_be_bytes()), None)).count();
        // Six standard deviations to both sides.
        assert!((2_240..=2_760).contains(&count), "{count}");
    }
}
