//! Data goes to standard output, what is said about it to standard error.

use super::ExitCode;
use crate::telemetry::events::Chain;
use clap::ValueEnum;
use std::{
    error::Error,
    io::{self, IsTerminal, Write},
};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    Human,
    /// One JSON document.
    Json,
}

/// Prints data. A reader that has seen enough and closed the pipe is no failure.
pub(super) fn print(data: &str) -> Result<(), io::Error> {
    let mut out = io::stdout().lock();
    match out.write_all(data.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints data and ends with `code`, or says why it could not be printed.
pub(super) fn finish(data: &str, code: ExitCode) -> ExitCode {
    match print(data) {
        Ok(()) => code,
        Err(error) => fail(ExitCode::Failed, &error),
    }
}

/// Prints a JSON value as a document.
pub(super) fn finish_json(data: &serde_json::Value, code: ExitCode) -> ExitCode {
    finish(&format!("{data:#}\n"), code)
}

/// Says something about what happens.
pub(super) fn say(text: &str) {
    // Where standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr(), "{text}"));
}

/// Says what went wrong, with its causes, and ends with `code`.
pub(super) fn fail(code: ExitCode, error: &(dyn Error + 'static)) -> ExitCode {
    say(&format!("error: {}", Chain(error)));
    code
}

/// Whether diagnostics may be in color.
pub(super) fn is_color_wanted() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
