//! The kinds of values: how each is read, what is said when it cannot be, and how it is written.

use super::{
    ActivationTests, AdminAuth, ClientCertificates, Hold, LogFormat, MailTransport, Mode, SmtpTls, TlsVersion,
    WhenFailed, WhenFull, WhenStale, file::Reading, mail, proxies, units,
};
use crate::{document::Node, engine::ForbidErrors, model::Timestamp};
use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tracing_subscriber::EnvFilter;

pub(super) use super::{
    callers::{AdminClients, Callers},
    mail::Sender,
    proxies::TrustedProxies,
    redact::RedactFields,
    sample::Samples,
    subjects::Issuers,
    tokens::Tokens,
};

/// Reads what the file has at a place; leaves problems with the reading.
pub(super) type ReadNode<V> = fn(&Node, &mut Reading<'_>) -> Option<V>;

/// A kind of value.
pub(super) trait Kind {
    /// What is kept in the settings.
    type Value;

    /// What is wanted, for a message: `an address such as ...`.
    const WANTED: &'static str;

    /// Reads the value where the file may write it as a list or a mapping: `None` where it is the other of the two. Problems of its
    /// items are left with the reading.
    const NODE: Option<ReadNode<Self::Value>> = None;

    /// The words that it can be, where it can be nothing else.
    const WORDS: &'static [&'static str] = &[];

    /// Whether what was given may be a secret, and is not repeated where it does not fit.
    const SECRET: bool = false;

    /// What a text has to look like for the chart's schema, where its digits without quotes are another number to YAML 1.1: Helm makes
    /// 432 of `0660`. A file writes such a value in quotes, or with the leading zero that Helm would not have left.
    const DIGITS: Option<&'static str> = None;

    /// Reads the value.
    fn read(text: &str) -> Option<Self::Value>;

    /// Writes it so that [`Kind::read`] reads it.
    fn show(value: &Self::Value) -> String;
}

/// Declares kinds that need nothing but two functions.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $value:ty, $wanted:literal, $read:expr, $show:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Kind for $name {
            type Value = $value;
            const WANTED: &'static str = $wanted;

            fn read(text: &str) -> Option<Self::Value> {
                let read: fn(&str) -> Option<$value> = $read;
                read(text)
            }

            fn show(value: &Self::Value) -> String {
                let show: fn(&$value) -> String = $show;
                show(value)
            }
        }
    )*};
}

/// Declares kinds that are one word out of several.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident: $value:ty, $wanted:literal, { $($word:literal => $variant:path),* };)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Kind for $name {
            type Value = $value;
            const WANTED: &'static str = $wanted;
            const WORDS: &'static [&'static str] = &[$($word),*];

            fn read(text: &str) -> Option<Self::Value> {
                match text {
                    $($word => Some($variant),)*
                    _ => None,
                }
            }

            fn show(value: &Self::Value) -> String {
                match value {
                    $($variant => $word.to_owned(),)*
                }
            }
        }
    )*};
}

