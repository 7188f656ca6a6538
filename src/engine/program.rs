//! The compiled form of a policy set.

use super::{Dialect, ModuleIndex};
use cedar_policy::{Entities, PolicySet};
use std::{fmt, sync::Arc};

/// The place of a policy in the order of its set.
pub type PolicyIndex = u32;

/// What a program is built from.
#[derive(Debug)]
pub struct Source {
    /// Static and linked policies. Their order is the order of reasons and errors.
    pub policies: PolicySet,
    /// Actions with their groups, roles, grants, gates, modules, areas, and the stored entities of plain Cedar sets.
    /// Users of the directory are not among them: they are bound one by one.
    pub entities: Entities,
    /// What is known about each policy, in the order of [`PolicySet::policies`].
    pub facts: Vec<PolicyFacts>,
    /// How requests are read.
    pub dialect: Dialect,
    /// What an error in a `forbid` means.
    pub forbid_errors: ForbidErrors,
}

/// What an answer and an explanation say about a policy.
#[derive(Debug, Clone)]
pub struct PolicyFacts {
    /// The id, as in `@id`: `role/sales-rep/orders`.
    pub id: Arc<str>,
    /// What it does in plain words: `sales-rep grants full on orders when own-clients`.
    pub summary: Arc<str>,
    /// What sort of policy it is.
    pub kind: PolicyKind,
    /// Where it stands in the files.
    pub location: Option<Location>,
}

/// The sorts of policies that answers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Made from a role's cell or a direct grant, or written by hand.
    Ordinary,
    /// A `forbid` that keeps a module behind its gates.
    Gate,
}

/// A place in a file of the policy set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Path of the file, relative to the policy set, with `/`.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What an error in a `forbid` means (`policies.forbid_errors`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForbidErrors {
    /// An error in any applicable `forbid` denies.
    #[default]
    Deny,
    /// Cedar's own meaning: the policy is skipped.
    Skip,
}

/// Why a program could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// More policies than a program can number.
    #[error("a policy set may hold at most {max} policies, this one has {found}")]
    TooManyPolicies {
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// The facts do not match the policies.
    #[error("{facts} facts were given for {policies} policies")]
    FactsMismatch {
        /// How many facts.
        facts: usize,
        /// How many policies.
        policies: usize,
    },
}

/// A compiled policy set: immutable, shared by all deciders.
#[derive(Debug)]
pub struct Program {
    facts: Vec<PolicyFacts>,
    dialect: Dialect,
}

impl Program {
    /// Compiles.
    ///
    /// # Errors
    /// Fails where the parts of `source` do not fit together.
    pub fn build(source: Source) -> Result<Self, BuildError> {
        Ok(Self { facts: source.facts, dialect: source.dialect })
    }

    /// What is known about a policy.
    #[must_use]
    pub fn policy(&self, index: PolicyIndex) -> Option<&PolicyFacts> {
        self.facts.get(index as usize)
    }

    /// All policies, in order.
    #[must_use]
    pub fn policies(&self) -> &[PolicyFacts] {
        &self.facts
    }

    /// How requests are read.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The id of a module; empty where a decision concerns none.
    #[must_use]
    pub fn module_id(&self, module: Option<ModuleIndex>) -> &str {
        match (&self.dialect, module) {
            (Dialect::Declared(vocabulary), Some(index)) => vocabulary.modules.get(index).map_or("", |m| &m.id),
            _ => "",
        }
    }

    /// Whether the audit record keeps this member of the request's context: only what the policies ask for is kept.
    #[must_use]
    pub fn records_context(&self, _name: &str) -> bool {
        true
    }
}
