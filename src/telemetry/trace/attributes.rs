//! What spans tell: the names of their attributes, from which the reference is made too.

use crate::config::TRACING_VARIABLES;

macro_rules! attributes {
    ($($name:ident = $key:literal, $meaning:literal;)*) => {
        /// The names of attributes.
        pub mod key {
            $(#[doc = $meaning] pub const $name: &str = $key;)*
        }

        /// The attributes of spans, each with its meaning, in the order of the reference.
        pub const ATTRIBUTES: &[[&str; 2]] = &[$([$key, $meaning],)*];
    };
}

attributes! {
    METHOD = "http.request.method", "The method; `_OTHER` for one that is none of HTTP's";
    ROUTE = "http.route", "The route, such as `/v1/users/{id}/menu`: no part of a path that names somebody";
    PATH = "url.path", "The path, where it is the same for every request of its route";
    SCHEME = "url.scheme", "`http` or `https`";
    STATUS = "http.response.status_code", "The status of the answer, or of an outgoing call's";
    ERROR = "error.type", "Of a failure on this side: the status, or what went wrong";
    PROTOCOL = "network.protocol.version", "`1.0`, `1.1` or `2`";
    PEER = "network.peer.address", "The address at the other end of the connection: the application or its proxy, not its user";
    SERVER = "server.address", "The host that an outgoing call goes to";
    PORT = "server.port", "Its port";
    RPC_SYSTEM = "rpc.system", "`grpc`";
    RPC_SERVICE = "rpc.service", "The service of a call of gRPC";
    RPC_METHOD = "rpc.method", "The method of a call of gRPC";
    RPC_STATUS = "rpc.grpc.status_code", "The number of its status";
    LISTENER = "sidegate.listener", "`authorize` or `admin`";
    REQUEST_ID = "sidegate.request_id", "`X-Request-ID`";
    CALLER = "sidegate.caller", "The name of the caller, of `server.authorize.callers`";
    SOURCE = "sidegate.source", "The door it came through, as in audit records";
    DECISION = "sidegate.decision", "`allow` or `deny`, of a request with one decision";
    DECISION_ID = "sidegate.decision.id", "The id of the decision in the answer and in the audit log";
    REASON = "sidegate.reason", "The reason code";
    TENANT = "sidegate.tenant", "The tenant's id";
    MODULE = "sidegate.module", "The module's id";
    ACTION = "sidegate.action", "What was to be done";
    RESOURCE_TYPE = "sidegate.resource.type", "The type of what it was to be done to; its id is not told";
    REVISION = "sidegate.revision", "The policy files that decided, or were loaded";
    DECISIONS = "sidegate.decisions", "How many decisions, of a request with several";
    ALLOWED = "sidegate.decisions.allowed", "How many of them allow";
    OUTCOME = "sidegate.outcome", "What came of a load of policies or of a mail";
    CAUSE = "sidegate.cause", "Why policies were loaded";
    KIND = "sidegate.kind", "The sort of mail";
}

/// `docs/reference/tracing.md`.
#[must_use]
pub fn reference() -> String {
    let head = "# Tracing\n\n<!-- generated from the tables in src/config/otel.rs and src/telemetry/trace/attributes.rs; \
                `make reference` writes it anew -->\n\n\
                ## Variables\n\n\
                Spans are exported once `OTEL_TRACES_EXPORTER` is `otlp` or there is an endpoint.\n\
                Those that begin with `OTEL_EXPORTER_OTLP_` have a form for traces that counts before them: `OTEL_EXPORTER_OTLP_TRACES_HEADERS`.\n\
                A value that cannot be honoured stops the start with exit code 64; an empty one is as good as none.\n\
                They are read once, at the start.\n\n\
                | variable | default | |\n| --- | --- | --- |\n";
    let variables =
        TRACING_VARIABLES.iter().map(|[name, default, meaning]| format!("| `{name}` | {default} | {meaning} |\n"));
    let attributes = "\n## Attributes of spans\n\nNo span tells who the subject of a decision is, what it is allowed to do beyond the one question, or anything of a body, a header or a token.\n\n| attribute | |\n| --- | --- |\n";
    let rows = ATTRIBUTES.iter().map(|[key, meaning]| format!("| `{key}` | {meaning} |\n"));
    std::iter::once(head.to_owned()).chain(variables).chain([attributes.to_owned()]).chain(rows).collect()
}
