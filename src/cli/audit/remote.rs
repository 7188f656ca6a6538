//! The log of an instance that runs, through its admin listener: one request, its answer streamed.

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use std::{
    io::{self, Write},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// How long the listener may take to accept, and to begin its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of an error's body that are looked at.
const ERROR_BYTES: usize = 16 * 1024;

/// An admin listener.
pub(super) struct Remote {
    host: String,
    port: u16,
    // Before the paths of the listener, where it stands behind a proxy.
    prefix: String,
    token: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error("`{address}` is no address of an admin listener: {expected}")]
    Address { address: String, expected: &'static str },
    #[error("the token holds characters that a header cannot")]
    Token,
    #[error("`{address}` cannot be reached")]
    Connect { address: String, source: io::Error },
    #[error("`{address}` did not answer in time")]
    Slow { address: String },
    #[error("the conversation with the admin listener broke off")]
    Broken(#[from] hyper::Error),
    #[error("the admin listener wants a bearer token; give one with `--token` or in `SIDEGATE_TOKEN`")]
    NoToken,
    #[error("the admin listener does not know the token that was given with `--token` or in `SIDEGATE_TOKEN`")]
    UnknownToken,
    #[error("the admin listener answered {status}: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
}

impl Remote {
    pub(super) fn new(address: &str, token: Option<String>) -> Result<Self, RemoteError> {
        let refused = |expected| RemoteError::Address { address: address.to_owned(), expected };
        let expected = "it looks like `http://127.0.0.1:8481`";
        let uri: Uri = address.parse().map_err(|_| refused(expected))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(refused("this command speaks plain HTTP only; run it on the instance's machine"));
            }
            _ => return Err(refused(expected)),
        }
        let host = uri.host().ok_or_else(|| refused(expected))?.trim_matches(['[', ']']).to_owned();
        if uri.query().is_some() {
            return Err(refused("filters are given as flags"));
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(80), prefix, token })
    }

    /// Asks, and writes the body of the answer as it comes.
    pub(super) fn get(&self, path: &str, parameters: &[(&str, &str)], out: &mut dyn Write) -> Result<(), RemoteError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| RemoteError::Connect { address: self.authority(), source })?;
        runtime.block_on(self.exchange(self.request(path, parameters)?, out))
    }

    /// The same, where the answer is short.
    pub(super) fn answer(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<u8>, RemoteError> {
        let mut answer = Vec::new();
        self.get(path, parameters, &mut answer)?;
        Ok(answer)
    }

    async fn exchange(&self, request: Request<Empty<Bytes>>, out: &mut dyn Write) -> Result<(), RemoteError> {
        let slow = || RemoteError::Slow { address: self.authority() };
        let connecting = timeout(PATIENCE, TcpStream::connect((self.host.as_str(), self.port)));
        let stream = connecting
            .await
            .map_err(|_| slow())?
            .map_err(|source| RemoteError::Connect { address: self.authority(), source })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let has_token = self.token.is_some();
        let asking = async move {
            let response = timeout(PATIENCE, sender.send_request(request)).await.map_err(|_| slow())??;
            match response.status() {
                StatusCode::UNAUTHORIZED if has_token => Err(RemoteError::UnknownToken),
                StatusCode::UNAUTHORIZED => Err(RemoteError::NoToken),
                _ => take(response, out).await,
            }
        };
        // The connection ends by itself once the asking has; what the asking says is what counts.
        let (_, asked) = tokio::join!(connection, asking);
        asked
    }

    fn request(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Request<Empty<Bytes>>, RemoteError> {
        let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let mut request = Request::get(format!("{}{path}?{}", self.prefix, query.join("&")))
            .header(header::HOST, self.authority())
            .header(header::CONNECTION, "close");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        // All but the token is made here, of characters that are allowed.
        request.body(Empty::new()).map_err(|_| RemoteError::Token)
    }

    fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

async fn take(response: Response<Incoming>, out: &mut dyn Write) -> Result<(), RemoteError> {
    let status = response.status();
    let mut body = response.into_body();
    if status == StatusCode::OK {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                out.write_all(&data).map_err(RemoteError::Write)?;
            }
        }
        return Ok(());
    }
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            text.extend_from_slice(&data);
        }
        if text.len() > ERROR_BYTES {
            break;
        }
    }
    let error: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let message = error.pointer("/error/message").and_then(|message| message.as_str());
    Err(RemoteError::Refused { status, message: message.unwrap_or("it gave no reason").to_owned() })
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or_default().to_ascii_uppercase()
}

/// Percent-encoding of a value: everything but letters, digits and four marks.
fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}
