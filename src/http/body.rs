//! Reading a body within its limits of length and time.

use super::{ApiError, ErrorCode};
use crate::config::Limits;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{
    body::{Body as _, Incoming},
    header::{CONTENT_TYPE, EXPECT, HeaderMap},
};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

/// How many times the longest body is read and thrown away, so that a client that is still sending sees why it is refused.
const PATIENCE: usize = 4;
/// How long a body that nobody reads may go on arriving.
const PASSING: Duration = Duration::from_millis(500);

/// Refuses a body that is not said to be JSON.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    let message = if content_type.is_empty() {
        "the header `content-type` is missing, it must be `application/json`".to_owned()
    } else {
        let given = String::from_utf8_lossy(content_type);
        format!("the content type must be `application/json`, it is `{given}`")
    };
    Err(ApiError::new(ErrorCode::UnsupportedContentType, message))
}

/// Reads a whole body.
pub(super) async fn read(headers: &HeaderMap, body: &mut Incoming, limits: &Limits) -> Result<Bytes, ApiError> {
    let longest = limits.body_bytes;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    // A client that asks first is told before it sends; nothing is read from one that announces more than will be borne.
    if announced > longest && (headers.contains_key(EXPECT) || announced > longest.saturating_mul(PATIENCE)) {
        return Err(too_large(longest));
    }
    let mut reading = pin!(collect(body, longest));
    // Nearly every body has come together with its head: then no timer is set.
    if let Some(done) = poll_once(reading.as_mut()).await {
        return done;
    }
    tokio::time::timeout(limits.body_timeout, reading).await.unwrap_or_else(|_| {
        let message = format!("the body did not arrive within {:?}", limits.body_timeout);
        Err(ApiError::new(ErrorCode::RequestTimeout, message))
    })
}

/// Takes the rest of a body that nobody has read, where it comes soon: hyper would close the connection without a word, and a client that
/// keeps it would send the next request to nobody. Tells whether nothing more is to come.
pub(super) async fn pass(headers: &HeaderMap, body: &mut Incoming, limits: &Limits) -> bool {
    if body.is_end_stream() {
        return true;
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    // Who asks first is not told to send.
    if headers.contains_key(EXPECT) || announced > limits.body_bytes {
        return false;
    }
    let mut left = limits.body_bytes;
    let passing = async {
        loop {
            match body.frame().await {
                None => return true,
                Some(Ok(frame)) => match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                    Some(rest) => left = rest,
                    None => return false,
                },
                Some(Err(_)) => return false,
            }
        }
    };
    tokio::time::timeout(PASSING, passing).await.unwrap_or(false)
}

async fn collect(body: &mut Incoming, longest: usize) -> Result<Bytes, ApiError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut length = 0_usize;
    // Once the announced length is there, waiting for the end would cost one more turn.
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| ApiError::malformed(format!("the body cannot be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > longest.saturating_mul(PATIENCE) {
            break;
        } else if length > longest {
            // The answer is known; the rest is read for the sake of the client that sends it.
            (first, all) = (Bytes::new(), BytesMut::new());
        } else if length == data.len() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    if length > longest {
        return Err(too_large(longest));
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn too_large(longest: usize) -> ApiError {
    ApiError::new(ErrorCode::BodyTooLarge, format!("the body is longer than {longest} bytes"))
}

/// What work comes to without waiting.
pub(super) async fn poll_once<F: Future>(mut work: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match work.as_mut().poll(context) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn only_json_is_taken_with_or_without_parameters() {
        for (content_type, taken) in [
            (Some("application/json"), true),
            (Some("Application/JSON"), true),
            (Some("application/json; charset=utf-8"), true),
            (Some("application/json;charset=utf-8"), true),
            (Some("application/jsonp"), false),
            (Some("text/plain"), false),
            (Some("application/x-www-form-urlencoded"), false),
            (Some(""), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(content_type) = content_type {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            assert_eq!(require_json(&headers).is_ok(), taken, "{content_type:?}");
        }
    }
}
