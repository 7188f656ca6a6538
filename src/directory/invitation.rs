//! Invitations: somebody is asked in by mail, with what is to be given.

use super::{
    Account,
    account::{Given, Place, time},
};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};

/// How many links of one invitation are remembered after others have replaced them.
pub(super) const MOST_SPENT: usize = 16;

/// An invitation, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    /// Names it; sorts by time.
    pub id: String,
    /// Where the letter goes.
    pub email: String,
    /// The user that it is for: made with the invitation, or there before.
    pub user: String,
    /// Whether the user was there before, and just joins.
    pub joins: bool,
    /// The tenant that the user is invited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What a user who was there before is given on accepting. Whoever is new has it already, and is denied until then; where the user is
    /// gone with the invitation, this is what it had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Given>,
    /// The family of a user who is gone with the invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Who invited.
    pub by: String,
    /// When.
    #[serde(with = "time")]
    pub created: Timestamp,
    /// From when on the link is refused.
    #[serde(with = "time")]
    pub expires: Timestamp,
    /// What has become of it.
    pub outcome: Outcome,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub closed: Option<Timestamp>,
    /// Counts the links: the secret of each is made from it.
    pub generation: u32,
    /// SHA-256 of the secret of the link that counts.
    #[serde(with = "hash")]
    pub secret: [u8; 32],
    /// Those of links that were replaced, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "hash::list")]
    pub spent: Vec<[u8; 32]>,
    /// The letter that has to go out, where one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<Letter>,
    /// When the last letter went out.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub mailed: Option<Timestamp>,
    /// Grows with every change; the `ETag`.
    pub version: u64,
}

/// What has become of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing yet.
    Open,
    /// The user is in.
    Accepted,
    /// It was taken back.
    Revoked,
}

/// A letter that has to go out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// Since when it waits.
    #[serde(with = "time")]
    pub queued: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(with = "time")]
    pub next: Timestamp,
    /// What went wrong the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// It was given up: the invitation can be sent again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

impl Letter {
    /// One that is due now.
    #[must_use]
    pub const fn due(now: Timestamp) -> Self {
        Self { queued: now, attempts: 0, next: now, error: None, given_up: false }
    }
}

impl Invitation {
    /// `open`, `accepted`, `revoked` or `expired`, at a time.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.outcome {
            Outcome::Open if now >= self.expires => "expired",
            Outcome::Open => "open",
            Outcome::Accepted => "accepted",
            Outcome::Revoked => "revoked",
        }
    }

    /// Whether it can still be accepted.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.outcome == Outcome::Open && now < self.expires
    }

    /// The user that it was made for, as it was when it went with the invitation.
    pub(super) fn guest(&self) -> Account {
        let place = Place { tenant: self.tenant.clone(), given: self.given.clone(), left: false };
        let places = if self.tenant.is_some() || !self.given.is_empty() { vec![place] } else { Vec::new() };
        let blank = Account::blank(&self.email, "", self.created);
        Account { id: self.user.clone(), family: self.family.clone(), places, ..blank }
    }

    /// Somebody who has nothing but what it gives.
    pub(super) fn promise(&self) -> Account {
        let place = Place { tenant: self.tenant.clone(), given: self.given.clone(), left: false };
        Account { id: self.user.clone(), places: vec![place], ..Account::blank(&self.email, "", self.created) }
    }

    /// Puts a new link in the place of the one that counted.
    pub(super) fn replace_link(&mut self, secret: [u8; 32]) {
        self.spent.push(self.secret);
        let too_many = self.spent.len().saturating_sub(MOST_SPENT);
        self.spent.drain(..too_many);
        self.secret = secret;
    }
}

/// Hashes in hexadecimal.
mod hash {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(hash: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&crate::directory::link::hex(hash))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        crate::directory::link::from_hex(&text).ok_or_else(|| D::Error::custom("no hash"))
    }

    /// Several of them.
    pub(super) mod list {
        use serde::{Deserialize, Deserializer, Serializer, de::Error, ser::SerializeSeq};

        pub(in super::super) fn serialize<S: Serializer>(hashes: &[[u8; 32]], to: S) -> Result<S::Ok, S::Error> {
            let mut list = to.serialize_seq(Some(hashes.len()))?;
            for hash in hashes {
                list.serialize_element(&crate::directory::link::hex(hash))?;
            }
            list.end()
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<[u8; 32]>, D::Error> {
            let texts = Vec::<String>::deserialize(from)?;
            let hashes = texts.iter().map(|text| crate::directory::link::from_hex(text));
            hashes.collect::<Option<_>>().ok_or_else(|| D::Error::custom("no hash"))
        }
    }
}
