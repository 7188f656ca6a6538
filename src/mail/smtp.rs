//! SMTP: one connection that is used again, TLS and authentication as configured, and an answer for every stage.
//!
//! The stages are spoken one by one, because the same code means different things: a `550` to the recipient concerns a letter, to
//! the credentials it concerns all of them. What a server says once it has seen an address or a letter is not repeated, since it may
//! quote either; its codes are.

use super::failure::Failure;
use crate::config::{self, SmtpTls};
use lettre::{
    Address,
    transport::smtp::{
        SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Quit, Rcpt, Rset},
        extension::{ClientId, Extension, MailParameter},
    },
};
use std::{
    error::Error as _,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// How long a connection is kept for the next letter. Servers wait for minutes, so that it is hardly ever found dead.
pub(super) const IDLE: Duration = Duration::from_secs(20);

/// What of a server's words goes into a message.
const MOST_WORDS: usize = 200;

/// A mail server, and the way to it.
pub(super) struct Smtp {
    host: String,
    port: u16,
    timeout: Duration,
    hello: ClientId,
    secured: Secured,
    credentials: Option<Credentials>,
    kept: Option<Kept>,
}

/// How the connection is secured.
enum Secured {
    FromTheStart(TlsParameters),
    ByStartTls(TlsParameters),
    Not,
}

/// A connection between two letters.
struct Kept {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// Who a letter is from and goes to, and the letter.
pub(super) struct Parcel<'a> {
    pub(super) from: &'a Address,
    pub(super) to: &'a Address,
    pub(super) message: &'a [u8],
}

/// A way to a mail server cannot be made from these settings.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    /// No certificates.
    #[error("`mail.smtp.ca_file`: `{}` cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("`mail.smtp.ca_file`: `{}` holds no certificates in PEM", path.display())]
    Certificates {
        /// Which file.
        path: PathBuf,
    },
    /// TLS cannot be set up.
    #[error("`mail.smtp.tls`")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Where a conversation was when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connect,
    StartTls,
    Login,
    Sender,
    Recipient,
    Message,
}

/// An answer that was not given, or is a refusal.
enum Trouble {
    /// It did not come in time.
    Late,
    /// The server cannot be told such an address.
    Script,
    Said(lettre::transport::smtp::Error),
}

impl Smtp {
    /// Reads what is trusted; connects to nothing.
    pub(super) fn new(settings: &config::Smtp, from: &Address) -> Result<Self, SetupError> {
        let host = settings.host.clone().unwrap_or_default();
        let secured = match settings.tls {
            SmtpTls::Required => Secured::FromTheStart(trust(&host, settings.ca_file.as_deref())?),
            SmtpTls::StartTls => Secured::ByStartTls(trust(&host, settings.ca_file.as_deref())?),
            SmtpTls::None => Secured::Not,
        };
        let usual = match settings.tls {
            SmtpTls::Required => SUBMISSIONS_PORT,
            SmtpTls::StartTls => SUBMISSION_PORT,
            SmtpTls::None => SMTP_PORT,
        };
        let login = settings.username.clone().zip(settings.password.clone());
        Ok(Self {
            host,
            port: if settings.port == 0 { usual } else { settings.port },
            timeout: settings.timeout,
            // The machine's own name may be anything, and some servers look at what they are told here.
            hello: Some(from.domain().to_owned())
                .filter(|name| name.is_ascii())
                .map(ClientId::Domain)
                .unwrap_or_default(),
            secured,
            credentials: login.map(|(name, password)| Credentials::new(name, password.reveal().to_owned())),
            kept: None,
        })
    }

    /// Hands a letter to the server.
    pub(super) async fn send(&mut self, parcel: &Parcel<'_>) -> Result<(), Failure> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let result = self.hand_over(&mut connection, parcel).await;
        // After a refusal the server waits for the next letter, once it has forgotten this one.
        let usable = match &result {
            Ok(()) => true,
            Err((_, Trouble::Said(error))) if error.status().is_some() => {
                self.answer(connection.command(Rset)).await.is_ok()
            }
            Err(_) => false,
        };
        if usable {
            self.kept = Some(Kept { connection, since: Instant::now() });
        }
        result.map_err(|(stage, trouble)| self.failure(stage, &trouble))
    }

    /// Goes as far as a letter would be handed over, and takes leave.
    pub(super) async fn greet(&self) -> Result<(), Failure> {
        let connection = self.connect().await?;
        self.leave(connection).await;
        Ok(())
    }

