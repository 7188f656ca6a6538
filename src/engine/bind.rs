//! From a request to a question, or to the reason why it is denied without asking the policies.
//!
//! Status, tenants and expiry are checked here: they hold for every policy set, and each has its own reason.

use super::{
    Dialect, ModuleIndex, Program, Sessions, Subject, Tenancy, Vocabulary,
    asker::{Placed, Recall},
    index::{Key, KeySpace, Place},
    names::{Located, Target},
    question::{Fields, Party, Question, Tenant},
    store::Store,
    subject::{BoundUser, USER_TYPE},
    uid::{Uid, UidIndex},
    vocabulary::AttributeType,
};
use crate::model::{Attributes, ReasonCode, Request, Status, Value};
use std::borrow::Cow;

/// A question with the keys under which its candidates are filed.
#[derive(Debug)]
pub(super) struct Bound<'a> {
    pub(super) question: Question<'a>,
    pub(super) principal_keys: Cow<'a, [Key]>,
    pub(super) resource_keys: Cow<'a, [Key]>,
}

/// What is known about a request whether or not the policies are asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Setting<'a> {
    pub(super) module: Option<ModuleIndex>,
    pub(super) tenant: Option<&'a str>,
    pub(super) roles: &'a [String],
}

/// A deny that needs no policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ReasonCode,
    /// What is wrong where the code alone does not say it.
    pub(super) fault: Option<String>,
}

impl From<ReasonCode> for Refusal {
    fn from(code: ReasonCode) -> Self {
        Self { code, fault: None }
    }
}

fn fault(text: String) -> Refusal {
    Refusal { code: ReasonCode::PolicyError, fault: Some(text) }
}

/// Binds a request. What was found out on the way stands in `setting` also where the outcome is a refusal.
pub(super) fn bind<'a>(
    program: &'a Program,
    subject: Subject<'a>,
    request: &Request<'a>,
    setting: &mut Setting<'a>,
    recall: Option<&mut Recall>,
) -> Result<Bound<'a>, Refusal> {
    match (program.dialect(), subject) {
        (Dialect::PlainCedar { .. }, Subject::Entity { ty, id }) => plain(program, Uid { ty, id }, request, recall),
        (Dialect::PlainCedar { principal_type }, Subject::Unknown { id }) => {
            plain(program, Uid { ty: principal_type, id }, request, recall)
        }
        (Dialect::PlainCedar { principal_type }, Subject::User(user)) => {
            plain(program, Uid { ty: principal_type, id: user.id() }, request, recall)
        }
        (Dialect::Declared(vocabulary), Subject::User(user)) => {
            Declared { program, vocabulary, user }.bind(request, setting)
        }
        (Dialect::Declared(_), Subject::Unknown { .. } | Subject::Entity { .. }) => {
            setting.module = program.names().target(request.resource.ty).map(|target| target.module);
            Err(ReasonCode::UserUnknown.into())
        }
    }
}

/// Plain Cedar: types and actions are what the request says.
fn plain<'a>(
    program: &'a Program,
    principal: Uid<'a>,
    request: &Request<'a>,
    recall: Option<&mut Recall>,
) -> Result<Bound<'a>, Refusal> {
    let store = program.store();
    let resource = Uid { ty: request.resource.ty, id: request.resource.id };
    let (principals, resources) = (&program.index().principals, &program.index().resources);
    let (asks, asked) = match recall {
        Some(recall) => (
            recall.principal.find(principal, || placed(store, principal, principals)),
            recall.resource.find(resource, || placed(store, resource, resources)),
        ),
        None => (placed(store, principal, principals), placed(store, resource, resources)),
    };
    let asks = asks.ok_or(ReasonCode::UserUnknown)?;
    let asked = asked.ok_or(ReasonCode::ModuleUnknown)?;
    representable(request.subject_attributes)?;
    representable(request.resource.attributes)?;
    representable(request.context)?;
    let party = |uid: Uid<'a>, given: &'a Attributes<'a>, index: Option<UidIndex>| {
        let ancestors = index.and_then(|index| store.at(index)).map_or(&[][..], |stored| &stored.ancestors);
        Party { uid, index, ancestors, overlay: Fields { given, ..Fields::EMPTY }, declared: false }
    };
    let (action, action_index) = program.names().plain_action(request.action, store);
    let question = Question {
        principal: party(principal, request.subject_attributes, asks.index),
        action,
        action_index,
        resource: party(resource, request.resource.attributes, asked.index),
        context: Fields { given: request.context, ..Fields::EMPTY },
    };
    let [principal_keys, resource_keys] = [asks.keys, asked.keys].map(|keys| Cow::Owned(keys.to_vec()));
    Ok(Bound { question, principal_keys, resource_keys })
}

