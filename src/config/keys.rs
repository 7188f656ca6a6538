//! The table of keys.

use super::{
    Settings,
    file::Reading,
    kinds::{self, Kind},
};
use crate::document::Node;

/// The word that YAML 1.1, and so Helm, takes for `false` where it is not in quotes.
pub(super) const OFF: &str = "off";

/// One setting.
pub(super) struct Key {
    /// Its place in the file, `server.authorize.listen`.
    pub(super) path: &'static str,
    /// What it wants, as a message says it.
    pub(super) wanted: &'static str,
    /// The words that it can be, where it can be nothing else.
    pub(super) words: &'static [&'static str],
    /// Whether it may be a list or a mapping.
    pub(super) has_parts: bool,
    /// Whether what was given is kept out of messages.
    pub(super) secret: bool,
    /// The pattern of a value whose digits want quotes.
    pub(super) digits: Option<&'static str>,
    /// What it does, in a sentence or two.
    pub(super) meaning: &'static str,
    /// The flag of `serve` that sets it.
    pub(super) flag: Option<&'static str>,
    /// Reads a value into the settings; `false` where it cannot be read.
    pub(super) set: fn(&mut Settings, &str) -> bool,
    /// Reads a list or a mapping of the file into the settings; `false` where the key takes neither.
    pub(super) set_node: fn(&mut Reading<'_>, &Node) -> bool,
    /// Writes the value that the settings hold.
    pub(super) show: fn(&Settings) -> String,
    /// Whether two settings have the same value; what was read from files that they name counts too.
    pub(super) same: fn(&Settings, &Settings) -> bool,
    /// Takes the value over from other settings.
    pub(super) copy: fn(&mut Settings, &Settings),
}

macro_rules! keys {
    ($($path:literal: $kind:ident $(($flag:literal))?, $($place:ident).+, $meaning:literal;)*) => {
        /// Every key, in the order of the reference.
        pub(super) const KEYS: &[Key] = &[$(Key {
            path: $path,
            wanted: kinds::$kind::WANTED,
            words: <kinds::$kind as Kind>::WORDS,
            has_parts: <kinds::$kind as Kind>::NODE.is_some(),
            secret: <kinds::$kind as Kind>::SECRET,
            digits: <kinds::$kind as Kind>::DIGITS,
            meaning: $meaning,
            flag: keys!(@flag $($flag)?),
            set: |settings, text| kinds::$kind::read(text).map(|value| settings.$($place).+ = value).is_some(),
            set_node: |reading, node| {
                let value = <kinds::$kind as Kind>::NODE.and_then(|read| read(node, reading));
                value.map(|value| reading.settings.$($place).+ = value).is_some()
            },
            show: |settings| kinds::$kind::show(&settings.$($place).+),
            same: |one, other| one.$($place).+ == other.$($place).+,
            copy: |to, from| to.$($place).+.clone_from(&from.$($place).+),
        },)*];
    };
    (@flag) => { None };
    (@flag $flag:literal) => { Some($flag) };
}

