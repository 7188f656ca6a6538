//! `sidegate directory import|export|backup|restore`

mod offline;

pub(super) use offline::{Offline, OfflineError, call};

use super::{
    ExitCode, output,
    remote::{CredentialArgs, Remote, RemoteError},
};
use crate::{
    audit::{OpenError, check_owner},
    directory::{BackupError, Directory, FOLDER, Form, Options, StoreError},
};
use clap::{Args, Subcommand, ValueEnum};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read as _, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Move users in and out, and keep the whole directory safe.
#[derive(Debug, Args)]
pub(super) struct DirectoryArgs {
    #[command(subcommand)]
    command: DirectoryCommand,
}

#[derive(Debug, Subcommand)]
enum DirectoryCommand {
    Import(ImportArgs),
    Export(ExportArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
}

/// Create and change users as a file says, all or none. The form is told by the file's name, or by `--format`.
#[derive(Debug, Args)]
struct ImportArgs {
    #[command(flatten)]
    instance: InstanceArgs,
    /// The file; `-` reads standard input
    file: PathBuf,
    /// The form of the file
    #[arg(long, value_enum)]
    format: Option<FormArg>,
    /// The tenant in which the call is made
    #[arg(long)]
    tenant: Option<String>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Write users to standard output, in a form that an import reads.
#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    instance: InstanceArgs,
    /// The form of the file
    #[arg(long, value_enum, default_value = "json")]
    format: FormArg,
    /// Only what counts in this tenant
    #[arg(long)]
    tenant: Option<String>,
}

/// Write the whole directory to standard output: users, roles that were put together, invitations, sessions.
#[derive(Debug, Args)]
struct BackupArgs {
    #[command(flatten)]
    source: SourceArgs,
}

/// Put a backup in the place of the whole directory. A file that is not whole is refused before anything changes.
#[derive(Debug, Args)]
struct RestoreArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The backup; `-` reads standard input
    file: PathBuf,
}

/// An instance that runs.
#[derive(Debug, Args)]
struct InstanceArgs {
    /// The admin listener of an instance that runs, such as `http://127.0.0.1:8481`
    #[arg(long, value_name = "URL")]
    admin: String,
    #[command(flatten)]
    credentials: CredentialArgs,
}

/// Where the directory is.
#[derive(Debug, Args)]
struct SourceArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    credentials: CredentialArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "place")]
struct PlaceArgs {
    /// The data directory of an instance that is stopped
    #[arg(long, value_name = "DIR", group = "place")]
    data: Option<PathBuf>,
    /// The admin listener of an instance that runs, such as `http://127.0.0.1:8481`
    #[arg(long, value_name = "URL", group = "place")]
    admin: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormArg {
    /// A user a line
    Json,
    /// A list of users
    Yaml,
    /// A table; attributes and assignments are JSON in their cells
    Csv,
}

impl FormArg {
    const fn form(self) -> Form {
        match self {
            Self::Json => Form::Json,
            Self::Yaml => Form::Yaml,
            Self::Csv => Form::Csv,
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum DirectoryError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("{0}; stop the instance first, or name it with `--admin URL`")]
    InUse(StoreError),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Owner(#[from] OpenError),
    #[error("there is no directory in `{}`", .0.display())]
    Missing(PathBuf),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("`{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the form of `{}` cannot be told by its name: say `--format json`, `yaml` or `csv`", .0.display())]
    Form(PathBuf),
    #[error("the output cannot be written")]
    Write(#[from] io::Error),
}

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Locked { .. }) { Self::InUse(error) } else { Self::Store(error) }
    }
}

