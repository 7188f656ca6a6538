//! The layer table: who may import whom, and which module owns which heavy dependency.
//!
//! `docs/ARCHITECTURE.md` shows the same tables; a test compares them, so that neither can drift.

/// A module directly under the crate's root.
#[derive(Debug)]
pub struct Module {
    pub layer: &'static str,
    pub name: &'static str,
    /// What it may use of its own layer. Of lower layers it may use everything.
    pub beside: &'static [&'static str],
}

/// From top to bottom. A module may use those of lower layers, and of its own layer those that are listed.
pub const MODULES: &[Module] = &[
    module("process", "main", &["allocator", "cli", "app"]),
    module("process", "allocator", &[]),
    module("process", "cli", &["app"]),
    module("process", "app", &[]),
    module("runtime", "http", &["reload", "directory", "audit", "identity"]),
    module("runtime", "reload", &["directory"]),
    module("runtime", "directory", &["mail"]),
    module("runtime", "audit", &[]),
    module("runtime", "mail", &[]),
    module("runtime", "identity", &[]),
    module("services", "config", &[]),
    module("services", "lifecycle", &[]),
    module("services", "telemetry", &["config", "lifecycle", "tls"]),
    module("services", "tls", &["config"]),
    module("services", "storage", &[]),
    module("core", "policy", &["engine", "model", "document"]),
    module("core", "engine", &["model"]),
    module("core", "model", &[]),
    module("core", "document", &["model"]),
];

/// The layers, from top to bottom.
pub const LAYERS: &[&str] = &["process", "runtime", "services", "core"];

/// A dependency that only some modules may name.
#[derive(Debug)]
pub struct Owned {
    pub dependency: &'static str,
    pub only_in: &'static [&'static str],
}

/// Heavy dependencies, each with the modules that may name it. What is inside such a module is included.
pub const OWNED: &[Owned] = &[
    owned("cedar_policy", &["engine", "policy"]),
    owned("cedar_policy_core", &["engine", "policy"]),
    owned("sled", &["audit::store", "directory::store", "storage"]),
    owned("zstd", &["audit"]),
    owned("ed25519_dalek", &["audit::signature"]),
    owned("libc", &["lifecycle::priority", "lifecycle::start_pages", "lifecycle::synchronised"]),
    owned("mimalloc", &["allocator"]),
    owned("memmap2", &["audit::ring"]),
    owned("serde_yaml", &["document"]),
    owned("saphyr_parser", &["document"]),
    owned("notify", &["reload"]),
    owned("lettre", &["mail", "config::mail"]),
    owned("minijinja", &["mail::templates"]),
    owned("prometheus", &["telemetry"]),
    owned("tracing_subscriber", &["telemetry", "config"]),
    owned("axum", &["http"]),
    owned("prost", &["http::grpc", "telemetry::trace"]),
    owned("rustls", &["tls"]),
    owned("tokio_rustls", &["tls"]),
    owned("x509_parser", &["tls"]),
    owned("hyper", &["http", "cli", "audit::checkpoint", "identity::fetch", "telemetry::trace"]),
    owned("hyper_util", &["http", "cli", "audit::checkpoint", "identity::fetch", "telemetry::trace"]),
    owned("clap", &["cli"]),
    owned("clap_complete", &["cli"]),
    owned("clap_mangen", &["cli::man"]),
];

/// Dependencies that a layer or a module must do without.
pub const BANNED: &[(&str, &[&str])] =
    &[("tokio", &["policy", "engine", "model", "document"]), ("serde", &["model"]), ("serde_json", &["model"])];

/// What makes a function depend on more than its arguments; neither `engine` nor `model` may name it.
pub const IMPURE: &[&str] =
    &["SystemTime", "Instant", "fs", "net", "env", "io", "process", "thread_local", "fastrand", "RandomState"];

/// The modules that decide.
pub const PURE: &[&str] = &["engine", "model"];

const fn module(layer: &'static str, name: &'static str, beside: &'static [&'static str]) -> Module {
    Module { layer, name, beside }
}

const fn owned(dependency: &'static str, only_in: &'static [&'static str]) -> Owned {
    Owned { dependency, only_in }
}

/// Whether the table lets module `from` use module `to`.
pub fn allows(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    let find = |name: &str| MODULES.iter().find(|module| module.name == name);
    let level = |module: &Module| LAYERS.iter().position(|layer| *layer == module.layer);
    match (find(from), find(to)) {
        (Some(from), Some(to)) if from.layer == to.layer => from.beside.contains(&to.name),
        // The binary is a doorstep: it uses what it lists and nothing below.
        (Some(from), Some(to)) => from.name != "main" && level(from) < level(to),
        _ => false,
    }
}

/// Whether `module` is `prefix` or inside it.
pub fn is_inside(module: &str, prefix: &str) -> bool {
    module.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn the_table_allows_down_and_forbids_up() {
    for (from, to, want) in [
        ("http", "engine", true),
        ("http", "audit", true),
        ("audit", "http", false),
        ("reload", "audit", false),
        ("mail", "directory", false),
        ("engine", "model", true),
        ("model", "engine", false),
        ("engine", "document", false),
        ("main", "cli", true),
        ("main", "http", false),
        ("app", "cli", false),
        ("http", "nowhere", false),
    ] {
        assert_eq!(allows(from, to), want, "{from} -> {to}");
    }
}
