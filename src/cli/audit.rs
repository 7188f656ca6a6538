//! `sidegate audit list|export|stats|verify`

mod figures;
mod progress;
mod table;
#[cfg(test)]
mod tests;
mod verify;

use super::{
    ExitCode,
    output::{self, Output},
    remote::{CredentialArgs, Remote, RemoteError},
};
use crate::audit::{Export, ExportError, Figures, Format, HASH_MARK, OpenError, Query, QueryError, ReadError, Reader};
use clap::{Args, Subcommand, ValueEnum};
use progress::Progress;
use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

/// Read the audit log: of an instance that is stopped (`--data`) or of one that runs (`--admin`).
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    List(ListArgs),
    Export(ExportArgs),
    Stats(StatsArgs),
    Verify(verify::VerifyArgs),
}

/// List records, newest first, a page at a time.
#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    order: OrderArgs,
    /// Only records after this one: what an earlier list named to go on
    #[arg(long)]
    cursor: Option<String>,
    /// How to print the records
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Write all records that match, as CSV or NDJSON.
#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    order: OrderArgs,
    /// Go on after this record, the last whole one of an export that broke off; a CSV gets no second head
    #[arg(long, value_name = "SEQ")]
    after_seq: Option<String>,
    /// The form
    #[arg(long, value_enum, default_value = "ndjson")]
    format: FormatArg,
}

/// How much there is, since when, who is named most often, and what was denied.
#[derive(Debug, Args)]
struct StatsArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    filters: FilterArgs,
    /// How to print the figures
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    /// RFC 4180; texts that a spreadsheet would take for formulas get an apostrophe in front
    Csv,
    /// A JSON object a line
    Ndjson,
}

/// Where the log is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "source")]
struct SourceArgs {
    /// The data directory of an instance that is stopped
    #[arg(long, value_name = "DIR", group = "source")]
    data: Option<PathBuf>,
    /// The admin listener of an instance that runs, such as `http://127.0.0.1:8481`
    #[arg(long, value_name = "URL", group = "source")]
    admin: Option<String>,
}

/// Which records: every filter that is given must hold.
#[derive(Debug, Args, Default)]
struct FilterArgs {
    #[command(flatten)]
    credentials: CredentialArgs,
    /// The user who asked
    #[arg(long)]
    user: Option<String>,
    /// Who acted through the application
    #[arg(long)]
    actor: Option<String>,
    /// The tenant
    #[arg(long)]
    tenant: Option<String>,
    /// The module
    #[arg(long)]
    module: Option<String>,
    /// The action
    #[arg(long)]
    action: Option<String>,
    /// The resource's type
    #[arg(long)]
    resource_type: Option<String>,
    /// The resource's id
    #[arg(long)]
    resource_id: Option<String>,
    /// `allow` or `deny`
    #[arg(long)]
    decision: Option<String>,
    /// `decision`, `activity`, `directory`, `session`, `policy` or `system`
    #[arg(long)]
    kind: Option<String>,
    /// A policy that determined the decision
    #[arg(long)]
    policy: Option<String>,
    /// The revision of the policies
    #[arg(long)]
    revision: Option<String>,
    /// The trace that the request belongs to
    #[arg(long)]
    trace_id: Option<String>,
    /// Not before this time, such as `2027-01-31T08:00:00Z`
    #[arg(long, alias = "since", value_name = "TIME")]
    from: Option<String>,
    /// Before this time
    #[arg(long, alias = "until", value_name = "TIME")]
    to: Option<String>,
}

/// In which order, and how many.
#[derive(Debug, Args, Default)]
struct OrderArgs {
    /// `asc` (oldest first) or `desc`
    #[arg(long)]
    order: Option<String>,
    /// At most so many records
    #[arg(long)]
    limit: Option<String>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum AuditError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("{0}; or read the log of the running instance with `--admin URL`")]
    InUse(OpenError),
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("the answer of the admin listener is not what was asked for")]
    Answer(#[source] serde_json::Error),
    #[error("the output cannot be written")]
    Write(#[from] io::Error),
}

impl AuditError {
    const fn code(&self) -> ExitCode {
        match self {
            Self::Query(_) => ExitCode::Usage,
            Self::Remote(error) if error.is_usage() => ExitCode::Usage,
            _ => ExitCode::Failed,
        }
    }

    /// A reader that has seen enough and closed the pipe is no failure.
    fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Write(error) | Self::Remote(RemoteError::Write(error)) => error.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

impl From<OpenError> for AuditError {
    fn from(error: OpenError) -> Self {
        if matches!(error, OpenError::InUse { .. }) { Self::InUse(error) } else { Self::Open(error) }
    }
}

impl From<ExportError> for AuditError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Read(error) => Self::Read(error),
            ExportError::Write(error) => Self::Write(error),
        }
    }
}

pub(super) fn run(args: &AuditArgs) -> ExitCode {
    if let AuditCommand::Verify(args) = &args.command {
        return verify::run(args);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let done = args.command.execute(&mut out, &mut output::say);
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::Done,
        Err(error) if error.is_closed_pipe() => ExitCode::Done,
        Err(error) => output::fail(error.code(), &error),
    }
}

type Parameters<'a> = Vec<(&'static str, &'a str)>;

