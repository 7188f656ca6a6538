//! `sidegate matrix DIR`

use super::{ExitCode, output, question, set::SetArgs};
use crate::{
    directory::Subjects,
    lifecycle::Clock,
    model::{ReasonCode, Timestamp},
    policy::{Matrix, Rows, Snapshot, Unknown},
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
        Ok(matrix) => {
            if args.output != Format::Json {
                for note in notes(&matrix) {
                    output::say(&format!("note: {note}"));
                }
            }
            show(args.output, &matrix)
        }
        Err(unknown) => output::fail(ExitCode::Usage, &unknown),
    }
}

/// Rows of a table cannot say why they are empty, so that this is said beside it; the JSON has it in the rows.
fn notes(matrix: &Matrix) -> Vec<String> {
    if matrix.rows.is_empty() {
        return vec![match matrix.of {
            Rows::Roles => "the set declares no roles; `--users` shows what users may do".to_owned(),
            Rows::Users => "the set declares no users".to_owned(),
        }];
    }
    let refused = |wanted: ReasonCode| {
        let rows = matrix.rows.iter().filter(move |row| row.refused == Some(wanted.as_str()));
        some(rows.map(|row| row.id.as_str()))
    };
    let causes = [
        (ReasonCode::TenantMissing, "these users act in several tenants, name one with `--tenant`"),
        (ReasonCode::UserSuspended, "these users are suspended"),
        (ReasonCode::UserInvited, "these users have not accepted their invitation"),
        (ReasonCode::UserExpired, "these users have run out"),
    ];
    causes.into_iter().filter_map(|(code, what)| Some(format!("{what}: {}", refused(code)?))).collect()
}

/// The first of many names; nothing where there are none.
fn some<'n>(names: impl Iterator<Item = &'n str>) -> Option<String> {
    /// Names that fit on a line.
    const MOST: usize = 10;
    let names: Vec<_> = names.collect();
    let shown = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        _ if names.is_empty() => None,
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

fn show(format: Format, matrix: &Matrix) -> ExitCode {
    match format {
        Format::Human => output::finish(&matrix.text(), ExitCode::Done),
        Format::Markdown => output::finish(&matrix.markdown(), ExitCode::Done),
        Format::Csv => output::finish(&matrix.csv(), ExitCode::Done),
        Format::Json => output::finish_json(&json!(matrix), ExitCode::Done),
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
