//! What operators are told of mail. Recipients stand here by their ids: no line holds an address or a link.

use super::{Chain, millis};
use crate::{
    model::Timestamp,
    telemetry::{MailOutcome, Metrics},
};
use std::{error::Error, time::Duration};
use tracing::{error, info, warn};

/// A letter was sent.
pub fn letter_sent(metrics: &Metrics, kind: &str, letter: &str, recipient: &str, took: Duration) {
    metrics.mail_letter(MailOutcome::Sent);
    info!(event = "letter_sent", kind, letter, recipient, took_ms = millis(took), "a letter was sent");
}

/// A letter was not sent, and is tried again.
pub fn letter_failed(metrics: &Metrics, kind: &str, letter: &str, recipient: &str, why: &str, next: Timestamp) {
    metrics.mail_letter(MailOutcome::Failed);
    warn!(event = "letter_failed", kind, letter, recipient, why, %next, "a letter could not be sent yet");
}

/// A letter was not sent, and is not tried again.
pub fn letter_given_up(metrics: &Metrics, kind: &str, letter: &str, recipient: &str, why: &str) {
    metrics.mail_letter(MailOutcome::GaveUp);
    error!(event = "letter_given_up", kind, letter, recipient, why, "a letter was given up");
}

/// The queue of letters could not be read, or told what became of a letter. It is tried again.
pub fn mail_queue_failed(error: &(dyn Error + 'static)) {
    error!(event = "mail_queue_failed", error = %Chain(error), "the queue of letters cannot be used");
}

/// What the directory does by itself could not be done. It is tried again.
pub fn directory_failed(error: &(dyn Error + 'static)) {
    error!(event = "directory_failed", error = %Chain(error), "the directory cannot be used");
}
