//! Which records are asked for. One reading of the parameters for the admin listener and the command line.

#[cfg(test)]
mod tests;

use super::{
    Kind, Record,
    block::{Needle, Summary},
};
use crate::model::{Decision, Timestamp, TraceId};

/// Records on a page where nothing else is asked for.
pub const DEFAULT_LIMIT: usize = 100;
/// Most records on a page.
pub const MAX_LIMIT: usize = 1000;

/// Every parameter, in the order of the contract.
pub const PARAMETERS: [&str; 17] = [
    "user",
    "actor",
    "tenant",
    "module",
    "action",
    "resource_type",
    "resource_id",
    "decision",
    "kind",
    "policy",
    "revision",
    "trace_id",
    "from",
    "to",
    "order",
    "limit",
    "cursor",
];

/// A question to the log: every filter that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Texts that a field must equal; for policies, that one of them must equal.
    texts: Vec<(Field, String)>,
    /// The decision.
    pub decision: Option<Decision>,
    /// The sort of record.
    pub kind: Option<Kind>,
    /// The trace. Summaries do not know it, since nearly every record has another one: it is looked for in every block between the times.
    pub trace_id: Option<TraceId>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Oldest or newest first.
    pub order: Order,
    /// At most so many records. For a page, [`DEFAULT_LIMIT`] where it is not set; for an export, all.
    pub limit: Option<usize>,
    /// Only records behind this one, in the order asked for: the number of the last record that was seen.
    pub cursor: Option<u64>,
}

/// Which record comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The oldest.
    Ascending,
    /// The newest.
    #[default]
    Descending,
}

/// Why parameters are not a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No such parameter.
    #[error("unknown parameter `{name}`{}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// What was given.
        name: String,
        /// The nearest known name.
        nearest: Option<&'static str>,
    },
    /// Given more than once.
    #[error("parameter `{name}` is given more than once")]
    Repeated {
        /// Which.
        name: &'static str,
    },
    /// Given without a value.
    #[error("parameter `{name}` has no value")]
    Empty {
        /// Which.
        name: &'static str,
    },
    /// Not one of the values it takes.
    #[error("`{value}` is no value of `{name}`: {expected}")]
    Value {
        /// Which.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// The times exclude each other.
    #[error("`from` is not before `to`, so no record can be between them")]
    Times,
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The fields that are compared as texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    User,
    Actor,
    Tenant,
    Module,
    Action,
    ResourceType,
    ResourceId,
    Policy,
    Revision,
}

impl Field {
    const ALL: [Self; 9] = [
        Self::User,
        Self::Actor,
        Self::Tenant,
        Self::Module,
        Self::Action,
        Self::ResourceType,
        Self::ResourceId,
        Self::Policy,
        Self::Revision,
    ];

    /// The parameter, and the name under which summaries know the field: part of the store's form.
    const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Actor => "actor",
            Self::Tenant => "tenant",
            Self::Module => "module",
            Self::Action => "action",
            Self::ResourceType => "resource_type",
            Self::ResourceId => "resource_id",
            Self::Policy => "policy",
            Self::Revision => "revision",
        }
    }

    /// The field's text; `None` for policies, of which there are several.
    const fn text<'a>(self, record: &Record<'a>) -> Option<&'a str> {
        Some(match self {
            Self::User => record.user,
            Self::Actor => record.actor,
            Self::Tenant => record.tenant,
            Self::Module => record.module,
            Self::Action => record.action,
            Self::ResourceType => record.resource_type,
            Self::ResourceId => record.resource_id,
            Self::Revision => record.revision,
            Self::Policy => return None,
        })
    }
}

impl Record<'_> {
    /// Every text that a query may ask for, with its field. Absent ones are left out: they cannot be asked for.
    pub(crate) fn filtered(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = Field::ALL.into_iter().filter_map(|field| Some((field.name(), field.text(self)?)));
        let policies = self.policies.iter().map(|policy| (Field::Policy.name(), policy));
        texts.chain(policies).filter(|(_, text)| !text.is_empty())
    }
}

impl Query {
    /// Every record, in this order.
    pub fn all(order: Order) -> Self {
        Self { order, ..Self::default() }
    }

