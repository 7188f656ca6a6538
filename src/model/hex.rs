//! Bytes as hexadecimal digits.

/// Two digits a byte, in lower case.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads it back, in whatever case; `None` where anything else is there, or a digit is missing.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_digits_and_nothing_else_is_read() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&to_hex(&all)), Some(all.clone()));
        assert_eq!(from_hex(&to_hex(&all).to_uppercase()), Some(all));
        assert_eq!((to_hex(&[]), from_hex("")), (String::new(), Some(Vec::new())));
        for wrong in ["0", "000", "0g", "+1", " 1", "é", "0x"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
