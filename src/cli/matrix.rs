//! `sidegate matrix DIR`

use super::{ExitCode, output, question, set::SetArgs};
use crate::{
    directory::Subjects,
    lifecycle::Clock,
    model::Timestamp,
    policy::{Matrix, Snapshot, Unknown},
};
use clap::{Args, ValueEnum};
use serde_json::json;

/// Print what roles, or users, may do in every module.
#[derive(Debug, Args)]
pub(super) struct MatrixArgs {
    #[command(flatten)]
    set: SetArgs,
    /// Users in the rows instead of roles
    #[arg(long)]
    users: bool,
    /// In which tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// At which time, in RFC 3339; now where it is left out
    #[arg(long, value_name = "TIME", value_parser = question::time)]
    at: Option<Timestamp>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// How a matrix is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A table for people.
    #[default]
    Human,
    /// A table in Markdown.
    Markdown,
    /// RFC 4180.
    Csv,
    /// One JSON document.
    Json,
}

pub(super) fn run(args: &MatrixArgs) -> ExitCode {
    let snapshot = match args.set.load_or_show() {
        Ok(snapshot) => snapshot,
        Err(code) => return code,
    };
    match make(args, &snapshot) {
        Ok(matrix) => match args.output {
            Format::Human => output::finish(&matrix.text(), ExitCode::Done),
            Format::Markdown => output::finish(&matrix.markdown(), ExitCode::Done),
            Format::Csv => output::finish(&matrix.csv(), ExitCode::Done),
            Format::Json => output::finish_json(&json!(matrix), ExitCode::Done),
        },
        Err(unknown) => output::fail(ExitCode::Usage, &unknown),
    }
}

fn make(args: &MatrixArgs, snapshot: &Snapshot) -> Result<Matrix, Unknown> {
    let at = args.at.unwrap_or_else(|| Clock::system().now());
    let tenant = args.tenant.as_deref();
    if args.users {
        let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
        Matrix::of_users(snapshot, subjects.iter(), tenant, at)
    } else {
        Matrix::of_roles(snapshot, tenant, at)
    }
}
