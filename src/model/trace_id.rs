//! The name of a trace.

use std::fmt;

/// Names a trace across services, as W3C Trace Context has it: 16 bytes, of which not all are zero, or none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Of what belongs to no trace.
    pub const NONE: Self = Self([0; 16]);

    /// The trace with these bytes; none where all are zero.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes; all zero where there is no trace.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Reads 32 hexadecimal digits; none where the text is no such thing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        Self(number.unwrap_or_default().to_be_bytes())
    }

    /// Whether there is no trace.
    #[must_use]
    pub const fn is_none(self) -> bool {
        u128::from_be_bytes(self.0) == 0
    }
}

/// 32 hexadecimal digits; nothing where there is no trace.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() { Ok(()) } else { write!(f, "{:032x}", u128::from_be_bytes(self.0)) }
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_it_is_read_and_none_is_nothing() {
        for text in ["0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000001"] {
            assert_eq!(TraceId::parse(text).to_string(), text);
            assert!(!TraceId::parse(text).is_none());
        }
        for text in ["", "0", "00000000000000000000000000000000", "+af7651916cd43dd8448eb211c80319c", "0af765191"] {
            assert_eq!(TraceId::parse(text), TraceId::NONE, "{text}");
            assert_eq!(TraceId::parse(text).to_string(), "");
        }
    }
}
