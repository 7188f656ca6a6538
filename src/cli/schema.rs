//! `sidegate schema`

use super::{ExitCode, output};
use crate::policy;
use clap::{Args, ValueEnum};

/// Print the JSON Schema of a kind of file, for editors that complete and check while typing.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// The kind of file
    #[arg(value_enum, default_value_t)]
    kind: FileKind,
}

/// The kinds of files that have a schema.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FileKind {
    /// The YAML files of a policy set
    #[default]
    PolicySet,
    /// Policy tests
    PolicyTests,
}

pub(super) fn run(args: &SchemaArgs) -> ExitCode {
    let schema = match args.kind {
        FileKind::PolicySet => policy::set_schema(),
        FileKind::PolicyTests => policy::tests_schema(),
    };
    output::finish_json(&schema, ExitCode::Done)
}
