//! `mail`: how mail leaves, whom it comes from, and what must hold between these settings.

use super::{
    Secret,
    kinds::Kind,
    load::Given,
    secret::{self},
};
use crate::document::Diagnostics;
use lettre::message::Mailbox;
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// `mail`
#[derive(Debug, Clone)]
pub struct Mail {
    /// `mail.transport`
    pub transport: MailTransport,
    /// `mail.from`
    pub from: Option<Mailbox>,
    /// `mail.reply_to`
    pub reply_to: Option<Mailbox>,
    /// `mail.language`: where a user has none, or none that there is a template for.
    pub language: String,
    /// `mail.templates`: a directory of templates that take the place of the built-in ones.
    pub templates: Option<PathBuf>,
    /// `mail.smtp`
    pub smtp: Smtp,
    /// `mail.retry`
    pub retry: MailRetry,
}

/// `mail.transport`: how mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MailTransport {
    /// As files in the data directory.
    #[default]
    Directory,
    /// Through a mail server.
    Smtp,
}

/// `mail.smtp`
#[derive(Debug, Clone)]
pub struct Smtp {
    /// `mail.smtp.host`. There with [`MailTransport::Smtp`].
    pub host: Option<String>,
    /// `mail.smtp.port`; 0 for the usual one.
    pub port: u16,
    /// `mail.smtp.tls`
    pub tls: SmtpTls,
    /// `mail.smtp.ca_file`: what is trusted instead of the system's certificates.
    pub ca_file: Option<PathBuf>,
    /// `mail.smtp.username`
    pub username: Option<String>,
    /// `mail.smtp.password_file`
    pub password_file: Option<PathBuf>,
    /// What the file holds.
    pub password: Option<Secret>,
    /// `mail.smtp.timeout`: the time of one answer.
    pub timeout: Duration,
}

/// `mail.smtp.tls`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpTls {
    /// TLS from the first byte.
    #[default]
    Required,
    /// TLS by `STARTTLS`, or nothing is sent.
    StartTls,
    /// No TLS; only to this machine.
    None,
}

/// `mail.retry`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailRetry {
    /// `mail.retry.first`: the wait after the first failure.
    pub first: Duration,
    /// `mail.retry.longest`
    pub longest: Duration,
    /// `mail.retry.give_up_after`: how old a mail may become.
    pub give_up_after: Duration,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            transport: MailTransport::Directory,
            from: None,
            reply_to: None,
            language: "en".to_owned(),
            templates: None,
            smtp: Smtp {
                host: None,
                port: 0,
                tls: SmtpTls::Required,
                ca_file: None,
                username: None,
                password_file: None,
                password: None,
                timeout: Duration::from_secs(30),
            },
            retry: MailRetry {
                first: Duration::from_mins(1),
                longest: Duration::from_hours(1),
                give_up_after: Duration::from_hours(72),
            },
        }
    }
}

/// `mail.from`, `mail.reply_to`: an address, with a name or without.
pub(super) struct Sender;

impl Kind for Sender {
    type Value = Option<Mailbox>;
    const WANTED: &'static str =
        "an address such as `office@example.com` or `Back office <office@example.com>`, or an empty text";

    fn read(text: &str) -> Option<Self::Value> {
        if text.is_empty() {
            return Some(None);
        }
        // What a header cannot hold must not get as far as one.
        let plain = !text.contains(char::is_control);
        text.parse().ok().filter(|_| plain).map(Some)
    }

    fn show(value: &Self::Value) -> String {
        value.as_ref().map_or_else(|| "\"\"".to_owned(), ToString::to_string)
    }
}

/// Whether a text can be the name or the address of a server.
pub(super) fn is_host(text: &str) -> bool {
    let is_name = text.split('.').all(|label| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    text.parse::<IpAddr>().is_ok() || (is_name && text.len() <= 253)
}

/// Whether a text can be a language: subtags of letters and digits.
pub(super) fn is_language(text: &str) -> bool {
    let fits = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = text.split('-').next().unwrap_or_default();
    text.split('-').all(fits) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Checks, and reads the password.
pub(super) fn check(mail: &mut Mail, given: &Given, problems: &mut Diagnostics) {
    let retry = mail.retry;
    if retry.longest < retry.first {
        let message = "`mail.retry.longest` is at least `mail.retry.first`".to_owned();
        problems.push(given.problem(&["mail.retry.longest", "mail.retry.first"], "retry-too-short", message));
    }
    if retry.give_up_after < retry.first {
        let message = "`mail.retry.give_up_after` is at least `mail.retry.first`".to_owned();
        problems.push(given.problem(&["mail.retry.give_up_after", "mail.retry.first"], "retry-too-short", message));
    }
    if mail.transport == MailTransport::Smtp {
        smtp(mail, given, problems);
    }
}

fn smtp(mail: &mut Mail, given: &Given, problems: &mut Diagnostics) {
    let smtp = &mut mail.smtp;
    if mail.from.is_none() {
        let message = "`mail.transport: smtp` needs `mail.from`".to_owned();
        problems.push(given.problem(&["mail.from", "mail.transport"], "missing-value", message));
    }
    match &smtp.host {
        None => {
            let message = "`mail.transport: smtp` needs `mail.smtp.host`".to_owned();
            problems.push(given.problem(&["mail.smtp.host", "mail.transport"], "missing-value", message));
        }
        Some(host) if smtp.tls == SmtpTls::None && !is_this_machine(host) => {
            let message = format!(
                "`mail.smtp.tls: none` would send links and credentials in the open to `{host}`, which is not this machine"
            );
            let problem = given.problem(&["mail.smtp.tls", "mail.smtp.host"], "mail-without-tls", message);
            problems.push(problem.with_help("use `required` or `starttls`".to_owned()));
        }
        Some(_) => {}
    }
    match (&smtp.username, &smtp.password_file) {
        (Some(_), None) => {
            let message = "`mail.smtp.username` needs `mail.smtp.password_file`".to_owned();
            problems.push(given.problem(&["mail.smtp.username"], "missing-value", message));
        }
        (None, Some(_)) => {
            let message = "`mail.smtp.password_file` has no effect without `mail.smtp.username`".to_owned();
            problems.push(given.problem(&["mail.smtp.password_file"], "password-without-effect", message));
        }
        (Some(_), Some(path)) => {
            let read = secret::read(path, "the password file").and_then(|secret| one_line(&secret, path));
            match read {
                Ok(password) => smtp.password = Some(password),
                Err(message) => {
                    problems.push(given.problem(&["mail.smtp.password_file"], "bad-password-file", message));
                }
            }
        }
        (None, None) => {}
    }
}

/// The password without the line's end.
fn one_line(secret: &Secret, path: &std::path::Path) -> Result<Secret, String> {
    let text = secret.reveal().trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.contains(char::is_control) {
        return Err(format!("the password file `{}` does not hold one line", path.display()));
    }
    Ok(Secret::from(text.to_owned()))
}

/// Whether a host is this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.parse::<IpAddr>()
        .map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |ip| ip.to_canonical().is_loopback())
}
