//! What must hold between settings. A security setting that cannot be honoured is an error.

use super::{
    AdminAuth, AuthorizeServer, ClientCertificates, RedactAction, RedactKey, Settings, load::Given, mail, proxies,
    settings::is_local, subjects, tls,
};
use crate::document::Diagnostics;
use std::{os::unix::ffi::OsStrExt as _, thread};

/// Workers at most, where the number is left to the machine: a sidecar shares its node with many others.
const MOST_WORKERS: usize = 8;

/// Bytes of the path of a Unix socket at most: the system's address has 108 with the zero at the end.
const MOST_SOCKET_PATH_BYTES: usize = 107;

/// hyper refuses to read a head into less.
const LEAST_HEADER_BYTES: usize = 8 * 1024;

/// Checks, and puts in what depends on the machine.
pub(super) fn check(settings: &mut Settings, given: &Given, problems: &mut Diagnostics) {
    admin(settings, given, problems);
    authorize(settings, given, problems);
    proxies::check(settings, given, problems);
    callers(settings, given, problems);
    tls::check(settings, given, problems);
    policies(settings, given, problems);
    redact(settings, given, problems);
    mail::check(&mut settings.mail, given, problems);
    subjects::check(&mut settings.subjects, given, problems);
    let defaults = Settings::default().directory;
    if settings.mail.transport == super::MailTransport::Smtp
        && settings.directory.invitation_link == defaults.invitation_link
    {
        let message =
            "`directory.invitations.link` says where your application takes invitations: mail is sent, and the \
                       default leads nowhere"
                .to_owned();
        problems.push(given.problem(&["directory.invitations.link", "mail.transport"], "missing-link", message));
    }
    if settings.shutdown.deadline <= settings.shutdown.delay {
        let message = "`shutdown.deadline` leaves no time after `shutdown.delay`".to_owned();
        problems.push(given.problem(&["shutdown.deadline", "shutdown.delay"], "deadline-too-short", message));
    }
}

fn policies(settings: &Settings, given: &Given, problems: &mut Diagnostics) {
    let policies = &settings.policies;
    // The files are confirmed at each poll: policies that nobody changes would be stale in between.
    if !policies.max_staleness.is_zero() && policies.max_staleness < policies.poll_interval.saturating_mul(2) {
        let message = "`policies.max_staleness` is at least twice `policies.poll_interval`".to_owned();
        let keys = &["policies.max_staleness", "policies.poll_interval"];
        problems.push(given.problem(keys, "staleness-too-short", message));
    }
    if policies.shadow.as_ref() == Some(&policies.directory) {
        let message = "`policies.shadow` is the set that decides; it would be compared with itself".to_owned();
        problems.push(given.problem(&["policies.shadow"], "shadow-is-live", message));
    }
}

fn admin(settings: &Settings, given: &Given, problems: &mut Diagnostics) {
    let server = &settings.server;
    if server.admin_auth == AdminAuth::Tokens {
        return admin_clients(settings, given, problems);
    }
    if !is_local(server.admin_listen) {
        let message = format!(
            "`server.admin.auth: none` would let anybody administer through {}, which is not a loopback address",
            server.admin_listen
        );
        let problem = given.problem(&["server.admin.auth", "server.admin.listen"], "admin-without-auth", message);
        problems.push(problem.with_help("use `server.admin.auth: tokens`, or listen on `127.0.0.1`".to_owned()));
    }
    if !server.admin_tokens.is_empty() {
        let message = "`server.admin.tokens` has no effect with `server.admin.auth: none`".to_owned();
        problems.push(given.problem(&["server.admin.tokens"], "tokens-without-effect", message));
    }
    if !server.admin_clients.is_empty() {
        let message = "`server.admin.clients` has no effect with `server.admin.auth: none`".to_owned();
        problems.push(given.problem(&["server.admin.clients"], "clients-without-effect", message));
    }
}

/// Certificates count where they are asked for, and records must tell a client from a token.
fn admin_clients(settings: &Settings, given: &Given, problems: &mut Diagnostics) {
    const CLIENTS: &str = "server.admin.clients";
    let server = &settings.server;
    if !server.admin_clients.is_empty() && server.admin_tls.client_certificates == ClientCertificates::Off {
        let message = format!("`{CLIENTS}` has no effect while `server.admin.tls.client_certificates` is `off`");
        problems.push(given.problem(&[CLIENTS], "clients-without-effect", message));
    }
    for client in &server.admin_clients {
        if server.admin_tokens.iter().any(|token| token.name == client.name) {
            let message = format!("`{}` is the name of a token and of a client", client.name);
            problems.push(given.problem(&[CLIENTS, "server.admin.tokens"], "duplicate-entry", message));
        }
    }
}

