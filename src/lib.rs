//! Sidegate: a policy-decision sidecar for back-office applications.
//!
//! Policy files in, decisions out, every decision in the audit log. The layers, upper ones using lower ones only:
//!
//! ```text
//! process    main → cli → app
//! runtime    http   reload   directory   audit   mail   identity
//! services   config   lifecycle   telemetry   storage   tls
//! core       policy → engine → model        policy → document
//! ```
//!
//! `docs/ARCHITECTURE.md` says why, and names the test that holds each invariant.

pub mod model;

pub mod engine;

pub mod document;
pub mod policy;

pub mod config;
pub mod lifecycle;
mod storage;
pub mod telemetry;
pub mod tls;

pub mod audit;
pub mod directory;
pub mod http;
pub mod identity;
pub mod mail;
pub mod reload;

pub mod app;
pub mod cli;

mod allocator;
pub use allocator::Allocator;
