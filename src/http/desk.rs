//! The step that every way of asking shares: find the subject, decide, record, count.
//!
//! A desk belongs to one worker thread. [`Desk::decide`] is synchronous: what it decided is in the audit ring when it returns.

mod forwarded;
mod record;
mod run;

pub(super) use run::Run;

use self::record::{Made, Scratch, write_context, write_user};
use super::{
    ApiError, ErrorCode,
    aside::Aside,
    authorize_listener::Services,
    claim::{self, Claim, Claims, Seat},
    json,
    peer::Call,
    routes,
    self_check::{Sampler, SelfCheck},
};
use crate::{
    audit::{Origin, RecordError, Recorder, Ticket, Waiter},
    config::{Limits, Settings},
    engine::{self, Dialect, Outcome, Program, Subject},
    identity::Cache,
    model::{Attributes, Decision, ReasonCode, Request, Resource, Revision, Timestamp},
    reload::Current,
    telemetry::HttpSeries,
};
use arc_swap::Guard;
use hyper::header::HeaderValue;
use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use ulid::Ulid;

/// The name of the listener in metrics and logs.
pub(super) const LISTENER: &str = "authorize";

/// What is said of a decision that could not be recorded.
pub(super) const UNAVAILABLE: &str = "the audit log cannot take the record";

/// What one worker needs to answer.
#[derive(Debug)]
pub(super) struct Desk {
    services: Services,
    recorder: RefCell<Recorder>,
    /// Waits for the recorder's ring without borrowing the recorder.
    waiter: Waiter,
    sampler: Sampler,
    in_flight: Arc<AtomicUsize>,
    aside: Aside,
    /// Where answered questions are counted, by route.
    answered: Vec<(&'static str, HttpSeries)>,
    scratch: RefCell<Scratch>,
    claims: Claims,
    /// Tokens that were verified.
    seats: RefCell<Cache<Seat>>,
    /// The revision that answered last, ready to be sent: it changes with a reload only.
    revision: RefCell<Option<(Revision, HeaderValue)>>,
}

/// One question, in the words of the caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// The type of the subject; `None` where the way of asking knows users only.
    pub(super) subject_type: Option<&'a str>,
    /// The id of the subject.
    pub(super) subject: &'a str,
    /// What the caller says about the subject.
    pub(super) subject_attributes: &'a Attributes<'a>,
    /// What counts of a token, or of roles that the caller vouches for.
    pub(super) claim: &'a Claim,
    /// The action.
    pub(super) action: &'a str,
    /// What it is done to.
    pub(super) resource: Resource<'a>,
    /// The tenant.
    pub(super) tenant: Option<&'a str>,
    /// The context.
    pub(super) context: &'a Attributes<'a>,
}

/// The request that a question came with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Its id, and who is at the other end.
    pub(super) call: Call<'a>,
    /// The way of asking.
    pub(super) origin: Origin,
    /// When.
    pub(super) time: Timestamp,
    /// What [`Desk::room`] said just before.
    pub(super) room: Room,
}

/// Whether the audit log takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// The next record finds room.
    Free,
    /// The store has failed: decisions are denied, since nobody would know of them.
    Failed,
}

/// What was decided, and the place of its record.
#[derive(Debug)]
pub(super) struct Ruling<'a> {
    /// Names the decision.
    pub(super) id: Ulid,
    /// What the engine said; `None` where it could not be recorded, which is a deny.
    outcome: Option<Outcome<'a>>,
    /// The place of the record.
    pub(super) ticket: Option<Ticket>,
}

/// A request that is being answered; counts as such until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight<'d>(&'d AtomicUsize);

impl<'a> Question<'a> {
    /// The question as the engine takes it.
    pub(super) fn request(&self, time: Timestamp) -> Request<'a> {
        let Self { action, resource, tenant, context, .. } = *self;
        let subject_attributes = self.claim.attributes(self.subject_attributes);
        Request { action, resource, tenant, context, subject_attributes, time }
    }
}

impl Desk {
    /// A desk for one worker; `in_flight` and `aside` are shared by all.
    pub(super) fn new(
        services: Services,
        recorder: Recorder,
        check: Option<SelfCheck>,
        in_flight: Arc<AtomicUsize>,
        aside: Aside,
    ) -> Self {
        let metrics = &services.metrics;
        let answered = routes::labels().map(|(route, _)| (route, metrics.http_series(LISTENER, route, 200))).collect();
        let waiter = recorder.waiter();
        let settings = &services.settings;
        let claims = Claims::new(Arc::clone(&services.verifier), settings.clone(), Arc::clone(metrics));
        let seats = RefCell::new(claim::seats(settings));
        Self {
            services,
            recorder: RefCell::new(recorder),
            waiter,
            sampler: Sampler::new(check),
            in_flight,
            aside,
            answered,
            scratch: RefCell::default(),
            claims,
            seats,
            revision: RefCell::default(),
        }
    }

