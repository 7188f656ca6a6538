//! Addresses that mail can go to.

use std::{fmt, str::FromStr};

/// Characters of an address at most (RFC 5321, 4.5.3.1.3).
const MOST_CHARACTERS: usize = 254;

/// An address that a mail server can be asked to deliver to. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub(super) lettre::Address);

/// The text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no address such as `ada@example.com`")]
pub struct AddressError;

impl Address {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Quoted local parts and spaces are refused though the standard has them: nobody uses them but who means harm.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let strange = |letter: char| letter.is_whitespace() || letter.is_control() || "\"<>()[]\\,;:".contains(letter);
        if text.chars().count() > MOST_CHARACTERS || text.contains(strange) {
            return Err(AddressError);
        }
        text.parse().map(Self).map_err(|_| AddressError)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_a_mail_server_must_not_see() {
        for good in ["ada@example.com", "a.b+c@sub.example.com", "zoë@example.com", "ada@bücher.example"] {
            assert_eq!(good.parse::<Address>().unwrap().as_str(), good);
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example.com\r\nRCPT TO:<eve@example.com>",
            "ada@example.com\n",
            "ada lovelace@example.com",
            "\"ada\r\n\"@example.com",
            "ada@example.com, eve@example.com",
            "Ada <ada@example.com>",
            "ada@exa mple.com",
            "ada@example.com>",
            &long,
        ] {
            assert_eq!(bad.parse::<Address>(), Err(AddressError), "{bad}");
        }
    }
}
