//! The compiled form of a policy set.

use super::{
    Dialect, ModuleIndex,
    compile::{self, Condition},
    index::Index,
    names::Names,
    store::Store,
    uid::UidIndex,
};
use cedar_policy::{Entities, Policy, PolicySet};
use cedar_policy_core::ast;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// The place of a policy in the order of its set.
pub type PolicyIndex = u32;

/// What a program is built from.
#[derive(Debug)]
pub struct Source {
    /// Static and linked policies, no id twice. Their order is the order of reasons and errors.
    pub policies: Vec<Policy>,
    /// Actions with their groups, roles, grants, gates, modules, areas, and the stored entities of plain Cedar sets.
    /// Users of the directory are not among them: they are bound one by one.
    pub entities: Entities,
    /// What is known about each policy, in the same order.
    pub facts: Vec<PolicyFacts>,
    /// How requests are read.
    pub dialect: Dialect,
    /// What an error in a `forbid` means.
    pub forbid_errors: ForbidErrors,
}

impl Source {
    /// The policies of a set, in its order.
    #[must_use]
    pub fn list(set: &PolicySet) -> Vec<Policy> {
        set.policies().cloned().collect()
    }
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
///
/// Everything that a decision needs was worked out when it was built: scopes are filed in an index, conditions are
/// compiled, names are resolved. A decision borrows from it and allocates nothing on its usual way.
#[derive(Debug)]
pub struct Program {
    // INVARIANT: `facts` and `cedar` have the same order.
    facts: Vec<PolicyFacts>,
    cedar: Vec<ast::Policy>,
    conditions: Vec<Condition>,
    // Made from `cedar` when it is first asked for: plain Cedar is asked about a sample at most.
    reference: OnceLock<ast::PolicySet>,
    index: Index,
    store: Store,
    names: Names,
    dialect: Dialect,
    forbid_errors: ForbidErrors,
    literals: Vec<UidIndex>,
    context_members: compile::ContextMembers,
}

impl Program {
    /// Compiles.
    ///
    /// # Errors
    /// Fails where the parts of `source` do not fit together.
    pub fn build(source: Source) -> Result<Self, BuildError> {
        let Source { policies, entities, facts, dialect, forbid_errors } = source;
        check_counts(&policies, &facts)?;
        let mut store = Store::new(AsRef::<cedar_policy_core::entities::Entities>::as_ref(&entities).clone());
        drop(entities);
        let compile::Output { policies: cedar, conditions, index, literals, context_members } =
            compile::policies(policies.iter().map(AsRef::as_ref), &mut store);
        let names = Names::new(&dialect, &store, &index);
        Ok(Self {
            facts,
            cedar,
            conditions,
            reference: OnceLock::new(),
            index,
            store,
            names,
            dialect,
            forbid_errors,
            literals,
            context_members,
        })
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

    /// Whether a policy asks for more than its scope says: whether it has a `when` or an `unless`.
    #[must_use]
    pub fn has_condition(&self, index: PolicyIndex) -> bool {
        self.cedar(index).is_some_and(|policy| policy.non_scope_constraints().is_some())
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
    pub fn records_context(&self, name: &str) -> bool {
        self.context_members.contains(name)
    }

    pub(super) fn condition(&self, place: u32) -> Option<&Condition> {
        self.conditions.get(place as usize)
    }

    /// A policy in Cedar's form.
    pub(super) fn cedar(&self, index: PolicyIndex) -> Option<&ast::Policy> {
        self.cedar.get(index as usize)
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn forbid_errors(&self) -> ForbidErrors {
        self.forbid_errors
    }

    /// Stored entities that conditions name: they can be reached by any request.
    pub(super) fn literals(&self) -> &[UidIndex] {
        &self.literals
    }

    /// The id under which Cedar knows a policy.
    pub(super) fn cedar_id(&self, index: PolicyIndex) -> String {
        self.cedar(index).map(|policy| policy.id().to_string()).unwrap_or_default()
    }

    /// The policies for plain Cedar, against which decisions are checked.
    pub(super) fn reference(&self) -> &ast::PolicySet {
        self.reference.get_or_init(|| {
            let mut set = ast::PolicySet::new();
            for policy in &self.cedar {
                // Ids were checked to be unique where the policies were made.
                let _added = set.add(policy.clone());
            }
            set
        })
    }
}

fn check_counts(policies: &[Policy], facts: &[PolicyFacts]) -> Result<(), BuildError> {
    let found = policies.len();
    // Ordinals take 32 bits.
    let max = PolicyIndex::MAX as usize;
    if found > max {
        return Err(BuildError::TooManyPolicies { found, max });
    }
    if found != facts.len() {
        return Err(BuildError::FactsMismatch { facts: facts.len(), policies: found });
    }
    Ok(())
}