pub(super) fn run(args: &DirectoryArgs) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match &args.command {
        DirectoryCommand::Import(args) => args.execute(&mut out),
        DirectoryCommand::Export(args) => args.execute(&mut out),
        DirectoryCommand::Backup(args) => args.execute(&mut out),
        DirectoryCommand::Restore(args) => args.execute(&mut out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::Done,
        Err(DirectoryError::Write(error) | DirectoryError::Remote(RemoteError::Write(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            ExitCode::Done
        }
        Err(error) => {
            let usage = match &error {
                DirectoryError::Form(_) => true,
                DirectoryError::Remote(error) => error.is_usage(),
                _ => false,
            };
            let code = output::fail(if usage { ExitCode::Usage } else { ExitCode::Failed }, &error);
            if let DirectoryError::Remote(RemoteError::Refused { problems, .. }) = &error {
                for problem in problems {
                    output::say(&format!("  {problem}"));
                }
            }
            code
        }
    }
}

impl InstanceArgs {
    fn remote(&self) -> Result<Remote, RemoteError> {
        Remote::new(&self.admin, &self.credentials)
    }
}

impl ImportArgs {
    fn execute(&self, out: &mut dyn Write) -> Result<(), DirectoryError> {
        let by_name = || match self.file.extension()?.to_str()? {
            "json" => Some(FormArg::Json),
            "yaml" | "yml" => Some(FormArg::Yaml),
            "csv" => Some(FormArg::Csv),
            _ => None,
        };
        let form = self.format.or_else(by_name).ok_or_else(|| DirectoryError::Form(self.file.clone()))?.form();
        let mut file = Vec::new();
        open(&self.file)?.read_to_end(&mut file).map_err(|source| unreadable(&self.file, source))?;
        let mut parameters = vec![("format", form.as_str())];
        parameters.extend(self.tenant.as_deref().map(|tenant| ("tenant", tenant)));
        if self.dry_run {
            parameters.push(("dry_run", "true"));
        }
        let content_type = form.content_type();
        let answer = self.instance.remote()?.post("/v1/users/import", &parameters, (content_type, file))?;
        line(out, &answer)
    }
}

impl ExportArgs {
    fn execute(&self, out: &mut dyn Write) -> Result<(), DirectoryError> {
        let mut parameters = vec![("format", self.format.form().as_str())];
        parameters.extend(self.tenant.as_deref().map(|tenant| ("tenant", tenant)));
        Ok(self.instance.remote()?.get("/v1/users/export", &parameters, out)?)
    }
}

impl BackupArgs {
    fn execute(&self, out: &mut dyn Write) -> Result<(), DirectoryError> {
        let SourceArgs { place, credentials } = &self.source;
        match (&place.data, &place.admin) {
            (Some(data), _) => {
                let folder = existing(data)?;
                check_owner(&folder)?;
                let options = Options::new(&folder);
                let directory = Directory::open(options, Arc::new(offline::Unheard))?;
                directory.backup_stopped(call().now).write(out)?;
                Ok(())
            }
            (None, admin) => {
                let remote = Remote::new(admin.as_deref().unwrap_or_default(), credentials)?;
                Ok(remote.get("/v1/directory/backup", &[], out)?)
            }
        }
    }
}

impl RestoreArgs {
    fn execute(&self, out: &mut dyn Write) -> Result<(), DirectoryError> {
        let SourceArgs { place, credentials } = &self.source;
        let mut file = open(&self.file)?;
        match (&place.data, &place.admin) {
            (Some(data), _) => {
                let folder = data.join(FOLDER);
                // Where there is none yet, the instance makes its own in the same place.
                check_owner(if folder.exists() { &folder } else { data })?;
                let options = Options::new(&folder);
                let witness = Arc::new(offline::Unheard);
                let (directory, aside) = Directory::open_to_restore(options, witness, call().now)?;
                if let Some(aside) = aside {
                    output::say(&format!("the damaged store was put aside as `{}`", aside.display()));
                }
                let restored = directory.restore_stopped(&call(), &mut file)?;
                Ok(writeln!(
                    out,
                    "restored {} users, {} roles, {} invitations, {} sessions",
                    restored.users, restored.roles, restored.invitations, restored.sessions
                )?)
            }
            (None, admin) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(|source| unreadable(&self.file, source))?;
                let remote = Remote::new(admin.as_deref().unwrap_or_default(), credentials)?;
                let answer = remote.post("/v1/directory/restore", &[], ("application/x-ndjson", bytes))?;
                line(out, &answer)
            }
        }
    }
}

/// The directory's folder in a data directory.
fn existing(data: &Path) -> Result<PathBuf, DirectoryError> {
    let folder = data.join(FOLDER);
    if folder.is_dir() { Ok(folder) } else { Err(DirectoryError::Missing(data.to_owned())) }
}

fn open(path: &Path) -> Result<Box<dyn io::BufRead>, DirectoryError> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    Ok(Box::new(BufReader::new(file)))
}

fn unreadable(path: &Path, source: io::Error) -> DirectoryError {
    DirectoryError::Read { path: path.to_owned(), source }
}

fn line(out: &mut dyn Write, answer: &[u8]) -> Result<(), DirectoryError> {
    out.write_all(answer)?;
    Ok(out.write_all(b"\n")?)
}
