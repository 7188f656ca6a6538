//! Reading a body of the admin listener: of the right type, of bounded length, in bounded time.

use crate::{
    document,
    http::{ApiError, ErrorCode, body::require_json, json},
};
use axum::body::Body;
use axum::http::{HeaderMap, header::CONTENT_LENGTH};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// Time to send a body.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a body that is refused may go on arriving.
const PASSING: Duration = Duration::from_millis(500);
/// How much of it.
const MOST_PASSED: usize = 16 * 1024 * 1024;

/// Reads a whole body. One that says that it is too long is refused before any of it is read.
pub(super) async fn whole(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, ApiError> {
    whole_within(headers, body, most, PATIENCE).await
}

/// The same for a file, which may take longer.
pub(super) async fn whole_within(
    headers: &HeaderMap,
    body: Body,
    most: usize,
    patience: Duration,
) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is longer than {most} bytes; send it in smaller parts");
        ApiError::new(ErrorCode::BodyTooLarge, message)
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > most) {
        leave_unread(body).await;
        return Err(too_large());
    }
    match timeout(patience, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::malformed("the body broke off")),
        Err(_) => Err(ApiError::new(ErrorCode::RequestTimeout, format!("the body did not arrive within {patience:?}"))),
    }
}

/// Takes what is on its way, for a moment and without keeping it: a client that sends everything before it reads would otherwise find
/// its connection reset in the place of the answer.
pub(super) async fn leave_unread(mut body: Body) {
    let passing = async {
        let mut passed = 0;
        while let Some(Ok(frame)) = body.frame().await {
            passed += frame.data_ref().map_or(0, Bytes::len);
            if passed > MOST_PASSED {
                break;
            }
        }
    };
    // Whether it came to its end does not matter.
    drop(timeout(PASSING, passing).await);
}

/// Reads a body of JSON.
pub(super) async fn whole_json(headers: &HeaderMap, body: Body, most: usize) -> Result<Value, ApiError> {
    require_json(headers)?;
    let body = whole(headers, body, most).await?;
    json::check(&body)?;
    Ok(document::json_once(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(body: &str, most: usize) -> Result<Value, String> {
        let json = HeaderValue::from_static("application/json");
        let headers = [(axum::http::header::CONTENT_TYPE, json)].into_iter().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let read = runtime.block_on(whole_json(&headers, Body::from(body.to_owned()), most));
        read.map_err(|error| format!("{}: {error}", error.code.as_str()))
    }

    #[test]
    fn json_comes_as_it_is_and_no_name_stands_twice() {
        let text = r#"{"a":[1,-2,0.5,"x",null,true,{"b":{}}]}"#;
        assert_eq!(read(text, 1000).unwrap().to_string(), text);
        let twice = read(r#"{"a":{"b":1,"b":2}}"#, 1000).unwrap_err();
        assert!(twice.starts_with("malformed_request: `b` is given twice at line 1"), "{twice}");
        assert_eq!(read("", 1000).unwrap_err(), "malformed_request: the body is empty");
        let deep = read(&"[".repeat(100), 1000).unwrap_err();
        assert!(deep.starts_with("malformed_request: nested deeper"), "{deep}");
    }

    /// A body that never comes.
    struct Unsent;

    impl hyper::body::Body for Unsent {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[test]
    fn what_is_too_long_is_refused_though_it_never_comes() {
        let refused = read(&"1".repeat(11), 10).unwrap_err();
        assert!(refused.starts_with("body_too_large: the body is longer than 10 bytes"), "{refused}");
        let never = Body::new(Unsent);
        let headers = [(CONTENT_LENGTH, HeaderValue::from_static("11"))].into_iter().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(whole(&headers, never, 10)).unwrap_err();
        assert_eq!(error.code, ErrorCode::BodyTooLarge);
    }
}
