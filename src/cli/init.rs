//! `sidegate init DIR`: a small policy set to begin with, with tests and a configuration.
//!
//! The files are in `init/template`, as they are written. Nothing is overwritten. The configuration names the set and the data directory
//! from within the directory, so that a copy or a clone of it runs on its own files and not on those of the first one.

use super::{ExitCode, output, sources::quoted};
use crate::policy;
use clap::Args;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Component, Path, PathBuf},
};

/// Write a small policy set with tests, and a configuration that serves it, into a directory that is new or empty.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The directory of the policy set to be
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// The files of the set, by their path in it.
const SET: &[(&str, &str)] = &[
    ("policy-set.yaml", include_str!("init/template/policy-set.yaml")),
    ("roles.yaml", include_str!("init/template/roles.yaml")),
    ("users.yaml", include_str!("init/template/users.yaml")),
    ("routes.yaml", include_str!("init/template/routes.yaml")),
    ("tests/access.yaml", include_str!("init/template/tests/access.yaml")),
    ("tests/routes.yaml", include_str!("init/template/tests/routes.yaml")),
];

/// Names that begin with a dot are no part of a policy set.
const CONFIGURATION: &str = ".sidegate.yaml";
/// As the configuration has it.
const DATA: &str = ".data";
const SCHEMAS: &str = ".schemas";

/// What of a directory that is there does not make it one that is in use: a work tree was made for what is to come.
const MAY_BE_THERE: &[&str] = &[".git"];

/// Why nothing was written, or not all.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("`{}` is not empty, and nothing in it is overwritten; name a directory that is new or empty", .0.display())]
    InUse(PathBuf),
    #[error("`{}` is no directory; name one that is new or empty", .0.display())]
    NoDirectory(PathBuf),
    #[error("`{}` cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

pub(super) fn run(args: &InitArgs) -> ExitCode {
    match write_all(&args.directory) {
        Ok(()) => output::finish(&next_steps(&args.directory), ExitCode::Done),
        Err(error @ InitError::Write { .. }) => output::fail(ExitCode::Failed, &error),
        Err(error) => output::fail(ExitCode::Usage, &error),
    }
}

fn write_all(directory: &Path) -> Result<(), InitError> {
    let failed = |path: &Path, source| InitError::Write { path: path.to_owned(), source };
    fs::create_dir_all(directory).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => InitError::NoDirectory(directory.to_owned()),
        _ => failed(directory, source),
    })?;
    let there = fs::read_dir(directory).map_err(|source| failed(directory, source))?;
    let is_in_use = |entry: io::Result<fs::DirEntry>| {
        entry.map_or(true, |entry| !MAY_BE_THERE.iter().any(|name| entry.file_name() == **name))
    };
    if there.into_iter().any(is_in_use) {
        return Err(InitError::InUse(directory.to_owned()));
    }
    let generated = [
        (CONFIGURATION.to_owned(), include_str!("init/template/sidegate.yaml").to_owned()),
        (".gitignore".to_owned(), format!("/{DATA}/\n")),
        (format!("{SCHEMAS}/policy-set.schema.json"), format!("{:#}\n", policy::set_schema())),
        (format!("{SCHEMAS}/policy-tests.schema.json"), format!("{:#}\n", policy::tests_schema())),
    ];
    let fixed = SET.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    for (name, text) in fixed.chain(generated) {
        let path = directory.join(name);
        write(&path, &text).map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

/// Writes a file that must not be there yet.
fn write(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// What to type from here. The configuration is used from within the directory: relative paths begin at the working directory.
fn next_steps(directory: &Path) -> String {
    let is_here = directory.components().all(|part| part == Component::CurDir);
    let enter = if is_here { String::new() } else { format!("  cd {}\n", quoted(&directory.to_string_lossy())) };
    format!(
        "`{}` holds a policy set, its tests, and a configuration. What comes next:\n\n\
         {enter}\
         \x20 sidegate test .                            run its tests\n\
         \x20 sidegate matrix .                          see who may do what\n\
         \x20 sidegate serve --config {CONFIGURATION}     decide by it; a change of its files is live a moment later\n\
         \x20 sidegate doctor --config {CONFIGURATION}    ask whether all is well\n\n\
         Then ask, from another terminal:\n\n\
         \x20 curl -s http://127.0.0.1:8480/v1/authorize --json '{QUESTION}'\n",
        directory.display()
    )
}

/// Answered with yes: Ben is a clerk.
const QUESTION: &str = r#"{"user":"ben","action":"edit","resource":"order:o-1"}"#;
