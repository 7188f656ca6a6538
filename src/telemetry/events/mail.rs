//! What operators are told of mail. Recipients stand here by their ids: no line holds an address or a link.

use super::{Chain, millis};
use crate::{
    model::Timestamp,
    telemetry::{
        MailOutcome, Metrics,
        trace::{self, key},
    },
};
use std::{error::Error, time::Duration};
use tracing::{error, info, warn};

/// An attempt to send a letter.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The sort of letter.
    pub kind: &'a str,
    /// The letter's id.
    pub letter: &'a str,
    /// The id of whoever it is for.
    pub recipient: &'a str,
    /// How long it took.
    pub took: Duration,
}

/// A span for an attempt; whom the letter is for is not told.
fn tried(outcome: MailOutcome, kind: &str, took: Duration) {
    trace::done("mail", took, |span| {
        span.text(key::KIND, kind);
        span.word(key::OUTCOME, outcome.as_str());
        if !matches!(outcome, MailOutcome::Sent) {
            span.word(key::ERROR, outcome.as_str());
            span.fail();
        }
    });
}

/// A letter was sent.
pub fn letter_sent(metrics: &Metrics, attempt: &Attempt<'_>) {
    let Attempt { kind, letter, recipient, took } = *attempt;
    metrics.mail_letter(MailOutcome::Sent);
    tried(MailOutcome::Sent, kind, took);
    info!(event = "letter_sent", kind, letter, recipient, took_ms = millis(took), "a letter was sent");
}

/// A letter was not sent, and is tried again.
pub fn letter_failed(metrics: &Metrics, attempt: &Attempt<'_>, why: &str, next: Timestamp) {
    let Attempt { kind, letter, recipient, took } = *attempt;
    metrics.mail_letter(MailOutcome::Failed);
    tried(MailOutcome::Failed, kind, took);
    warn!(event = "letter_failed", kind, letter, recipient, why, %next, "a letter could not be sent yet");
}

/// A letter was not sent, and is not tried again.
pub fn letter_given_up(metrics: &Metrics, attempt: &Attempt<'_>, why: &str) {
    let Attempt { kind, letter, recipient, took } = *attempt;
    metrics.mail_letter(MailOutcome::GaveUp);
    tried(MailOutcome::GaveUp, kind, took);
    error!(event = "letter_given_up", kind, letter, recipient, why, "a letter was given up");
}

/// The queue of letters could not be read, or told what became of a letter. It is tried again.
pub fn mail_queue_failed(error: &(dyn Error + 'static)) {
    error!(event = "mail_queue_failed", error = %Chain(error), "the queue of letters cannot be used");
}

/// Letters that would be given up for their age wait, since the clock may be ahead by so many seconds.
pub fn letters_rest(seconds: i64) {
    warn!(
        event = "letters_rest",
        seconds, "no letter is given up for its age for an hour, or until the clock is set back"
    );
}

/// Nothing of the directory is removed, since the clock may be ahead by so many seconds.
pub fn directory_rests(seconds: i64) {
    warn!(
        event = "directory_rests",
        seconds, "no session and no invitation is removed for its age for an hour, or until the clock is set back"
    );
}

/// What the directory does by itself could not be done. It is tried again.
pub fn directory_failed(error: &(dyn Error + 'static)) {
    error!(event = "directory_failed", error = %Chain(error), "the directory cannot be used");
}
