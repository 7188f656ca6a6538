//! Takes the question out of a request: texts with values of the path, the query, the headers and the token in them.

use super::{
    HttpRequest, Match, Miss, miss,
    path::query_value,
    template::{Fact, Part, Place, Segment, TextTemplate},
};
use crate::model::{ReasonCode, Value};
use serde_json::{Map, Value as Json};
use std::{borrow::Cow, fmt};

/// The longest text that is taken from a request, in bytes.
const LONGEST: usize = 1024;

/// The headers of a request.
pub trait Headers: fmt::Debug {
    /// The value under a name, which is in lower case; `None` where there is none.
    ///
    /// # Errors
    /// Fails with what is wrong where it is given more than once, or is no visible ASCII.
    fn one(&self, name: &str) -> Result<Option<&str>, &'static str>;

    /// Whether a header has another name that differs from this one in `-` and `_` only: many servers take both for the same.
    fn has_twin(&self, name: &str) -> bool;
}

/// Whether two names are the same but for `-` and `_` and case, and not the same.
#[must_use]
pub fn are_twins(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain)) && !one.eq_ignore_ascii_case(other)
}

/// The headers of a test.
impl Headers for Vec<(String, String)> {
    fn one(&self, name: &str) -> Result<Option<&str>, &'static str> {
        let mut found = self.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err("it is given more than once"),
            (found, None) => Ok(found.map(|(_, value)| value.as_str())),
        }
    }

    fn has_twin(&self, name: &str) -> bool {
        self.iter().any(|(known, _)| are_twins(known, name))
    }
}

/// What a route asks.
#[derive(Debug)]
pub(in crate::policy) struct Question {
    pub(in crate::policy) action: String,
    pub(in crate::policy) resource_type: String,
    pub(in crate::policy) resource_id: TextTemplate,
    pub(in crate::policy) tenant: Option<TextTemplate>,
    pub(in crate::policy) attributes: Vec<(String, Given)>,
    pub(in crate::policy) context: Vec<(String, Given)>,
}

/// A value that a route gives.
#[derive(Debug)]
pub(in crate::policy) enum Given {
    /// As the file says it.
    Constant(Value<'static>),
    /// From the request.
    From(TextTemplate, Scalar),
}

/// What becomes of a text of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Scalar {
    /// The text; also ids and what Cedar reads from a text, such as an address.
    Text,
    /// An integer.
    Long,
    /// `true` or `false`.
    Bool,
}

/// A question as it was taken from a request.
#[derive(Debug)]
pub struct Taken<'r> {
    /// The action.
    pub action: &'r str,
    /// The resource type or the module.
    pub resource_type: &'r str,
    /// The id of the resource; empty where the route takes none.
    pub resource_id: String,
    /// The tenant.
    pub tenant: Option<String>,
    /// The resource's attributes.
    pub attributes: Vec<(Cow<'r, str>, Value<'r>)>,
    /// The context.
    pub context: Vec<(Cow<'r, str>, Value<'r>)>,
}

impl<'r> Match<'r, '_> {
    /// Takes the question out of the request; `None` where the route is public.
    ///
    /// # Errors
    /// Fails where a value that the route needs is not there, is given more than once, or cannot be read.
    pub fn question(
        &self,
        request: &HttpRequest<'_>,
        claims: Option<&Map<String, Json>>,
    ) -> Result<Option<Taken<'r>>, Miss> {
        let Some(question) = &self.route.question else { return Ok(None) };
        let source = Source { found: self, request, claims };
        let tenant = match &question.tenant {
            Some(template) => source.text(template)?,
            None => None,
        };
        Ok(Some(Taken {
            action: &question.action,
            resource_type: &question.resource_type,
            resource_id: source.text(&question.resource_id)?.unwrap_or_default(),
            tenant,
            attributes: source.values(&question.attributes)?,
            context: source.values(&question.context)?,
        }))
    }
}

struct Source<'s> {
    found: &'s Match<'s, 's>,
    request: &'s HttpRequest<'s>,
    claims: Option<&'s Map<String, Json>>,
}

