//! The audit log on a disk that fails and in a process that dies: real files, real processes, the real code.
//!
//! Each suite is made of many cases. A case is drawn from a seed and its number, and both stand in the message of a failure:
//! `SIDEGATE_SEED=<seed> SIDEGATE_CASE=<number>` runs that case alone. `SIDEGATE_ROUNDS` sets how many cases there are; `make torture`
//! runs the long versions.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions in files of a few megabytes, and gauges"
)]

/// What was changed in the files while no process ran.
mod corruption;
/// A file system that keeps of a trace what a disk may keep.
mod disk;
/// Calls that fail.
mod errors;
/// No room, and room again.
mod full_disk;
/// The process that is killed.
mod helper;
/// What a process that was killed, at any moment, has left.
mod kills;
/// What a log holds against what was promised.
mod logged;
/// What a loss of power may leave.
mod power_loss;
/// `LD_PRELOAD`.
pub mod shim;
/// A disk that takes its time.
mod slow_disk;
/// What the shim has noted.
mod trace;

use crate::support::seed;
use std::{ops::Range, path::Path};
use tempfile::TempDir;

/// The cases of a suite.
#[derive(Debug)]
struct Cases {
    seed: u64,
    numbers: Range<u64>,
}

impl Cases {
    /// So many, unless the environment says otherwise.
    fn new(suite: &str, count: u64) -> Self {
        let seed = seed(suite);
        let numbers = match (number("SIDEGATE_CASE"), number("SIDEGATE_ROUNDS")) {
            (Some(only), _) => only..only + 1,
            (None, rounds) => 0..rounds.unwrap_or(count),
        };
        println!("{suite}: cases {numbers:?}");
        Self { seed, numbers }
    }

    /// What a case is drawn from.
    fn random(&self, case: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// How to run a case again.
    fn replay(&self, case: u64) -> String {
        format!("SIDEGATE_SEED={} SIDEGATE_CASE={case}", self.seed)
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?.into_string().unwrap();
    Some(text.parse().unwrap_or_else(|_| panic!("`{name}` is not a number: `{text}`")))
}

/// A scratch directory: in memory where there is room, since thousands of syncs are of no use to anybody here.
fn scratch() -> TempDir {
    const ENOUGH: u64 = 1 << 30;
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |found| found.f_bavail * found.f_frsize);
    let made = if room >= ENOUGH { tempfile::tempdir_in(memory).ok() } else { None };
    made.unwrap_or_else(|| tempfile::tempdir().unwrap())
}
