//! What is sent: a kind, a recipient, and the values that its template may name.

use super::Address;
use crate::model::Timestamp;
use std::fmt;

/// The kinds of letters; each has templates of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody without an account is invited: the link creates it.
    Invitation,
    /// Somebody who has an account is invited: the link joins.
    InvitationExisting,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Invitation, Self::InvitationExisting];

    /// The kind's name, in file names and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::InvitationExisting => "invitation-existing",
        }
    }
}

/// One letter.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its id: unique, and the same at every attempt, so that a letter that was sent twice can be told from two letters.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// The recipient's id, for logs: they never hold an address.
    pub recipient: String,
    /// Where it goes.
    pub address: Address,
    /// The recipient's name, where it is known.
    pub name: Option<String>,
    /// The recipient's language, such as `de-AT`, where it is known.
    pub language: Option<String>,
    /// What its template may name.
    pub values: Values,
}

/// What a template may name beside the recipient.
#[derive(Debug, Clone)]
pub struct Values {
    /// Where the recipient accepts.
    pub link: Link,
    /// When the link dies. A letter whose time has come before it was sent is given up.
    pub expires: Timestamp,
    /// What the recipient is invited to, in words.
    pub tenant: String,
    /// Who invites, in words, where it was somebody.
    pub inviter: Option<String>,
    /// The roles to come, in words.
    pub roles: Vec<String>,
}

/// A link with a one-time token. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// A link of `http` or `https`; `None` for anything else, so that no template makes another sort of address clickable.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        let known = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
        let plain = !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
        (known && plain).then_some(Self(text))
    }

    /// The link as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_of_the_web_and_is_not_shown() {
        let link = Link::new("https://app.example.com/accept#secret".to_owned()).unwrap();
        assert_eq!(format!("{link:?}"), "Link");
        for bad in ["javascript:alert(1)", "//example.com", "https://a b", "https://a\r\nX: y", ""] {
            assert_eq!(Link::new(bad.to_owned()), None, "{bad}");
        }
    }
}
