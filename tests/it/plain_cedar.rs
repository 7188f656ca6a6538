//! The engine against plain Cedar: on Cedar's own corpus and on random policy sets, every decision, every set of
//! determining policies and every error text must be the same (invariant 4).

mod corpus;
mod declared;
mod generator;
mod random;

use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicySet, Request as CedarRequest};
use sidegate::{
    engine::{self, Dialect, ForbidErrors, PolicyFacts, PolicyKind, Program, Source, Subject},
    model::{self, Resource, Timestamp, Value},
};
use std::borrow::Cow;

/// A policy set with its entities, both as the engine's program and as Cedar has them.
struct World {
    program: Program,
    policies: PolicySet,
    entities: Entities,
}

/// One request, by uids and with a context in JSON.
#[derive(Debug, Clone)]
struct Ask {
    principal: EntityUid,
    action: EntityUid,
    resource: EntityUid,
    context: serde_json::Value,
}

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    allowed: bool,
    determining: Vec<String>,
    errors: Vec<(String, String)>,
}

impl World {
    fn new(policies: PolicySet, entities: Entities) -> Self {
        let facts = policies
            .policies()
            .map(|policy| PolicyFacts {
                id: policy.id().to_string().into(),
                summary: "".into(),
                kind: PolicyKind::Ordinary,
                location: None,
            })
            .collect();
        let source = Source {
            policies: Source::list(&policies),
            entities: entities.clone(),
            facts,
            dialect: Dialect::PlainCedar { principal_type: "User".into() },
            forbid_errors: ForbidErrors::Skip,
        };
        Self { program: Program::build(source).expect("the parts fit together"), policies, entities }
    }

    /// The engine's answer.
    fn engine(&self, ask: &Ask) -> Answer {
        let (principal_type, resource_type) =
            (ask.principal.type_name().to_string(), ask.resource.type_name().to_string());
        let action = match ask.action.type_name().to_string().as_str() {
            "Action" => ask.action.id().unescaped().to_owned(),
            _ => ask.action.to_string(),
        };
        let context = fields(&ask.context);
        let request = model::Request {
            action: &action,
            resource: Resource { ty: &resource_type, id: ask.resource.id().unescaped(), attributes: &[] },
            tenant: None,
            context: &context,
            subject_attributes: &[],
            time: Timestamp::from_micros(0),
        };
        let subject = Subject::Entity { ty: &principal_type, id: ask.principal.id().unescaped() };
        let outcome = engine::decide(&self.program, subject, &request);
        let id = |&index: &u32| self.program.policy(index).unwrap().id.to_string();
        let mut determining: Vec<_> = outcome.determining.iter().map(id).collect();
        determining.sort();
        Answer {
            allowed: outcome.decision.is_allow(),
            determining,
            errors: outcome.errors.iter().map(|error| (id(&error.policy), error.message.clone())).collect(),
        }
    }

    /// Plain Cedar's answer over the whole set.
    fn cedar(&self, ask: &Ask) -> Answer {
        let context = Context::from_json_value(ask.context.clone(), None).expect("a context");
        let request =
            CedarRequest::new(ask.principal.clone(), ask.action.clone(), ask.resource.clone(), context, None).unwrap();
        let response = Authorizer::new().is_authorized(&request, &self.policies, &self.entities);
        let mut determining: Vec<_> = response.diagnostics().reason().map(ToString::to_string).collect();
        determining.sort();
        let errors = response.diagnostics().errors().map(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            (error.policy_id().to_string(), error.inner().to_string())
        });
        let errors = errors.collect();
        Answer { allowed: response.decision() == cedar_policy::Decision::Allow, determining, errors }
    }

    /// Fails where the two differ.
    fn check(&self, ask: &Ask, whence: &str) {
        let (engine, cedar) = (self.engine(ask), self.cedar(ask));
        assert_eq!(
            engine, cedar,
            "engine (left) and plain Cedar (right) differ in {whence} on {ask:?}\n{}",
            self.policies
        );
    }
}

/// A JSON object of the corpus as the engine takes it.
fn fields(json: &serde_json::Value) -> Vec<(Cow<'_, str>, Value<'_>)> {
    let object = json.as_object().expect("an object");
    object.iter().map(|(name, json)| (Cow::Borrowed(name.as_str()), value(json))).collect()
}

fn value(json: &serde_json::Value) -> Value<'_> {
    use serde_json::Value as Json;
    match json {
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::Long(n.as_i64().expect("an integer")),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::Set(items.iter().map(value).collect()),
        Json::Null => panic!("the corpus has no nulls"),
        Json::Object(object) => match (object.get("__entity"), object.get("__extn")) {
            (Some(entity), _) => Value::Entity { ty: text(&entity["type"]), id: text(&entity["id"]) },
            (_, Some(call)) => {
                let arguments = match call.get("args") {
                    Some(arguments) => arguments.as_array().expect("a list").iter().map(value).collect(),
                    None => vec![value(&call["arg"])],
                };
                Value::Extension { function: text(&call["fn"]), arguments }
            }
            _ => Value::Record(fields(json)),
        },
    }
}

fn text(json: &serde_json::Value) -> Cow<'_, str> {
    Cow::Borrowed(json.as_str().expect("a text"))
}
