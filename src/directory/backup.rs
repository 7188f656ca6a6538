//! The whole directory in one file, and back.
//!
//! ```text
//! {"sidegate_directory":1,"made":"2027-01-31T08:00:00Z"}
//! {"role":{...}}
//! {"user":{...}}
//! {"invitation":{...}}
//! {"logins":{...}}
//! {"session":{...}}
//! {"end":{"rows":5,"sha256":"..."}}
//! ```
//!
//! The last line counts what stands between and has the digest of everything before it, so that a file that was cut or changed is
//! refused before anything is touched. No secret of a link is in it: links are made from a key that stays where it is.

use super::{
    Account, CustomRole, Directory, Event, Invitation, Logins, Session,
    account::time,
    book::Step,
    call::{Actor, Call, Refusal},
    link,
    service::{About, Plan},
    store::{self, StoreError},
};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    io::{self, BufRead, Write},
    ops::ControlFlow,
    sync::Arc,
};

/// The form of the file. Another number is another form.
const VERSION: u32 = 1;
/// Longest line: a user with everything that it can be given is far shorter.
const LINE: u64 = 16 * 1024 * 1024;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head<'h> {
    sidegate_directory: u32,
    made: Cow<'h, str>,
}

/// A line between.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<'l> {
    Role(Cow<'l, CustomRole>),
    User(Cow<'l, Account>),
    Invitation(Cow<'l, Invitation>),
    Logins(OfDeclared),
    Session(Cow<'l, Session>),
    End(End),
}

/// First and last login of a user whom the policy set declares.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OfDeclared {
    user: String,
    #[serde(with = "time")]
    first: Timestamp,
    #[serde(with = "time")]
    last: Timestamp,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    rows: u64,
    sha256: String,
}

/// Everything that was there at one moment, without a copy of it. Sessions that have ended are read when it is written.
#[derive(Debug)]
pub struct Backup {
    directory: Directory,
    made: Timestamp,
    roles: Vec<Arc<CustomRole>>,
    users: Vec<Arc<Account>>,
    invitations: Vec<Arc<Invitation>>,
    logins: Vec<OfDeclared>,
    open: Vec<Arc<Session>>,
}

/// What came back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Users.
    pub users: usize,
    /// Roles that were put together here.
    pub roles: usize,
    /// Invitations.
    pub invitations: usize,
    /// Sessions, open and ended.
    pub sessions: usize,
}

/// Why there is no backup, or why it does not come back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is not what a backup wrote. Nothing was changed.
    #[error("line {line}: {what}; nothing was changed")]
    Form {
        /// Where.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The call.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be read or written.
    #[error("the backup cannot be read or written")]
    Io(#[from] io::Error),
}

impl Directory {
    /// Takes everything as it is at this moment.
    ///
    /// # Errors
    /// Fails where the actor is no operator.
    pub fn backup(&self, call: &Call<'_>) -> Result<Backup, Refusal> {
        let about = About { action: "backup", resource_type: "directory", id: "", user: "" };
        self.ask(call, about, |_| {
            operator(call)?;
            Ok(Plan::look(Vec::new(), ()))
        })?;
        Ok(self.backup_stopped(call.now))
    }

    /// The same, of a directory whose process does not run.
    #[must_use]
    pub fn backup_stopped(&self, now: Timestamp) -> Backup {
        let book = self.0.roster.lock();
        let of_declared = |(user, logins): (&String, &Logins)| OfDeclared {
            user: user.clone(),
            first: logins.first,
            last: logins.last,
        };
        Backup {
            directory: self.clone(),
            made: now,
            roles: book.roles().values().cloned().collect(),
            users: book.users().cloned().collect(),
            invitations: book.invitations().cloned().collect(),
            logins: book.logins_of_declared().map(of_declared).collect(),
            open: book.sessions().cloned().collect(),
        }
    }

    /// Lets a backup come back, or says why not. To be asked before it is read. Leaves a record where it is refused.
    ///
    /// # Errors
    /// Fails where the actor is no operator.
    pub fn begin_restore(&self, call: &Call<'_>) -> Result<(), Refusal> {
        if operator(call).is_ok() {
            return Ok(());
        }
        let about = About { action: "restore", resource_type: "directory", id: "", user: "" };
        self.ask(call, about, |_| operator(call).map(|()| Plan::look(Vec::new(), ())))
    }

    /// Puts a backup in the place of everything. Deciders know of it before this returns.
    ///
    /// # Errors
    /// Fails where the file is not whole, or the actor is no operator; nothing has changed then.
    pub fn restore(&self, call: &Call<'_>, file: &mut dyn BufRead) -> Result<Restored, Refusal> {
        let about = About { action: "restore", resource_type: "directory", id: "", user: "" };
        let read = match operator(call) {
            // Whoever may not need not send much.
            Err(refusal) => Err(refusal.into()),
            Ok(()) => read(file),
        };
        let restored = self.change(call, about, |_| {
            let (steps, restored) = match read {
                Ok(read) => read,
                Err(BackupError::Refused(refusal)) => return Err(refusal),
                Err(error) => return Err(Refusal::conflict("backup_refused", error.to_string())),
            };
            Ok(Plan { steps, instead: true, context: Some(told(&restored)), ..Plan::look(Vec::new(), restored) })
        })?;
        self.0.bell.ring();
        Ok(restored)
    }

    /// The same, for a directory whose process does not run. The next start records it.
    ///
    /// # Errors
    /// Fails where the file is not whole, or the store cannot be written.
    pub fn restore_stopped(&self, call: &Call<'_>, file: &mut dyn BufRead) -> Result<Restored, BackupError> {
        let (steps, restored) = read(file)?;
        let about = About { action: "restore", resource_type: "directory", id: "", user: "" };
        let event = Event { of_cli: true, context: Some(told(&restored)), ..about.event(call, None, "") };
        self.impose(steps, event)?;
        Ok(restored)
    }
}

fn operator(call: &Call<'_>) -> Result<(), Refusal> {
    match call.actor {
        Actor::Operator(_) => Ok(()),
        Actor::User(_) | Actor::Application(_) => {
            Err(Refusal::forbidden("operator_only", "only an operator takes or restores backups of the directory"))
        }
    }
}

fn told(restored: &Restored) -> serde_json::Value {
    let Restored { users, roles, invitations, sessions } = restored;
    json!({ "users": users, "roles": roles, "invitations": invitations, "sessions": sessions })
}

/// Writes lines, counts them and digests them.
struct Writer<'w> {
    out: &'w mut dyn Write,
    digest: Sha256,
    rows: u64,
    line: Vec<u8>,
}

impl Writer<'_> {
    fn write(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        self.digest.update(&self.line);
        self.out.write_all(&self.line)
    }

    fn row(&mut self, line: &Line<'_>) -> io::Result<()> {
        self.rows += 1;
        self.write(line)
    }
}

