//! Who asks, where a request says more of it than a name: a token, or roles that the caller vouches for.
//!
//! A token that is refused is a deny with a code of its own, like any other reason why somebody may not: the application that asks
//! has done nothing wrong, and the audit log has a record of it. Neither the token nor what it says is recorded, but for the user,
//! the tenant and the roles that counted.

use super::{ApiError, desk::Desk};
use crate::{
    config::Live,
    engine::{BoundUser, Dialect, Ignored},
    identity::{Cache, Hash, Identity, Verifier},
    model::{Assertion, Attributes, ReasonCode, Timestamp},
    policy::is_visible,
    reload::Current,
    telemetry::Metrics,
};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    sync::{Arc, Weak},
};

/// How much longer the claims of a token are in memory than the token itself, and who it says it is with them.
const CLAIMS_PER_TOKEN: usize = 4;
/// As long as the tokens of most issuers. Where they are longer, fewer are remembered.
const USUAL_TOKEN: usize = 1 << 10;

/// What a request says of its subject.
#[derive(Debug, Clone)]
pub(super) struct Claimed<'a> {
    /// The id that the request names; empty where it leaves that to the token.
    pub(super) named: &'a str,
    /// What it says beside the name.
    pub(super) word: Word<'a>,
}

/// What a request says of its subject beside the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// Nothing.
    Nothing,
    /// A token that says who it is.
    Token(Cow<'a, str>),
    /// Roles that the caller vouches for, and the tenant of the question, in which they count.
    Roles(Vec<String>, Option<&'a str>),
}

/// What counts of it.
#[derive(Debug, Clone, Default)]
pub(super) enum Claim {
    /// Nothing was said: the subject is who the directory knows under the name.
    #[default]
    Nothing,
    /// What was said counts.
    Asserted(Arc<Asserted>),
    /// What was said is refused, and so is whatever is asked.
    Refused(ReasonCode),
}

/// A subject of whom something is asserted.
#[derive(Debug)]
pub(super) struct Asserted {
    /// What.
    pub(super) assertion: Arc<Assertion>,
    /// The user with it. `None` in a set of plain Cedar, and where the user counts for nobody.
    pub(super) user: Option<BoundUser>,
    /// The claims of the token that says so, where one does.
    pub(super) claims: Option<Arc<Map<String, Value>>>,
}

impl Claim {
    /// What is asserted, in a snapshot.
    pub(super) fn asserted(
        current: &Current,
        assertion: Arc<Assertion>,
        claims: Option<Arc<Map<String, Value>>>,
    ) -> (Self, Ignored) {
        let program = &current.snapshot.program;
        if let Dialect::PlainCedar { principal_type } = program.dialect()
            && assertion.known_users_only
            && program.entities_of(principal_type).binary_search_by(|id| (**id).cmp(&*assertion.user)).is_err()
        {
            return (Self::Refused(ReasonCode::UserUnknown), Ignored::default());
        }
        let known = current.subjects.find(&assertion.user);
        let bound = BoundUser::asserted(program, known, &assertion);
        let (user, ignored) = bound.map_or((None, Ignored::default()), |(user, ignored)| (Some(user), ignored));
        (Self::Asserted(Arc::new(Asserted { assertion, user, claims })), ignored)
    }

    /// Why whatever is asked is refused.
    pub(super) const fn refusal(&self) -> Option<ReasonCode> {
        if let Self::Refused(code) = self { Some(*code) } else { None }
    }

    /// What is asserted, where it counts.
    pub(super) fn assertion(&self) -> Option<&Arc<Assertion>> {
        if let Self::Asserted(asserted) = self { Some(&asserted.assertion) } else { None }
    }

    /// The claims of the token, where one was given and counts.
    pub(super) fn claims(&self) -> Option<&Map<String, Value>> {
        if let Self::Asserted(asserted) = self { asserted.claims.as_deref() } else { None }
    }

    /// The subject's id: the asserted one, or else the one that was named.
    pub(super) fn user<'a>(&'a self, named: &'a str) -> &'a str {
        self.assertion().map_or(named, |assertion| assertion.user.as_str())
    }

    /// The subject's attributes where policies see those of a request: with a token those that it vouches for and no others.
    pub(super) fn attributes<'a>(&'a self, given: &'a Attributes<'a>) -> &'a Attributes<'a> {
        self.assertion().map_or(given, |assertion| assertion.attributes.as_slice())
    }
}

/// Finds out what counts of what requests say. Cheap to clone; for threads that remember nothing.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    verifier: Arc<Verifier>,
    settings: Live,
    metrics: Arc<Metrics>,
}

/// A token that was verified, and its user in the snapshot that was asked last.
#[derive(Debug)]
pub(super) struct Seat {
    identity: Arc<Identity>,
    // Its address is not used again while this is here.
    bound: Option<(Weak<Current>, Claim)>,
}

impl Claims {
    /// By these issuers and settings.
    pub(super) fn new(verifier: Arc<Verifier>, settings: Live, metrics: Arc<Metrics>) -> Self {
        Self { verifier, settings, metrics }
    }

    /// Whether there is an issuer whose tokens count.
    pub(super) fn takes_tokens(&self) -> bool {
        self.verifier.takes_tokens()
    }

