//! Files that hold a secret: read once, and refused where others can read or change them.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// What is read of a file at most, so that a wrong path does not fill the memory.
const MOST_BYTES: u64 = 64 << 10;

/// A secret as it was read. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Reads the text of a file that is private to whoever runs the process. `what` says what it is, in messages: `the key file`.
///
/// # Errors
/// Fails where it cannot be read, is no file or no text, or where others can read or change it.
pub fn read(path: &Path, what: &str) -> Result<Secret, String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("{what} `{shown}` cannot be read: {error}");
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{what} `{shown}` is no file"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(format!(
            "{what} `{shown}` has mode {mode:04o}, so that others can read or change it; `chmod 600` mends it, in a volume of \
             Kubernetes `defaultMode: 0440`"
        ));
    }
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("{what} `{shown}` is larger than a secret can be"));
    }
    Ok(Secret(text))
}
