//! Tables of fields: one description of a document's shape, from which the check and the JSON Schema are made.

/// A kind of mapping with fixed keys.
#[derive(Debug)]
pub struct Table {
    /// Its name in the JSON Schema: `module`.
    pub name: &'static str,
    /// What it is, with its article, as messages say it: `a module`.
    pub noun: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
}

/// One key of a [`Table`].
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What it is for.
    pub meaning: &'static str,
}

impl Field {
    /// A field that may be left out.
    pub const fn new(name: &'static str, shape: Shape, meaning: &'static str) -> Self {
        Self { name, shape, required: false, meaning }
    }

    /// A field that must be there.
    pub const fn required(name: &'static str, shape: Shape, meaning: &'static str) -> Self {
        Self { name, shape, required: true, meaning }
    }
}

/// What may stand at a place.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The sort of value.
    pub kind: Kind,
    /// What it is called after "must be": `a list of action names`.
    pub noun: &'static str,
}

/// The sorts of values.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text.
    Text,
    /// A text out of a few.
    Choice(&'static [&'static str]),
    /// A point in time, RFC 3339.
    Time,
    /// An integer.
    Int,
    /// `true` or `false`.
    Bool,
    /// Any value at all.
    Any,
    /// A list.
    List(&'static Shape),
    /// A mapping whose keys are names that the file gives.
    Map(&'static Shape),
    /// A mapping with fixed keys.
    Record(&'static Table),
    /// One of several, told apart by the sort of value that is found.
    OneOf(&'static [Shape]),
    /// The same, or nothing.
    Optional(&'static Shape),
}

impl Shape {
    /// A text.
    pub const TEXT: Self = Self { kind: Kind::Text, noun: "a text" };
    /// An integer.
    pub const INT: Self = Self { kind: Kind::Int, noun: "an integer" };
    /// `true` or `false`.
    pub const BOOL: Self = Self { kind: Kind::Bool, noun: "`true` or `false`" };
    /// A point in time.
    pub const TIME: Self = Self { kind: Kind::Time, noun: "a time such as 2027-01-31T00:00:00Z" };
    /// Anything.
    pub const ANY: Self = Self { kind: Kind::Any, noun: "a value" };

    /// A text that messages call something else.
    pub const fn text(noun: &'static str) -> Self {
        Self { kind: Kind::Text, noun }
    }

    /// A text out of a few.
    pub const fn choice(choices: &'static [&'static str], noun: &'static str) -> Self {
        Self { kind: Kind::Choice(choices), noun }
    }

    /// A list.
    pub const fn list(item: &'static Self, noun: &'static str) -> Self {
        Self { kind: Kind::List(item), noun }
    }

    /// A mapping from names to values of one shape.
    pub const fn map(value: &'static Self, noun: &'static str) -> Self {
        Self { kind: Kind::Map(value), noun }
    }

    /// A mapping with fixed keys.
    pub const fn record(table: &'static Table) -> Self {
        Self { kind: Kind::Record(table), noun: table.noun }
    }

    /// One of several shapes, each for another sort of value.
    pub const fn one_of(shapes: &'static [Self], noun: &'static str) -> Self {
        Self { kind: Kind::OneOf(shapes), noun }
    }

    /// The same, or nothing.
    pub const fn optional(shape: &'static Self) -> Self {
        Self { kind: Kind::Optional(shape), noun: shape.noun }
    }
}
