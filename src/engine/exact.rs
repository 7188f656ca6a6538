//! Evaluation by Cedar itself, for what the fast evaluator leaves: errors, extension values, rare operators.
//!
//! Builds a request and the few entities that the question can reach; whole stores are never copied.

use super::{
    program::Program,
    question::{Fields, Party, Question, Typed, TypedValue},
    store::{Store, Stored},
    uid::{Uid, UidIndex},
    vocabulary::AttributeType,
};
use crate::model::Value;
use cedar_policy_core::{
    ast::{self, PartialValue},
    authorizer::{Authorizer, Response},
    entities::{Entities, NoEntitiesSchema, TCComputation},
    evaluator::Evaluator,
    extensions::Extensions,
};
use rustc_hash::FxHashSet;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// A question that cannot be put to Cedar: some value of it has no meaning. The decision is a deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

/// A question in Cedar's own form.
#[derive(Debug)]
pub(super) struct Exact {
    request: ast::Request,
    entities: Entities,
}

impl Exact {
    /// Puts the question into Cedar's form.
    pub(super) fn new(program: &Program, question: &Question<'_>) -> Result<Self, Fault> {
        let store = program.store();
        let build = Builder { store };
        let uid = |uid: Uid<'_>| {
            store.uids.cedar_uid(uid).ok_or_else(|| Fault(format!("`{}` is not the name of an entity type", uid.ty)))
        };
        let context = build.record(&question.context)?;
        let known = |uid| ast::EntityUIDEntry::known(uid, None);
        let request = ast::Request::new_unchecked(
            known(uid(question.principal.uid)?),
            known(uid(question.action)?),
            known(uid(question.resource.uid)?),
            Some(ast::Context::Value(Arc::new(context))),
        );
        Ok(Self { request, entities: build.entities(program, question)? })
    }

    /// Whether a policy is satisfied, or Cedar's error.
    pub(super) fn evaluate(&self, policy: &ast::Policy) -> Result<bool, String> {
        let evaluator = Evaluator::new(self.request.clone(), &self.entities, Extensions::all_available());
        evaluator.evaluate(policy).map_err(|error| error.to_string())
    }

    /// Cedar's answer over the whole policy set.
    pub(super) fn authorize(&self, policies: &ast::PolicySet) -> Response {
        Authorizer::new().is_authorized(self.request.clone(), policies, &self.entities)
    }
}

struct Builder<'s> {
    store: &'s Store,
}

