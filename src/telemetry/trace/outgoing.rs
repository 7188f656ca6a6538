//! Calls to others: the span of each, and the header by which whoever answers knows of it.

use super::{Side, Span, begin, end, key};

/// The header that carries a place in a trace.
pub const TRACEPARENT: &str = "traceparent";

/// A call to somebody else.
#[derive(Debug)]
pub struct Outgoing(Option<Span>);

impl Outgoing {
    /// A call that begins now.
    #[must_use]
    pub fn begin(method: &'static str, host: &str, port: u16) -> Self {
        let mut span = begin(Side::Client, method);
        if let Some(span) = &mut span {
            span.word(key::METHOD, method);
            span.text(key::SERVER, host);
            span.whole(key::PORT, port);
        }
        Self(span)
    }

    /// The value of [`TRACEPARENT`]; `None` where the call is not recorded.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        self.0.as_ref().map(|span| span.context().header())
    }

    /// The call has ended: with a status, or without an answer.
    pub fn end(mut self, status: Option<u16>) {
        if let Some(span) = &mut self.0 {
            let fault = match status {
                Some(status) => {
                    span.whole(key::STATUS, status);
                    (status >= 400).then(|| status.to_string())
                }
                None => Some("_OTHER".to_owned()),
            };
            if let Some(fault) = fault {
                span.text(key::ERROR, &fault);
                span.fail();
            }
        }
        end(self.0);
    }
}
