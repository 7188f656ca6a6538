//! `GET /openapi.json`: what the admin listener takes and answers, made from the table of routes and the wire types.

use super::{
    actor::USER_ID,
    all_facts,
    route::{Answer, Content, Facts, Parameter, Place, Route, Shape},
};
use crate::{
    config::Scope,
    http::{ErrorCode, error::ErrorView},
};
use axum::{
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::on,
};
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The route. The document holds nothing that is secret, so it is open to all who reach the listener.
pub(super) const ROUTES: &[Route<()>] = &[Route {
    facts: Facts {
        path: "/openapi.json",
        name: "getOpenApi",
        summary: "This document",
        answers: &[Answer::new(
            200,
            "An OpenAPI document",
            &[Content { media: "application/json", schema: any_object }],
        )],
        ..Facts::BLANK
    },
    serve: |verb| on(verb, answer),
}];

static DOCUMENT: LazyLock<String> = LazyLock::new(document);

async fn answer() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// The document as it is served.
#[must_use]
pub fn document() -> String {
    let mut writer = Writer::new();
    let mut paths = Map::new();
    for facts in all_facts() {
        let operation = writer.operation(facts);
        let path = paths.entry(facts.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(facts.verb.as_str().to_lowercase(), operation);
        }
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sidegate, admin listener",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Users, policies and the audit log for administrators. Every answer carries `X-Request-ID`, as it came \
                            or made up.",
        },
        "servers": [{ "url": "http://127.0.0.1:8481", "description": "where it listens by default" }],
        "paths": paths,
        "components": {
            "schemas": writer.schemas(),
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of `server.admin.tokens`. None is wanted where `server.admin.auth` is `none`.",
                },
            },
        },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// `docs/reference/admin-api.md`: every route with who may call it.
#[must_use]
pub fn reference() -> String {
    let mut out = "# Routes of the admin listener\n\n\
        <!-- generated from the table of routes in src/http/admin; `make reference` writes it anew -->\n\n\
        A token needs one of the scopes that are listed; a token without `scopes` in its setting has all of them.\n\
        Where an actor is wanted, the call is decided by the loaded policies for the user who is named in `Sidegate-Actor`.\n\
        [`openapi.json`](openapi.json) holds parameters, bodies and answers.\n\n\
        | route | scopes | actor | codes | |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for facts in all_facts() {
        let scopes: Vec<String> = facts.scopes.iter().map(|scope| format!("`{}`", scope.as_str())).collect();
        let scopes = if scopes.is_empty() { "none".to_owned() } else { scopes.join(" or ") };
        let actor = if facts.acts { "yes" } else { "" };
        let codes: Vec<String> = facts.statuses().iter().map(u16::to_string).collect();
        let (verb, path, codes) = (facts.verb.as_str(), facts.path, codes.join(", "));
        let row = format!("| `{verb} {path}` | {scopes} | {actor} | {codes} | {} |\n", facts.summary);
        out.push_str(&row);
    }
    out.push_str("\nErrors have a code beside the status:\n\n| status | code | meaning |\n| --- | --- | --- |\n");
    let mut errors: Vec<ErrorCode> = all_facts().flat_map(Facts::all_errors).collect();
    errors.push(ErrorCode::MethodNotAllowed);
    errors.sort_unstable_by_key(|code| (code.status(), code.as_str()));
    errors.dedup();
    for code in errors {
        let row = format!("| `{}` | `{}` | {} |\n", code.status(), code.as_str(), code.meaning());
        out.push_str(&row);
    }
    out
}

/// Collects the schemas that the routes refer to.
struct Writer {
    /// Of what is taken.
    taken: SchemaGenerator,
    /// Of what is answered.
    answered: SchemaGenerator,
}

