//! What integration tests share: the sidecar as a real process, clients, policy directories, waiting.
//!
//! A test reads like a sentence: `Sidecar::builder().policies(repo("policies/demo")).start()`, then questions and answers.
//! Nothing here knows the product's own types: what is tested is what users see.

mod client;
mod collector;
mod envoy;
pub mod ext_authz;
pub mod facts;
pub mod frames;
mod generation;
mod git;
mod grid;
pub mod http2;
mod key_server;
mod mail_server;
mod paths;
mod pki;
mod policies;
mod process;
mod proxy;
mod raw;
mod seed;
mod sidecar;
mod tokens;
mod tools;
mod upstream;
mod wait;

pub use client::{Answer, Client};
pub use collector::Collector;
pub use envoy::Envoy;
pub use generation::{decides, generation, wait_decides};
pub use git::{AUTHOR, git, is_git_there};
pub use grid::Grid;
pub use http2::Http2;
pub use key_server::{KeyServer, Reply};
pub use mail_server::{Certificate, MailServer};
pub use paths::{repo, shared};
pub use pki::{Authority, Issued, Safe, TlsClient, TlsRaw};
pub use policies::PolicyDir;
pub use process::{Exited, Process, run, sidegate};
pub use proxy::{Program, Proxy};
pub use raw::{Raw, RawResponse};
pub use rustix::process::Signal;
pub use seed::seed;
pub use sidecar::{Builder as SidecarBuilder, Sidecar};
pub use tokens::{SigningKey, jwks, seconds_now, unsigned};
pub use tools::{is_tool_there, tool};
pub use upstream::Upstream;
pub use wait::{wait_for, wait_until};