    /// Whether a connection is kept.
    pub(super) fn is_connected(&self) -> bool {
        self.kept.is_some()
    }

    /// Takes leave, where a connection was kept for long enough or `now`.
    pub(super) async fn rest(&mut self, now: bool) {
        if let Some(kept) = self.kept.take_if(|kept| now || kept.since.elapsed() >= IDLE) {
            self.leave(kept.connection).await;
        }
    }

    /// The kept connection, if it still answers.
    async fn kept(&mut self) -> Option<AsyncSmtpConnection> {
        let mut connection = self.kept.take()?.connection;
        match timeout(self.timeout, connection.test_connected()).await {
            Ok(true) => Some(connection),
            // It is closed by being dropped: who does not answer need not be told.
            _ => None,
        }
    }

    async fn leave(&self, mut connection: AsyncSmtpConnection) {
        // The letters are delivered: what the server says to this changes nothing.
        drop(self.answer(connection.command(Quit)).await);
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let from_the_start = match &self.secured {
            Secured::FromTheStart(tls) => Some(tls.clone()),
            Secured::ByStartTls(_) | Secured::Not => None,
        };
        let server = (self.host.as_str(), self.port);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello, from_the_start, None);
        let mut connection = self.answer(connecting).await.map_err(|trouble| self.failure(Stage::Connect, &trouble))?;
        if let Secured::ByStartTls(tls) = &self.secured {
            let securing = connection.starttls(tls.clone(), &self.hello);
            self.answer(securing).await.map_err(|trouble| self.failure(Stage::StartTls, &trouble))?;
        }
        if let Some(credentials) = &self.credentials {
            let login = connection.auth(DEFAULT_MECHANISMS, credentials);
            self.answer(login).await.map_err(|trouble| self.failure(Stage::Login, &trouble))?;
        }
        Ok(connection)
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        parcel: &Parcel<'_>,
    ) -> Result<(), (Stage, Trouble)> {
        let mut parameters = Vec::new();
        let plain = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
        if !(plain(parcel.from) && plain(parcel.to)) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err((Stage::Recipient, Trouble::Script));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let at = |stage| move |trouble| (stage, trouble);
        let from = Mail::new(Some(parcel.from.clone()), parameters);
        self.answer(connection.command(from)).await.map_err(at(Stage::Sender))?;
        let to = Rcpt::new(parcel.to.clone(), Vec::new());
        self.answer(connection.command(to)).await.map_err(at(Stage::Recipient))?;
        self.answer(connection.command(Data)).await.map_err(at(Stage::Message))?;
        self.answer(connection.message(parcel.message)).await.map_err(at(Stage::Message)).map(drop)
    }

    /// Waits for one answer, for as long as the server may take.
    async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, Trouble> {
        match timeout(self.timeout, asked).await {
            Ok(answer) => answer.map_err(Trouble::Said),
            Err(_) => Err(Trouble::Late),
        }
    }

    fn failure(&self, stage: Stage, trouble: &Trouble) -> Failure {
        let server = format!("{}:{}", self.host, self.port);
        match trouble {
            Trouble::Late => Failure::service(format!(
                "the mail server `{server}` gave no answer to {} within {:?}",
                stage.words(),
                self.timeout
            )),
            Trouble::Script => Failure::last(format!("the mail server `{server}` takes no address beyond ASCII")),
            Trouble::Said(error) => match error.status() {
                Some(code) => refused(stage, u16::from(code), &server, &said(error)),
                None if stage.is_before_the_letter() => {
                    Failure::service(format!("the mail server `{server}` failed at {}: {error}", stage.words()))
                }
                None => {
                    Failure::service(format!("the connection to the mail server `{server}` broke at {}", stage.words()))
                }
            },
        }
    }
}

impl Stage {
    const fn words(self) -> &'static str {
        match self {
            Self::Connect => "the connection",
            Self::StartTls => "`STARTTLS`",
            Self::Login => "the login",
            Self::Sender => "the sender",
            Self::Recipient => "the recipient",
            Self::Message => "the message",
        }
    }

    /// Whether the server has seen nothing of the letter.
    const fn is_before_the_letter(self) -> bool {
        matches!(self, Self::Connect | Self::StartTls | Self::Login)
    }
}