keys! {
    "server.authorize.listen": Address("--authorize-listen"), server.authorize.listen,
        "Where applications ask. Beyond this machine they must be of `server.authorize.callers`.";
    "server.authorize.unix_socket": FileOrNone, server.authorize.unix_socket.path,
        "A Unix socket where applications of this machine ask as well, open to whom its mode lets in. Empty: none.";
    "server.authorize.unix_socket_mode": FileMode, server.authorize.unix_socket.mode,
        "The mode of the Unix socket: who may write may ask.";
    "server.authorize.unix_socket_owner": Account, server.authorize.unix_socket.owner,
        "The user to whom it belongs, by name or number. Empty: whoever runs the process.";
    "server.authorize.unix_socket_group": Account, server.authorize.unix_socket.group,
        "Its group, by name or number. Empty: that of the process.";
    "server.authorize.callers": Callers, server.authorize.callers,
        "Who may ask, each as `{ name: shop, sha256: <64 hexadecimal digits>, certificates: [shop.internal], scopes: [decide], \
         requests_per_second: 500, in_flight: 50 }`: told by a bearer token with this digest, by a client certificate with one of \
         these names, or by either. Scopes are `decide`, `search` and `access`; without the key all of them. In the environment: \
         `name=shop sha256=<digest> scopes=decide+search, name=erp certificates=erp.internal`.";
    "server.authorize.tls.certificate": FileOrNone, server.authorize.tls.certificate,
        "The certificate the listener shows, in PEM, and after it those that lead to who is trusted. Empty: no TLS. It is read anew when it \
         changes, and so are the other two files.";
    "server.authorize.tls.key": FileOrNone, server.authorize.tls.key,
        "Its private key in PEM, in a file that others can neither read nor change.";
    "server.authorize.tls.client_ca": FileOrNone, server.authorize.tls.client_ca,
        "Certificates in PEM on which those of clients must rest. Empty: none.";
    "server.authorize.tls.client_certificates": ClientCertificatesKind, server.authorize.tls.client_certificates,
        "`off`: clients are not asked. `optional`: they may show a certificate. `required`: there is no connection without.";
    "server.authorize.tls.minimum_version": TlsVersionKind, server.authorize.tls.minimum_version,
        "The oldest TLS that is spoken.";
    "server.authorize.tls.handshake_timeout": Span, server.authorize.tls.handshake_timeout,
        "Time until the connection can be used; one that takes longer is closed.";
    "server.authorize.workers": CountOrZero, server.authorize.workers,
        "Threads that decide; each has a runtime of its own. 0: one a core, at most 8.";
    "server.authorize.public_url": HttpsOrNone, server.authorize.public_url,
        "Where callers reach the listener, such as `https://pdp.example`. AuthZEN's metadata names it, and is not offered without it: \
         what a request says of its host is never believed. Empty: none.";
    "server.authorize.limits.body_bytes": Bytes, server.authorize.limits.body_bytes,
        "Longest body of a request; a longer one is answered with 413.";
    "server.authorize.limits.header_bytes": Bytes, server.authorize.limits.header_bytes,
        "Longest head of a request; a longer one is answered with 431. At least 8KiB.";
    "server.authorize.limits.header_timeout": Span, server.authorize.limits.header_timeout,
        "Time to send a head. Idle keep-alive connections are closed after it as well, so it should be longer than the \
         idle time of the clients' connection pools.";
    "server.authorize.limits.body_timeout": Span, server.authorize.limits.body_timeout,
        "Time to send a body.";
    "server.authorize.limits.connections": Count, server.authorize.limits.connections,
        "Open connections, all workers together; as many again through the Unix socket.";
    "server.authorize.limits.in_flight": Count, server.authorize.limits.in_flight,
        "Requests being answered, all workers together; beyond it the answer is 503.";
    "server.authorize.limits.batch_items": Count, server.authorize.limits.batch_items,
        "Items of one AuthZEN batch; one with more is answered with 400.";
    "server.authorize.limits.batch_bytes": Bytes, server.authorize.limits.batch_bytes,
        "Longest body of an AuthZEN batch; a longer one is answered with 413.";
    "server.authorize.trusted_proxies": TrustedProxies, server.authorize.trusted_proxies,
        "Who is believed about the requests of others: networks, addresses, and `unix` for whoever comes through the Unix socket. From \
         anybody else /auth-request is denied, and a header, a client address or a claim that a proxy would set says nothing. In the \
         environment: `unix, 10.1.0.0/16`.";
    "server.authorize.proxy.user_header": HeaderOrNone, server.authorize.proxy.user_header,
        "The header in which trusted proxies say who the user is, such as `X-Forwarded-User`. They must remove what clients send under \
         that name. Empty: none; the user is told by the token in `Authorization`.";
    "server.authorize.proxy.user_claim": Username, server.authorize.proxy.user_claim,
        "The claim that says who the user is, such as `sub`, in the payload of a token that a trusted proxy has verified and hands on \
         by gRPC, as Envoy does. Where the payload has it, no header is asked. Empty: none.";
    "server.authorize.proxy.header_prefix": HeaderPrefix, server.authorize.proxy.header_prefix,
        "What the names of the headers begin with that tell an application behind a proxy what was decided: `user`, `tenant`, `roles` \
         and `decision` follow.";
    "server.authorize.proxy.tell_reasons": Switch, server.authorize.proxy.tell_reasons,
        "Tell clients behind a proxy why they may not. Off, they are told that they may not, and under which id the log says why.";
    "server.admin.listen": Address("--admin-listen"), server.admin_listen,
        "Where administrators are served.";
    "server.admin.auth": AdminAuthKind, server.admin_auth,
        "`tokens`: every request needs a bearer token of `server.admin.tokens` or a certificate of `server.admin.clients`. `none`: nobody is asked, which is refused on an \
         address beyond this machine.";
    "server.admin.tokens": Tokens, server.admin_tokens,
        "Bearer tokens, each as `{ name: ops, sha256: <64 hexadecimal digits>, scopes: [read, audit] }`; the digest is that of the \
         token's text. Scopes are `read`, `directory`, `audit` and `policies`; without the key the token opens everything. With \
         `operator: true`, calls that name no actor are the operator's, whom no rule of delegation binds. In the environment: \
         `ops=<digest>,ci=<digest>:read+policies,console=<digest>:directory+operator`.";
    "server.admin.clients": AdminClients, server.admin_clients,
        "Who administers by a client certificate, each as `{ name: ops, certificates: [ops.internal], scopes: [read, audit] }`, with \
         the scopes and `operator` of tokens. In the environment: `name=ops certificates=ops.internal scopes=read+audit`.";
    "server.admin.tls.certificate": FileOrNone, server.admin_tls.certificate,
        "The certificate the listener shows, in PEM, and after it those that lead to who is trusted. Empty: no TLS. It is read anew when it \
         changes, and so are the other two files.";
    "server.admin.tls.key": FileOrNone, server.admin_tls.key,
        "Its private key in PEM, in a file that others can neither read nor change.";
    "server.admin.tls.client_ca": FileOrNone, server.admin_tls.client_ca,
        "Certificates in PEM on which those of clients must rest. Empty: none.";
    "server.admin.tls.client_certificates": ClientCertificatesKind, server.admin_tls.client_certificates,
        "`off`: clients are not asked. `optional`: they may show a certificate. `required`: there is no connection without.";
    "server.admin.tls.minimum_version": TlsVersionKind, server.admin_tls.minimum_version,
        "The oldest TLS that is spoken.";
    "server.admin.tls.handshake_timeout": Span, server.admin_tls.handshake_timeout,
        "Time until the connection can be used; one that takes longer is closed.";
    "server.ops.listen": Address("--ops-listen"), server.ops_listen,
        "Where metrics and probes are: /metrics, /healthz, /readyz, /status.";
    "server.ops.tls.certificate": FileOrNone, server.ops_tls.certificate,
        "The certificate the listener shows, in PEM, and after it those that lead to who is trusted. Empty: no TLS. It is read anew when it \
         changes, and so are the other two files.";
    "server.ops.tls.key": FileOrNone, server.ops_tls.key,
        "Its private key in PEM, in a file that others can neither read nor change.";
    "server.ops.tls.client_ca": FileOrNone, server.ops_tls.client_ca,
        "Certificates in PEM on which those of clients must rest. Empty: none.";
    "server.ops.tls.client_certificates": ClientCertificatesKind, server.ops_tls.client_certificates,
        "`off`: clients are not asked. `optional`: they may show a certificate. `required`: there is no connection without.";
    "server.ops.tls.minimum_version": TlsVersionKind, server.ops_tls.minimum_version,
        "The oldest TLS that is spoken.";
    "server.ops.tls.handshake_timeout": Span, server.ops_tls.handshake_timeout,
        "Time until the connection can be used; one that takes longer is closed.";
    "policies.directory": Folder("--policies"), policies.directory,
        "The policy set. Relative paths begin at the working directory.";
    "policies.watch": Switch, policies.watch,
        "React to file events. Off leaves the poll, for file systems without events.";
    "policies.poll_interval": Span, policies.poll_interval,
        "How often the files are looked at even without an event.";
    "policies.debounce": Span, policies.debounce,
        "How long files must rest before they are read.";
    "policies.forbid_errors": ForbidErrorsKind, policies.forbid_errors,
        "What an evaluation error in a `forbid` means. `deny`: the decision is a deny. `skip`: the policy is left out, as Cedar has it.";
    "policies.principal_type": TypeName, policies.principal_type,
        "The Cedar type of `user` in a policy set of plain Cedar.";
    "policies.activation_tests": ActivationTestsKind, policies.activation_tests,
        "What the set's own tests mean for a change. `required`: a set whose tests fail is refused. `warn`: it goes live, and each \
         failure is a warning. `off`: they are not run.";
    "policies.start_from_last_good": Switch, policies.start_from_last_good,
        "Where the files are missing or broken at the start, begin with the set that decided last, kept in the data directory.";
    "policies.max_staleness": SpanOrZero, policies.max_staleness,
        "How long the files may fail to be what decides before the policies are stale. 0: for ever.";
    "policies.when_stale": WhenStaleKind, policies.when_stale,
        "What stale policies mean. `warn`: the log, /status and a metric say so. `not_ready`: /readyz answers 503 as well. `deny`: \
         every decision is a deny with `policies_stale` as well.";
    "policies.shadow": FileOrNone, policies.shadow,
        "A policy set that is evaluated beside the live one and never answers: metrics and the audit log tell what it would change. \
         Empty: none.";
    "audit.directory": Folder("--data"), audit.directory,
        "The data directory. One process at a time may use it.";
    "audit.mode": AuditMode, audit.mode,
        "`durable`: answers leave once the record survives the end of the process. `synced`: once it survives power loss.";
    "audit.when_full": AuditWhenFull, audit.when_full,
        "What happens when the queue is full. `block`: decisions wait. `refuse`: 503. `drop_and_count`: the record is left out and counted.";
    "audit.when_failed": AuditWhenFailed, audit.when_failed,
        "What happens while the store fails. `deny`: every decision is a deny. `allow_and_count`: decisions go on, lost records are counted.";
    "audit.ring_bytes": Bytes, audit.ring_bytes,
        "Size of the queue of one worker.";
    "audit.segment.bytes": Bytes64, audit.segment_bytes,
        "A segment of the log that has reached this size is closed, and another begun. Retention removes whole segments.";
    "audit.segment.age": Span, audit.segment_age,
        "So is one that was begun this long ago and holds a record.";
    "audit.retention.age": SpanOrNever, audit.retention_age,
        "A segment whose last record is older than this is removed. `never`: age removes nothing.";
    "audit.retention.bytes": BytesOrNever, audit.retention_bytes,
        "While the log takes more than this, its oldest closed segment is removed. `never`: size removes nothing.";
    "audit.hold": AuditHold, audit.hold,
        "What retention must leave, whatever its age and size. `false`: nothing is held. `true`: everything. A number or a time: every \
         record from it on.";
    "audit.signing_key": FileOrNone, audit.signing_key,
        "An Ed25519 private key (PKCS#8 in PEM, mode 0600) that signs manifests, tombstones and checkpoints. Empty: they are not signed.";
    "audit.checkpoint.interval": Span, audit.checkpoint_interval,
        "How often a checkpoint says where the log ends, if there is a new record.";
    "audit.checkpoint.file": FileOrNone, audit.checkpoint_file,
        "A file to which each checkpoint is appended, better on another disk. Empty: none.";
    "audit.checkpoint.webhook": HttpOrNone, audit.checkpoint_webhook,
        "Where each checkpoint is posted as JSON, with a few seconds' patience. Empty: nowhere.";
    "audit.checkpoint.webhook_ca": FileOrNone, audit.checkpoint_webhook_ca,
        "Certificates in PEM on which that of an `https` webhook must rest, and no others. Empty: those that the system trusts.";
    "audit.redact.fields": RedactFields, audit.redact.fields,
        "What is not kept as it is: places in a record, such as `/user` or `/context/ip`, each with `drop`, `hash` or `mask`. In \
         the environment: `/user=hash,/context/ip=mask`.";
    "audit.redact.key_file": FileOrNone, audit.redact.key_file,
        "The key of `hash`: a file of 64 or more hexadecimal digits that others can neither read nor change. Empty: none.";
    "audit.sample": Samples, audit.sample,
        "Allows that are kept as one of many, such as `{ module: catalog, action: view, keep_one_in: 100 }`; the first that fits \
         counts. Denies and errors are always kept. In the environment: `module=catalog action=view keep_one_in=100`.";
    "subjects.trust_asserted_roles": Switch, subjects.trust_asserted_roles,
        "Callers may say which roles a user has: `subject.properties.roles` in AuthZEN, `subject.roles` in /v1/authorize. Whoever \
         reaches the listener is believed.";
    "subjects.tokens": Issuers, subjects.tokens,
        "Whose tokens (JWT) say who somebody is. Each issuer has `issuer` and `audiences`, as the token has them; `jwks`, an `https` address \
         or a file, or else `secret_file`; optional `algorithms`; and the claims that say who the `user` is (`sub`), in which `tenant`, \
         with which `roles` and `attributes`. A claim is a place such as `realm_access.roles`, or `{ claim, prefix, names }`. With \
         `known_users_only: true` users of no directory and no policy set are nobody.";
    "subjects.verification.leeway": SpanOrZero, subjects.verification.leeway,
        "How far the clock of an issuer may be from this one's, in either direction. At most 10m.";
    "subjects.verification.token_bytes": Bytes, subjects.verification.token_bytes,
        "Longest token. At most 64KiB.";
    "subjects.verification.cached": CountOrZero, subjects.verification.cached,
        "Verified tokens that each worker remembers until they run out. 0: none.";
    "subjects.keys.refresh": Span, subjects.keys.refresh,
        "How often the keys of issuers are looked at.";
    "subjects.keys.max_age": Span, subjects.keys.max_age,
        "How long keys count that could not be looked at again. Then their tokens are refused. At least twice `subjects.keys.refresh`.";
    "subjects.keys.keep_removed": SpanOrZero, subjects.keys.keep_removed,
        "How long a key counts that its issuer no longer lists.";
    "subjects.keys.pause": Span, subjects.keys.pause,
        "A token whose key is not known makes the sidecar look at its issuer's keys anew, but not sooner than this after the last look.";
    "subjects.keys.timeout": Span, subjects.keys.timeout,
        "How long fetching the keys of an issuer may take.";
    "subjects.keys.ca_file": FileOrNone, subjects.keys.ca_file,
        "Certificates in PEM that the certificates of issuers may rest on, and no others. Empty: those that the system trusts.";
    "engine.verify_one_in": OneIn, engine.verify_one_in,
        "One in so many decisions is made again by plain Cedar and compared, with a hundredth of a core at the most. 0: none.";
    "directory.language": Language, directory.language,
        "The language of users who have named none.";
    "directory.invitations.link": LinkForm, directory.invitation_link,
        "The address in invitations, where your application takes the one-time token: `{token}` stands for it.";
    "directory.invitations.expiry": Span, directory.invitation_expiry,
        "How long the link of an invitation counts.";
    "directory.invitations.keep": Span, directory.invitation_keep,
        "How long invitations are kept after they were accepted or revoked.";
    "directory.sessions.idle": SpanOrZero, directory.session_idle,
        "A session without a sign of life for this long has ended. 0: it lives until it is ended.";
    "directory.sessions.keep": Span, directory.session_keep,
        "How long records of sessions are kept after their end.";
    "directory.import.bytes": Bytes, directory.import_bytes,
        "Longest import of users; a longer one is refused before it is read.";
    "mail.transport": MailTransportKind, mail.transport,
        "`directory`: each mail becomes a file in the folder `mail` of the data directory, so that nothing is needed to begin with. \
         `smtp`: mails go to the server `mail.smtp.host`.";
    "mail.from": Sender, mail.from,
        "Who mails are from, such as `Back office <office@example.com>`; templates have the name as `sender`. Empty: \
         `sidegate@localhost`, with which `smtp` is refused.";
    "mail.reply_to": Sender, mail.reply_to,
        "Where answers go. Empty: to `mail.from`.";
    "mail.language": Language, mail.language,
        "The language of mails to users of whom none is known, and to those for whose language there is no template.";
    "mail.templates": FileOrNone, mail.templates,
        "A directory of templates that take the place of the built-in ones, `<kind>.<language>.{subject.txt,txt,html}`. Empty: none.";
    "mail.smtp.host": Host, mail.smtp.host,
        "The mail server. Empty: none.";
    "mail.smtp.port": Port, mail.smtp.port,
        "Its port. 0: the usual one of `mail.smtp.tls`, which is 465, 587 or 25.";
    "mail.smtp.tls": SmtpTlsKind, mail.smtp.tls,
        "`required`: TLS from the first byte. `starttls`: TLS before anything is said that matters, or nothing is sent. `none`: no \
         TLS, which is refused for a host that is not this machine.";
    "mail.smtp.ca_file": FileOrNone, mail.smtp.ca_file,
        "Certificates in PEM that the server's certificate may rest on, and no others. Empty: those that the system trusts.";
    "mail.smtp.username": Username, mail.smtp.username,
        "Who logs in to the mail server. Empty: nobody does.";
    "mail.smtp.password_file": FileOrNone, mail.smtp.password_file,
        "The password of `mail.smtp.username`: a file with one line that others can neither read nor change.";
    "mail.smtp.timeout": Span, mail.smtp.timeout,
        "How long the mail server may take for one answer.";
    "mail.retry.first": Span, mail.retry.first,
        "How long after the first failure a mail is tried again. Each further wait is twice as long, less up to a fifth by chance.";
    "mail.retry.longest": Span, mail.retry.longest,
        "The longest such wait.";
    "mail.retry.give_up_after": Span, mail.retry.give_up_after,
        "How old a mail may become before it is given up.";
    "telemetry.log.format": Format, telemetry.log_format,
        "`json`: one object a line. `pretty`: for people at a terminal.";
    "telemetry.log.level": Filter, telemetry.log_level,
        "What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `sidegate=debug,info`.";
    "telemetry.log.access": Switch, telemetry.log_access,
        "A line for each request, under the target `sidegate::access`: method, route, status, how long it took, who asked, request and trace.";
    "shutdown.delay": SpanOrZero, shutdown.delay,
        "How long to stay up, not ready, before the listeners close, so that load balancers notice.";
    "shutdown.deadline": Span, shutdown.deadline,
        "After which the end is forced, the delay included.";
}

