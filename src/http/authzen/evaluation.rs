//! Subject, action, resource and context as AuthZEN writes them.

use crate::{
    engine::Dialect,
    http::{
        ApiError,
        claim::{self, Claim, Claimed, Claims, Word},
        desk::Question,
        json::{Members, Text, once},
    },
    model::{Attributes, Resource, Value},
};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// Where policies find the properties of the action. What a caller's context says under this name is left out, so that it cannot
/// pass for them.
const ACTION_PROPERTIES: &str = "action_properties";

/// A subject or a resource.
#[derive(Debug)]
pub(super) struct Entity<'a> {
    pub(super) ty: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    pub(super) properties: Members<'a>,
    /// Of a subject: the token that says who it is. Looked at where it counts, since elsewhere it is a member like any unknown one.
    pub(super) token: Option<&'a RawValue>,
}

/// An action.
#[derive(Debug)]
pub(super) struct Action<'a> {
    name: Cow<'a, str>,
    properties: Members<'a>,
}

/// A request, or one item of a batch. A member that is `null` is absent.
#[derive(Debug, Default)]
pub(super) struct Evaluation<'a> {
    pub(super) subject: Option<Entity<'a>>,
    pub(super) action: Option<Action<'a>>,
    pub(super) resource: Option<Entity<'a>>,
    pub(super) context: Option<Members<'a>>,
}

/// A question with all that it needs, wherever it came from.
#[derive(Debug)]
pub(super) struct Parts<'p> {
    subject: &'p Entity<'p>,
    action: &'p Action<'p>,
    resource: &'p Entity<'p>,
    // Borrowed, unless something had to be put into it or taken out.
    context: Cow<'p, Attributes<'p>>,
    /// The tenant that the address names.
    place: Option<&'p str>,
}

impl<'a> Action<'a> {
    /// An action without properties.
    pub(super) fn named(name: &'a str) -> Self {
        Self { name: Cow::Borrowed(name), properties: Members::default() }
    }
}

impl<'a> Evaluation<'a> {
    /// Reads a request, in which nothing may be missing.
    pub(super) fn read_whole(body: &'a str) -> Result<Self, ApiError> {
        let mut deserializer = serde_json::Deserializer::from_str(body);
        let evaluation = Reader { whole: true }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(evaluation)
    }

    /// The parts of a request that was read whole, asked at an address that names a tenant or none.
    pub(super) fn parts<'p>(&'p self, place: Option<&'p str>) -> Result<Parts<'p>, ApiError> {
        let context = self.context.as_ref().map_or(&[][..], |Members(members)| members);
        Parts::new(self.subject.as_ref(), self.action.as_ref(), self.resource.as_ref(), context, place)
    }
}

impl<'p> Parts<'p> {
    /// Puts a question together.
    pub(super) fn new(
        subject: Option<&'p Entity<'p>>,
        action: Option<&'p Action<'p>>,
        resource: Option<&'p Entity<'p>>,
        context: &'p Attributes<'p>,
        place: Option<&'p str>,
    ) -> Result<Self, ApiError> {
        let missing = |field: &str| ApiError::malformed(format!("missing field `{field}`"));
        let action = action.ok_or_else(|| missing("action"))?;
        Ok(Self {
            subject: subject.ok_or_else(|| missing("subject"))?,
            action,
            resource: resource.ok_or_else(|| missing("resource"))?,
            context: with_action_properties(context, action),
            place,
        })
    }

    /// What is said of the subject beside its id.
    pub(super) fn claimed(&self, claims: &Claims, dialect: &Dialect) -> Result<Claimed<'_>, ApiError> {
        let property = |name: &str| self.subject.properties.0.iter().find(|(known, _)| known == name);
        let roles = match property("roles") {
            Some((_, roles)) if claims.trusts_roles(dialect) => Some(role_names(roles)?),
            _ => None,
        };
        let token = match (self.subject.token, property("token")) {
            (Some(token), None) => Some(read_token(token)?),
            (None, Some((_, token))) if claims.takes_tokens() => match token {
                Value::String(token) => Some(Cow::Borrowed(&**token)),
                _ => return Err(ApiError::malformed("`subject.properties.token` must be a string")),
            },
            (Some(token), Some(_)) if !claims.takes_tokens() => Some(read_token(token)?),
            (Some(_), Some(_)) => {
                return Err(ApiError::malformed("a subject has one token: `token` or `properties.token`"));
            }
            (None, _) => None,
        };
        if let (Some(_), Dialect::PlainCedar { principal_type }) = (&token, dialect)
            && self.subject.ty != *principal_type
        {
            // The token says who it is, and the caller must not make something else of it.
            return Err(ApiError::malformed(format!("the subject of a token is of the type `{principal_type}`")));
        }
        let word = match (token, roles) {
            (None, None) => Word::Nothing,
            (Some(token), None) => Word::Token(token),
            (None, Some(roles)) => claim::roles_of(&self.subject.id, roles, self.tenant(dialect)?)?,
            (Some(_), Some(_)) => return Err(claim::both()),
        };
        Ok(Claimed { named: &self.subject.id, word })
    }

    /// The question.
    pub(super) fn question<'q>(&'q self, dialect: &Dialect, claim: &'q Claim) -> Result<Question<'q>, ApiError> {
        Ok(Question {
            subject_type: Some(&self.subject.ty),
            subject: claim.user(&self.subject.id),
            subject_attributes: &self.subject.properties.0,
            claim,
            action: &self.action.name,
            resource: Resource {
                ty: &self.resource.ty,
                id: &self.resource.id,
                attributes: &self.resource.properties.0,
            },
            tenant: self.tenant(dialect)?,
            context: &self.context,
        })
    }

    /// The address's, or else `context.tenant`, or else `subject.properties.tenant`. Whoever says two things is not answered.
    fn tenant(&self, dialect: &Dialect) -> Result<Option<&str>, ApiError> {
        let properties = &self.subject.properties.0;
        match (tenant_of(&self.context).or_else(|| tenant_of(properties)), self.place, dialect) {
            (Some(Value::String(tenant)), Some(place), _) if *tenant != place => {
                Err(ApiError::malformed(format!("`tenant` is `{tenant}`, but the address names the tenant `{place}`")))
            }
            (Some(Value::String(tenant)), ..) => Ok(Some(tenant)),
            (None, place, _) => Ok(place),
            // To plain Cedar the name means nothing. To others a tenant that cannot be read is not the same as none.
            (Some(_), _, Dialect::PlainCedar { .. }) => Ok(None),
            (Some(_), _, Dialect::Declared(_)) => Err(ApiError::malformed("`tenant` must be a string")),
        }
    }
}

