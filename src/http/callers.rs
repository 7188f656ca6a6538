//! Who asks the authorize listener, and what it may ask.
//!
//! Whoever comes through the loopback address or the Unix socket is let in; whoever comes through another address must be of
//! `server.authorize.callers`, told by its client certificate or by its token. Who is known is held to its scopes and limits, wherever
//! it comes from. A connection remembers whom its last header named, so that a request that repeats it costs a comparison.

mod meter;

use super::{
    ApiError, ErrorCode,
    credentials::{self, Failures, Noted},
    peer::{Peer, PeerAddress},
};
use crate::{
    config::{Caller, CallerScope, Live},
    telemetry::{CallerCounters, Metrics, events},
};
use arc_swap::{ArcSwap, Guard};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use meter::Meter;
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use subtle::ConstantTimeEq as _;

/// The caller's token, for those who need `Authorization` for the token of somebody else, such as proxies.
static SIDEGATE_TOKEN: HeaderName = HeaderName::from_static("sidegate-token");

/// All callers of the listener; shared by its workers.
#[derive(Debug)]
pub(super) struct Callers {
    settings: Live,
    metrics: Arc<Metrics>,
    /// The list as it counts now, with what has been used up. Made anew with the first request after a change.
    book: ArcSwap<Book>,
    /// Tokens that were not known. Asked where a connection brings a header that it has not brought before.
    failures: Mutex<Failures>,
    /// Whether who comes through the network must be known; settled at the start, as is the address.
    demanded: bool,
    began: Instant,
}

#[derive(Debug)]
struct Book {
    listed: Arc<[Caller]>,
    // INVARIANT: one for each of `listed`, in its order.
    known: Vec<Arc<Known>>,
}

/// A caller, with what it has used up.
#[derive(Debug)]
pub(super) struct Known {
    listed: Caller,
    meter: Arc<Meter>,
    counters: CallerCounters,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Visit {
    /// Who is at the other end.
    pub(super) peer: Peer,
    callers: Arc<Callers>,
    last: RefCell<Option<Recognised>>,
}

/// Whom the last header named.
#[derive(Debug)]
struct Recognised {
    /// The list that it was looked up in.
    listed: Arc<[Caller]>,
    header: Option<HeaderValue>,
    who: Option<Arc<Known>>,
}

/// A request that was let in; counts as one in flight until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Admitted(Option<Arc<Known>>);

impl Callers {
    /// The callers of the settings.
    pub(super) fn new(settings: Live, metrics: Arc<Metrics>) -> Arc<Self> {
        let server = settings.load().server.authorize.clone();
        let book = ArcSwap::from_pointee(Book::of(&server.callers, &[], &metrics));
        let demanded = server.demands_callers();
        Arc::new(Self { settings, metrics, book, failures: Mutex::default(), demanded, began: Instant::now() })
    }

    /// A connection begins.
    pub(super) fn visit(self: &Arc<Self>, peer: Peer) -> Visit {
        Visit { peer, callers: Arc::clone(self), last: RefCell::default() }
    }

    /// The list as it counts now.
    fn book(&self) -> Guard<Arc<Book>> {
        let book = self.book.load();
        let settings = self.settings.load();
        let listed = &settings.server.authorize.callers;
        if Arc::ptr_eq(&book.listed, listed) {
            return book;
        }
        // Two workers may do so at once; the limits go on in either.
        let next = Arc::new(Book::of(listed, &book.known, &self.metrics));
        self.book.store(Arc::clone(&next));
        Guard::from_inner(next)
    }

    /// Who shows a token that is not known on a door where it must be.
    fn fail(&self, peer: &Peer, now: Instant) -> ApiError {
        if let Some(from) = peer.ip() {
            let noted = self.failures.lock().unwrap_or_else(PoisonError::into_inner).note(from, now);
            if noted != Noted::More {
                events::caller_token_unknown(from, noted == Noted::Last);
            }
        }
        unauthorized("the bearer token is not known")
    }

    /// Whether a token from there is looked at.
    fn hear(&self, peer: &Peer, now: Instant) -> Result<(), ApiError> {
        let Some(from) = peer.ip() else { return Ok(()) };
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.hear(from, now).map_err(credentials::too_many)
    }
}

impl Book {
    fn of(listed: &Arc<[Caller]>, before: &[Arc<Known>], metrics: &Metrics) -> Self {
        let known = listed.iter().map(|caller| {
            let same = before.iter().find(|known| known.listed.name == caller.name);
            Arc::new(Known {
                listed: caller.clone(),
                meter: same.map_or_else(Arc::default, |same| Arc::clone(&same.meter)),
                counters: metrics.caller_counters(&caller.name),
            })
        });
        Self { known: known.collect(), listed: Arc::clone(listed) }
    }

