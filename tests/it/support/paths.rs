//! Where the inputs of tests are.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// A path inside the repository.
pub fn repo(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A path inside the folder of facts that lies beside the repository while the product is developed.
///
/// A user's machine does not have it. Then `None`, and a line that even a passing test shows: it is written to the
/// stream itself, since only what goes through `eprintln!` is held back.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let path = repo("../shared").join(relative);
    if path.exists() {
        return Some(path);
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "SKIPPED {test}: ../shared/{relative} is not on this machine").expect("stderr is open");
    None
}
