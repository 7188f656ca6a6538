//! What integration tests share: the sidecar as a real process, clients, policy directories, waiting.
//!
//! A test reads like a sentence: `Sidecar::builder().policies(repo("policies/demo")).start()`, then questions and answers.
//! Nothing here knows the product's own types: what is tested is what users see.

mod client;
pub mod facts;
mod generation;
mod git;
mod grid;
mod mail_server;
mod paths;
mod pki;
mod policies;
mod process;
mod raw;
mod seed;
mod sidecar;
mod tools;
mod wait;

pub use client::{Answer, Client};
pub use generation::{decides, generation, wait_decides};
pub use git::{AUTHOR, git, is_git_there};
pub use grid::Grid;
pub use mail_server::{Certificate, MailServer};
pub use paths::{repo, shared};
pub use pki::{Authority, Issued, Safe, TlsClient, TlsRaw};
pub use policies::PolicyDir;
pub use process::{Exited, Process, run, sidegate};
pub use raw::Raw;
pub use rustix::process::Signal;
pub use seed::seed;
pub use sidecar::{Builder as SidecarBuilder, Sidecar};
pub use tools::tool;
pub use wait::{wait_for, wait_until};
