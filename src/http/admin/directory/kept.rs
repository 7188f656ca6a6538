//! Answers that are kept for whoever asks again by the same `Idempotency-Key`: a call whose answer was lost can be repeated safely.
//!
//! They live in memory, for a bounded time and in bounded space: a restart forgets them, and so does want of room, the oldest first.

use super::change::Shown;
use crate::{
    http::{ApiError, ErrorCode},
    model::Timestamp,
};
use axum::http::{HeaderMap, HeaderName, header::IF_MATCH, request::Parts};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The header that holds a key.
pub(super) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long an answer is kept, in microseconds: a day.
const KEPT: i64 = 24 * 3600 * 1_000_000;
/// Bytes of all answers at the most.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The longest key.
const KEY: usize = 255;

/// Who asks, and by which key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The token's name and the actor: nobody is told what somebody else was answered.
    pub(super) caller: (String, Option<String>),
    pub(super) key: String,
}

/// The digest of what is asked for: by the same key it has to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked([u8; 32]);

/// The answers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Answers>>);

type Answer = Result<Shown, ApiError>;

#[derive(Debug, Default)]
struct Answers {
    // INVARIANT: `order` names every answer that there is once, the oldest first; `bytes` is their sum.
    by_key: HashMap<Key, (Asked, Option<Answer>)>,
    order: VecDeque<(Timestamp, Key, usize)>,
    bytes: usize,
}

/// Whether something was asked for before.
#[derive(Debug)]
pub(super) enum Once {
    /// It was, and this was the answer.
    Again(Answer),
    /// It was not.
    First(Place),
}

/// Why a key does not fit the call that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It stands for another call.
    Reused,
    /// The call is being made at this moment.
    InUse,
}

impl Unfit {
    /// Stable, in answers and records.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Reused => "idempotency_key_reused",
            Self::InUse => "idempotency_key_in_use",
        }
    }
}

impl From<Unfit> for ApiError {
    fn from(unfit: Unfit) -> Self {
        let (code, message) = match unfit {
            Unfit::Reused => (ErrorCode::Invalid, "this idempotency key stands for another call: take a new one"),
            Unfit::InUse => {
                (ErrorCode::Conflict, "the call with this idempotency key is being answered: ask again in a moment")
            }
        };
        Self::named(code, unfit.code(), message)
    }
}

/// The place of an answer to come. Dropped without one, it is free again.
#[derive(Debug)]
pub(super) struct Place {
    kept: Kept,
    key: Key,
    now: Timestamp,
    open: bool,
}

/// The key that a call carries, if any.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut given = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let is_plain = |text: &&str| (1..=KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    match (value.to_str().ok().filter(is_plain), given.next()) {
        (Some(text), None) => Ok(Some(text)),
        _ => Err(ApiError::malformed(format!(
            "the header `{IDEMPOTENCY_KEY}` is one text of 1 to {KEY} visible ASCII characters"
        ))),
    }
}