/// Where an entity of a plain Cedar set stands; `None` where its type cannot be one.
fn placed(store: &Store, uid: Uid<'_>, space: &KeySpace) -> Option<Placed> {
    if !store.uids.is_type(uid.ty) {
        return None;
    }
    let index = store.uids.find(uid);
    let ancestors = index.and_then(|index| store.at(index)).map_or(&[][..], |stored| &stored.ancestors);
    let keys = space.keys_of(Place { ty: store.uids.find_type(uid.ty), own: index, ancestors });
    Some(Placed { index, keys })
}

fn representable(given: &Attributes<'_>) -> Result<(), Refusal> {
    given.iter().try_for_each(|(name, value)| match unrepresentable(value) {
        Some(what) => Err(fault(format!("`{name}` is {what}, which policies have no value for"))),
        None => Ok(()),
    })
}

fn unrepresentable(value: &Value<'_>) -> Option<&'static str> {
    match value {
        Value::Unrepresentable(what) => Some(what),
        Value::Set(items) => items.iter().find_map(unrepresentable),
        Value::Record(fields) => fields.iter().find_map(|(_, value)| unrepresentable(value)),
        Value::Extension { arguments, .. } => arguments.iter().find_map(unrepresentable),
        _ => None,
    }
}

/// A policy set with users, roles and modules.
struct Declared<'a> {
    program: &'a Program,
    vocabulary: &'a Vocabulary,
    user: &'a BoundUser,
}

impl<'a> Declared<'a> {
    fn bind(&self, request: &Request<'a>, setting: &mut Setting<'a>) -> Result<Bound<'a>, Refusal> {
        let target = self.program.names().target(request.resource.ty);
        setting.module = target.map(|target| target.module);
        setting.tenant = request.tenant;
        self.check_user(request)?;
        let target = target.ok_or(ReasonCode::ModuleUnknown)?;
        let action_index = self.program.names().action(request.action)?;
        setting.tenant = self.tenant(request)?;
        let (standing, attributes) = self.user.placed(setting.tenant, request.time);
        setting.roles = &standing.roles;
        if standing.expired {
            return Err(ReasonCode::UserExpired.into());
        }
        if self.user.is_asserted() {
            conform("the user", attributes, &self.vocabulary.user_attributes)?;
        }
        let principal = Party {
            uid: Uid { ty: USER_TYPE, id: self.user.id() },
            index: self.user.own,
            ancestors: &standing.ancestors,
            overlay: user_fields(attributes, &self.vocabulary.user_attributes),
            declared: true,
        };
        let (resource, resource_keys) = resource(self.program, self.vocabulary, target, request)?;
        conform("the context", request.context, &self.vocabulary.context)?;
        let context = context(self.vocabulary, setting.tenant, request);
        let action = Uid { ty: "Action", id: request.action };
        let question = Question { principal, action, action_index, resource, context };
        Ok(Bound { question, principal_keys: Cow::Borrowed(&standing.keys), resource_keys })
    }

    fn check_user(&self, request: &Request<'_>) -> Result<(), Refusal> {
        match self.user.status {
            Status::Invited => return Err(ReasonCode::UserInvited.into()),
            Status::Suspended => return Err(ReasonCode::UserSuspended.into()),
            Status::Active => {}
        }
        match self.user.until() {
            Some(until) if request.time >= until => return Err(ReasonCode::UserExpired.into()),
            _ => {}
        }
        match self.vocabulary.sessions {
            Sessions::Required if !self.user.session.is_open(request.time) => Err(ReasonCode::SessionMissing.into()),
            Sessions::Required | Sessions::None => Ok(()),
        }
    }

    /// The tenant in which to decide: the request's, or the only one that the user has.
    fn tenant(&self, request: &Request<'a>) -> Result<Option<&'a str>, Refusal> {
        if self.vocabulary.tenancy == Tenancy::None {
            return Ok(None);
        }
        let place = self.user.place();
        let tenant = match (request.tenant.or(place), &*self.user.memberships) {
            (Some(tenant), _) if !self.program.names().knows_tenant(tenant) => {
                return Err(ReasonCode::TenantUnknown.into());
            }
            (Some(tenant), _) if place.is_some_and(|place| place != tenant) => {
                let (user, place) = (self.user.id(), place.unwrap_or_default());
                let text =
                    format!("what is asserted of `{user}` is of the tenant `{place}`, the request of `{tenant}`");
                return Err(Refusal { code: ReasonCode::TenantMismatch, fault: Some(text) });
            }
            (Some(tenant), _) => Some(tenant),
            (None, []) => None,
            (None, [only]) => only.tenant.as_deref(),
            (None, _) => return Err(ReasonCode::TenantMissing.into()),
        };
        let owner = request.resource.attributes.iter().find(|(name, _)| name == "tenant");
        match (owner.map(|(_, value)| value), tenant) {
            (None, _) => Ok(tenant),
            (Some(Value::String(owner)), Some(tenant)) if owner == tenant => Ok(Some(tenant)),
            (Some(Value::String(_)), _) => Err(ReasonCode::TenantMismatch.into()),
            (Some(_), _) => Err(fault("`tenant` of the resource must be the id of a tenant".to_owned())),
        }
    }
}