impl Writer {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self { taken: settings().into_generator(), answered: settings().for_serialize().into_generator() }
    }

    fn schemas(mut self) -> Map<String, Value> {
        let mut schemas = self.taken.take_definitions(true);
        schemas.extend(self.answered.take_definitions(true));
        schemas
    }

    fn operation(&mut self, facts: &Facts) -> Value {
        let mut operation = json!({
            "operationId": facts.name,
            "summary": facts.summary,
            "responses": self.responses(facts),
            // Of several requirements one is enough.
            "security": facts.scopes.iter().map(|scope| json!({ BEARER: [scope.as_str()] })).collect::<Vec<_>>(),
        });
        let description = describe(facts);
        let mut parameters: Vec<Value> = facts.parameters.iter().copied().flatten().map(parameter).collect();
        if facts.acts {
            parameters.push(parameter(&ACTOR));
        }
        let Some(members) = operation.as_object_mut() else { return operation };
        if !description.is_empty() {
            members.insert("description".to_owned(), description.into());
        }
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), parameters.into());
        }
        if !facts.body.is_empty() {
            let content = contents(&mut self.taken, facts.body);
            members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
        }
        operation
    }

    fn responses(&mut self, facts: &Facts) -> Map<String, Value> {
        let mut responses = Map::new();
        for answer in facts.answers {
            let mut response = json!({ "description": answer.about });
            if let Some(members) = response.as_object_mut() {
                if !answer.content.is_empty() {
                    members.insert("content".to_owned(), contents(&mut self.answered, answer.content).into());
                }
                if !answer.headers.is_empty() {
                    let header = |(name, about): &(&str, &str)| {
                        ((*name).to_owned(), json!({ "description": about, "schema": { "type": "string" } }))
                    };
                    members.insert("headers".to_owned(), answer.headers.iter().map(header).collect());
                }
            }
            responses.insert(answer.status.to_string(), response);
        }
        let errors = facts.all_errors();
        for status in facts.statuses() {
            let codes = errors.iter().filter(|code| code.status() == status);
            let lines: Vec<String> = codes.map(|code| format!("`{}`: {}", code.as_str(), code.meaning())).collect();
            if lines.is_empty() {
                continue;
            }
            let schema = self.answered.subschema_for::<ErrorView>();
            let response = responses.entry(status.to_string()).or_insert_with(
                || json!({ "description": "", "content": { "application/json": { "schema": schema } } }),
            );
            // A status that has an answer of its own, such as a reload that was refused, is described there.
            if response["description"] == "" {
                response["description"] = lines.join("\n\n").into();
            }
        }
        responses
    }
}

/// The header of routes that are decided by policies.
const ACTOR: Parameter = Parameter::header(
    "Sidegate-Actor",
    "the user who acts, bound by the rules of delegation; without it the token must be an operator's",
    USER_ID,
);

fn describe(facts: &Facts) -> String {
    let words: Vec<&str> = facts.scopes.iter().copied().map(Scope::as_str).collect();
    let scopes = match words.as_slice() {
        [] => String::new(),
        [one] => format!("Needs the scope `{one}`."),
        several => format!("Needs one of the scopes `{}`.", several.join("`, `")),
    };
    [facts.description, &scopes].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn contents(generator: &mut SchemaGenerator, contents: &[Content]) -> Map<String, Value> {
    let content = contents.iter().map(|content| {
        let schema = (content.schema)(generator);
        // Without parameters such as the character set.
        let media = content.media.split(';').next().unwrap_or_default();
        (media.to_owned(), json!({ "schema": schema }))
    });
    content.collect()
}

fn parameter(parameter: &Parameter) -> Value {
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    let schema = match parameter.shape {
        Shape::Text => json!({ "type": "string", "minLength": 1 }),
        Shape::Choice(words) => json!({ "type": "string", "enum": words }),
        Shape::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Like(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Time => json!({ "type": "string", "format": "date-time" }),
    };
    json!({
        "name": parameter.name,
        "in": place,
        "required": parameter.required,
        "description": parameter.about,
        "schema": schema,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::actor::SIDEGATE_ACTOR, *};
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_whole_and_none_is_there_twice() {
        let mut seen = BTreeSet::new();
        let mut names = BTreeSet::new();
        for facts in all_facts() {
            let route = format!("{} {}", facts.verb.as_str(), facts.path);
            assert!(seen.insert(route.clone()), "{route} is listed twice");
            assert!(names.insert(facts.name), "{route}: the name `{}` is taken", facts.name);
            assert!(!facts.summary.is_empty() && !facts.answers.is_empty() && !facts.name.is_empty(), "{route}");
            assert!(facts.answers.iter().all(|answer| !answer.about.is_empty()), "{route}");
            let in_path: BTreeSet<&str> = facts
                .path
                .split(['{', '}'])
                .enumerate()
                .filter(|(index, _)| index % 2 == 1)
                .map(|(_, name)| name)
                .collect();
            let listed: BTreeSet<&str> = facts
                .parameters
                .iter()
                .copied()
                .flatten()
                .filter(|parameter| parameter.place == Place::Path)
                .map(|parameter| parameter.name)
                .collect();
            assert_eq!(in_path, listed, "{route}");
            assert!(
                facts.path == "/openapi.json" || !facts.scopes.is_empty() || facts.path == "/v1/invitations/accept",
                "{route} is open to all"
            );
        }
        assert_eq!(ACTOR.name.to_lowercase(), SIDEGATE_ACTOR.as_str());
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 10);
        for reference in references {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| collect(value, references));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
            _ => {}
        }
    }

    #[test]
    fn what_is_taken_and_what_is_answered_have_no_schema_in_common_that_differs() {
        let mut writer = Writer::new();
        all_facts().for_each(|facts| drop(writer.operation(facts)));
        let (taken, answered) = (writer.taken.take_definitions(true), writer.answered.take_definitions(true));
        for (name, schema) in &taken {
            assert!(answered.get(name).is_none_or(|other| other == schema), "{name}");
        }
    }
}
