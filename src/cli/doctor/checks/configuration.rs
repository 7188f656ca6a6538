//! The configuration: whole, closed to others, and what it opens.

use crate::{
    app,
    cli::{
        ExitCode,
        doctor::{
            finding::{Findings, span},
            scene::Scene,
        },
    },
    config::{self, AdminAuth, Settings, Tls},
    document::{Diagnostic, Diagnostics},
    mail,
    telemetry::events::Chain,
    tls::{Files, Loaded},
};
use std::{net::SocketAddr, os::unix::fs::MetadataExt as _};

/// A certificate that expires within so many seconds is to be renewed.
const SOON: i64 = 14 * 86_400;

/// What tells that a problem of the configuration is no more.
fn check_config(scene: &Scene) -> String {
    format!("`{}` says whether it is mended", scene.check_config)
}

pub(super) fn configuration(scene: &Scene, found: &mut Findings) {
    match &scene.loaded {
        Err(config::Error::Invalid(problems)) => say_all(scene, problems, found),
        Err(error) => found.error_as(
            ExitCode::Usage,
            Chain(error).to_string(),
            "name the file with `--config`, and let this user read it",
        ),
        Ok(()) => {
            if let Err(problems) = mail::check(&scene.settings.mail) {
                say_all(scene, &problems, found);
            }
            if let Err(error) = app::check(&scene.settings) {
                found.error_as(ExitCode::Usage, Chain(&error).to_string(), check_config(scene));
            }
            if found.is_well() {
                found.ok(match &scene.file {
                    Some(file) => format!("`{}` is whole", file.display()),
                    None => "there is no file: defaults, environment and flags count".to_owned(),
                });
            }
        }
    }
}

fn say_all(scene: &Scene, problems: &Diagnostics, found: &mut Findings) {
    for problem in problems {
        let (what, mend) = in_words(scene, problem);
        found.error_as(ExitCode::Usage, what, mend);
    }
}

/// Place and problem, and what to do.
fn in_words(scene: &Scene, problem: &Diagnostic) -> (String, String) {
    let place = match (problem.line(), problem.column()) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}", problem.path()),
        _ => problem.path().to_owned(),
    };
    (format!("{place}: {}", problem.message()), problem.help().map_or_else(|| check_config(scene), str::to_owned))
}

pub(super) fn file(scene: &Scene, found: &mut Findings) {
    let Some(file) = &scene.file else { return found.ok("there is none") };
    let Ok(metadata) = std::fs::metadata(file) else { return };
    let shown = file.display();
    if metadata.mode() & 0o002 == 0 {
        return found.ok(format!("`{shown}` is changed by its owner and group alone"));
    }
    found.error(
        format!("anybody on this machine can change `{shown}`, and with it who is let in"),
        format!("`chmod o-w {shown}`"),
    );
}

pub(super) fn access(scene: &Scene, found: &mut Findings) {
    let Settings { server, .. } = &scene.settings;
    let has_door = !server.admin_tokens.is_empty() || !server.admin_clients.is_empty();
    match server.admin_auth {
        AdminAuth::None => found.note(
            "whoever reaches the loopback address administers (`server.admin.auth: none`)",
            "where others share this machine, list tokens and set `tokens`",
        ),
        AdminAuth::Tokens if !has_door => found.note(
            "the admin listener refuses everybody: there is neither a token nor a client",
            "`sidegate token --name ops` makes a token and its entry for `server.admin.tokens`",
        ),
        AdminAuth::Tokens => {}
    }
    let in_the_open =
        |listen: SocketAddr, tls: &Tls| !listen.ip().to_canonical().is_loopback() && tls.certificate.is_none();
    let callers = server.authorize.callers.iter().any(|caller| caller.sha256.is_some());
    for (listener, listen, tls, has_tokens) in [
        ("admin", server.admin_listen, &server.admin_tls, !server.admin_tokens.is_empty()),
        ("authorize", server.authorize.listen, &server.authorize.tls, callers),
    ] {
        if has_tokens && in_the_open(listen, tls) {
            found.warning(
                format!("bearer tokens come to the {listener} listener ({listen}) through the network without TLS"),
                format!("set `server.{listener}.tls.certificate` and `key`, or let something else encrypt the way"),
            );
        }
    }
    if found.is_well() {
        found.ok("nobody is let in by mistake");
    }
}

pub(super) fn certificates(scene: &Scene, found: &mut Findings) {
    let server = &scene.settings.server;
    let listeners = [("authorize", &server.authorize.tls), ("admin", &server.admin_tls), ("ops", &server.ops_tls)];
    for (listener, tls) in listeners {
        let Some(files) = Files::read(tls) else { continue };
        match files.load(&[], scene.now) {
            Ok(loaded) => certificate(scene, listener, &loaded, found),
            Err(faults) => {
                for fault in faults {
                    let place = format!("server.{listener}.tls.{}", fault.part.as_str());
                    let mend = fault.help.unwrap_or_else(|| check_config(scene));
                    found.error_as(ExitCode::Usage, format!("`{place}`: {}", fault.message), mend);
                }
            }
        }
    }
    for certificate in scene.instance.iter().filter_map(|instance| instance.status("certificates").as_array()).flatten()
    {
        let problems: Vec<&str> =
            certificate["problems"].as_array().into_iter().flatten().filter_map(|problem| problem.as_str()).collect();
        if !problems.is_empty() {
            let listener = certificate["listener"].as_str().unwrap_or_default();
            let expires = certificate["expires_at"].as_str().unwrap_or_default();
            found.warning(
                format!(
                    "the instance shows an older certificate on the {listener} listener, until {expires}: {}",
                    problems.join(", ")
                ),
                "mend the files; they are looked at again by themselves",
            );
        }
    }
    if found.is_well() {
        found.ok("every listener with a certificate can show it");
    }
}

fn certificate(scene: &Scene, listener: &str, loaded: &Loaded, found: &mut Findings) {
    let Loaded { names, expires, .. } = loaded;
    let left = (expires.as_micros() - scene.now.as_micros()) / 1_000_000;
    if left < SOON {
        found.warning(
            format!("the certificate of the {listener} listener expires in {}, at {expires}", span(left)),
            "renew it, and put it in its place with its key: it is read anew without a restart",
        );
    }
    if names.is_empty() {
        found.warning(
            format!(
                "the certificate of the {listener} listener names nobody, so that no client can tell whom it speaks to"
            ),
            "have it made out to the name under which clients connect",
        );
    }
    let public = scene.settings.server.authorize.public_url.as_deref().filter(|_| listener == "authorize");
    let host = public.and_then(|url| url.parse::<hyper::Uri>().ok()).and_then(|url| url.host().map(str::to_lowercase));
    if let Some(host) = host.filter(|host| !names.iter().any(|name| covers(name, host)))
        && !names.is_empty()
    {
        found.warning(
            format!("the certificate of the authorize listener is for {}, and not for `{host}` of `server.authorize.public_url`", names.join(", ")),
            "have it made out to that name as well, unless something in front of it ends the TLS of clients",
        );
    }
}

/// Whether a name of a certificate is that of a host: `*.example.com` covers one label.
fn covers(name: &str, host: &str) -> bool {
    name == host
        || name.strip_prefix("*.").is_some_and(|rest| host.split_once('.').is_some_and(|(_, after)| after == rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        for (name, host, want) in [
            ("a.example", "a.example", true),
            ("*.example", "a.example", true),
            ("*.example", "a.b.example", false),
            ("*.example", "example", false),
            ("b.example", "a.example", false),
        ] {
            assert_eq!(covers(name, host), want, "{name} {host}");
        }
    }
}