    /// Reads parameters, as names and values.
    pub fn parse<'p>(parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> Result<Self, QueryError> {
        let mut query = Self::default();
        let mut seen = Vec::new();
        for (name, value) in parameters {
            let Some(name) = PARAMETERS.into_iter().find(|known| *known == name) else {
                return Err(QueryError::Unknown { name: name.to_owned(), nearest: nearest(name) });
            };
            if seen.contains(&name) {
                return Err(QueryError::Repeated { name });
            }
            seen.push(name);
            if value.is_empty() {
                return Err(QueryError::Empty { name });
            }
            query.set(name, value)?;
        }
        if query.from.zip(query.to).is_some_and(|(from, to)| from >= to) {
            return Err(QueryError::Times);
        }
        Ok(query)
    }

    /// The tenant whose records are asked for, where it is one alone.
    pub fn tenant(&self) -> Option<&str> {
        self.texts.iter().find(|(field, _)| *field == Field::Tenant).map(|(_, tenant)| tenant.as_str())
    }

    /// The same of one tenant alone.
    #[must_use]
    pub fn in_tenant(mut self, tenant: &str) -> Self {
        self.texts.retain(|(field, _)| *field != Field::Tenant);
        self.texts.push((Field::Tenant, tenant.to_owned()));
        self
    }

    /// The same for one page: its limit is bounded.
    pub fn for_page(self) -> Result<Self, QueryError> {
        match self.limit {
            Some(limit) if limit > MAX_LIMIT => {
                let expected = "a page has at most 1000 records; an export has no bound";
                Err(QueryError::Value { name: "limit", value: limit.to_string(), expected })
            }
            _ => Ok(self),
        }
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), QueryError> {
        let refused = |expected| QueryError::Value { name, value: value.to_owned(), expected };
        let time = || {
            // A `+` that was not encoded arrives as a space.
            let expected = if value.contains(' ') {
                "a time such as `2027-01-31T08:00:00Z`; in an address, `+` is written `%2B`"
            } else {
                "a time such as `2027-01-31T08:00:00Z`"
            };
            Timestamp::parse(value).ok_or_else(|| refused(expected))
        };
        match name {
            "decision" => {
                let decision = [Decision::Allow, Decision::Deny].into_iter().find(|word| word.as_str() == value);
                self.decision = Some(decision.ok_or_else(|| refused("`allow` or `deny`"))?);
            }
            "kind" => {
                let expected = "`decision`, `activity`, `directory`, `session`, `policy` or `system`";
                self.kind = Some(Kind::parse(value).ok_or_else(|| refused(expected))?);
            }
            "trace_id" => {
                let trace = Some(TraceId::parse(value)).filter(|trace| !trace.is_none());
                self.trace_id = Some(trace.ok_or_else(|| refused("32 hexadecimal digits, not all of them zero"))?);
            }
            "from" => self.from = Some(time()?),
            "to" => self.to = Some(time()?),
            "order" => {
                self.order = match value {
                    "asc" => Order::Ascending,
                    "desc" => Order::Descending,
                    _ => return Err(refused("`asc` or `desc`")),
                }
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| *limit > 0);
                self.limit = Some(limit.ok_or_else(|| refused("a number from 1 on"))?);
            }
            "cursor" => {
                self.cursor = Some(value.parse().map_err(|_| refused("a `next_cursor` of an earlier answer"))?);
            }
            _ => self
                .texts
                .extend(Field::ALL.into_iter().find(|field| field.name() == name).map(|f| (f, value.to_owned()))),
        }
        Ok(())
    }

    /// Whether a record is asked for. Leaves order, limit and cursor to the reader.
    pub fn matches(&self, record: &Record<'_>) -> bool {
        self.decision.is_none_or(|decision| record.decision == Some(decision))
            && self.kind.is_none_or(|kind| record.kind == kind)
            && self.trace_id.is_none_or(|trace| record.trace_id == trace)
            && self.from.is_none_or(|from| record.time >= from)
            && self.to.is_none_or(|to| record.time < to)
            && self.texts.iter().all(|(field, wanted)| match field.text(record) {
                Some(text) => text == wanted,
                None => record.policies.iter().any(|policy| policy == wanted),
            })
    }

    /// Whether records from these times may be asked for. `false` is certain.
    pub(crate) fn overlaps(&self, min_time: Timestamp, max_time: Timestamp) -> bool {
        self.from.is_none_or(|from| max_time >= from) && self.to.is_none_or(|to| min_time < to)
    }

    /// What a block's summary is asked.
    pub(crate) fn sieve(&self) -> Sieve<'_> {
        let needles = self.texts.iter().map(|(field, text)| Needle::new(field.name(), text)).collect();
        Sieve { query: self, needles }
    }
}

/// A query as summaries are asked it.
#[derive(Debug)]
pub(crate) struct Sieve<'q> {
    query: &'q Query,
    needles: Vec<Needle>,
}

impl Sieve<'_> {
    /// Whether a block may hold a record that is asked for. `false` is certain.
    pub(crate) fn passes(&self, summary: &Summary) -> bool {
        let Query { decision, kind, .. } = *self.query;
        decision.is_none_or(|decision| summary.may_have_decision(decision))
            && kind.is_none_or(|kind| summary.may_have_kind(kind))
            && self.query.overlaps(summary.min_time, summary.max_time)
            && self.needles.iter().all(|&needle| summary.may_have(needle))
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    PARAMETERS.into_iter().min_by_key(distance).filter(|known| distance(known) <= 1 + known.len() / 4)
}
