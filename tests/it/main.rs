//! Integration tests: one binary, since it links once and its cases share their support code.
//!
//! Every test here goes through a door of the product: the real binary, its listeners, its files.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::missing_panics_doc,
    clippy::format_collect,
    reason = "the in-tests switches of clippy.toml cover test functions only, not the helpers beside them"
)]

/// Starts the real binary and speaks to it.
mod support;

/// Roles that callers vouch for.
mod asserted;
/// The audit log: every record once, whatever happens to rings, store and directory.
mod audit;
/// What applications report, what is redacted, what is sampled.
mod audit_activity;
/// Tombstones that somebody else has written, and what retention may not do.
mod audit_forged;
/// Queries, exports and figures against a naive model.
mod audit_model;
/// Every mode with a writer that stands still and a store that fails, over HTTP; what is never kept.
mod audit_modes;
/// Root and the files of an instance that somebody else runs.
mod audit_owner;
/// The admin routes over a log in process.
mod audit_query;
/// Segments that come of age, checkpoints, damaged segments.
mod audit_upkeep;
/// `audit verify` over logs that were changed.
mod audit_verify;
/// `POST /v1/authorize`: forms of a question, reasons, revisions.
mod authorize;
/// AuthZEN: the interoperability scenarios, the certification fixture, every point of the specification.
mod authzen;
/// What an operator may get wrong at the start: each a clear message and the right exit code.
mod bad_input;
/// The documents as a book: every command and sample of them, in order.
mod book;
/// Callers of the authorize listener: tokens, certificates, scopes, limits.
mod callers;
/// The commands: data, diagnostics, exit codes.
mod cli;
/// The samples of `docs/clients`, each as it stands there.
mod clients;
/// A clock that is set while the sidecar runs.
mod clock_jumps;
/// Broken policy sets give their exact diagnostics.
mod compile;
/// The configuration of the real binary.
mod config;
/// Delegated administration: random steps by random actors, and what must hold after each.
mod delegation;
/// Every cell of the smallest example over HTTP.
mod demo;
/// The directory over HTTP: users, what they were given, invitations, sessions.
mod directory;
/// `sidegate doctor`: what it finds, broken for real.
mod doctor;
/// The sets beside the facts: what they declare.
mod domain;
/// The members and administrators of the manufacturing ERP over HTTP.
mod domain_backbone;
/// Every right of the order management centre over HTTP, its channels and ranks.
mod domain_omc;
/// Every level of the commerce hub over HTTP, its menu and its presets.
mod domain_propeller;
/// Every rule of the facts is named by a test.
mod domain_rules;
/// From the first start to the last record: decisions, records, metrics, reloads, stops and crashes.
mod end_to_end;
/// The real Envoy in front of an application, asking by gRPC.
mod envoy;
/// The audit log under faults: killed processes, lost power, failing disks, damaged files.
mod faults;
/// Calls of gRPC: Envoy's question, health, and what is wrong with others.
mod grpc;
/// The Helm chart: every scenario, what it refuses, and its objects at work.
mod helm;
/// HTTP/2: the routes by it, its limits, and what no well-behaved client sends.
mod http2;
/// What no well-behaved client sends.
mod http_limits;
/// `sidegate init`: what it writes works at once.
mod init;
/// Letters to a real mail server, and into files.
mod mail;
/// Every cell of the distributor back office over HTTP.
mod matrix_8move;
/// The exposition: names, labels, bounds.
mod metrics;
/// `openapi.json`: scopes, methods, and Schemathesis against the running sidecar.
mod openapi;
/// The ops and the admin listener.
mod ops;
/// What runs it on a machine: the systemd unit, the image, the Debian package, manual pages.
mod packaging;
/// The engine beside plain Cedar.
mod plain_cedar;
/// `sidegate test`: tables, JSON, JUnit, coverage, exit codes.
mod policy_tests;
/// Alerts and dashboard: what they name exists, and a real Prometheus fires them.
mod prometheus;
/// Forward auth and Envoy's HTTP service: by their headers, and through real proxies.
mod proxies;
/// Access, menus, matrices, explanations.
mod questions;
/// Access and matrices beside policies written by hand.
mod questions_by_hand;
/// Questions at their edges: single resources, pages, tenants that are none, rows that are empty.
mod questions_edges;
/// Files that the code writes are what it would write now.
mod references;
/// Changes that go live.
mod reload_applies;
/// The process's own configuration, changed while it runs.
mod reload_config;
/// Changes as git and mounts make them.
mod reload_motions;
/// Decisions in a reload storm.
mod reload_races;
/// Changes that do not go live.
mod reload_refuses;
/// A set beside the live one.
mod reload_shadow;
/// Starts with broken files, and policies that grow old.
mod reload_stale;
/// The policy sets that are shipped.
mod samples;
/// Generated JSON Schemas are up to date.
mod schemas;
/// AuthZEN search: vectors, pages, agreement with evaluations.
mod search;
/// The stop.
mod shutdown;
/// Holds the repository to its own rules.
mod tidy;
/// TLS on every listener.
mod tls;
/// Certificates of administrators, and the product's own clients over TLS.
mod tls_clients;
/// Certificates that rotate while the sidecar runs.
mod tls_rotation;
/// Tokens as subjects: what they are believed, and every way in which they are not.
mod tokens;
/// Traces: what requests say of theirs, spans for a collector, the access log, lines that are held back.
mod traces;
/// The Unix socket of the authorize listener.
mod unix_socket;
