//! Settings: file, environment and flags, checked as a whole.
//!
//! One table of keys ([`keys`]) drives reading, unknown-key hints, environment names and `config/reference.yaml`.

mod settings;

pub use settings::{
    AdminAuth, Audit, AuthorizeServer, Engine, Limits, LogFormat, Policies, Server, Settings, Shutdown, Telemetry,
};
