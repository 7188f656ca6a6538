//! The body of a batch: defaults, items and options.

use super::super::evaluation::{Action, Entity, Evaluation, Parts};
use crate::{
    http::{
        ApiError,
        json::{Members, Text, once},
    },
    model::{Attributes, Decision},
};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{cell::OnceCell, fmt, marker::PhantomData};

/// The body of a request. An item that cannot be read is an error of its own.
pub(super) type Body<'a> = Form<'a, Result<Evaluation<'a>, ApiError>>;

/// A body with its items in some form.
#[derive(Debug)]
pub(super) struct Form<'a, I> {
    pub(super) defaults: Defaults<'a>,
    pub(super) items: Vec<I>,
    pub(super) options: Options,
}

/// What items take that lack it. It is not looked at before an item needs it: callers send empty defaults beside items that all
/// bring their own.
#[derive(Debug)]
pub(super) struct Defaults<'a> {
    subject: Lazy<'a, Entity<'a>>,
    action: Lazy<'a, Action<'a>>,
    resource: Lazy<'a, Entity<'a>>,
    context: Lazy<'a, Members<'a>>,
}

/// A default, read when it is first needed.
#[derive(Debug)]
struct Lazy<'a, T> {
    text: Option<&'a RawValue>,
    value: OnceCell<Result<T, ApiError>>,
}

/// What may be asked for besides.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) semantic: Semantic,
    pub(super) reasons: bool,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Semantic {
    #[default]
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// Reads a body.
///
/// All items are read in one go, which is nearly always possible. Where one of them cannot be read, a second look tells which, and
/// whether it is an item at all.
pub(super) fn read_body(text: &str) -> Result<Body<'_>, ApiError> {
    if let Ok(Form { defaults, items, options }) = serde_json::from_str::<Form<'_, Evaluation<'_>>>(text) {
        return Ok(Form { defaults, items: items.into_iter().map(Ok).collect(), options });
    }
    let Form { defaults, items, options } = serde_json::from_str::<Form<'_, &RawValue>>(text)?;
    Ok(Form { defaults, items: items.into_iter().map(read).collect(), options })
}

/// Reads a part of a body. The parser counts lines and columns from the beginning of the part, which would mislead: they are
/// left out of the message.
pub(in crate::http::authzen) fn read<'a, T: Deserialize<'a>>(text: &'a RawValue) -> Result<T, ApiError> {
    serde_json::from_str(text.get()).map_err(|error| {
        let ApiError { message, .. } = error.into();
        let what = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what);
        ApiError::malformed(what.to_owned())
    })
}

impl<'a> Defaults<'a> {
    /// An item with what it lacks: each of the four members as a whole, never merged.
    pub(super) fn complete<'p>(&'p self, own: &'p Evaluation<'p>, place: Option<&'p str>) -> Result<Parts<'p>, ApiError>
    where
        'a: 'p,
    {
        let subject = if own.subject.is_some() { own.subject.as_ref() } else { self.subject.get()? };
        let action = if own.action.is_some() { own.action.as_ref() } else { self.action.get()? };
        let resource = if own.resource.is_some() { own.resource.as_ref() } else { self.resource.get()? };
        let context = if own.context.is_some() { own.context.as_ref() } else { self.context.get()? };
        Parts::new(subject, action, resource, context.map_or(&[][..], |Members(members)| members), place)
    }

    /// The context of items that have none; nothing where there is none, or none that can be read.
    pub(super) fn context(&self) -> &Attributes<'_> {
        self.context.get().ok().flatten().map_or(&[], |Members(members)| members)
    }
}

impl<'a, T: Deserialize<'a>> Lazy<'a, T> {
    fn new(text: Option<&'a RawValue>) -> Self {
        Self { text: text.filter(|text| text.get() != "null"), value: OnceCell::new() }
    }

    fn get(&self) -> Result<Option<&T>, ApiError> {
        match self.text {
            None => Ok(None),
            Some(text) => self.value.get_or_init(|| read(text)).as_ref().map(Some).map_err(Clone::clone),
        }
    }
}

impl Semantic {
    /// Whether this decision is the last one of a batch.
    pub(super) fn ends_with(self, decision: Decision) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => decision == Decision::Deny,
            Self::PermitOnFirstPermit => decision == Decision::Allow,
        }
    }
}

impl<'de, I: Deserialize<'de>> Deserialize<'de> for Form<'de, I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<I>(PhantomData<I>);
        impl<'de, I: Deserialize<'de>> Visitor<'de> for Reader<I> {
            type Value = Form<'de, I>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Form<'de, I>, A::Error> {
                let (mut subject, mut action, mut resource, mut context) = (None, None, None, None);
                let (mut items, mut options) = (None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "subject" => once(&mut subject, "subject", map.next_value()?)?,
                        "action" => once(&mut action, "action", map.next_value()?)?,
                        "resource" => once(&mut resource, "resource", map.next_value()?)?,
                        "context" => once(&mut context, "context", map.next_value()?)?,
                        "evaluations" => once(&mut items, "evaluations", map.next_value::<Option<Items<I>>>()?)?,
                        "options" => once(&mut options, "options", map.next_value::<Option<Options>>()?)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Form {
                    defaults: Defaults {
                        subject: Lazy::new(subject),
                        action: Lazy::new(action),
                        resource: Lazy::new(resource),
                        context: Lazy::new(context),
                    },
                    items: items.flatten().map(|Items(items)| items).unwrap_or_default(),
                    options: options.flatten().unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

struct Items<I>(Vec<I>);

impl<'de, I: Deserialize<'de>> Deserialize<'de> for Items<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<I>(PhantomData<I>);
        impl<'de, I: Deserialize<'de>> Visitor<'de> for Reader<I> {
            type Value = Items<I>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<I>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Reader(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Options;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Options, A::Error> {
                let (mut semantic, mut reasons) = (None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "evaluations_semantic" => {
                            once(&mut semantic, "evaluations_semantic", map.next_value::<Option<Text<'_>>>()?)?;
                        }
                        "reasons" => once(&mut reasons, "reasons", map.next_value::<Option<bool>>()?)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let semantic = match semantic.flatten() {
                    None => Semantic::default(),
                    Some(Text(name)) => semantic_named(&name)?,
                };
                Ok(Options { semantic, reasons: reasons.flatten().unwrap_or_default() })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn semantic_named<E: Error>(name: &str) -> Result<Semantic, E> {
    match name {
        "execute_all" => Ok(Semantic::ExecuteAll),
        "deny_on_first_deny" => Ok(Semantic::DenyOnFirstDeny),
        "permit_on_first_permit" => Ok(Semantic::PermitOnFirstPermit),
        other => Err(E::custom(format_args!(
            "unknown `evaluations_semantic` `{other}`, it may be `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`"
        ))),
    }
}