/// What a refusal means. What concerns the recipient or the letter is final where the code says so; what concerns who sends is the
/// operator's to mend, and is tried again.
fn refused(stage: Stage, code: u16, server: &str, said: &str) -> Failure {
    let enhanced = enhanced_status(said);
    let status = enhanced.map_or_else(|| code.to_string(), |enhanced| format!("{code} {enhanced}"));
    let mut why = format!("the mail server `{server}` refused {}: {status}", stage.words());
    if stage.is_before_the_letter() {
        let words = said.strip_prefix(enhanced.unwrap_or_default()).unwrap_or(said).trim();
        why.extend([" ", words]);
        return Failure::service(why.trim_end());
    }
    // 421: it closes; 530, 535, 538: it wants a login or another.
    let concerns_all = matches!(code, 421 | 530 | 535 | 538) || stage == Stage::Sender;
    // 5.7: a policy, such as that of a relay that does not know us yet.
    let may_change = code < 500 || enhanced.is_some_and(|enhanced| enhanced.starts_with("5.7."));
    match (concerns_all, may_change) {
        (true, _) => Failure::service(why),
        (false, true) => Failure::letter(why),
        (false, false) => Failure::last(why),
    }
}

/// The server's words on one line, and not too many of them.
fn said(error: &lettre::transport::smtp::Error) -> String {
    let words = error.source().map(ToString::to_string).unwrap_or_default();
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MOST_WORDS).collect()
}

/// The status that begins an answer, such as `5.1.1` (RFC 3463).
fn enhanced_status(said: &str) -> Option<&str> {
    let first = said.split_whitespace().next()?;
    let mut parts = first.split('.');
    let number = |part: Option<&str>, most: usize| {
        part.is_some_and(|part| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let fits = number(parts.next(), 1) && number(parts.next(), 3) && number(parts.next(), 3) && parts.next().is_none();
    fits.then_some(first)
}

/// What the server's certificate is compared with.
fn trust(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, SetupError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca_file {
        let pem = fs::read(path).map_err(|source| SetupError::Read { path: path.to_owned(), source })?;
        let none = || SetupError::Certificates { path: path.to_owned() };
        if !pem.windows(MARK.len()).any(|part| part == MARK) {
            return Err(none());
        }
        let certificates = Certificate::from_pem(&pem).map_err(|_| none())?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    }
    builder.build().map_err(SetupError::Tls)
}

/// What begins a certificate in PEM.
const MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::failure::Scope, *};

    #[test]
    fn what_a_refusal_means_depends_on_the_stage_and_on_the_code() {
        let cases = [
            (Stage::Connect, 554, "5.3.2 no service", Scope::Service),
            (Stage::Login, 535, "5.7.8 wrong password", Scope::Service),
            (Stage::Sender, 550, "5.1.0 sender refused", Scope::Service),
            (Stage::Sender, 451, "4.3.0 later", Scope::Service),
            (Stage::Recipient, 550, "5.1.1 <ada@example.com> unknown", Scope::Final),
            (Stage::Recipient, 550, "no such user", Scope::Final),
            (Stage::Recipient, 554, "5.7.1 relay access denied", Scope::Letter),
            (Stage::Recipient, 530, "authentication required", Scope::Service),
            (Stage::Recipient, 450, "4.2.0 greylisted", Scope::Letter),
            (Stage::Recipient, 421, "4.3.2 shutting down", Scope::Service),
            (Stage::Message, 554, "5.6.0 malformed", Scope::Final),
            (Stage::Message, 554, "5.7.1 blocked: https://app.example.com/#token", Scope::Letter),
            (Stage::Message, 452, "4.3.1 disk full", Scope::Letter),
        ];
        for (stage, code, said, wanted) in cases {
            let failure = refused(stage, code, "mail:25", said);
            assert_eq!(failure.scope, wanted, "{stage:?} {code} {said}");
            assert!(failure.why.contains(&code.to_string()), "{failure}");
            assert!(!failure.why.contains('@') && !failure.why.contains("//"), "{failure}");
        }
        let why = refused(Stage::Recipient, 550, "mail:25", "5.1.1 <ada@example.com> unknown").why;
        assert_eq!(why, "the mail server `mail:25` refused the recipient: 550 5.1.1");
        let why = refused(Stage::Login, 535, "mail:25", "5.7.8 wrong password").why;
        assert_eq!(why, "the mail server `mail:25` refused the login: 535 5.7.8 wrong password");
    }

    #[test]
    fn a_status_is_told_from_words() {
        for (said, wanted) in [
            ("5.1.1 unknown", Some("5.1.1")),
            ("4.70.100", Some("4.70.100")),
            ("5.1 unknown", None),
            ("127.0.0.1 refused", None),
            ("5.1.1: unknown", None),
            ("", None),
        ] {
            assert_eq!(enhanced_status(said), wanted, "{said}");
        }
    }
}
