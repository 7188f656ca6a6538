//! `envoy.service.auth.v3.Authorization/Check`: Envoy's words into those of a proxy's question, and the verdict into Envoy's words.

use super::{
    message,
    status::{Code, Status},
    wire::{
        check::{
            AttributeContext, BoolValue, CheckRequest, CheckResponse, DeniedHttpResponse, Header, HeaderValueOption,
            HttpRequest, HttpResponse, HttpStatus, Metadata, OkHttpResponse, RpcStatus,
        },
        structure::{Kind, Struct, Value},
    },
};
use crate::{
    audit::Origin,
    http::{
        desk::Desk,
        peer::Call,
        proxy::{self, Forwarded, Verdict},
        request_id::{RequestId, X_REQUEST_ID},
    },
    model::Decision,
};
use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::Map;

/// The filter that verifies JWTs, under whose name Envoy hands their payloads on.
const JWT_FILTER: &str = "envoy.filters.http.jwt_authn";
/// Which payload counts where there is more than one.
const JWT_PAYLOAD: &str = "jwt_payload";
/// `OVERWRITE_IF_EXISTS_OR_ADD`
const OVERWRITE: i32 = 2;

/// Answers.
pub(super) async fn answer(desk: &Desk, message: Bytes, call: Call<'_>) -> Result<Bytes, Status> {
    let request: CheckRequest = message::decode(message, "`CheckRequest`")?;
    let attributes = request.attributes.ok_or_else(|| Status::invalid("`attributes` is missing"))?;
    let client = client(&attributes).and_then(|address| address.parse().ok());
    let http = attributes.request.and_then(|request| request.http);
    let http =
        http.ok_or_else(|| Status::invalid("`attributes.request.http` is missing: only HTTP is decided about"))?;
    let headers = headers(&http)?;
    // So does its trace, where the call says nothing of one.
    call.trace.adopt(&headers);
    let claims = attributes.metadata_context.and_then(claims);
    // The id of the request that is asked about, by which its way can be followed; else that of the call.
    let own_id = headers.contains_key(&X_REQUEST_ID).then(|| RequestId::of(&headers, desk));
    let verdict = proxy::ask(
        desk,
        &Forwarded {
            origin: Origin::Envoy,
            call: Call { request_id: own_id.as_ref().map_or(call.request_id, RequestId::text), ..call },
            method: &http.method,
            scheme: given(&http.scheme),
            host: given(&http.host),
            target: &http.path,
            headers: &headers,
            client,
            claims: claims.as_ref(),
        },
    )
    .await?;
    message::framed(&response(verdict))
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn client(attributes: &AttributeContext) -> Option<&str> {
    Some(&attributes.source.as_ref()?.address.as_ref()?.socket_address.as_ref()?.address)
}

/// The headers, without those that begin with a colon: method, path and host have fields of their own.
fn headers(http: &HttpRequest) -> Result<HeaderMap, Status> {
    let raw = http.header_map.as_ref().map_or(&[][..], |map| map.headers.as_slice());
    let mut headers = HeaderMap::with_capacity(http.headers.len() + raw.len());
    for header in http.headers.iter().chain(raw).filter(|header| !header.key.starts_with(b":")) {
        let wrong = || {
            let name = String::from_utf8_lossy(&header.key);
            Status::invalid(format!("the header `{name}` has a name or a value that no header can have"))
        };
        let name = HeaderName::from_bytes(&header.key).map_err(|_| wrong())?;
        let value = if header.raw_value.is_empty() { &header.value } else { &header.raw_value };
        let value = HeaderValue::from_maybe_shared(value.clone()).map_err(|_| wrong())?;
        headers.try_append(name, value).map_err(|_| Status::invalid("there are too many headers"))?;
    }
    Ok(headers)
}

/// The payload of the JWT that Envoy has verified.
///
/// Its filter puts each payload, and whatever else it is told to keep, under a name of the operator's choice. One object is the
/// payload; of several it is the one named [`JWT_PAYLOAD`], and without it there is none: nobody is guessed at.
fn claims(metadata: Metadata) -> Option<Map<String, serde_json::Value>> {
    let Metadata { mut filter_metadata } = metadata;
    let mut objects: Vec<(String, Struct)> = filter_metadata
        .remove(JWT_FILTER)?
        .fields
        .into_iter()
        .filter_map(|(name, value)| match value.kind {
            Some(Kind::Object(object)) => Some((name, object)),
            _ => None,
        })
        .collect();
    if objects.len() > 1 {
        objects.retain(|(name, _)| name == JWT_PAYLOAD);
    }
    objects.pop().map(|(_, object)| object.into())
}

fn response(verdict: Verdict) -> CheckResponse {
    let metadata = metadata(&verdict);
    let reason = verdict.reason.as_str().to_owned();
    let (code, http_response) = match verdict.decision {
        Decision::Allow => (Code::Ok, HttpResponse::Ok(allowed(&verdict))),
        Decision::Deny if verdict.status == StatusCode::UNAUTHORIZED => {
            (Code::Unauthenticated, HttpResponse::Denied(denied(verdict)))
        }
        Decision::Deny => (Code::PermissionDenied, HttpResponse::Denied(denied(verdict))),
    };
    CheckResponse {
        status: Some(RpcStatus { code: code.number(), message: reason }),
        http_response: Some(http_response),
        dynamic_metadata: Some(metadata),
    }
}

fn allowed(verdict: &Verdict) -> OkHttpResponse {
    // Envoy removes after it has added, so that a name in both lists would not reach the application.
    let added = |name: &HeaderName| verdict.headers.iter().any(|(other, _)| other == name);
    let remove = verdict.remove.iter().filter(|name| !added(name));
    OkHttpResponse {
        headers: verdict.headers.iter().map(|(name, value)| in_place_of_all(name, value)).collect(),
        headers_to_remove: remove.map(|name| name.as_str().to_owned()).collect(),
    }
}

fn denied(verdict: Verdict) -> DeniedHttpResponse {
    let mut headers: Vec<_> = verdict.headers.iter().map(|(name, value)| in_place_of_all(name, value)).collect();
    if !verdict.body.is_empty() && verdict.headers.iter().all(|(name, _)| name != CONTENT_TYPE) {
        headers.push(in_place_of_all(&CONTENT_TYPE, &HeaderValue::from_static("application/json")));
    }
    let status = HttpStatus { code: i32::from(verdict.status.as_u16()) };
    DeniedHttpResponse { status: Some(status), headers, body: verdict.body }
}

/// A header that takes the place of all of its name, said so that every release of Envoy understands it.
fn in_place_of_all(name: &HeaderName, value: &HeaderValue) -> HeaderValueOption {
    // Text is all that Envoy takes here.
    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let header = Header {
        key: Bytes::copy_from_slice(name.as_str().as_bytes()),
        value: Bytes::from(value),
        raw_value: Bytes::new(),
    };
    HeaderValueOption { header: Some(header), append: Some(BoolValue { value: false }), append_action: OVERWRITE }
}

/// What Envoy can log, and hand to filters after this one.
fn metadata(verdict: &Verdict) -> Struct {
    let id = verdict.id.to_string();
    let texts = [
        ("decision", verdict.decision.as_str()),
        ("reason", verdict.reason.as_str()),
        ("route", &verdict.route),
        ("revision", verdict.revision.short()),
        ("id", &id),
    ];
    Struct { fields: texts.map(|(name, text)| (name.to_owned(), Value::text(text))).into() }
}

#[cfg(test)]
mod tests;
