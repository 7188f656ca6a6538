//! The fields of a record as users see them: one table, from which JSON, CSV and the reference are made.

macro_rules! fields {
    ($($name:literal: $form:literal, $meaning:literal;)*) => {
        /// How many there are.
        pub(crate) const COUNT: usize = [$($name,)*].len();
        /// Their names, in order.
        pub(crate) const NAMES: [&str; COUNT] = [$($name,)*];
        /// The fields of a record, each with its form and its meaning, in order.
        pub const FIELDS: [[&str; 3]; COUNT] = [$([$name, $form, $meaning],)*];
    };
}

fields! {
    "seq": "number", "Its place in the log: 1 for the first record ever, without gaps";
    "time": "text", "When, as who decided saw it: RFC 3339, microseconds, UTC";
    "kind": "text", "`decision`, `activity`, `directory`, `session`, `policy` or `system`";
    "id": "text", "A ULID: that of the answer, for a decision or an activity";
    "request_id": "text", "`X-Request-ID` of the request";
    "tenant": "text", "The tenant's id";
    "user": "text", "Who asked, or did it; `Type::\"id\"` where it is an entity of a plain Cedar set";
    "roles": "list", "The user's roles in the tenant";
    "action": "text", "What was to be done, or was done";
    "module": "text", "The module's id";
    "resource_type": "text", "The type of what it was done to";
    "resource_id": "text", "The id of what it was done to";
    "decision": "text", "`allow` or `deny`; absent where nothing was decided";
    "reason": "text", "The reason code of a decision; what happened, for `policy` and `system`";
    "policies": "list", "Ids of the policies that determined the decision";
    "errors": "list", "Policies that could not be evaluated, or what was wrong with policy files";
    "revision": "text", "The policy files that decided: 12 hexadecimal digits";
    "duration_us": "number", "How long deciding took, in microseconds; absent where nothing was decided";
    "source": "text", "The door it came through: `native`, `authzen`, `envoy`, `forward_auth`, `admin` or `cli`";
    "actor": "text", "Who acted through the application (`Sidegate-Actor`); of a decision, the caller who asked (`server.authorize.callers`), where it is known";
    "before": "JSON", "The state before a change";
    "after": "JSON", "The state after a change";
    "context": "JSON", "Of a decision, what the policies ask of the request's context and nothing else; of an activity, what was reported";
    "redacted": "list", "What was redacted before the record was written: `/context/ip:hash`";
    "kept_one_in": "number", "The record was kept as one of so many allows (`audit.sample`); absent where every one like it is kept";
    "trace_id": "text", "The trace that the request belongs to, as its `traceparent` says or as it begins here: 32 hexadecimal digits";
}

/// `docs/reference/audit-record.md`.
#[must_use]
pub fn reference() -> String {
    let head = "# Audit records\n\n<!-- generated from the table in src/audit/fields.rs; `make reference` writes it anew -->\n\n\
                A record is one JSON object with all of these fields, in this order; they also head the CSV.\n\
                What is absent is `null`, an absent list is empty, and in CSV both are an empty cell.\n\
                A text or a JSON value that is too long to be kept ends in `…[cut]`.\n\
                Nothing else of a request is kept: no header, no token, no body, no attribute of a user or a resource.\n\n\
                | field | form | |\n| --- | --- | --- |\n";
    let rows = FIELDS.iter().map(|[name, form, meaning]| format!("| `{name}` | {form} | {meaning} |\n"));
    std::iter::once(head.to_owned()).chain(rows).collect()
}
