//! A span: what was done, when, for how long, and what is to be known of it.

use super::Context;
use crate::model::Timestamp;
use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

/// Longest text of an attribute; what is longer is cut. Callers choose some of them.
const MOST_TEXT: usize = 256;

/// On which side of a conversation it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On none.
    Internal,
    /// It answers.
    Server,
    /// It asks.
    Client,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Whole(i64),
}

/// Something that is being done and will be told of.
#[derive(Debug)]
pub struct Span {
    /// Its place in the trace.
    pub(super) context: Context,
    /// What it is done for, and whether that is elsewhere.
    pub(super) parent: Option<[u8; 8]>,
    /// What other vendors say of the trace.
    pub(super) state: String,
    pub(super) side: Side,
    pub(super) name: Cow<'static, str>,
    pub(super) began: Timestamp,
    clock: Instant,
    /// How long it took; 0 while it goes on.
    pub(super) nanoseconds: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// Whether it failed.
    pub(super) failed: bool,
}

impl Span {
    pub(super) fn new(
        context: Context,
        parent: Option<[u8; 8]>,
        side: Side,
        name: Cow<'static, str>,
        began: Timestamp,
    ) -> Self {
        Self {
            context,
            parent,
            state: String::new(),
            side,
            name,
            began,
            clock: Instant::now(),
            nanoseconds: 0,
            attributes: Vec::new(),
            failed: false,
        }
    }

    /// Its place in the trace.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// What it is called.
    pub fn name(&mut self, name: impl Into<Cow<'static, str>>) {
        self.name = name.into();
    }

    /// What other vendors say of its trace.
    pub fn state(&mut self, state: String) {
        self.state = state;
    }

    /// A text to be known of it. Nothing where it is empty; cut where it is long.
    pub fn text(&mut self, key: &'static str, text: &str) {
        if !text.is_empty() {
            let text = text.get(..text.floor_char_boundary(MOST_TEXT)).unwrap_or_default();
            self.attributes.push((key, Value::Text(Cow::Owned(text.to_owned()))));
        }
    }

    /// A word of ours to be known of it.
    pub fn word(&mut self, key: &'static str, word: &'static str) {
        self.attributes.push((key, Value::Text(Cow::Borrowed(word))));
    }

    /// A number to be known of it.
    pub fn whole(&mut self, key: &'static str, number: impl TryInto<i64>) {
        self.attributes.push((key, Value::Whole(number.try_into().unwrap_or(i64::MAX))));
    }

    /// Takes attributes back, down to so many.
    pub fn truncate(&mut self, count: usize) {
        self.attributes.truncate(count);
    }

    /// It has failed.
    pub const fn fail(&mut self) {
        self.failed = true;
    }

    /// It is done, and has taken as long as is said, or else as it has been here.
    pub(super) fn close(&mut self, took: Option<Duration>) {
        let took = took.unwrap_or_else(|| self.clock.elapsed());
        self.nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    }
}
