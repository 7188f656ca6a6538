//! An instance that runs, through its admin listener: one request, its answer streamed.

use crate::tls::{Connector, DialError, Dialled, Identity, TrustError, dial};
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};
use tokio::{runtime::Runtime, time::timeout};

/// How long the listener may take to accept, and to begin its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to take in a file.
const LONG: Duration = Duration::from_mins(10);
/// Most bytes of an error's body that are looked at.
const ERROR_BYTES: usize = 1024 * 1024;

/// Who asks an admin listener, and whom it trusts to be it.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct CredentialArgs {
    /// The bearer token for `--admin`
    #[arg(long, env = "SIDEGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts
    #[arg(long, value_name = "FILE", requires = "admin")]
    ca: Option<PathBuf>,
    /// The certificate in PEM that is shown to `--admin`
    #[arg(long, value_name = "FILE", requires = "admin", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Its key in PEM
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
}

/// An admin listener.
pub(super) struct Remote {
    host: String,
    port: u16,
    // Before the paths of the listener, where it stands behind a proxy.
    prefix: String,
    token: Option<String>,
    connector: Option<Connector>,
    patience: Duration,
}

/// An answer as it came, whatever its status.
pub(super) struct Seen {
    pub(super) status: StatusCode,
    /// What the other side's clock says.
    pub(super) date: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error("`{address}` is no address of an admin listener: {expected}")]
    Address { address: String, expected: &'static str },
    #[error("the token holds characters that a header cannot")]
    Token,
    #[error("`{address}` cannot be reached")]
    Connect { address: String, source: DialError },
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error("`{address}` did not answer in time")]
    Slow { address: String },
    #[error("the conversation with the admin listener broke off")]
    Broken(#[from] hyper::Error),
    #[error(
        "the admin listener wants a bearer token; give one with `--token` or in `SIDEGATE_TOKEN`, or a certificate with `--client-certificate`"
    )]
    NoToken,
    #[error("the admin listener does not know the token that was given with `--token` or in `SIDEGATE_TOKEN`")]
    UnknownToken,
    #[error("the admin listener answered {status}: {message}")]
    Refused { status: StatusCode, message: String, problems: Vec<String> },
    #[error("whoever answers at `{address}` is no sidegate")]
    Stranger { address: String },
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
}

impl RemoteError {
    /// Whether what was given is to blame, before anybody was asked.
    pub(super) const fn is_usage(&self) -> bool {
        matches!(self, Self::Address { .. } | Self::Trust(_))
    }
}

impl CredentialArgs {
    const fn has_certificates(&self) -> bool {
        self.ca.is_some() || self.client_certificate.is_some()
    }

    /// The token alone, for a listener that speaks no TLS.
    pub(super) fn without_certificates(&self) -> Self {
        Self { token: self.token.clone(), ..Self::default() }
    }

    /// All but the token, for a listener that asks for none: whoever sits there has no business with it.
    pub(super) fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    fn connector(&self) -> Result<Connector, TrustError> {
        let identity = self.client_certificate.as_deref().zip(self.client_key.as_deref());
        let identity = identity.map(|(certificate, key)| Identity { certificate, key });
        Connector::new(self.ca.as_deref(), identity)
    }
}

