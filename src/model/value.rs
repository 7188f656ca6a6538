//! Values of attributes and of the request's context.

use std::borrow::Cow;

/// A value as a request or a policy set gives it. Borrows from the request where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit integer.
    Long(i64),
    /// A text.
    String(Cow<'a, str>),
    /// A reference to an entity.
    Entity {
        /// The entity's type, as Cedar writes it.
        ty: Cow<'a, str>,
        /// The entity's id, unescaped.
        id: Cow<'a, str>,
    },
    /// A set. Duplicates and order carry no meaning.
    Set(Vec<Value<'a>>),
    /// A record. Keys are unique; the reader of the wire form has refused repeats.
    Record(Vec<(Cow<'a, str>, Value<'a>)>),
    /// A call of an extension function, such as `ip("10.0.0.1")`.
    Extension {
        /// The function: `ip`, `decimal`, `datetime`, `duration`, or one that makes a value of such ones.
        function: Cow<'a, str>,
        /// Its arguments.
        arguments: Vec<Value<'a>>,
    },
    /// Something that policies have no value for: a fraction, an integer beyond 64 bits, a null inside a set. A decision
    /// that meets one is a deny, since leaving it out could disarm a `forbid`.
    Unrepresentable(&'static str),
}

impl<'a> Value<'a> {
    /// A text that borrows.
    #[must_use]
    pub const fn text(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }

    /// The same value, owning all its texts.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Bool(b) => Value::Bool(b),
            Self::Long(n) => Value::Long(n),
            Self::String(s) => Value::String(owned(s)),
            Self::Entity { ty, id } => Value::Entity { ty: owned(ty), id: owned(id) },
            Self::Set(items) => Value::Set(items.into_iter().map(Value::into_owned).collect()),
            Self::Record(fields) => {
                Value::Record(fields.into_iter().map(|(key, value)| (owned(key), value.into_owned())).collect())
            }
            Self::Extension { function, arguments } => Value::Extension {
                function: owned(function),
                arguments: arguments.into_iter().map(Value::into_owned).collect(),
            },
            Self::Unrepresentable(what) => Value::Unrepresentable(what),
        }
    }
}
