//! Whom an instance speaks to: the mail server, issuers of tokens, the receiver of checkpoints.

use crate::{
    cli::doctor::{
        finding::{Findings, count},
        scene::{PATIENCE, Scene},
    },
    config::MailTransport,
    identity,
    mail::Post,
    telemetry::events::Chain,
    tls::{Connector, dial},
};
use hyper::Uri;
use tokio::time::timeout;

pub(super) fn mail(scene: &Scene, found: &mut Findings) {
    let settings = &scene.settings.mail;
    let waiting = scene.instance.as_ref().and_then(|instance| instance.counted("sidegate_mail_queue_depth", ""));
    if let Some(waiting) = waiting {
        let what = format!("{waiting} mails wait to be sent");
        found.note(what, "they are tried again by themselves; the log line `letter_failed` says what kept them");
    }
    if settings.transport == MailTransport::Directory {
        return found.ok("mail is written to files (`mail.transport: directory`)");
    }
    // What is wrong with the settings is for `configuration` to tell.
    let Ok(post) = Post::open(settings, scene.data()) else { return };
    let patience = settings.smtp.timeout.min(PATIENCE * 2);
    match scene.runtime.block_on(async { timeout(patience, post.try_out()).await }) {
        Ok(Ok(())) => found.ok("the mail server would take mail"),
        Ok(Err(why)) => found.error(
            why,
            "see to `mail.smtp.host`, `port`, `tls` and the login, and that the network lets this machine through",
        ),
        Err(_) => found.error(
            "the mail server does not answer in time",
            "see to `mail.smtp.host` and `port`, and that the network lets this machine through",
        ),
    }
}

pub(super) fn token_keys(scene: &Scene, found: &mut Findings) {
    let subjects = &scene.settings.subjects;
    for issuer in &subjects.tokens {
        match scene.runtime.block_on(identity::try_out(subjects, issuer)) {
            Ok(usable) => found.ok(format!("`{}` lists {}", issuer.issuer, count(usable, "key that can be used", "keys that can be used"))),
            Err(why) => found.error(
                format!("the keys of `{}` cannot be had: {why}", issuer.issuer),
                "see to `jwks` of that issuer and to `subjects.keys.ca_file`; its tokens count until the keys are older than `subjects.keys.max_age`",
            ),
        }
    }
    let issuers = scene.instance.iter().flat_map(|instance| instance.status["token_issuers"].as_array()).flatten();
    for issuer in issuers.filter(|issuer| issuer["stale"] == true || issuer["failures"].as_u64() > Some(0)) {
        let name = issuer["issuer"].as_str().unwrap_or_default();
        let why = issuer["failure"].as_str().unwrap_or("it was not asked yet");
        if issuer["stale"] == true {
            found.error(
                format!("the instance refuses every token of `{name}`, whose keys are too old: {why}"),
                "the instance asks again by itself",
            );
        } else {
            found.warning(
                format!("the instance could not confirm the keys of `{name}`: {why}"),
                "the instance asks again by itself",
            );
        }
    }
    if subjects.tokens.is_empty() {
        found.ok("no tokens of issuers are taken");
    }
}

pub(super) fn webhook(scene: &Scene, found: &mut Findings) {
    let audit = &scene.settings.audit;
    let Some(address) = &audit.checkpoint_webhook else { return found.ok("checkpoints go to no address") };
    // What is wrong with the address or with whom to trust is for `configuration` to tell.
    let Ok(uri) = address.parse::<Uri>() else { return };
    let Some(host) = uri.host().map(|host| host.trim_matches(['[', ']'])) else { return };
    let is_safe = uri.scheme_str() == Some("https");
    let connector = is_safe.then(|| Connector::new(audit.checkpoint_webhook_ca.as_deref(), None)).transpose();
    let Ok(connector) = connector else { return };
    let port = uri.port_u16().unwrap_or(if is_safe { 443 } else { 80 });
    let mend = "see that the receiver runs, and that the network lets this machine through";
    let dialled = scene.runtime.block_on(async { timeout(PATIENCE, dial(host, port, connector.as_ref())).await });
    match dialled {
        Ok(Ok(_)) => found.ok(format!("`{host}:{port}` can be reached")),
        Ok(Err(error)) => found
            .error(format!("the receiver of checkpoints, `{host}:{port}`, cannot be reached: {}", Chain(&error)), mend),
        Err(_) => found.error(format!("the receiver of checkpoints, `{host}:{port}`, does not answer in time"), mend),
    }
}