    /// Whether callers may say which roles a user has, in a set that has roles.
    pub(super) fn trusts_roles(&self, dialect: &Dialect) -> bool {
        matches!(dialect, Dialect::Declared(_)) && self.settings.load().subjects.trust_asserted_roles
    }

    /// What counts of what a request says.
    pub(super) fn find(&self, current: &Current, claimed: &Claimed<'_>, now: Timestamp) -> Claim {
        match &claimed.word {
            Word::Nothing => Claim::Nothing,
            Word::Token(token) => match self.verifier.verify(token, now) {
                Ok(identity) => self.meet(claimed.named, &identity, || self.bind_token(current, &identity)),
                Err(code) => Claim::Refused(code),
            },
            Word::Roles(roles, tenant) => {
                self.bind(current, Arc::new(vouched(claimed.named, roles.clone(), *tenant)), None)
            }
        }
    }

    /// A request that names somebody else than its token is refused: one of the two is wrong.
    fn meet(&self, named: &str, identity: &Identity, bind: impl FnOnce() -> Claim) -> Claim {
        if named.is_empty() || named == identity.assertion.user {
            return bind();
        }
        self.metrics.token_refused(ReasonCode::TokenSubject);
        Claim::Refused(ReasonCode::TokenSubject)
    }

    fn bind_token(&self, current: &Current, identity: &Identity) -> Claim {
        self.bind(current, Arc::clone(&identity.assertion), Some(Arc::clone(&identity.claims)))
    }

    fn bind(&self, current: &Current, assertion: Arc<Assertion>, claims: Option<Arc<Map<String, Value>>>) -> Claim {
        let (claim, Ignored { unknown, without_tenant }) = Claim::asserted(current, assertion, claims);
        if unknown + without_tenant > 0 {
            self.metrics.asserted_roles_ignored(unknown, without_tenant);
        }
        claim
    }
}

/// What a caller asserts who vouches for roles: they count where the question is asked.
pub(super) fn vouched(user: &str, roles: Vec<String>, tenant: Option<&str>) -> Assertion {
    Assertion { user: user.to_owned(), tenant: tenant.map(str::to_owned), roles, ..Assertion::default() }
}

impl Desk {
    /// What counts of what a request says. A token that this worker has seen is not verified again while it counts.
    pub(super) fn claim(&self, current: &Arc<Current>, claimed: &Claimed<'_>, now: Timestamp) -> Claim {
        let Word::Token(token) = &claimed.word else { return self.claims().find(current, claimed, now) };
        let hash = Hash::of(token);
        match self.identify(hash, token, now) {
            Ok(identity) => self.claims().meet(claimed.named, &identity, || self.seated(current, hash, &identity)),
            Err(code) => Claim::Refused(code),
        }
    }

    /// Who a token says it is.
    fn identify(&self, hash: Hash, token: &str, now: Timestamp) -> Result<Arc<Identity>, ReasonCode> {
        let mut seats = self.seats().borrow_mut();
        if let Some(seat) = seats.get(hash) {
            if self.claims().verifier.still_holds(&seat.identity, now) {
                return Ok(Arc::clone(&seat.identity));
            }
            seats.forget(hash);
        }
        let identity = Arc::new(self.claims().verifier.verify(token, now)?);
        seats.put(hash, Seat { identity: Arc::clone(&identity), bound: None }, token.len() * CLAIMS_PER_TOKEN);
        Ok(identity)
    }

    /// The user of a verified token in a snapshot. Both stay the same from one request to the next, as a rule.
    fn seated(&self, current: &Arc<Current>, hash: Hash, identity: &Identity) -> Claim {
        let mut seats = self.seats().borrow_mut();
        let seat = seats.get(hash);
        if let Some(Seat { bound: Some((of, claim)), .. }) = &seat
            && Weak::as_ptr(of) == Arc::as_ptr(current)
        {
            return claim.clone();
        }
        let claim = self.claims().bind_token(current, identity);
        if let Some(seat) = seat {
            seat.bound = Some((Arc::downgrade(current), claim.clone()));
        }
        claim
    }
}

/// Room for so many verified tokens.
pub(super) fn seats(settings: &Live) -> Cache<Seat> {
    let cached = settings.load().subjects.verification.cached;
    Cache::new(cached, cached.saturating_mul(USUAL_TOKEN * CLAIMS_PER_TOKEN))
}

/// Roles that a caller vouches for, of somebody who can be a user: an id that no directory takes would be one that no administrator
/// can suspend, and that nobody can look for.
pub(super) fn roles_of<'a>(named: &str, roles: Vec<String>, tenant: Option<&'a str>) -> Result<Word<'a>, ApiError> {
    check_named(named)?;
    Ok(Word::Roles(roles, tenant))
}

/// Whether there can be a user of this id, of whom a caller vouches for something.
pub(super) fn check_named(named: &str) -> Result<(), ApiError> {
    if is_visible(named) {
        return Ok(());
    }
    let message =
        "the `id` of a subject with `roles` must be visible text of 1 to 256 bytes, without a space at its ends";
    Err(ApiError::malformed(message))
}

/// What is said where a token stands beside roles.
pub(super) fn both() -> ApiError {
    ApiError::malformed("a subject has `token` or `roles`: who says both is believed neither")
}
