//! From a letter to a message on its way: the templates, the sender and the transport.

use super::{
    Letter,
    failure::Failure,
    folder::Folder,
    smtp::{Parcel, SetupError, Smtp},
    templates::{Rendered, Templates, one_line},
};
use crate::{
    config::{self, MailTransport},
    document::{Diagnostic, Diagnostics, Text},
    model::Timestamp,
    telemetry::events::Chain,
};
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};
use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

/// The folder for mail in the data directory.
const FOLDER: &str = "mail";

/// Who mail is from where nobody is named, which only files can be.
const NOBODY: &str = "sidegate@localhost";

/// Everything that turns a letter into a message and sends it.
#[derive(Debug)]
pub struct Post {
    writer: Writer,
    transport: Transport,
}

/// Turns letters into messages.
struct Writer {
    templates: Templates,
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

/// How messages leave.
#[derive(Debug)]
enum Transport {
    Folder(Folder),
    Smtp(Box<Smtp>),
}

/// Whether mail can be sent with these settings, as far as that can be told without a mail server: templates, certificates.
///
/// # Errors
/// Fails with all problems at once.
pub fn check(settings: &config::Mail) -> Result<(), Diagnostics> {
    Post::open(settings, Path::new("")).map(drop)
}

impl Post {
    /// Reads templates and certificates. Connects to nothing, and writes nothing until there is a letter. `data` is the data directory.
    ///
    /// # Errors
    /// Fails with all problems at once.
    pub fn open(settings: &config::Mail, data: &Path) -> Result<Self, Diagnostics> {
        let writer = Writer::new(settings);
        let from = match &writer {
            Ok(writer) => writer.from.email.clone(),
            // The transport is looked at all the same, so that its problems are told too.
            Err(_) => sender(settings)?.email,
        };
        let transport = match settings.transport {
            MailTransport::Directory => Ok(Transport::Folder(Folder::new(data.join(FOLDER)))),
            MailTransport::Smtp => Smtp::new(&settings.smtp, &from).map(|smtp| Transport::Smtp(Box::new(smtp))),
        };
        match (writer, transport) {
            (Ok(writer), Ok(transport)) => Ok(Self { writer, transport }),
            (Err(problems), Ok(_)) => Err(problems),
            (Ok(_), Err(error)) => Err(setup_problem(&error).into()),
            (Err(mut problems), Err(error)) => {
                problems.push(setup_problem(&error));
                Err(problems)
            }
        }
    }

    /// Whether letters could be handed over now: connects, agrees on TLS and logs in as for a letter, and sends none. There is nothing to
    /// try where mail is written to files.
    ///
    /// # Errors
    /// Says in which step it failed.
    pub async fn try_out(&self) -> Result<(), String> {
        match &self.transport {
            Transport::Folder(_) => Ok(()),
            Transport::Smtp(smtp) => smtp.greet().await.map_err(|failure| failure.why),
        }
    }

    /// Sends a letter.
    pub(super) async fn send(&mut self, letter: &Letter, now: Timestamp) -> Result<(), Failure> {
        let message = self.writer.write(letter, now)?;
        match &mut self.transport {
            Transport::Folder(folder) => folder.send(&letter.id, message).await,
            Transport::Smtp(smtp) => {
                let (from, to) = (&self.writer.from.email, &letter.address.0);
                smtp.send(&Parcel { from, to, message: &message }).await
            }
        }
    }

    /// Whether [`Post::rest`] has something to do after a while.
    pub(super) fn is_connected(&self) -> bool {
        matches!(&self.transport, Transport::Smtp(smtp) if smtp.is_connected())
    }

    /// Closes a connection that nobody has used for a while, or any `now`.
    pub(super) async fn rest(&mut self, now: bool) {
        if let Transport::Smtp(smtp) = &mut self.transport {
            smtp.rest(now).await;
        }
    }
}

impl Writer {
    fn new(settings: &config::Mail) -> Result<Self, Diagnostics> {
        let templates = Templates::load(settings.templates.as_deref(), &settings.language)?;
        Ok(Self { templates, from: sender(settings)?, reply_to: settings.reply_to.clone() })
    }

    /// The message as it goes over the wire.
    fn write(&self, letter: &Letter, now: Timestamp) -> Result<Vec<u8>, Failure> {
        let sender = self.from.name.as_deref().unwrap_or_else(|| self.from.email.as_ref());
        let rendered = self.templates.render(letter, sender);
        // The error's detail may quote what the template was given.
        let rendered = rendered.map_err(|error| {
            let (name, line) = (error.name().unwrap_or_default(), error.line().unwrap_or_default());
            Failure::letter(format!("the template `{name}` cannot be rendered: {} in line {line}", error.kind()))
        })?;
        let message = self.message(letter, rendered, now);
        message.map(|message| message.formatted()).map_err(|_| Failure::last("the message cannot be put together"))
    }

    fn message(&self, letter: &Letter, words: Rendered, now: Timestamp) -> Result<Message, lettre::error::Error> {
        let name = letter.name.as_deref().map(one_line).filter(|name| !name.is_empty());
        let since_epoch = Duration::from_micros(u64::try_from(now.as_micros()).unwrap_or_default());
        let id = format!("<{}@{}>", one_line(&letter.id), self.from.email.domain());
        let builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(name, letter.address.0.clone()))
            .date(UNIX_EPOCH + since_epoch)
            .message_id(Some(id))
            .subject(words.subject)
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("Content-Language", &words.language));
        let builder = match &self.reply_to {
            Some(reply_to) => builder.reply_to(reply_to.clone()),
            None => builder,
        };
        let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(words.text);
        match words.html {
            Some(html) => {
                let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(html);
                builder.multipart(MultiPart::alternative().singlepart(text).singlepart(html))
            }
            None => builder.singlepart(text),
        }
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn sender(settings: &config::Mail) -> Result<Mailbox, Diagnostics> {
    let nobody = || NOBODY.parse::<Address>().map(|address| Mailbox::new(None, address));
    settings
        .from
        .clone()
        .map_or_else(nobody, Ok)
        .map_err(|error| Diagnostic::whole("invalid-value", &Text::absent("mail.from"), error.to_string()).into())
}

fn setup_problem(error: &SetupError) -> Diagnostic {
    Diagnostic::whole("bad-mail-server", &Text::absent("mail.smtp"), Chain(error).to_string())
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({})", self.from)
    }
}

#[cfg(test)]
mod tests;