fn tenant_of<'m>(members: &'m Attributes<'_>) -> Option<&'m Value<'m>> {
    members.iter().find(|(name, _)| name == "tenant").map(|(_, value)| value)
}

/// The roles that a caller vouches for: a list, or one alone.
fn role_names(roles: &Value<'_>) -> Result<Vec<String>, ApiError> {
    let listed = match roles {
        Value::Set(roles) => roles.as_slice(),
        one => std::slice::from_ref(one),
    };
    let name = |role: &Value<'_>| if let Value::String(name) = role { Some(name.to_string()) } else { None };
    let names: Option<Vec<String>> = listed.iter().map(name).collect();
    names.ok_or_else(|| ApiError::malformed("`subject.properties.roles` must be an array of strings"))
}

fn read_token(token: &RawValue) -> Result<Cow<'_, str>, ApiError> {
    let read: Result<Text<'_>, _> = serde_json::from_str(token.get());
    read.map(|Text(token)| token).map_err(|_| ApiError::malformed("`subject.token` must be a string"))
}

fn with_action_properties<'p>(context: &'p Attributes<'p>, action: &'p Action<'p>) -> Cow<'p, Attributes<'p>> {
    let properties = &action.properties.0;
    let reserved = |(name, _): &(Cow<'p, str>, Value<'p>)| name == ACTION_PROPERTIES;
    if properties.is_empty() && !context.iter().any(reserved) {
        return Cow::Borrowed(context);
    }
    let mut members: Vec<_> = context.iter().filter(|member| !reserved(member)).cloned().collect();
    if !properties.is_empty() {
        members.push((Cow::Borrowed(ACTION_PROPERTIES), Value::Record(properties.clone())));
    }
    Cow::Owned(members)
}

/// Reads an [`Evaluation`]; `whole` where nothing may be missing.
struct Reader {
    whole: bool,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Evaluation<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Evaluation<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Deserialize<'de> for Evaluation<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader { whole: false }.deserialize(deserializer)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Evaluation<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Evaluation<'de>, A::Error> {
        let (mut subject, mut action, mut resource, mut context) = (None, None, None, None);
        while let Some(Text(name)) = map.next_key()? {
            match &*name {
                "subject" => once(&mut subject, "subject", map.next_value()?)?,
                "action" => once(&mut action, "action", map.next_value()?)?,
                "resource" => once(&mut resource, "resource", map.next_value()?)?,
                "context" => once(&mut context, "context", map.next_value()?)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let evaluation = Evaluation {
            subject: subject.flatten(),
            action: action.flatten(),
            resource: resource.flatten(),
            context: context.flatten(),
        };
        let missing = [
            ("subject", evaluation.subject.is_none()),
            ("action", evaluation.action.is_none()),
            ("resource", evaluation.resource.is_none()),
        ];
        match missing.into_iter().find(|(_, missing)| self.whole && *missing) {
            Some((field, _)) => Err(A::Error::missing_field(field)),
            None => Ok(evaluation),
        }
    }
}

impl<'de> Deserialize<'de> for Entity<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entity<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entity<'de>, A::Error> {
                let (mut ty, mut id, mut properties, mut token) = (None, None, None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "type" => once(&mut ty, "type", map.next_value::<Text<'_>>()?.0)?,
                        "id" => once(&mut id, "id", map.next_value::<Text<'_>>()?.0)?,
                        "properties" => once(&mut properties, "properties", map.next_value::<Option<Members<'_>>>()?)?,
                        "token" => once(&mut token, "token", map.next_value::<Option<&RawValue>>()?)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Entity {
                    ty: ty.ok_or_else(|| A::Error::missing_field("type"))?,
                    id: id.ok_or_else(|| A::Error::missing_field("id"))?,
                    properties: properties.flatten().unwrap_or_default(),
                    token: token.flatten(),
                })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for Action<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Action<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action<'de>, A::Error> {
                let (mut action, mut properties) = (None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "name" => once(&mut action, "name", map.next_value::<Text<'_>>()?.0)?,
                        "properties" => once(&mut properties, "properties", map.next_value::<Option<Members<'_>>>()?)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Action {
                    name: action.ok_or_else(|| A::Error::missing_field("name"))?,
                    properties: properties.flatten().unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