    fn of_certificate(&self, names: &[String]) -> Option<&Arc<Known>> {
        self.known.iter().find(|known| known.listed.certificates.iter().any(|name| names.contains(name)))
    }

    fn of_token(&self, token: &str) -> Option<&Arc<Known>> {
        credentials::find(&self.known, |known| known.listed.sha256.as_ref(), token)
    }
}

impl Visit {
    /// Lets a request in that needs a scope, and says who asks. What needs none is open to all.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        scope: Option<CallerScope>,
        now: Instant,
    ) -> Result<Admitted, ApiError> {
        let Some(scope) = scope else { return Ok(Admitted(None)) };
        let Some(known) = self.recognise(headers, now)? else { return Ok(Admitted(None)) };
        let Known { listed, meter, counters } = &*known;
        if !listed.scopes.contains(&scope) {
            counters.out_of_scope.inc();
            let message = format!("the caller `{}` lacks the scope `{}`", listed.name, scope.as_str());
            return Err(ApiError::new(ErrorCode::ScopeMissing, message));
        }
        let limited = |message: String, wait: u16| {
            counters.limited.inc();
            ApiError { retry_after: Some(wait), ..ApiError::new(ErrorCode::TooManyRequests, message) }
        };
        if let Some(most) = listed.requests_per_second {
            let since = now.saturating_duration_since(self.callers.began);
            meter.take(most, since).map_err(|wait| {
                limited(
                    format!("the caller `{}` may send {most} requests a second", listed.name),
                    credentials::seconds(wait),
                )
            })?;
        }
        if !meter.enter(listed.in_flight) {
            return Err(limited(format!("the caller `{}` has too many requests at once", listed.name), 1));
        }
        counters.admitted.inc();
        Ok(Admitted(Some(known)))
    }

    /// Who asks; nobody in particular where the door is open.
    fn recognise(&self, headers: &HeaderMap, now: Instant) -> Result<Option<Arc<Known>>, ApiError> {
        let book = self.callers.book();
        let demanded = self.callers.demanded && matches!(self.peer.address, PeerAddress::Ip(_));
        if book.known.is_empty() && !demanded {
            return Ok(None);
        }
        let header = headers.get(&SIDEGATE_TOKEN).or_else(|| headers.get(AUTHORIZATION));
        if let Some(last) = &*self.last.borrow()
            && Arc::ptr_eq(&last.listed, &book.listed)
            && is_same(last.header.as_ref(), header)
        {
            return Ok(last.who.clone());
        }
        let who = match book.of_certificate(&self.peer.names) {
            Some(known) => Some(Arc::clone(known)),
            None => self.of_header(&book, headers, demanded, now)?,
        };
        let (listed, header) = (Arc::clone(&book.listed), header.cloned());
        *self.last.borrow_mut() = Some(Recognised { listed, header, who: who.clone() });
        Ok(who)
    }

    fn of_header(
        &self,
        book: &Book,
        headers: &HeaderMap,
        demanded: bool,
        now: Instant,
    ) -> Result<Option<Arc<Known>>, ApiError> {
        let given = match headers.get(&SIDEGATE_TOKEN) {
            Some(value) => value.to_str().ok().map(str::trim).filter(|token| !token.is_empty()),
            None => credentials::authorization(headers),
        };
        match given {
            // What an open door is shown may be meant for somebody else.
            Some(token) if !demanded => Ok(book.of_token(token).cloned()),
            None if !demanded => Ok(None),
            Some(token) => {
                self.callers.hear(&self.peer, now)?;
                let known = book.of_token(token).ok_or_else(|| self.callers.fail(&self.peer, now))?;
                Ok(Some(Arc::clone(known)))
            }
            None => Err(match self.peer.names.as_slice() {
                [] => unauthorized("no bearer token and no client certificate"),
                names => unauthorized(format!("no caller has the certificate of `{}`", names.join("`, `"))),
            }),
        }
    }
}

/// The time it takes tells nothing of the header before: somebody else may have sent it through the same proxy.
fn is_same(before: Option<&HeaderValue>, now: Option<&HeaderValue>) -> bool {
    match (before, now) {
        (None, None) => true,
        (Some(before), Some(now)) => before.as_bytes().ct_eq(now.as_bytes()).into(),
        _ => false,
    }
}

fn unauthorized(why: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, why)
}

impl Admitted {
    /// The name of the caller; empty where nobody needs to be known.
    pub(super) fn caller(&self) -> &str {
        self.0.as_ref().map_or("", |known| &known.listed.name)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(known) = &self.0 {
            known.meter.leave();
        }
    }
}

#[cfg(test)]
mod tests;
