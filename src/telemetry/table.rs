//! The table of metrics: what there is, in which unit, with which labels.

/// A metric as it is registered and documented.
#[derive(Debug)]
pub(super) struct Metric {
    /// Its name.
    pub(super) name: &'static str,
    /// What it counts or measures.
    pub(super) kind: Kind,
    /// Its labels with their values, as far as these are fixed.
    pub(super) labels: &'static [(&'static str, &'static str)],
    /// What it says, in one sentence.
    pub(super) help: &'static str,
}

/// The sorts of metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word of the exposition format.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// For what takes microseconds: one evaluation.
const FINE: &[f64] =
    &[1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0];
/// For what crosses a socket or a disk.
const COARSE: &[f64] =
    &[1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// For whole requests: few, since each stands beside every listener, route and code.
const REQUEST: &[f64] = &[1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 0.1, 1.0, 5.0];
/// For a load of a policy set.
const LOAD: &[f64] = &[1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

macro_rules! metrics {
    ($($name:ident = $text:literal, $kind:expr, [$(($label:literal, $values:literal)),*], $help:literal;)*) => {
        $(pub(super) const $name: Metric =
            Metric { name: $text, kind: $kind, labels: &[$(($label, $values)),*], help: $help };)*

        /// Every metric of the product, in the order of the reference. `process_*` come from the library.
        pub(super) const TABLE: &[&Metric] = &[$(&$name,)*];
    };
}

metrics! {
    DECISIONS = "sidegate_decisions_total", Kind::Counter,
        [("decision", "`allow`, `deny`"), ("module", "module id; `none`; `other` beyond the first 128 of the process"),
         ("source", "`native`, `authzen`, `envoy`, `forward_auth`, `admin`, `cli`")],
        "Decisions answered";
    DECISION_DURATION = "sidegate_decision_duration_seconds", Kind::Histogram(FINE), [],
        "Time to evaluate one question, without reading or writing it";
    HTTP_DURATION = "sidegate_http_request_duration_seconds", Kind::Histogram(REQUEST),
        [("listener", "`authorize`, `admin`, `ops`"), ("route", "the route's pattern; `other` where none fits"),
         ("code", "the status code")],
        "Time from a request's head to its answer";
    POLICY_RELOADS = "sidegate_policy_reloads_total", Kind::Counter,
        [("outcome", "`swapped`, `unchanged`, `rejected_syntax`, `rejected_validation`, `rejected_tests`, `read_error`")],
        "Looks at the policy directory, by what came of them; a refused set counts once, however often it is seen";
    POLICY_RELOAD_DURATION = "sidegate_policy_reload_duration_seconds", Kind::Histogram(LOAD), [],
        "Time from the first read of a changed policy set to its swap or refusal";
    POLICY_LAST_SUCCESS = "sidegate_policy_last_success_timestamp_seconds", Kind::Gauge, [],
        "When the files were last seen to be what is live, as a Unix time";
    POLICY_FAILURES = "sidegate_policy_consecutive_failures", Kind::Gauge, [],
        "Loads refused or failed since the files were last seen to be what is live";
    POLICY_INFO = "sidegate_policy_info", Kind::Gauge,
        [("revision", "12 hexadecimal digits"), ("policy_set", "the set's name")],
        "1 for the snapshot that decides";
    POLICIES_LOADED = "sidegate_policies_loaded", Kind::Gauge, [],
        "Policies of the snapshot that decides";
    POLICY_ERRORS = "sidegate_policy_errors_total", Kind::Counter, [],
        "Policies that could not be evaluated while deciding";
    POLICIES_STALE = "sidegate_policies_stale", Kind::Gauge, [],
        "1 while the policies are older than `policies.max_staleness` allows, or came up on the kept copy since the files were no good";
    POLICIES_COPY_FAILING = "sidegate_policies_copy_failing", Kind::Gauge, [],
        "1 while the set that decides is not kept for a restart though it should be";
    SHADOW_DECISIONS = "sidegate_shadow_decisions_total", Kind::Counter,
        [("outcome", "`same`, `widened`: allowed though the answer was a deny, `narrowed`: denied though it was an allow")],
        "Decisions of the shadow set (`policies.shadow`), by how they compare with the answer";
    SHADOW_SKIPPED = "sidegate_shadow_skipped_total", Kind::Counter, [],
        "Decisions that the shadow set was not asked about, since it could not keep up";
    CONFIG_RELOADS = "sidegate_config_reloads_total", Kind::Counter,
        [("outcome", "`applied`, `unchanged`, `rejected`")],
        "Looks at the configuration file that found other content, by what came of them";
    CONFIG_REJECTED = "sidegate_config_rejected", Kind::Gauge, [],
        "1 while the configuration file has errors or cannot be read, and so does not count as it is";
    SELF_CHECKS = "sidegate_self_checks_total", Kind::Counter,
        [("outcome", "`same`, `different`")],
        "Decisions compared with those of plain Cedar (`engine.verify_one_in`)";
    AUDIT_RECORDS = "sidegate_audit_records_total", Kind::Counter,
        [("outcome", "`written`, `dropped`, `failed`, `sampled_out`")],
        "Audit records, by what became of them";
    AUDIT_QUEUE_DEPTH = "sidegate_audit_queue_depth", Kind::Gauge, [],
        "Bytes in the audit queue that the store has not taken yet";
    AUDIT_QUEUE_CAPACITY = "sidegate_audit_queue_capacity", Kind::Gauge, [],
        "Bytes that the audit queue holds";
    AUDIT_FULLEST_QUEUE = "sidegate_audit_fullest_queue_ratio", Kind::Gauge, [],
        "How full the fullest of the audit queues is, from 0 to 1: each worker has one, and decisions wait for theirs";
    AUDIT_LAG = "sidegate_audit_lag_seconds", Kind::Gauge, [],
        "Age of the oldest audit record that was accepted and is not in the store yet; 0 where there is none";
    AUDIT_COMMIT_DURATION = "sidegate_audit_commit_duration_seconds", Kind::Histogram(COARSE), [],
        "Time of one group commit to the audit store";
    AUDIT_STORE_BYTES = "sidegate_audit_store_bytes", Kind::Gauge, [],
        "Bytes of the audit store on disk";
    AUDIT_OLDEST = "sidegate_audit_oldest_record_timestamp_seconds", Kind::Gauge, [],
        "Time of the oldest audit record, as a Unix time; 0 while there is none";
    AUDIT_CHECKPOINT_SEQ = "sidegate_audit_checkpoint_seq", Kind::Gauge, [],
        "The record that the last checkpoint names; 0 before the first";
    AUDIT_CHECKPOINT_TIME = "sidegate_audit_checkpoint_timestamp_seconds", Kind::Gauge, [],
        "Time of the last checkpoint, as a Unix time; 0 before the first";
    AUDIT_CHECKPOINT_UNDELIVERED = "sidegate_audit_checkpoint_undelivered", Kind::Gauge,
        [("to", "`file`, `webhook`")],
        "1 while the newest checkpoint has not got where it should go";
    AUDIT_CHECKPOINT_FAILURES = "sidegate_audit_checkpoint_failures_total", Kind::Counter,
        [("to", "`file`, `webhook`")],
        "Checkpoints that did not get where they should go";
    AUDIT_STORE_FAILURES = "sidegate_audit_store_failures_total", Kind::Counter, [],
        "How often the audit store has failed";
    AUDIT_STORE_FAILING = "sidegate_audit_store_failing", Kind::Gauge, [],
        "1 while the audit store takes no records, since it has failed";
    AUDIT_MISSING = "sidegate_audit_missing_records", Kind::Gauge, [],
        "Records that the audit log does not have though it once did, those that retention has removed apart";
    DIRECTORY_FAILING = "sidegate_directory_store_failing", Kind::Gauge, [],
        "1 while the directory takes no changes, since its store has failed";
    DIRECTORY_USERS = "sidegate_directory_users", Kind::Gauge,
        [("status", "`invited`, `active`, `suspended`")],
        "Users, by status";
    TLS_EXPIRES = "sidegate_tls_certificate_expiry_timestamp_seconds", Kind::Gauge,
        [("listener", "`authorize`, `admin`, `ops`")],
        "When the certificate that a listener shows expires, as a Unix time; 0 where it speaks no TLS";
    TLS_RELOADS = "sidegate_tls_reloads_total", Kind::Counter,
        [("listener", "`authorize`, `admin`, `ops`"), ("outcome", "`loaded`, `rejected`: the certificate that is shown stays")],
        "Looks at the files of a certificate that found others, by what came of them";
    TLS_REJECTED = "sidegate_tls_rejected", Kind::Gauge,
        [("listener", "`authorize`, `admin`, `ops`")],
        "1 while the certificate in the files is of no use and an earlier one is shown";
    TLS_HANDSHAKES = "sidegate_tls_handshakes_total", Kind::Counter,
        [("listener", "`authorize`, `admin`, `ops`"), ("outcome", "`done`, `failed`, `timed_out`")],
        "Connections over TLS, by how they began";
    CALLER_REQUESTS = "sidegate_caller_requests_total", Kind::Counter,
        [("caller", "a name of `server.authorize.callers`; `other` beyond the first 128 of the process"),
         ("outcome", "`admitted`, `limited`: more than the caller may send, `out_of_scope`: the caller may not ask that")],
        "Requests of known callers, by what became of them";
    MAIL_LETTERS = "sidegate_mail_letters_total", Kind::Counter,
        [("outcome", "`sent`, `failed`: it is tried again, `gave_up`")],
        "Attempts to send a mail, by what came of them";
    MAIL_QUEUE_DEPTH = "sidegate_mail_queue_depth", Kind::Gauge, [],
        "Mails that wait to be sent";
    TOKENS = "sidegate_tokens_total", Kind::Counter,
        [("outcome", "`verified`; `cached`: it had been; or the code with which it was refused, such as `token_expired`")],
        "Tokens that came with requests, by what came of them";
    TOKEN_KEY_LOOKS = "sidegate_token_key_looks_total", Kind::Counter,
        [("outcome", "`seen`, `failed`")],
        "Looks at the keys of token issuers";
    TOKEN_KEYS = "sidegate_token_keys", Kind::Gauge, [],
        "Keys of token issuers that are listed and can be used";
    TOKEN_KEYS_CONFIRMED = "sidegate_token_keys_confirmed_timestamp_seconds", Kind::Gauge, [],
        "When keys were last looked at with success, of the issuer for whom that is longest ago, as a Unix time; 0 while there is none";
    ASSERTED_ROLES_IGNORED = "sidegate_asserted_roles_ignored_total", Kind::Counter,
        [("why", "`unknown`: the policy set has no such role, `without_tenant`: nothing says in which tenant it counts")],
        "Asserted roles that counted for nothing";
    TRACE_SPANS = "sidegate_trace_spans_total", Kind::Counter,
        [("outcome", "`exported`; `dropped`: the queue was full; `failed`: the collector did not take them")],
        "Spans, by what became of them; all at zero where none are exported";
    LOG_LINES_HELD_BACK = "sidegate_log_lines_held_back_total", Kind::Counter,
        [("why", "`repeated`: too many of one sort within ten seconds; `slow`: lines of the access log for which standard error was too slow")],
        "Log lines that were not written";
    BUILD_INFO = "sidegate_build_info", Kind::Gauge,
        [("version", "the release"), ("commit", "the commit it was built from; `unknown` outside a work tree")],
        "1 for the build that runs";
}

/// How a decision of the shadow set compares with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShadowOutcome {
    /// Both allow, or both deny.
    Same,
    /// The shadow set allows what was denied.
    Widened,
    /// The shadow set denies what was allowed.
    Narrowed,
}

impl ShadowOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Same, Self::Widened, Self::Narrowed];

    /// The outcome as label and in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Widened => "widened",
            Self::Narrowed => "narrowed",
        }
    }
}

