//! A real HTTP client with kept connections.

use std::{net::SocketAddr, time::Duration};
use ureq::{
    Agent,
    http::{HeaderMap, Request, Response},
};

/// Far above what any answer takes, so that a hang fails the test rather than the run.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a listener answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// A header's text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    fn read(response: Result<Response<ureq::Body>, ureq::Error>) -> Result<Self, ureq::Error> {
        let (parts, mut body) = response?.into_parts();
        let body = body.with_config().limit(256 << 20).read_to_string()?;
        Ok(Self { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

/// A pool of connections to one sidecar.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
}

impl Client {
    /// A client that takes every status as an answer and goes through no proxy.
    pub fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(DEADLINE))
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .build();
        Self { agent: config.new_agent() }
    }

    /// `GET`.
    pub fn get(&self, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.get(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.call())
    }

    /// Any method, with JSON or without a body.
    pub fn send(
        &self,
        method: &str,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(match body {
            Some(body) => {
                let has_type = headers.iter().any(|(name, _)| *name == "content-type");
                let request = if has_type { request } else { request.header("content-type", "application/json") };
                self.agent.run(request.body(body.to_owned())?)
            }
            None => self.agent.run(request.body(())?),
        })
    }

    /// `POST` of JSON text, or of what is not JSON although it says so.
    pub fn post(
        &self,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(format!("http://{address}{path}")).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.send(body))
    }
}