    /// Now.
    pub(super) fn now(&self) -> Timestamp {
        (self.services.now)()
    }

    /// A new id.
    #[expect(clippy::unused_self, reason = "ids come from the desk, whatever they are made of")]
    pub(super) fn new_id(&self, now: Timestamp) -> Ulid {
        let milliseconds = u64::try_from(now.as_micros() / 1000).unwrap_or_default();
        Ulid::from_parts(milliseconds, fastrand::u128(..))
    }

    /// The settings that count now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.services.settings.load())
    }

    /// The limits of requests.
    pub(super) fn limits(&self) -> Limits {
        self.services.settings.load().server.authorize.limits
    }

    /// Finds out what counts of what requests say of their subjects.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Tokens that were verified on this thread.
    pub(super) fn seats(&self) -> &RefCell<Cache<Seat>> {
        &self.seats
    }

    /// Where work is done that would hold up decisions.
    pub(super) fn aside(&self) -> &Aside {
        &self.aside
    }

    /// Where callers reach the listener from outside, if that is known.
    pub(super) fn public_url(&self) -> Option<String> {
        self.services.settings.load().server.authorize.public_url.clone()
    }

    /// The current snapshot. To be loaded once per request.
    pub(super) fn current(&self) -> Guard<Arc<Current>> {
        self.services.reader.load()
    }

    /// Whether the policies are too old to say what anybody may do.
    pub(super) fn is_expired(&self) -> bool {
        self.services.reader.is_expired(Instant::now())
    }

    /// Counts an answered request.
    pub(super) fn count(&self, route: &'static str, status: u16, took: Duration) {
        match self.answered.iter().find(|(path, _)| status == 200 && *path == route) {
            Some((_, series)) => series.record(took),
            None => self.services.metrics.http_request(LISTENER, route, status, took),
        }
    }

    /// Takes a place among the requests in flight.
    pub(super) fn enter(&self) -> Result<InFlight<'_>, ApiError> {
        let place = InFlight(&self.in_flight);
        // Relaxed: the count guards nothing but itself.
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= self.limits().in_flight {
            return Err(ApiError::new(ErrorCode::Overloaded, "too many requests at once"));
        }
        Ok(place)
    }

    /// Waits until the audit log has room for one record, as far as it is set to wait.
    pub(super) async fn room(&self) -> Result<Room, ApiError> {
        match self.waiter.room().await {
            Ok(()) => Ok(Room::Free),
            Err(RecordError::Failed) => Ok(Room::Failed),
            Err(RecordError::Full) => Err(ApiError::new(ErrorCode::AuditUnavailable, "the audit queue is full")),
        }
    }

    /// Waits until a record is as durable as the audit mode demands; `false` where it will never be.
    pub(super) async fn committed(&self, ticket: Option<Ticket>) -> bool {
        match ticket {
            Some(ticket) => self.waiter.committed(ticket).await.is_ok(),
            None => true,
        }
    }

    /// The revision as a header.
    pub(super) fn revision_header(&self, revision: Revision) -> HeaderValue {
        let mut last = self.revision.borrow_mut();
        if let Some((known, header)) = &*last
            && *known == revision
        {
            return header.clone();
        }
        // Twelve hexadecimal digits.
        let header = HeaderValue::from_str(revision.short()).unwrap_or_else(|_| HeaderValue::from_static(""));
        *last = Some((revision, header.clone()));
        header
    }

    /// Decides one question, records the decision and counts it. Several are put to a [`Run`].
    pub(super) fn decide<'a>(&self, current: &'a Current, question: &Question<'a>, asked: &Asked<'_>) -> Ruling<'a> {
        let program = &current.snapshot.program;
        let subject = subject(current, question);
        let scratch = &mut *self.scratch.borrow_mut();
        write_user(&mut scratch.user, program.dialect(), question);
        write_context(&mut scratch.context, program, question.context);
        self.rule(current, question, asked, subject, scratch, |request| engine::decide(program, subject, request))
    }

    /// The steps from a question to its ruling: `decide` makes the decision, `scratch` holds texts of the record.
    fn rule<'a>(
        &self,
        current: &'a Current,
        question: &Question<'a>,
        asked: &Asked<'_>,
        subject: Subject<'a>,
        scratch: &Scratch,
        decide: impl FnOnce(&Request<'a>) -> Outcome<'a>,
    ) -> Ruling<'a> {
        let program = &current.snapshot.program;
        let id = self.new_id(asked.time);
        if asked.room == Room::Failed {
            current.counters.record(Decision::Deny, None, asked.origin, Duration::ZERO);
            return Ruling { id, outcome: None, ticket: None };
        }
        let request = question.request(asked.time);
        let started = Instant::now();
        let expired = self.services.reader.is_expired(started).then_some(ReasonCode::PoliciesStale);
        let refused = expired.or(question.claim.refusal());
        let outcome = match refused {
            Some(code) => engine::refuse(program, subject, &request, code),
            None => decide(&request),
        };
        let took = started.elapsed();
        let erring = outcome.errors.len();
        let recorded = self.record(current, question, asked, &Made { outcome: &outcome, id, took, scratch });
        let ruling = match recorded {
            Ok(ticket) => Ruling { id, outcome: Some(outcome), ticket: Some(ticket) },
            Err(RecordError::Failed | RecordError::Full) => Ruling { id, outcome: None, ticket: None },
        };
        if erring > 0 {
            self.services.metrics.policy_errors(erring);
        }
        let module = ruling.outcome.as_ref().and_then(|outcome| outcome.module);
        current.counters.record(ruling.decision(), module, asked.origin, took);
        asked.call.trace.decided(ruling.decision(), |span| record::tell(span, current, question, asked, &ruling));
        // What was not decided by the policies is not compared with what others would decide.
        let is_settled = ruling.code().is_of_a_proxy() || ruling.code().is_of_a_token();
        if refused.is_none() && !is_settled {
            self.sampler.count(&self.services.reader, current, question, asked, id);
            if let (Some(comparer), Some(outcome)) = (&self.services.comparer, &ruling.outcome) {
                comparer.compare(current, outcome, question, asked);
            }
        }
        ruling
    }
}