impl Builder<'_> {
    /// Principal and resource as the question has them, and every stored entity that can be reached from the question or
    /// from the policies' literals by attributes and tags.
    fn entities(&self, program: &Program, question: &Question<'_>) -> Result<Entities, Fault> {
        let mut reach = Reach { store: self.store, seen: FxHashSet::default(), open: program.literals().to_vec() };
        reach.open.extend(question.action_index);
        let mut own = Vec::new();
        for party in [&question.principal, &question.resource] {
            reach.open.extend(party.index);
            reach.note_fields(&party.overlay);
        }
        reach.note_fields(&question.context);
        let same = question.principal.uid == question.resource.uid;
        let parties: &[&Party<'_>] =
            if same { &[&question.resource] } else { &[&question.principal, &question.resource] };
        for party in parties {
            let beneath = same.then_some(&question.principal.overlay);
            own.extend(self.party(party, beneath)?.map(Arc::new));
        }
        let replaced: Vec<_> = parties.iter().filter_map(|party| party.index).collect();
        let stored = reach.close().into_iter().filter(|index| !replaced.contains(index));
        let stored = stored.filter_map(|index| self.store.at(index)).map(|stored| Arc::clone(&stored.cedar));
        Entities::new()
            .add_entities(
                own.into_iter().chain(stored),
                None::<&NoEntitiesSchema>,
                TCComputation::AssumeAlreadyComputed,
                Extensions::all_available(),
            )
            .map_err(|error| Fault(error.to_string()))
    }

    fn party(&self, party: &Party<'_>, beneath: Option<&Fields<'_>>) -> Result<Option<ast::Entity>, Fault> {
        let stored = party.index.and_then(|index| self.store.at(index));
        let overlays = || beneath.into_iter().chain([&party.overlay]);
        let overlaid = overlays().any(|fields| !fields.given.is_empty());
        if !party.declared && !overlaid {
            return Ok(stored.map(|stored| ast::Entity::clone(&stored.cedar)));
        }
        let Some(uid) = self.store.uids.cedar_uid(party.uid) else {
            return Err(Fault(format!("`{}` is not the name of an entity type", party.uid.ty)));
        };
        let mut attributes: BTreeMap<SmolStr, PartialValue> = stored
            .map(|stored| stored.cedar.attrs().map(|(name, value)| (name.clone(), value.clone())).collect())
            .unwrap_or_default();
        for fields in overlays() {
            let fields = self.record(fields)?;
            attributes.extend(fields.into_iter().map(|(name, value)| (name, PartialValue::Value(value))));
        }
        let tags = stored.map(tags_of).unwrap_or_default();
        let ancestors = party.ancestors.iter().filter_map(|&index| self.store.uids.get(index).cloned()).collect();
        Ok(Some(ast::Entity::new_with_attr_partial_value(uid, attributes, ancestors, HashSet::default(), tags)))
    }

    fn record(&self, fields: &Fields<'_>) -> Result<BTreeMap<SmolStr, ast::Value>, Fault> {
        fields.visible().map(|(name, typed)| Ok((name.into(), self.value(name, typed)?))).collect()
    }

    fn value(&self, name: &str, typed: Typed<'_>) -> Result<ast::Value, Fault> {
        let value = match typed.value {
            TypedValue::Text(text) => return Ok(ast::Value::from(text)),
            TypedValue::Given(value) => value,
        };
        Ok(match (value, typed.ty) {
            (Value::String(id), Some(AttributeType::Entity(ty))) => self.entity(name, Uid { ty, id })?,
            (Value::String(text), Some(AttributeType::Extension(ty))) => {
                extension(name, constructor(ty), &[ast::Value::from(text.as_ref())])?
            }
            (Value::String(text), _) => ast::Value::from(text.as_ref()),
            (Value::Bool(b), _) => ast::Value::from(*b),
            (Value::Long(n), _) => ast::Value::from(*n),
            (Value::Entity { ty, id }, _) => self.entity(name, Uid { ty, id })?,
            (Value::Extension { function, arguments }, _) => {
                let arguments = arguments.iter().map(|argument| self.value(name, Typed::given(argument, None)));
                extension(name, function, &arguments.collect::<Result<Vec<_>, _>>()?)?
            }
            (Value::Set(items), ty) => {
                let ty = match ty {
                    Some(AttributeType::Set(ty)) => Some(ty.as_ref()),
                    _ => None,
                };
                let items: Vec<_> =
                    items.iter().map(|item| self.value(name, Typed::given(item, ty))).collect::<Result<_, _>>()?;
                ast::Value::set(items, None)
            }
            (Value::Record(given), ty) => {
                let declared = match ty {
                    Some(AttributeType::Record(declared)) => Some(declared.as_slice()),
                    _ => None,
                };
                ast::Value::record(self.record(&Fields { given, declared, ..Fields::EMPTY })?, None)
            }
            (Value::Unrepresentable(what), _) => {
                return Err(Fault(format!("`{name}` is {what}, which policies have no value for")));
            }
        })
    }

    fn entity(&self, name: &str, uid: Uid<'_>) -> Result<ast::Value, Fault> {
        let cedar = self.store.uids.cedar_uid(uid);
        cedar
            .map(ast::Value::from)
            .ok_or_else(|| Fault(format!("`{name}` refers to `{}`, which is not the name of an entity type", uid.ty)))
    }
}

fn tags_of(stored: &Stored) -> Vec<(SmolStr, PartialValue)> {
    stored.cedar.tags().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The function that makes a value of an extension type from its text.
fn constructor(ty: &'static str) -> &'static str {
    if ty == "ipaddr" { "ip" } else { ty }
}

fn extension(name: &str, function: &str, arguments: &[ast::Value]) -> Result<ast::Value, Fault> {
    let call = || {
        let function = Extensions::all_available().func(&function.parse().ok()?).ok()?;
        match function.call(arguments).ok()? {
            PartialValue::Value(value) => Some(value),
            PartialValue::Residual(_) => None,
        }
    };
    call().ok_or_else(|| {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        Fault(format!("`{name}` is not a value: `{function}({})`", arguments.join(", ")))
    })
}

/// Collects the stored entities that evaluation can come to.
struct Reach<'s> {
    store: &'s Store,
    seen: FxHashSet<UidIndex>,
    open: Vec<UidIndex>,
}

impl Reach<'_> {
    fn note_fields(&mut self, fields: &Fields<'_>) {
        for (_, typed) in fields.visible() {
            if let TypedValue::Given(value) = typed.value {
                self.note(value, typed.ty);
            }
        }
    }

    fn note(&mut self, value: &Value<'_>, ty: Option<&AttributeType>) {
        match (value, ty) {
            (Value::Entity { ty, id }, _) => self.open.extend(self.store.uids.find(Uid { ty, id })),
            (Value::String(id), Some(AttributeType::Entity(ty))) => {
                self.open.extend(self.store.uids.find(Uid { ty, id }));
            }
            (Value::Set(items), ty) => {
                let ty = match ty {
                    Some(AttributeType::Set(ty)) => Some(ty.as_ref()),
                    _ => None,
                };
                for item in items {
                    self.note(item, ty);
                }
            }
            (Value::Record(given), ty) => {
                let declared = match ty {
                    Some(AttributeType::Record(declared)) => Some(declared.as_slice()),
                    _ => None,
                };
                self.note_fields(&Fields { given, declared, ..Fields::EMPTY });
            }
            _ => {}
        }
    }

    fn close(mut self) -> FxHashSet<UidIndex> {
        while let Some(index) = self.open.pop() {
            if self.seen.insert(index)
                && let Some(stored) = self.store.at(index)
            {
                self.open.extend_from_slice(&stored.references);
            }
        }
        self.seen
    }
}