kinds! {
    /// Where to listen.
    Address: SocketAddr, "an IP address with a port, such as `127.0.0.1:8480`", |text| text.parse().ok(), ToString::to_string;
    /// Yes or no.
    Switch: bool, "`true` or `false`", |text| text.parse().ok(), ToString::to_string;
    /// How many, at least one.
    Count: usize, "a whole number from 1", |text| text.parse().ok().filter(|count| *count > 0), ToString::to_string;
    /// How many, or zero for a meaning of its own.
    CountOrZero: usize, "a whole number from 0", |text| text.parse().ok(), ToString::to_string;
    /// One in so many, or zero for never.
    OneIn: u64, "a whole number from 0", |text| text.parse().ok(), ToString::to_string;
    /// How large, at least a byte.
    Bytes: usize, "a size such as `64KiB` or `8MiB`",
        |text| units::read_bytes(text).filter(|size| *size > 0).and_then(|size| usize::try_from(size).ok()),
        |size| units::show_bytes(*size as u64);
    /// The same, for what is kept on disk.
    Bytes64: u64, "a size such as `64KiB` or `8MiB`",
        |text| units::read_bytes(text).filter(|size| *size > 0), |size| units::show_bytes(*size);
    /// A size, or none.
    BytesOrNever: Option<u64>, "a size such as `10GiB`, or `never`",
        |text| or(text, "never", |text| units::read_bytes(text).filter(|size| *size > 0)),
        |size| size.map_or_else(|| "never".to_owned(), units::show_bytes);
    /// How long, or without an end.
    SpanOrNever: Option<Duration>, "a duration such as `24h` or `90d`, or `never`",
        |text| or(text, "never", |text| units::read_duration(text).filter(|span| !span.is_zero())),
        |span| span.map_or_else(|| "never".to_owned(), units::show_duration);
    /// An address of HTTP or HTTPS, or none.
    HttpOrNone: Option<String>, "an address such as `https://collector:9000/checkpoints`, or an empty text",
        |text| or(text, "", |text| is_http(text).then(|| text.to_owned())),
        |address| address.clone().unwrap_or_else(|| "\"\"".to_owned());
    /// Where something can be reached over TLS, or none.
    HttpsOrNone: Option<String>, "an address such as `https://pdp.example`, without a query or a fragment, or an empty text",
        |text| or(text, "", |text| is_https(text).then(|| text.to_owned())),
        |address| address.clone().unwrap_or_else(|| "\"\"".to_owned());
    /// Where invitation links lead.
    LinkForm: String, "an address such as `https://app.example/accept?token={token}`",
        |text| is_link_form(text).then(|| text.to_owned()), String::clone;
    /// What is held back from retention.
    AuditHold: Hold, "`true`, `false`, a record's number, or a time such as `2027-01-31T00:00:00Z`", read_hold,
        |hold| match hold {
            Hold::Nothing => "false".to_owned(),
            Hold::Everything => "true".to_owned(),
            Hold::FromSeq(seq) => seq.to_string(),
            Hold::FromTime(time) => time.to_string(),
        };
    /// How long, or zero.
    SpanOrZero: Duration, "a duration such as `250ms`, `5s` or `1h`", units::read_duration, |span| units::show_duration(*span);
    /// How long.
    Span: Duration, "a duration longer than nothing, such as `250ms`, `5s` or `1h`",
        |text| units::read_duration(text).filter(|span| !span.is_zero()), |span| units::show_duration(*span);
    /// A directory.
    Folder: PathBuf, "a path", |text| (!text.is_empty()).then(|| PathBuf::from(text)), |path| path.display().to_string();
    /// A file or a directory, or none.
    FileOrNone: Option<PathBuf>, "a path, or an empty text", |text| Some((!text.is_empty()).then(|| PathBuf::from(text))),
        |path| path.as_ref().map_or_else(|| "\"\"".to_owned(), |path| path.display().to_string());
    /// A user or a group, or none.
    Account: Option<String>, "a name or a number, or an empty text",
        |text| or(text, "", |text| is_account(text).then(|| text.to_owned())),
        |text| text.clone().unwrap_or_else(|| "\"\"".to_owned());
    /// A server's name or address, or none.
    Host: Option<String>, "a host name or an IP address, or an empty text",
        |text| or(text, "", |text| mail::is_host(text).then(|| text.to_owned())),
        |text| text.clone().unwrap_or_else(|| "\"\"".to_owned());
    /// The name of a header, or none.
    HeaderOrNone: Option<String>, "the name of a header, or an empty text", |text| or(text, "", proxies::read_header),
        |name| name.clone().unwrap_or_else(|| "\"\"".to_owned());
    /// What the names of headers begin with.
    HeaderPrefix: String, "the beginning of the name of a header", proxies::read_header, String::clone;
    /// A name, or none.
    Username: Option<String>, "a name, or an empty text",
        |text| or(text, "", |text| (!text.contains(char::is_control)).then(|| text.to_owned())),
        |text| text.clone().unwrap_or_else(|| "\"\"".to_owned());
    /// A port, or zero for the usual one.
    Port: u16, "a port from 1 to 65535, or 0", |text| text.parse().ok(), ToString::to_string;
    /// A language.
    Language: String, "a language such as `en` or `de-AT`", |text| mail::is_language(text).then(|| text.to_owned()), String::clone;
    /// The name of a Cedar type.
    TypeName: String, "a Cedar type such as `User` or `App::User`",
        |text| is_type_name(text).then(|| text.to_owned()), String::clone;
    /// A tracing filter.
    Filter: String, "a log filter such as `info` or `sidegate=debug,info`",
        |text| (!text.is_empty() && EnvFilter::try_new(text).is_ok()).then(|| text.to_owned()), String::clone;
}