impl Asked {
    pub(super) fn of(head: &Parts, body: &Value) -> Self {
        let seen = head.headers.get(IF_MATCH).map_or(&b""[..], |value| value.as_bytes());
        let body = body.to_string();
        let mut digest = Sha256::new();
        for part in [head.method.as_str().as_bytes(), head.uri.to_string().as_bytes(), seen, body.as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

impl Kept {
    /// Begins what is asked for, unless it was asked for before.
    ///
    /// # Errors
    /// Fails where the key stands for something else, or is being answered at this moment.
    pub(super) fn begin(&self, key: &Key, asked: &Asked, now: Timestamp) -> Result<Once, Unfit> {
        let mut answers = self.lock();
        answers.forget(now);
        match answers.by_key.get(key) {
            Some((before, _)) if before != asked => Err(Unfit::Reused),
            Some((_, None)) => Err(Unfit::InUse),
            Some((_, Some(answer))) => Ok(Once::Again(answer.clone())),
            None => {
                answers.by_key.insert(key.clone(), (*asked, None));
                Ok(Once::First(Place { kept: self.clone(), key: key.clone(), now, open: true }))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        // Nothing in it is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Keeps an answer. One that says that the server was unable is not kept: asked again it may be able.
    pub(super) fn end(mut self, answer: Answer) -> Answer {
        let is_final = answer.as_ref().err().is_none_or(|error| !matches!(error.code.status(), 429 | 500..));
        if is_final {
            self.open = false;
            self.kept.lock().keep(&self.key, answer.clone(), self.now);
        }
        answer
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.open {
            self.kept.lock().by_key.remove(&self.key);
        }
    }
}

impl Answers {
    fn keep(&mut self, key: &Key, answer: Answer, now: Timestamp) {
        let content = match &answer {
            Ok(shown) => shown.bytes(),
            Err(error) => size_of::<ApiError>() + error.body("").len(),
        };
        let Some((_, place)) = self.by_key.get_mut(key) else { return };
        *place = Some(answer);
        let (token, actor) = &key.caller;
        // The key stands there twice.
        let bytes =
            content + 2 * (size_of::<Key>() + token.len() + actor.as_ref().map_or(0, String::len) + key.key.len());
        self.bytes += bytes;
        self.order.push_back((now, key.clone(), bytes));
        while self.bytes > MOST_BYTES && self.drop_oldest() {}
    }

    fn forget(&mut self, now: Timestamp) {
        let is_old = |(at, ..): &(Timestamp, Key, usize)| now.as_micros() - at.as_micros() >= KEPT;
        while self.order.front().is_some_and(is_old) && self.drop_oldest() {}
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, key, bytes)) = self.order.pop_front() else { return false };
        self.bytes -= bytes;
        self.by_key.remove(&key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000 + day * KEPT)
    }

    fn key_of(key: &str) -> Key {
        Key { caller: ("ops".to_owned(), None), key: key.to_owned() }
    }

    /// What a call is answered, and whether it was made.
    fn ask(kept: &Kept, key: &Key, body: &str, day: i64, answer: Answer) -> (Result<String, String>, bool) {
        let asked = Asked(Sha256::digest(body.as_bytes()).into());
        let text = |answer: Answer| match answer {
            Ok(shown) => Ok(format!("{shown:?}")),
            Err(error) => Err(error.name.map_or(error.code.as_str().to_owned(), std::borrow::Cow::into_owned)),
        };
        match kept.begin(key, &asked, at(day)) {
            Err(unfit) => (text(Err(unfit.into())), false),
            Ok(Once::Again(answer)) => (text(answer), false),
            Ok(Once::First(place)) => (text(place.end(answer)), true),
        }
    }

    #[test]
    fn the_same_key_is_answered_once_and_by_its_caller_alone() {
        let kept = Kept::default();
        let (one, mine) = (Shown::new(&"one"), key_of("k"));
        let first = ask(&kept, &mine, "a", 0, Ok(one.clone()));
        assert!(first.1);
        assert_eq!(ask(&kept, &mine, "a", 0, Ok(Shown::new(&"two"))), (first.0.clone(), false));
        assert_eq!(ask(&kept, &mine, "b", 0, Ok(one.clone())).0.unwrap_err(), "idempotency_key_reused");
        let other = Key { caller: ("ops".to_owned(), Some("mona".to_owned())), ..mine.clone() };
        assert!(ask(&kept, &other, "b", 0, Ok(one.clone())).1, "another caller has keys of its own");
        assert!(ask(&kept, &mine, "b", 1, Ok(one)).1, "a day later it is forgotten");
    }

    #[test]
    fn a_call_under_way_is_told_and_one_that_failed_can_be_made_again() {
        let (kept, key) = (Kept::default(), key_of("k"));
        let asked = Asked([0; 32]);
        let Ok(Once::First(place)) = kept.begin(&key, &asked, at(0)) else { panic!("the first") };
        assert_eq!(kept.begin(&key, &asked, at(0)).unwrap_err(), Unfit::InUse);
        drop(place);
        let unable = || Err(ApiError::new(ErrorCode::DirectoryUnavailable, "no"));
        assert!(ask(&kept, &key, "a", 0, unable()).1);
        assert!(ask(&kept, &key, "a", 0, Err(ApiError::new(ErrorCode::Conflict, "taken"))).1);
        assert_eq!(ask(&kept, &key, "a", 0, unable()), (Err("conflict".to_owned()), false), "a refusal is an answer");
    }

    #[test]
    fn room_is_bounded_and_the_oldest_go_first() {
        let kept = Kept::default();
        let big = Shown::new(&"x".repeat(MOST_BYTES / 4));
        for key in ["a", "b", "c", "d"] {
            assert!(ask(&kept, &key_of(key), "", 0, Ok(big.clone())).1);
        }
        assert!(!ask(&kept, &key_of("d"), "", 0, Ok(big.clone())).1);
        assert!(ask(&kept, &key_of("a"), "", 0, Ok(big)).1);
        assert!(kept.lock().bytes <= MOST_BYTES);
    }

    #[test]
    fn a_key_is_visible_and_given_once() {
        for (given, expected) in [
            (&[][..], Some(None)),
            (&["k-1"][..], Some(Some("k-1"))),
            (&[""], None),
            (&["a b"], None),
            (&["a", "a"], None),
            (&["\u{e4}"], None),
        ] {
            let value = |text: &&str| (IDEMPOTENCY_KEY.clone(), axum::http::HeaderValue::from_str(text).unwrap());
            let headers: HeaderMap = given.iter().map(value).collect();
            assert_eq!(key(&headers).ok(), expected, "{given:?}");
        }
    }
}
