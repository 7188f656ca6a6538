//! `traceparent` and `tracestate`: where a request stands in the trace of its caller, as W3C Trace Context has it.

use crate::model::TraceId;

/// Length of version 00.
const LENGTH: usize = 55;

/// What is kept of a state at the most.
const MOST_STATE: usize = 512;

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    // INVARIANT: there is one.
    /// The trace.
    pub trace: TraceId,
    // INVARIANT: not all zero.
    /// The span.
    pub span: [u8; 8],
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl Context {
    /// Reads a `traceparent`; `None` where it is not as it must be, which says nothing at all.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (head, more) = header.split_at_checked(LENGTH)?;
        let [version, trace, span, flags] = fields(head)?;
        let version: [u8; 1] = hex(version)?;
        // Later versions may say more behind what this one says.
        let fits = match version {
            [0] => more.is_empty(),
            [0xff] => false,
            _ => more.is_empty() || more.starts_with(b"-"),
        };
        let trace = TraceId::from_bytes(hex(trace)?);
        let span: [u8; 8] = hex(span)?;
        let [flags] = hex(flags)?;
        (fits && !trace.is_none() && span != [0; 8]).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// The header for whoever is asked in turn.
    #[must_use]
    pub fn header(&self) -> String {
        let span = u64::from_be_bytes(self.span);
        format!("00-{}-{span:016x}-{:02x}", self.trace, u8::from(self.sampled))
    }
}

/// The four parts of a header of the right length, with hyphens where they must be.
fn fields(head: &[u8]) -> Option<[&[u8]; 4]> {
    let mut parts = head.split(|byte| *byte == b'-');
    let fields = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(fields)
}

/// Bytes of twice as many hexadecimal digits, in small letters.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = *pair;
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

/// The `tracestate` that is handed on with a span: the members of all such headers, in order; empty where one of them is no list of
/// members, or together they are longer than anybody has to keep.
#[must_use]
pub fn state<'h>(headers: impl Iterator<Item = &'h [u8]>) -> String {
    let mut kept = String::new();
    for member in headers.flat_map(|header| header.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
        if member.is_empty() {
            continue;
        }
        let Some(text) = str::from_utf8(member).ok().filter(|text| is_member(text)) else { return String::new() };
        if kept.len() + text.len() >= MOST_STATE {
            return String::new();
        }
        if !kept.is_empty() {
            kept.push(',');
        }
        kept.push_str(text);
    }
    kept
}

fn is_member(text: &str) -> bool {
    let Some((key, value)) = text.split_once('=') else { return false };
    let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    let is_value = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    (1..=256).contains(&key.len())
        && key.bytes().all(is_key)
        && (1..=256).contains(&value.len())
        && value.bytes().all(is_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_is_read_and_written_the_same() {
        let context = Context::parse(WHOLE.as_bytes()).unwrap();
        assert_eq!(context.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((context.span, context.sampled), (0xb7ad_6b71_6920_3331_u64.to_be_bytes(), true));
        assert_eq!(context.header(), WHOLE);
        for (header, sampled) in [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", false),
            // Flags that this version does not know say nothing.
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", true),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like", true),
        ] {
            assert_eq!(Context::parse(header.as_bytes()).unwrap().sampled, sampled, "{header}");
        }
    }

    #[test]
    fn what_is_not_as_it_must_be_says_nothing() {
        for header in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0G",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c8031\u{e9}-b7ad6b7169203331-01",
        ] {
            assert_eq!(Context::parse(header.as_bytes()), None, "{header}");
        }
    }

    #[test]
    fn a_state_is_kept_as_a_whole_or_not_at_all() {
        let long = format!("a={}", "x".repeat(255));
        for (headers, kept) in [
            (&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"][..], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
            (&["a=1 , ,b@v=2", "c=3"], "a=1,b@v=2,c=3"),
            (&["A=1"], ""),
            (&["a=1,b"], ""),
            (&["a=\u{1}"], ""),
            (&[&long, &long], ""),
            (&[], ""),
        ] {
            assert_eq!(state(headers.iter().map(|header| header.as_bytes())), kept, "{headers:?}");
        }
    }
}