impl Source<'_> {
    fn values<'r>(&self, given: &'r [(String, Given)]) -> Result<Vec<(Cow<'r, str>, Value<'r>)>, Miss> {
        let mut values = Vec::with_capacity(given.len());
        for (name, given) in given {
            let value = match given {
                Given::Constant(value) => Some(value.clone()),
                Given::From(template, scalar) => match self.text(template)? {
                    Some(text) => Some(scalar.read(text, name)?),
                    None => None,
                },
            };
            values.extend(value.map(|value| (Cow::Borrowed(name.as_str()), value)));
        }
        Ok(values)
    }

    /// A text; `None` where it is empty or a part of it that is optional is not there.
    fn text(&self, template: &TextTemplate) -> Result<Option<String>, Miss> {
        let mut text = String::new();
        for part in &template.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::From { place, optional } => match self.value(place) {
                    Ok(Some(value)) if !value.is_empty() => text.push_str(&value),
                    Ok(_) if *optional => return Ok(None),
                    Ok(_) => return Err(invalid(format!("{place} is missing"))),
                    Err(why) => return Err(invalid(format!("{place} cannot be told: {why}"))),
                },
            }
        }
        if text.len() > LONGEST {
            return Err(invalid(format!("a value of the route is longer than {LONGEST} bytes")));
        }
        Ok((!text.is_empty()).then_some(text))
    }

    /// What stands at a place of the request.
    fn value(&self, place: &Place) -> Result<Option<Cow<'_, str>>, &'static str> {
        match place {
            Place::Path(parameter) => Ok(self.parameter(*parameter)),
            Place::Query(name) => query_value(self.found.target.query, name).map(|value| value.map(Cow::Owned)),
            Place::Header(name) if self.request.headers.has_twin(name) => Err(
                "it is also given with `_` for `-` or the other way round, which some servers take for the same name",
            ),
            Place::Header(name) => self.request.headers.one(name).map(|value| value.map(Cow::Borrowed)),
            Place::Claim(name) => self.claim(name),
            Place::Request(fact) => Ok(match fact {
                Fact::Method => Some(Cow::Borrowed(self.request.method)),
                Fact::Scheme => self.request.scheme.map(Cow::Borrowed),
                Fact::Host => self.request.host.and_then(|host| super::read_host(host).ok()),
                Fact::Path => Some(Cow::Borrowed(self.found.target.path)),
                Fact::Ip => self.request.client.map(|client| Cow::Owned(client.to_string())),
            }),
        }
    }

    /// The text of a parameter of the path.
    fn parameter(&self, parameter: usize) -> Option<Cow<'_, str>> {
        let segments = self.found.route.path.segments.iter().zip(&self.found.target.segments);
        let mut parameters = segments.filter(|(segment, _)| matches!(segment, Segment::Parameter(_)));
        parameters.nth(parameter).map(|(_, text)| Cow::Borrowed(&**text))
    }

    /// A claim under its whole name, or else within others by the parts of its name.
    fn claim(&self, name: &str) -> Result<Option<Cow<'_, str>>, &'static str> {
        let Some(claims) = self.claims else { return Ok(None) };
        let found = claims.get(name).or_else(|| {
            let mut parts = name.split('.');
            let first = claims.get(parts.next()?)?;
            parts.try_fold(first, |claim, part| claim.get(part))
        });
        match found {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) if text.contains(char::is_control) => Err("it has a control character"),
            Some(Json::String(text)) => Ok(Some(Cow::Borrowed(text))),
            Some(Json::Number(number)) if number.is_i64() => Ok(Some(Cow::Owned(number.to_string()))),
            Some(Json::Bool(value)) => Ok(Some(Cow::Borrowed(if *value { "true" } else { "false" }))),
            Some(_) => Err("it is no text"),
        }
    }
}

impl Scalar {
    fn read(self, text: String, name: &str) -> Result<Value<'static>, Miss> {
        let value = match self {
            Self::Text => Some(Value::String(Cow::Owned(text))),
            Self::Long => text.parse().ok().map(Value::Long),
            Self::Bool => text.parse().ok().map(Value::Bool),
        };
        let wanted = if self == Self::Long { "an integer" } else { "`true` or `false`" };
        value.ok_or_else(|| invalid(format!("the request's value of `{name}` is not {wanted}")))
    }
}

fn invalid(why: String) -> Miss {
    miss(ReasonCode::RouteValueInvalid, why)
}