/// The key at a path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The names that may follow a section's path, without repeats, in the order of the table. The root is the empty path.
pub(super) fn children(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for key in KEYS {
        let below = match section {
            "" => Some(key.path),
            _ => key.path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')),
        };
        if let Some(name) = below.and_then(|rest| rest.split('.').next())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

impl Key {
    /// What is said of a value that does not fit.
    pub(super) fn refusal(&self, given: &str) -> String {
        if self.secret {
            return format!("what is given does not fit `{}`: it is {}", self.path, self.wanted);
        }
        format!("`{given}` does not fit `{}`: it is {}", self.path, self.wanted)
    }

    /// Whether a number that stands without quotes may be another than was meant: whoever reads YAML 1.1 takes `0660` for octal and
    /// writes 432.
    pub(super) fn mistrusts(&self, number: &str) -> bool {
        self.digits.is_some() && !number.starts_with('0')
    }

    /// A value as a file writes it, so that YAML 1.1 reads the same: in quotes where that makes a number or a switch of it.
    pub(super) fn in_file(&self, shown: String) -> String {
        if self.digits.is_some() || shown == OFF { format!("\"{shown}\"") } else { shown }
    }

    /// The name in the environment: `SIDEGATE_SERVER__AUTHORIZE__LISTEN`.
    pub(super) fn environment_name(&self) -> String {
        format!("SIDEGATE_{}", self.path.replace('.', "__").to_uppercase())
    }
}