impl Backup {
    /// Writes the file. Tells how many rows it has.
    ///
    /// # Errors
    /// Fails where it cannot be written, or sessions cannot be read.
    pub fn write(&self, out: &mut dyn Write) -> Result<u64, BackupError> {
        let mut writer = Writer { out, digest: Sha256::new(), rows: 0, line: Vec::new() };
        writer.write(&Head { sidegate_directory: VERSION, made: self.made.to_string().into() })?;
        for role in &self.roles {
            writer.row(&Line::Role(Cow::Borrowed(role)))?;
        }
        for user in &self.users {
            writer.row(&Line::User(Cow::Borrowed(user)))?;
        }
        for invitation in &self.invitations {
            writer.row(&Line::Invitation(Cow::Borrowed(invitation)))?;
        }
        for logins in &self.logins {
            writer.row(&Line::Logins(logins.clone()))?;
        }
        for session in &self.open {
            writer.row(&Line::Session(Cow::Borrowed(session)))?;
        }
        self.ended(&mut writer)?;
        let end = End { rows: writer.rows, sha256: link::hex(&writer.digest.clone().finalize().into()) };
        writer.write(&Line::End(end))?;
        writer.out.flush()?;
        Ok(writer.rows)
    }

    /// Sessions that had ended by then.
    fn ended(&self, writer: &mut Writer<'_>) -> Result<(), BackupError> {
        let mut failed = None;
        self.directory.0.store.each("s/", &mut |key, value| {
            let session: Session = store::read(key, value)?;
            let had_ended = session.end.is_some() && session.start <= self.made;
            // Those that were open at the time have been written as they were.
            let was_open = || self.open.binary_search_by(|open| open.id.as_str().cmp(&session.id)).is_ok();
            let written =
                if had_ended && !was_open() { writer.row(&Line::Session(Cow::Owned(session))) } else { Ok(()) };
            failed = written.err();
            Ok(if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Reads a whole file, and gives nothing of it unless all of it is sound.
fn read(file: &mut dyn BufRead) -> Result<(Vec<Step>, Restored), BackupError> {
    let mut digest = Sha256::new();
    let (mut steps, mut restored) = (Vec::new(), Restored::default());
    let (mut number, mut rows, mut text) = (0, 0, Vec::new());
    let mut end: Option<End> = None;
    loop {
        text.clear();
        number += 1;
        let wrong = |what: String| BackupError::Form { line: number, what };
        if io::Read::take(&mut *file, LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if end.is_some() {
            return Err(wrong("there is more behind the end".to_owned()));
        }
        if text.last() != Some(&b'\n') {
            return Err(wrong("the file is cut short, or the line is too long".to_owned()));
        }
        let no_json = |error: serde_json::Error| wrong(format!("is not what a backup writes: {error}"));
        if number == 1 {
            let head: Head<'_> =
                serde_json::from_slice(&text).map_err(|_| wrong("this is no backup of a directory".to_owned()))?;
            if head.sidegate_directory != VERSION {
                let form = head.sidegate_directory;
                return Err(wrong(format!("the form {form} of backups is not known here, only {VERSION} is")));
            }
            digest.update(&text);
            continue;
        }
        match serde_json::from_slice(&text).map_err(no_json)? {
            Line::End(last) => {
                let found = End { rows, sha256: link::hex(&digest.clone().finalize().into()) };
                if last != found {
                    return Err(wrong(
                        "the file is not what was written: its count or its digest is another".to_owned(),
                    ));
                }
                end = Some(last);
                continue;
            }
            Line::Role(role) => {
                restored.roles += 1;
                steps.push(Step::Role(Arc::new(role.into_owned())));
            }
            Line::User(user) => {
                restored.users += 1;
                steps.push(Step::Account(Arc::new(user.into_owned())));
            }
            Line::Invitation(invitation) => {
                restored.invitations += 1;
                steps.push(Step::Invitation(Arc::new(invitation.into_owned())));
            }
            Line::Logins(OfDeclared { user, first, last }) => steps.push(Step::Logins(user, Logins { first, last })),
            Line::Session(session) => {
                restored.sessions += 1;
                steps.push(Step::Session(Arc::new(session.into_owned())));
            }
        }
        rows += 1;
        digest.update(&text);
    }
    if end.is_none() {
        return Err(BackupError::Form { line: number, what: "the file is cut short".to_owned() });
    }
    Ok((steps, restored))
}