impl Ruling<'_> {
    /// Why.
    pub(super) fn code(&self) -> ReasonCode {
        self.outcome.as_ref().map_or(ReasonCode::AuditUnavailable, |outcome| outcome.code)
    }

    /// The reason in plain words.
    pub(super) fn message(&self, program: &Program) -> String {
        let outcome = self.outcome.as_ref();
        outcome.map_or_else(|| UNAVAILABLE.to_owned(), |outcome| outcome.message(program).to_string())
    }

    /// The tenant in which it was decided.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.outcome.as_ref().and_then(|outcome| outcome.tenant)
    }

    /// The roles that the user has there.
    pub(super) fn roles(&self) -> &[String] {
        self.outcome.as_ref().map_or(&[], |outcome| outcome.roles)
    }

    /// The answer.
    pub(super) fn decision(&self) -> Decision {
        self.outcome.as_ref().map_or(Decision::Deny, |outcome| outcome.decision)
    }

    /// Writes the reason: its code, its message and its policies.
    pub(super) fn write_reason(&self, out: &mut String, program: &Program) {
        match &self.outcome {
            Some(outcome) => write_reason(out, outcome, program),
            None => write_unavailable(out),
        }
    }
}

/// Writes the reason of an outcome.
pub(super) fn write_reason(out: &mut String, outcome: &Outcome<'_>, program: &Program) {
    out.push_str(r#"{"code":""#);
    out.push_str(outcome.code.as_str());
    out.push_str(r#"","message":"#);
    json::write::display(out, outcome.message(program));
    out.push_str(r#","policies":"#);
    let policies = outcome.determining.iter().filter_map(|&index| program.policy(index));
    json::write::texts(out, policies.map(|policy| &*policy.id));
    out.push('}');
}

/// Writes the reason of a decision that could not be recorded.
pub(super) fn write_unavailable(out: &mut String) {
    out.push_str(r#"{"code":""#);
    out.push_str(ReasonCode::AuditUnavailable.as_str());
    out.push_str(r#"","message":""#);
    out.push_str(UNAVAILABLE);
    out.push_str(r#"","policies":[]}"#);
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn subject<'a>(current: &'a Current, question: &Question<'a>) -> Subject<'a> {
    let id = question.subject;
    match current.snapshot.program.dialect() {
        Dialect::PlainCedar { principal_type } => {
            Subject::Entity { ty: question.subject_type.unwrap_or(principal_type), id }
        }
        Dialect::Declared(_) if is_user(question) => {
            let user = match question.claim {
                Claim::Nothing => current.subjects.find(id),
                Claim::Asserted(asserted) => asserted.user.as_ref(),
                Claim::Refused(_) => None,
            };
            user.map_or(Subject::Unknown { id }, Subject::User)
        }
        Dialect::Declared(_) => Subject::Unknown { id },
    }
}

/// Whether the subject of a question to a declared policy set is a user. AuthZEN's examples write the type in lower case.
pub(super) fn is_user(question: &Question<'_>) -> bool {
    question.subject_type.is_none_or(|ty| ty.eq_ignore_ascii_case("User"))
}