/// What came of one attempt to send a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailOutcome {
    /// The mail server has it, or the file is written.
    Sent,
    /// It is tried again.
    Failed,
    /// It is not tried again.
    GaveUp,
}

impl MailOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Sent, Self::Failed, Self::GaveUp];

    /// The outcome as label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::GaveUp => "gave_up",
        }
    }
}

/// What came of one look at the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigOutcome {
    /// Something changed.
    Applied,
    /// It is what counts already.
    Unchanged,
    /// It has errors, or cannot be read.
    Rejected,
}

impl ConfigOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Rejected];

    /// The outcome as label and in `/status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
        }
    }
}

/// What came of one look at the policy directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReloadOutcome {
    /// A new snapshot decides.
    Swapped,
    /// The files are what is live already.
    Unchanged,
    /// The files do not parse.
    RejectedSyntax,
    /// The files parse, but what they say does not fit together.
    RejectedValidation,
    /// The set's own tests fail.
    RejectedTests,
    /// The files could not be read.
    ReadError,
}

impl ReloadOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Swapped,
        Self::Unchanged,
        Self::RejectedSyntax,
        Self::RejectedValidation,
        Self::RejectedTests,
        Self::ReadError,
    ];

    /// The outcome as label, in `/status` and in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Swapped => "swapped",
            Self::Unchanged => "unchanged",
            Self::RejectedSyntax => "rejected_syntax",
            Self::RejectedValidation => "rejected_validation",
            Self::RejectedTests => "rejected_tests",
            Self::ReadError => "read_error",
        }
    }

    /// Whether what is live now is what the files say.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Swapped | Self::Unchanged)
    }
}
