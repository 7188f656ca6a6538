//! Libraries in C that stand between a process and the system: compiled once, put in front of libc by `LD_PRELOAD`.

use super::paths::repo;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// The compiled library of a source of the repository. Every machine that builds this crate has a C compiler, for the libraries behind
/// `zstd`.
pub fn preload(source: &str) -> PathBuf {
    static COMPILED: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = compiled.get_or_insert_default();
    known.entry(source.to_owned()).or_insert_with(|| compile(&repo(source))).clone()
}

fn compile(source: &Path) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let text = fs::read(source).expect("the source of a library");
    let name = source.file_stem().expect("a name").to_string_lossy().into_owned();
    let library = folder.join(format!("{name}-{:08x}.so", crc32fast::hash(&text)));
    if library.exists() {
        return library;
    }
    let unfinished = folder.join(format!("{name}-{}.unfinished", std::process::id()));
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"])
        .arg(&unfinished)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .output()
        .unwrap_or_else(|error| panic!("`{}` does not run: {error}", compiler.display()));
    assert!(
        output.status.success(),
        "{} does not compile:\n{}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    // Renamed once it is whole: other processes may run the same tests.
    fs::rename(&unfinished, &library).expect("the library in its place");
    library
}