/// What a request is about, with the keys under which its candidates are filed.
pub(super) fn resource<'a>(
    program: &'a Program,
    vocabulary: &'a Vocabulary,
    target: &'a Target,
    request: &Request<'a>,
) -> Result<(Party<'a>, Cow<'a, [Key]>), Refusal> {
    let Located { uid, index, ancestors, keys } =
        target.locate(request.resource.ty, request.resource.id, program.store(), program.index());
    let overlay = match &target.attributes {
        Some(declared) => {
            conform(request.resource.ty, request.resource.attributes, declared)?;
            let tenant = match vocabulary.tenancy {
                Tenancy::Required => Tenant::Declared,
                Tenancy::None => Tenant::Ordinary,
            };
            typed(request.resource.attributes, declared, tenant)
        }
        None => Fields::EMPTY,
    };
    Ok((Party { uid, index, ancestors, overlay, declared: true }, keys))
}

/// What policies see of a request's context.
pub(super) fn context<'a>(vocabulary: &'a Vocabulary, tenant: Option<&'a str>, request: &Request<'a>) -> Fields<'a> {
    let tenant = match vocabulary.tenancy {
        Tenancy::Required => Tenant::Fixed(tenant),
        Tenancy::None => Tenant::Ordinary,
    };
    typed(request.context, &vocabulary.context, tenant)
}

/// What policies see of a user's attributes.
pub(super) fn user_fields<'a>(given: &'a Attributes<'a>, declared: &'a [(String, AttributeType)]) -> Fields<'a> {
    typed(given, declared, Tenant::Ordinary)
}

fn typed<'a>(given: &'a Attributes<'a>, declared: &'a [(String, AttributeType)], tenant: Tenant<'a>) -> Fields<'a> {
    Fields { given, declared: Some(declared), tenant }
}

/// Declared attributes must have their declared types: a policy that was checked against the declaration would otherwise
/// meet what it was promised never to meet. Undeclared ones are ignored.
fn conform(of: &str, given: &Attributes<'_>, declared: &[(String, AttributeType)]) -> Result<(), Refusal> {
    for (name, value) in given {
        if let Some((_, ty)) = declared.iter().find(|(known, _)| known == name)
            && !conforms(value, ty)
        {
            return Err(fault(format!("`{name}` of {of} must be {}", describe(ty))));
        }
    }
    Ok(())
}

fn conforms(value: &Value<'_>, ty: &AttributeType) -> bool {
    match (value, ty) {
        (Value::Bool(_), AttributeType::Bool)
        | (Value::Long(_), AttributeType::Long)
        | (Value::String(_), AttributeType::String | AttributeType::Entity(_) | AttributeType::Extension(_)) => true,
        (Value::Entity { ty, .. }, AttributeType::Entity(declared)) => ty == declared,
        (Value::Extension { function, .. }, AttributeType::Extension(ty)) => {
            function == ty || (function == "ip" && *ty == "ipaddr")
        }
        (Value::Set(items), AttributeType::Set(ty)) => items.iter().all(|item| conforms(item, ty)),
        (Value::Record(fields), AttributeType::Record(declared)) => fields.iter().all(|(name, value)| {
            declared.iter().find(|(known, _)| known == name).is_none_or(|(_, ty)| conforms(value, ty))
        }),
        _ => false,
    }
}

fn describe(ty: &AttributeType) -> String {
    match ty {
        AttributeType::Bool => "true or false".to_owned(),
        AttributeType::Long => "a whole number".to_owned(),
        AttributeType::String => "a text".to_owned(),
        AttributeType::Entity(ty) => format!("the id of a `{ty}`"),
        AttributeType::Extension(ty) => format!("the text of a `{ty}`"),
        AttributeType::Set(item) => format!("a list, each item {}", describe(item)),
        AttributeType::Record(_) => "an object with the declared fields".to_owned(),
    }
}