impl AuditCommand {
    /// Data goes to `out`, what is said about it to `say`.
    fn execute(&self, out: &mut dyn Write, say: &mut dyn FnMut(&str)) -> Result<(), AuditError> {
        match self {
            Self::List(args) => args.execute(out, say),
            Self::Export(args) => args.execute(out),
            Self::Stats(args) => args.execute(out, say),
            // It has exit codes of its own.
            Self::Verify(_) => Ok(()),
        }
    }
}

impl ListArgs {
    fn execute(&self, out: &mut dyn Write, say: &mut dyn FnMut(&str)) -> Result<(), AuditError> {
        let mut parameters = [self.filters.parameters(), self.order.parameters()].concat();
        parameters.extend(self.cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let query = Query::parse(parameters.iter().copied())?.for_page()?;
        let source = Source::of(&self.source, &self.filters)?;
        let page = source.page(&query, &parameters)?;
        match self.output {
            Output::Json => {
                out.write_all(&page)?;
                Ok(out.write_all(b"\n")?)
            }
            Output::Human if table::print(&page, out, say)? => Ok(()),
            Output::Human => self.hint(&source, say),
        }
    }
}

impl ListArgs {
    /// Nothing was found. A filter may name the plain value of a field that is hashed before it is written, which the newest record tells.
    fn hint(&self, source: &Source, say: &mut dyn FnMut(&str)) -> Result<(), AuditError> {
        let parameters = self.filters.parameters();
        let plain = parameters.iter().filter(|(_, value)| !value.starts_with(HASH_MARK)).map(|(name, _)| *name);
        let newest = [("limit", "1")];
        let page = source.page(&Query::parse(newest)?, &newest)?;
        for name in plain.filter(|name| table::is_hashed(&page, name)) {
            say(&format!("`{name}` is hashed in this log: ask for `{HASH_MARK}...`, as its records have it"));
        }
        Ok(())
    }
}

impl ExportArgs {
    fn execute(&self, out: &mut dyn Write) -> Result<(), AuditError> {
        let mut parameters = [self.filters.parameters(), self.order.parameters()].concat();
        let query = Query::parse(parameters.iter().copied())?;
        let format = match self.format {
            FormatArg::Csv => Format::Csv,
            FormatArg::Ndjson => Format::Ndjson,
        };
        let after_seq = self.after_seq.as_deref().map(Export::after).transpose()?;
        let mut out = Progress::new(out, progress::is_wanted());
        match Source::of(&self.source, &self.filters)? {
            Source::Local(reader) => {
                reader.export(&query, Export { format, after_seq }, &mut out)?;
            }
            Source::Remote(remote) => {
                parameters.push(("format", format.as_str()));
                parameters.extend(self.after_seq.as_deref().map(|seq| ("after_seq", seq)));
                remote.get("/v1/audit/export", &parameters, &mut out)?;
            }
        }
        Ok(())
    }
}

impl StatsArgs {
    fn execute(&self, out: &mut dyn Write, say: &mut dyn FnMut(&str)) -> Result<(), AuditError> {
        let parameters = self.filters.parameters();
        let query = Query::parse(parameters.iter().copied())?;
        let figures: Figures = match Source::of(&self.source, &self.filters)? {
            Source::Local(reader) => reader.figures(&query)?,
            Source::Remote(remote) => {
                let answer = remote.answer("/v1/audit/stats", &parameters)?;
                serde_json::from_slice(&answer).map_err(AuditError::Answer)?
            }
        };
        match self.output {
            Output::Json => {
                Ok(writeln!(out, "{}", serde_json::to_string_pretty(&figures).map_err(AuditError::Answer)?)?)
            }
            Output::Human => figures::print(&figures, out, say),
        }
    }
}

/// An open log, or the address of one.
enum Source {
    Local(Reader),
    Remote(Remote),
}

impl Source {
    fn of(args: &SourceArgs, filters: &FilterArgs) -> Result<Self, AuditError> {
        match (&args.data, &args.admin) {
            (Some(data), _) => Ok(Self::Local(Reader::open(data)?)),
            (None, admin) => {
                let address = admin.as_deref().unwrap_or_default();
                Ok(Self::Remote(Remote::new(address, &filters.credentials)?))
            }
        }
    }
}

impl Source {
    fn page(&self, query: &Query, parameters: &[(&str, &str)]) -> Result<Vec<u8>, AuditError> {
        Ok(match self {
            Self::Local(reader) => reader.page(query)?,
            Self::Remote(remote) => remote.answer("/v1/audit", parameters)?,
        })
    }
}

impl FilterArgs {
    /// The filters that are given, under the names of the admin listener.
    fn parameters(&self) -> Parameters<'_> {
        given([
            ("user", &self.user),
            ("actor", &self.actor),
            ("tenant", &self.tenant),
            ("module", &self.module),
            ("action", &self.action),
            ("resource_type", &self.resource_type),
            ("resource_id", &self.resource_id),
            ("decision", &self.decision),
            ("kind", &self.kind),
            ("policy", &self.policy),
            ("revision", &self.revision),
            ("trace_id", &self.trace_id),
            ("from", &self.from),
            ("to", &self.to),
        ])
    }
}

impl OrderArgs {
    fn parameters(&self) -> Parameters<'_> {
        given([("order", &self.order), ("limit", &self.limit)])
    }
}

fn given<'a, const N: usize>(all: [(&'static str, &'a Option<String>); N]) -> Parameters<'a> {
    all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
}
