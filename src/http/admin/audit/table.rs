//! The routes of the audit log as data.

use super::{Services, export, list, stats};
use crate::{
    audit::{FIELDS, Figures, Format, MAX_LIMIT},
    config::Scope,
    http::{
        ErrorCode,
        admin::{
            actor::USER_ID,
            route::{Answer, Content, Facts, Parameter, Route, Shape},
        },
    },
};
use axum::routing::on;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The routes.
pub(in crate::http::admin) const ROUTES: &[Route<Services>] = &[
    Route {
        facts: Facts {
            path: "/v1/audit",
            name: "listAuditRecords",
            summary: "Records of the audit log, page by page",
            scopes: &[Scope::Audit],
            parameters: &[FILTERS, ORDER, PAGE, READER],
            answers: &[Answer::new(200, "A page", &[Content::json::<Page>()])],
            errors: ERRORS,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, list),
    },
    Route {
        facts: Facts {
            path: "/v1/audit/stats",
            name: "getAuditStats",
            summary: "Figures of the audit log",
            scopes: &[Scope::Audit],
            parameters: &[FILTERS, READER],
            answers: &[Answer::new(200, "Figures of all records that match", &[Content::json::<Figures>()])],
            errors: ERRORS,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, stats),
    },
    Route {
        facts: Facts {
            path: "/v1/audit/export",
            name: "exportAuditRecords",
            summary: "Records of the audit log as one file",
            scopes: &[Scope::Audit],
            parameters: &[FILTERS, ORDER, EXPORT, READER],
            answers: &[Answer::new(
                200,
                "The records; a stream that breaks off has lost some",
                &[Content::text(Format::Csv.content_type()), Content::text(Format::Ndjson.content_type())],
            )],
            errors: ERRORS,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, export),
    },
];

/// What the actor who is named may be refused for.
const ERRORS: &[ErrorCode] = &[
    ErrorCode::NotAllowed,
    ErrorCode::NotFound,
    ErrorCode::Conflict,
    ErrorCode::Invalid,
    ErrorCode::Overloaded,
    ErrorCode::AuditUnavailable,
];

const READER: &[Parameter] = &[Parameter::header(
    "Sidegate-Actor",
    "the user who reads: the policies decide whether it may, and where there are tenants it reads of one",
    USER_ID,
)];

const fn text(name: &'static str, about: &'static str) -> Parameter {
    Parameter::query(name, about, Shape::Text)
}

const FILTERS: &[Parameter] = &[
    text("user", "who asked, or did it"),
    text("actor", "who acted through the application"),
    text("tenant", "the tenant"),
    text("module", "the module"),
    text("action", "the action"),
    text("resource_type", "the type of what it was done to"),
    text("resource_id", "the id of what it was done to"),
    Parameter::query("decision", "the decision", Shape::Choice(&["allow", "deny"])),
    Parameter::query(
        "kind",
        "the kind of record",
        Shape::Choice(&["decision", "activity", "directory", "session", "policy", "system"]),
    ),
    text("policy", "one of the policies that determined the decision"),
    text("revision", "the policy files that decided"),
    Parameter::query("trace_id", "the trace that the request belongs to", Shape::Like("^[0-9a-fA-F]{32}$")),
    Parameter::query("from", "not before this time", Shape::Time),
    Parameter::query("to", "before this time", Shape::Time),
];

const ORDER: &[Parameter] =
    &[Parameter::query("order", "oldest or newest first; without it `desc`", Shape::Choice(&["asc", "desc"]))];

const PAGE: &[Parameter] = &[
    Parameter::query("limit", "records of one page at the most; without it 100", Shape::Whole(1, MAX_LIMIT as u64)),
    Parameter::query("cursor", "`next_cursor` of the page before", Shape::Whole(1, i64::MAX as u64)),
];

const EXPORT: &[Parameter] = &[
    Parameter::query("format", "without it `ndjson`", Shape::Choice(&["csv", "ndjson"])),
    Parameter::query("limit", "so many records at the most; without it all", Shape::Whole(1, i64::MAX as u64)),
    Parameter::query(
        "after_seq",
        "only records behind this one, in the order asked for",
        Shape::Whole(1, i64::MAX as u64),
    ),
];

/// A page of records.
#[derive(JsonSchema)]
#[schemars(rename = "AuditPage")]
#[expect(dead_code, reason = "tells what `Reader::page` writes")]
struct Page {
    /// The records.
    items: Vec<Record>,
    /// Where the next page begins; absent where nothing follows.
    #[schemars(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A record, told by the table of its fields.
struct Record;

impl JsonSchema for Record {
    fn schema_name() -> Cow<'static, str> {
        "AuditRecord".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let property = |[name, form, meaning]: &[&str; 3]| {
            let mut schema = match *form {
                "number" => json!({ "type": ["number", "null"] }),
                "text" => json!({ "type": ["string", "null"] }),
                "list" => json!({ "type": "array", "items": { "type": "string" } }),
                _ => json!({}),
            };
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), Value::from(*meaning));
            }
            ((*name).to_owned(), schema)
        };
        let properties: Map<String, Value> = FIELDS.iter().map(property).collect();
        let required: Vec<&str> = FIELDS.iter().map(|[name, ..]| *name).collect();
        json_schema!({
            "type": "object",
            "description": "A record of the audit log",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::PARAMETERS;

    #[test]
    fn every_parameter_of_a_query_is_told_once() {
        let told: Vec<&str> = [FILTERS, ORDER, PAGE].concat().iter().map(|parameter| parameter.name).collect();
        assert_eq!(told, PARAMETERS);
    }
}