impl Remote {
    pub(super) fn new(address: &str, credentials: &CredentialArgs) -> Result<Self, RemoteError> {
        let refused = |expected| RemoteError::Address { address: address.to_owned(), expected };
        let expected = "it looks like `http://127.0.0.1:8481` or `https://sidegate.internal:8481`";
        let uri: Uri = address.parse().map_err(|_| refused(expected))?;
        let (port, connector) = match uri.scheme_str() {
            Some("http") if credentials.has_certificates() => {
                return Err(refused("`--ca` and `--client-certificate` are for `https`"));
            }
            Some("http") => (80, None),
            Some("https") => (443, Some(credentials.connector()?)),
            _ => return Err(refused(expected)),
        };
        let host = uri.host().ok_or_else(|| refused(expected))?.trim_matches(['[', ']']).to_owned();
        if uri.query().is_some() {
            return Err(refused("filters are given as flags"));
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let (port, token) = (uri.port_u16().unwrap_or(port), credentials.token.clone());
        Ok(Self { host, port, prefix, token, connector, patience: PATIENCE })
    }

    /// Waits for so long, and no longer, for the listener to accept and to begin an answer.
    pub(super) const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether a token goes with each request.
    pub(super) const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Asks, and gives the answer whatever its status is.
    pub(super) fn look(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Seen, RemoteError> {
        let request = self.request(Method::GET, path, parameters, None)?;
        let looking = async {
            let (mut sender, connection) = self.connect().await?;
            let asking = async move {
                let response = sender.send_request(request).await?;
                let (status, date) = (response.status(), response.headers().get(header::DATE));
                let date = date.and_then(|date| date.to_str().ok()).map(str::to_owned);
                let body = response.into_body().collect().await?.to_bytes().to_vec();
                Ok(Seen { status, date, body })
            };
            let both = timeout(self.patience, async { tokio::join!(connection, asking) });
            both.await.map_err(|_| RemoteError::Slow { address: self.authority() })?.1
        };
        runtime()?.block_on(looking)
    }

    async fn connect(&self) -> Result<(Sender, Connection), RemoteError> {
        let connecting = timeout(self.patience, dial(&self.host, self.port, self.connector.as_ref()));
        let stream = connecting
            .await
            .map_err(|_| RemoteError::Slow { address: self.authority() })?
            .map_err(|source| RemoteError::Connect { address: self.authority(), source })?;
        Ok(http1::handshake(TokioIo::new(stream)).await?)
    }

    /// Asks, and writes the body of the answer as it comes.
    pub(super) fn get(&self, path: &str, parameters: &[(&str, &str)], out: &mut dyn Write) -> Result<(), RemoteError> {
        self.send(self.request(Method::GET, path, parameters, None)?, self.patience, out)
    }

    /// Sends a file, and gives the answer, which is short.
    pub(super) fn post(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        (content_type, file): (&'static str, Vec<u8>),
    ) -> Result<Vec<u8>, RemoteError> {
        let mut answer = Vec::new();
        let request = self.request(Method::POST, path, parameters, Some((content_type, file)))?;
        self.send(request, LONG, &mut answer)?;
        Ok(answer)
    }

    fn send(&self, request: Request<Full<Bytes>>, patience: Duration, out: &mut dyn Write) -> Result<(), RemoteError> {
        runtime()?.block_on(self.exchange(request, patience, out))
    }

    /// The same, where the answer is short.
    pub(super) fn answer(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<u8>, RemoteError> {
        let mut answer = Vec::new();
        self.get(path, parameters, &mut answer)?;
        Ok(answer)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
        out: &mut dyn Write,
    ) -> Result<(), RemoteError> {
        let slow = || RemoteError::Slow { address: self.authority() };
        let (mut sender, connection) = self.connect().await?;
        let has_token = self.token.is_some();
        let asking = async move {
            let response = timeout(patience, sender.send_request(request)).await.map_err(|_| slow())??;
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

    fn request(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
        file: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Request<Full<Bytes>>, RemoteError> {
        let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}{mark}{}", self.prefix, query.join("&")))
            .header(header::HOST, self.authority())
            .header(header::CONNECTION, "close");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match file {
            Some((content_type, file)) => {
                request = request.header(header::CONTENT_TYPE, content_type);
                Full::from(file)
            }
            None => Full::default(),
        };
        // All but the token is made here, of characters that are allowed.
        request.body(body).map_err(|_| RemoteError::Token)
    }

    /// Host and port.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// Sends requests over one connection.
type Sender = http1::SendRequest<Full<Bytes>>;
/// Drives it.
type Connection = http1::Connection<TokioIo<Dialled>, Full<Bytes>>;

/// A runtime for a command that speaks to others.
pub(super) fn runtime() -> Result<Runtime, RemoteError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RemoteError::Runtime)
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
    let text = |problem: &serde_json::Value, name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let problems = error.pointer("/error/problems").and_then(|problems| problems.as_array()).into_iter().flatten();
    let problems = problems.map(|problem| {
        let help = text(problem, "help");
        let help = if help.is_empty() { help } else { format!("; {help}") };
        format!("{}: {}{help}", text(problem, "pointer"), text(problem, "message"))
    });
    Err(RemoteError::Refused {
        status,
        message: message.unwrap_or("it gave no reason").to_owned(),
        problems: problems.collect(),
    })
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
