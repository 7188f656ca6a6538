//! Reading a body of the admin listener: of the right type, of bounded length, in bounded time.

use crate::http::{ApiError, ErrorCode, body::require_json, json};
use axum::body::Body;
use axum::http::{HeaderMap, header::CONTENT_LENGTH};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// Time to send a body.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a whole body. One that says that it is too long is refused before any of it is read.
pub(super) async fn whole(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is longer than {most} bytes; send it in smaller parts");
        ApiError::new(ErrorCode::BodyTooLarge, message)
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > most) {
        return Err(too_large());
    }
    match timeout(PATIENCE, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::malformed("the body broke off")),
        Err(_) => Err(ApiError::new(ErrorCode::RequestTimeout, format!("the body did not arrive within {PATIENCE:?}"))),
    }
}

/// Reads a body of JSON.
pub(super) async fn whole_json(headers: &HeaderMap, body: Body, most: usize) -> Result<Value, ApiError> {
    require_json(headers)?;
    let body = whole(headers, body, most).await?;
    json::check(&body)?;
    Ok(serde_json::from_slice(&body)?)
}