/// Beyond this machine, whoever asks must be known.
fn callers(settings: &Settings, given: &Given, problems: &mut Diagnostics) {
    const CALLERS: &str = "server.authorize.callers";
    let server = &settings.server.authorize;
    let asks = server.tls.client_certificates != ClientCertificates::Off;
    if server.demands_callers() && server.callers.is_empty() {
        let message =
            format!("decisions would be served to anybody through {}, which is not a loopback address", server.listen);
        let problem = given.problem(&["server.authorize.listen"], "authorize-without-auth", message);
        problems.push(problem.with_help(
            "list who may ask under `server.authorize.callers`, or listen on `127.0.0.1` or `server.authorize.unix_socket`"
                .to_owned(),
        ));
    }
    for caller in server.callers.iter().filter(|caller| !asks && !caller.certificates.is_empty()) {
        let message = format!(
            "the certificates of `{}` have no effect while `server.authorize.tls.client_certificates` is `off`",
            caller.name
        );
        problems.push(given.problem(&[CALLERS], "certificates-without-effect", message));
    }
}

fn authorize(settings: &mut Settings, given: &Given, problems: &mut Diagnostics) {
    let server = &mut settings.server.authorize;
    if server.workers == 0 {
        server.workers = thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    }
    unix_socket(server, given, problems);
    if server.limits.header_bytes < LEAST_HEADER_BYTES {
        let message = "`server.authorize.limits.header_bytes` is at least `8KiB`".to_owned();
        problems.push(given.problem(&["server.authorize.limits.header_bytes"], "invalid-value", message));
    }
}

/// A socket's address holds a path of a fixed length.
fn unix_socket(server: &AuthorizeServer, given: &Given, problems: &mut Diagnostics) {
    const PATH: &str = "server.authorize.unix_socket";
    let socket = &server.unix_socket;
    if let Some(path) = &socket.path {
        let length = path.as_os_str().as_bytes().len();
        if length > MOST_SOCKET_PATH_BYTES {
            let message = format!(
                "`{PATH}` has {length} bytes, and the address of a Unix socket {MOST_SOCKET_PATH_BYTES} at most"
            );
            let problem = given.problem(&[PATH], "path-too-long", message);
            problems.push(problem.with_help("use a shorter path, such as `/run/sidegate/authorize.sock`".to_owned()));
        }
        return;
    }
    let owner = socket.owner.as_ref().map(|_| "server.authorize.unix_socket_owner");
    let group = socket.group.as_ref().map(|_| "server.authorize.unix_socket_group");
    for key in owner.into_iter().chain(group) {
        let message = format!("`{key}` has no effect without `{PATH}`");
        problems.push(given.problem(&[key], "owner-without-effect", message));
    }
}

/// Reads the key where there is one. A rule that would do nothing is a slip that leaves something in the log.
fn redact(settings: &mut Settings, given: &Given, problems: &mut Diagnostics) {
    const FIELDS: &str = "audit.redact.fields";
    let redact = &mut settings.audit.redact;
    for (index, rule) in redact.fields.iter().enumerate() {
        let place = rule.place();
        if redact.fields.iter().skip(index + 1).any(|other| other.place() == place) {
            let message = format!("`{place}` is redacted in two ways");
            problems.push(given.problem(&[FIELDS], "duplicate-key", message));
        }
        if let Some(whole) = redact.fields.iter().find(|other| rule.is_within(other)) {
            let message = format!("`{place}` has no effect, since `{}` is redacted as a whole", whole.place());
            problems.push(given.problem(&[FIELDS], "rule-without-effect", message));
        }
    }
    let hashes = redact.fields.iter().any(|rule| rule.action == RedactAction::Hash);
    match &redact.key_file {
        Some(path) => match RedactKey::read(path) {
            Ok(key) => redact.key = Some(key),
            Err(message) => problems.push(given.problem(&["audit.redact.key_file"], "bad-key-file", message)),
        },
        None if hashes => {
            let message = "`hash` needs a key in `audit.redact.key_file`".to_owned();
            let problem = given.problem(&[FIELDS], "missing-key", message);
            let help = "`(umask 077; openssl rand -hex 32 > audit.key)` makes one".to_owned();
            problems.push(problem.with_help(help));
        }
        None => {}
    }
}
