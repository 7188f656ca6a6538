//! Mail: letters out of a durable queue, rendered from templates, sent through SMTP or written as files.
//!
//! Whoever has something to say queues it and rings the [`Bell`]; the [`Worker`] takes what is due from the [`Queue`], and tells it what
//! became of each letter. A mail server that is slow, refuses or is gone costs nobody but the letters time: what could not be sent
//! is tried again until it is too old. A link is a secret: it comes with the letter when that is due, and is neither stored nor
//! logged here.
//!
//! The module knows neither users nor HTTP nor how the queue is kept.

mod address;
mod failure;
mod folder;
mod letter;
mod post;
mod queue;
mod retry;
mod smtp;
mod templates;
mod worker;

pub use address::{Address, AddressError};
pub use letter::{Kind, Letter, Link, Values};
pub use post::{Post, check};
pub use queue::{Bell, Due, Queue, QueueError, Unwritten};
pub use worker::{Now, Worker};
