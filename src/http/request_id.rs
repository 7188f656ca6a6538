//! `X-Request-ID`: returned as it came, made up where it did not come.

use super::desk::Desk;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header, in requests and answers.
pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How much of an id error bodies and audit records keep, in bytes.
const KEPT: usize = 256;

/// The id of one request.
///
/// The header of the answer is the header of the request, byte for byte, whatever its length: the limit on the head of a
/// request bounds it. Error bodies and audit records hold text of bounded size, so there an id of more than [`KEPT`] bytes is
/// cut, and bytes that are not UTF-8 are replaced.
#[derive(Debug)]
pub(super) struct RequestId {
    header: HeaderValue,
    // The text form, where it is not the header's own bytes.
    altered: Option<String>,
}

impl RequestId {
    /// The id that the client gave, or a new one.
    pub(super) fn of(headers: &HeaderMap, desk: &Desk) -> Self {
        let Some(header) = headers.get(&X_REQUEST_ID) else {
            let mut buffer = [0; ulid::ULID_LEN];
            let id = desk.new_id(desk.now()).array_to_str(&mut buffer);
            // A ULID is letters and digits.
            let header = HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static(""));
            return Self { header, altered: None };
        };
        let bytes = header.as_bytes();
        let plain = bytes.len() <= KEPT && header.to_str().is_ok();
        Self { header: header.clone(), altered: (!plain).then(|| bounded(bytes)) }
    }

    /// The id as text, for error bodies and records.
    pub(super) fn text(&self) -> &str {
        self.altered.as_deref().unwrap_or_else(|| self.header.to_str().unwrap_or_default())
    }

    /// The id as the answer's header.
    pub(super) fn into_header(self) -> HeaderValue {
        self.header
    }
}

fn bounded(bytes: &[u8]) -> String {
    kept(&String::from_utf8_lossy(bytes)).to_owned()
}

/// As much of an id as error bodies and audit records keep.
pub(super) fn kept(id: &str) -> &str {
    id.get(..id.floor_char_boundary(KEPT)).unwrap_or_default()
}
