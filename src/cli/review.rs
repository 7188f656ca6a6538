//! `sidegate review`

use super::{
    ExitCode,
    directory::{Offline, OfflineError, call},
    output,
    remote::{CredentialArgs, Remote, RemoteError},
    set,
};
use crate::{
    config::read_duration,
    directory::{Call, Refusal, ReviewForm, ReviewPage, ReviewQuery, write_review},
    document::Diagnostics,
    http::admin::LoggedUses,
    policy,
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Review access: who has what, since when, given by whom and why, until when, and when it was last used.
///
/// Of an instance that runs (`--admin`), or of one that is stopped (`--data` with `--policies`).
#[derive(Debug, Args)]
pub(super) struct ReviewArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The policy set that decides, for `--data`
    #[arg(long, value_name = "DIR", requires = "data")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    credentials: CredentialArgs,
    /// Of this user
    #[arg(long)]
    user: Option<String>,
    /// In this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Of this role
    #[arg(long)]
    role: Option<String>,
    /// Not used for so long, such as `90d`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    unused_for: Option<Duration>,
    /// What has run out
    #[arg(long)]
    expired: bool,
    /// What runs out within so long, such as `30d`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    expiring_within: Option<Duration>,
    /// Of users who have never logged in
    #[arg(long)]
    never_logged_in: bool,
    /// Of users who have not logged in for so long, such as `90d`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    no_login_for: Option<Duration>,
    /// The form
    #[arg(long, value_enum, default_value = "markdown")]
    format: FormArg,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "place")]
struct PlaceArgs {
    /// The data directory of an instance that is stopped
    #[arg(long, value_name = "DIR", group = "place", requires = "policies")]
    data: Option<PathBuf>,
    /// The admin listener of an instance that runs, such as `http://127.0.0.1:8481`
    #[arg(long, value_name = "URL", group = "place")]
    admin: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormArg {
    /// A table for documents
    Markdown,
    /// RFC 4180
    Csv,
    /// One document with everything
    Json,
}

fn span(text: &str) -> Result<Duration, String> {
    read_duration(text).ok_or_else(|| "it is no duration such as `90d` or `24h`".to_owned())
}

#[derive(Debug, thiserror::Error)]
enum ReviewError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Offline(#[from] OfflineError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the answer of the admin listener is not what was asked for")]
    Answer(#[from] serde_json::Error),
    #[error("the output cannot be written")]
    Write(#[from] io::Error),
}

pub(super) fn run(args: &ReviewArgs) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match (&args.place.data, &args.policies) {
        (Some(data), Some(policies)) => match load(policies) {
            Ok(snapshot) => {
                let offline = Offline::open(data, snapshot).map_err(ReviewError::from);
                offline.and_then(|offline| args.local(&offline, &mut out))
            }
            Err(diagnostics) => {
                set::show(&diagnostics);
                return ExitCode::PolicyErrors;
            }
        },
        _ => args.remote(&mut out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::Done,
        Err(ReviewError::Write(error) | ReviewError::Remote(RemoteError::Write(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            ExitCode::Done
        }
        Err(error) => {
            let usage = matches!(&error, ReviewError::Remote(error) if error.is_usage());
            output::fail(if usage { ExitCode::Usage } else { ExitCode::Failed }, &error)
        }
    }
}

fn load(policies: &Path) -> Result<policy::Snapshot, Diagnostics> {
    policy::compile(&policy::read(policies)?, &policy::Options::default())
}

impl ReviewArgs {
    fn local(&self, offline: &Offline, out: &mut dyn Write) -> Result<(), ReviewError> {
        let call = Call { tenant: self.tenant.as_deref(), ..call() };
        let uses = LoggedUses { usage: &offline.usage, since: offline.reader.oldest() };
        let query = ReviewQuery {
            user: self.user.clone(),
            role: self.role.clone(),
            unused_for: self.unused_for,
            expired: self.expired,
            expiring_within: self.expiring_within,
            never_logged_in: self.never_logged_in,
            no_login_for: self.no_login_for,
            after: None,
            limit: 1000,
        };
        let next = |query: &ReviewQuery| offline.directory.review(&call, query, &uses);
        let form = match self.format {
            FormArg::Markdown => ReviewForm::Markdown,
            FormArg::Csv => ReviewForm::Csv,
            FormArg::Json => return print_json(query, next, out),
        };
        // What is no tenant is told before anything is written.
        next(&ReviewQuery { limit: 1, ..query.clone() })?;
        Ok(write_review(form, query, next, out)?)
    }

    fn remote(&self, out: &mut dyn Write) -> Result<(), ReviewError> {
        let remote = Remote::new(self.place.admin.as_deref().unwrap_or_default(), &self.credentials)?;
        let spans = [self.unused_for, self.expiring_within, self.no_login_for]
            .map(|span| span.map(|span| format!("{}s", span.as_secs())));
        let [unused_for, expiring_within, no_login_for] = &spans;
        let yes = |given: bool| given.then_some("true");
        let parameters = [
            ("user", self.user.as_deref()),
            ("tenant", self.tenant.as_deref()),
            ("role", self.role.as_deref()),
            ("unused_for", unused_for.as_deref()),
            ("expired", yes(self.expired)),
            ("expiring_within", expiring_within.as_deref()),
            ("never_logged_in", yes(self.never_logged_in)),
            ("no_login_for", no_login_for.as_deref()),
        ];
        let mut parameters: Vec<(&str, &str)> =
            parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        match self.format {
            FormArg::Markdown => parameters.push(("format", "markdown")),
            FormArg::Csv => parameters.push(("format", "csv")),
            FormArg::Json => return remote_json(&remote, parameters, out),
        }
        Ok(remote.get("/v1/review", &parameters, out)?)
    }
}

fn items(page: &mut serde_json::Value) -> Option<&mut Vec<serde_json::Value>> {
    page.get_mut("items")?.as_array_mut()
}

/// All pages as one document.
fn print_json(
    mut query: ReviewQuery,
    next: impl Fn(&ReviewQuery) -> Result<ReviewPage, Refusal>,
    out: &mut dyn Write,
) -> Result<(), ReviewError> {
    let mut whole = next(&query)?;
    while let Some(cursor) = whole.next_cursor.take() {
        query.after = Some(cursor);
        let page = next(&query)?;
        whole.items.extend(page.items);
        whole.next_cursor = page.next_cursor;
    }
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    Ok(out.write_all(b"\n")?)
}

fn remote_json(remote: &Remote, mut parameters: Vec<(&str, &str)>, out: &mut dyn Write) -> Result<(), ReviewError> {
    parameters.push(("limit", "1000"));
    let page = |parameters: &[(&str, &str)]| -> Result<serde_json::Value, ReviewError> {
        Ok(serde_json::from_slice(&remote.answer("/v1/review", parameters)?)?)
    };
    let cursor_of = |page: &mut serde_json::Value| match page.as_object_mut()?.remove("next_cursor")? {
        serde_json::Value::String(cursor) => Some(cursor),
        _ => None,
    };
    let mut whole = page(&parameters)?;
    let mut next = cursor_of(&mut whole);
    while let Some(cursor) = next {
        let mut more = page(&[&parameters[..], &[("cursor", cursor.as_str())]].concat())?;
        next = cursor_of(&mut more);
        if let (Some(all), Some(more)) = (items(&mut whole), items(&mut more)) {
            all.append(more);
        }
    }
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    Ok(out.write_all(b"\n")?)
}
