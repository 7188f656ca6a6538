//! The only writer of the current snapshot: causes in, outcomes out.
//!
//! Causes (file event, `SIGHUP`, an administrator, a slow timer) meet in one slot. Each look reads all files, compares their
//! digest with what is live, compiles off the request threads, and swaps one pointer. Any failure keeps the last good
//! snapshot. A refused set is reported once a digest; files that cannot be read are tried again at each look.
//!
//! The set beside the live one (`shadow`), the process's own configuration (`settings`) and the certificates of its listeners
//! (`certificates`) are looked at in the same way.

mod cause;
mod certificates;
mod checkout;
mod current;
mod handle;
mod last_good;
mod load;
mod look;
mod places;
mod settings;
mod shadow;
mod status;
mod tell;
mod watch;
mod worker;
mod workshop;

pub use cause::Cause;
pub use certificates::{CertificateStatus, CertificatesHandle, CertificatesWorker, Guarded, watch_certificates};
pub use checkout::Checkout;
pub use current::{Current, Reader};
pub use handle::{Handle, Stopped};
pub use last_good::{KeptError, LastGood};
pub use load::{FirstError, Source};
pub use settings::{Apply, Config, ConfigHandle, ConfigReport, ConfigStatus, ConfigWorker};
pub use shadow::{Shadow, ShadowStatus, ShadowWorker};
pub use status::{Confirmed, CopyFailure, Failure, News, Report, Status};
pub use worker::{Observer, StartError, Worker, start};

use std::path::PathBuf;

/// The directories that are watched for the sake of these directories and files, what leads to them included.
#[must_use]
pub fn watched_directories(roots: &[PathBuf]) -> Vec<PathBuf> {
    places::all_places(roots).into_keys().collect()
}

#[cfg(test)]
mod tests;