choices! {
    /// `server.admin.auth`
    AdminAuthKind: AdminAuth, "`none` or `tokens`", { "none" => AdminAuth::None, "tokens" => AdminAuth::Tokens };
    /// `server.*.tls.client_certificates`
    ClientCertificatesKind: ClientCertificates, "`off`, `optional` or `required`",
        { "off" => ClientCertificates::Off, "optional" => ClientCertificates::Optional, "required" => ClientCertificates::Required };
    /// `server.*.tls.minimum_version`
    TlsVersionKind: TlsVersion, "`1.2` or `1.3`", { "1.2" => TlsVersion::V1_2, "1.3" => TlsVersion::V1_3 };
    /// `policies.forbid_errors`
    ForbidErrorsKind: ForbidErrors, "`deny` or `skip`", { "deny" => ForbidErrors::Deny, "skip" => ForbidErrors::Skip };
    /// `policies.activation_tests`
    ActivationTestsKind: ActivationTests, "`required`, `warn` or `off`",
        { "required" => ActivationTests::Required, "warn" => ActivationTests::Warn, "off" => ActivationTests::Off };
    /// `policies.when_stale`
    WhenStaleKind: WhenStale, "`warn`, `not_ready` or `deny`",
        { "warn" => WhenStale::Warn, "not_ready" => WhenStale::NotReady, "deny" => WhenStale::Deny };
    /// `audit.mode`
    AuditMode: Mode, "`durable` or `synced`", { "durable" => Mode::Durable, "synced" => Mode::Synced };
    /// `audit.when_full`
    AuditWhenFull: WhenFull, "`block`, `refuse` or `drop_and_count`",
        { "block" => WhenFull::Block, "refuse" => WhenFull::Refuse, "drop_and_count" => WhenFull::DropAndCount };
    /// `audit.when_failed`
    AuditWhenFailed: WhenFailed, "`deny` or `allow_and_count`",
        { "deny" => WhenFailed::Deny, "allow_and_count" => WhenFailed::AllowAndCount };
    /// `mail.transport`
    MailTransportKind: MailTransport, "`directory` or `smtp`",
        { "directory" => MailTransport::Directory, "smtp" => MailTransport::Smtp };
    /// `mail.smtp.tls`
    SmtpTlsKind: SmtpTls, "`required`, `starttls` or `none`",
        { "required" => SmtpTls::Required, "starttls" => SmtpTls::StartTls, "none" => SmtpTls::None };
    /// `telemetry.log.format`
    Format: LogFormat, "`json` or `pretty`", { "json" => LogFormat::Json, "pretty" => LogFormat::Pretty };
}

/// Who may do what with a file.
pub(super) struct FileMode;

impl Kind for FileMode {
    type Value = u32;
    const WANTED: &'static str = "a file's mode of three or four octal digits in quotes, such as `\"0660\"`";
    const DIGITS: Option<&'static str> = Some("^0?[0-7]{3}$");

    fn read(text: &str) -> Option<u32> {
        u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && (3..=4).contains(&text.len()))
    }

    fn show(mode: &u32) -> String {
        format!("{mode:04o}")
    }
}

/// Reads a value, or the word that stands for none.
#[expect(clippy::option_option, reason = "the outer says whether it can be read")]
fn or<T>(text: &str, none: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text == none { Some(None) } else { read(text).map(Some) }
}

fn is_http(text: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    !host.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

/// Strict, since others compare it character by character: no login, no query, no fragment, no path that leads elsewhere.
fn is_https(text: &str) -> bool {
    let rest = text.strip_prefix("https://").unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => mail::is_host(host) && !host.contains(':'),
    };
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte))
    };
    is_host
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && path.strip_suffix('/').unwrap_or(path).split('/').all(|segment| path.is_empty() || is_segment(segment))
}

fn is_account(text: &str) -> bool {
    // To `chown` this number says that all stays as it is.
    const NOBODY: u32 = u32::MAX;
    let is_number_of_nobody = text.parse() == Ok(NOBODY);
    !is_number_of_nobody
        && !text.is_empty()
        && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == ':')
}

fn is_link_form(text: &str) -> bool {
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.starts_with('{')));
    is_web && text.contains("{token}") && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

fn read_hold(text: &str) -> Option<Hold> {
    match text {
        "false" => Some(Hold::Nothing),
        "true" => Some(Hold::Everything),
        _ => match text.parse() {
            Ok(seq) => Some(Hold::FromSeq(seq)),
            Err(_) => Timestamp::parse(text).map(Hold::FromTime),
        },
    }
}

fn is_type_name(text: &str) -> bool {
    text.split("::").all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}
