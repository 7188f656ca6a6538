//! Policy sets: a directory is read, parsed, checked as a whole and compiled into a [`Snapshot`].
//!
//! [`read`] takes one generation of the files; [`compile()`] turns it into a snapshot or into every problem that it has, each with
//! file, line, column and advice. A snapshot is complete or absent. What YAML says becomes Cedar and nothing else: the text that
//! [`Snapshot::to_cedar`] gives decides the same as the files do.

mod access;
mod cache;
mod cases;
mod catalog;
mod cedar;
mod compile;
mod configuration;
mod declared;
mod decode;
mod delegation;
mod explain;
mod files;
mod gate;
mod handwritten;
mod matrix;
mod menu;
mod names;
mod plain;
mod resolve;
mod routes;
mod section;
mod tables;
mod types;

pub(crate) use access::value_json;
pub use access::{
    ActionAccess, ConditionText, GateState, Given, GivenRole, ModuleAccess, Overview, Place, Refused, Unknown,
    UserAccess, Way,
};
pub use cache::Compiler;
pub use cases::{
    Count, Coverage, DecisionTest, Expectation, MenuTest, PolicyTest, RouteTest, TestReport, TestResult, run_tests,
    run_tests_where,
};
pub use catalog::{
    Access, CUSTOM, Catalog, Cell, Condition, Family, Gate, Label, Level, MenuItem, Module, Preset, Right, Role, Values,
};
pub use configuration::{Configuration, How, MOST_PROBLEMS, MOST_WHY, Problem};
pub use delegation::{
    Concern, Deed, Delegation, Judge, Operation, Rule as DelegationRule, Verdict, is_administrator,
    is_administrator_until, is_seen_by_standing, judge, last_administrator, makes_administrator,
};
pub use explain::{Change, ConsideredPolicy, Explanation, Step, explain};
pub use files::{Files, MAX_DIRECTORIES, ReadError, read};
pub use gate::failed_tests;
pub use matrix::{Matrix, MatrixCell, MatrixRow, Rows};
pub use menu::{Item, Menu};
pub(crate) use names::is_visible;
pub(crate) use routes::split_resource;
pub use routes::{Headers, HttpRequest, Match, Miss, Route, Routes, Taken, are_twins};

use crate::{
    document::{Diagnostic, Diagnostics},
    engine::{AttributeType, ForbidErrors, Location, Program},
    model::{Revision, User, Value},
};
use std::{path::Path, sync::Arc};

/// What compiling depends on beside the files.
#[derive(Debug, Clone)]
pub struct Options {
    /// What an error in a `forbid` means: `policies.forbid_errors`.
    pub forbid_errors: ForbidErrors,
    /// The type of `user` in a set of plain Cedar: `policies.principal_type`.
    pub principal_type: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { forbid_errors: ForbidErrors::default(), principal_type: "User".to_owned() }
    }
}

/// A policy set that is live or may become it: complete and immutable.
#[derive(Debug)]
pub struct Snapshot {
    /// Names the content.
    pub revision: Revision,
    /// The set's name; that of its directory where it gives none.
    pub name: String,
    /// What the set is for.
    pub description: Option<String>,
    /// How many files it has.
    pub files: usize,
    /// The compiled policies.
    pub program: Program,
    /// Users declared in the files.
    pub users: Vec<Arc<User>>,
    // Where each of them is declared, in the same order.
    user_places: Vec<Location>,
    /// Levels, modules, roles, gates, presets and menu, with every name looked up. Empty in a set of plain Cedar.
    pub catalog: Arc<Catalog>,
    /// Which question an HTTP request is that a proxy asks about.
    pub routes: Routes,
    /// The set's own tests.
    pub tests: Vec<PolicyTest>,
    /// Users that there are for the tests alone.
    pub test_users: Vec<Arc<User>>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Diagnostic>,
    // The compiled set as text.
    schema: String,
    // Each policy as text, in order.
    cedar: Vec<Arc<str>>,
    entities: cedar_policy::Entities,
}

impl Snapshot {
    /// A snapshot of nothing but a program, for tests of what stands on it.
    #[cfg(test)]
    pub(crate) fn of_program(revision: Revision, program: Program) -> Self {
        Self {
            revision,
            name: "test".to_owned(),
            description: None,
            files: 0,
            program,
            users: Vec::new(),
            user_places: Vec::new(),
            catalog: Arc::default(),
            routes: Routes::default(),
            tests: Vec::new(),
            test_users: Vec::new(),
            warnings: Vec::new(),
            cedar: Vec::new(),
            schema: String::new(),
            entities: cedar_policy::Entities::empty(),
        }
    }

    /// The whole set in Cedar, as `sidegate compile` prints it: the schema in comments, then every policy with `@id` and
    /// `@source`. The text is Cedar as it stands and decides as the set does.
    #[must_use]
    pub fn to_cedar(&self) -> String {
        let comment: String =
            self.schema.lines().map(|line| format!("// {line}").trim_end().to_owned() + "\n").collect();
        let policies = self.cedar.iter().flat_map(|text| ["\n", text]);
        comment + &policies.collect::<String>()
    }

    /// Where a user is declared in the files.
    #[must_use]
    pub fn user_place(&self, id: &str) -> Option<&Location> {
        let place = self.users.iter().position(|user| user.id == id)?;
        self.user_places.get(place)
    }

    /// The schema in Cedar's syntax: generated, or as the files give it. Empty where there is none.
    #[must_use]
    pub fn cedar_schema(&self) -> &str {
        &self.schema
    }

    /// The entities of the set in Cedar's JSON format.
    #[must_use]
    pub fn entities_json(&self) -> String {
        cedar::entities_json(&self.entities)
    }
}

/// Why a directory did not become a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The files cannot be read.
    #[error("the policy set cannot be read")]
    Read(#[source] ReadError),
    /// The files have errors.
    #[error("the policy set has errors")]
    Compile(#[source] Diagnostics),
}

impl From<LoadError> for Diagnostics {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Read(error) => error.into(),
            LoadError::Compile(problems) => problems,
        }
    }
}

/// Compiles a policy set.
///
/// # Errors
/// Fails with every problem of the set, sorted by file and place, where at least one of them is an error.
pub fn compile(files: &Files, options: &Options) -> Result<Snapshot, Diagnostics> {
    Compiler::new().compile(files.clone(), options)
}

/// Reads and compiles a directory.
///
/// # Errors
/// Fails where the files cannot be read or have errors.
pub fn load(directory: &Path, options: &Options) -> Result<Snapshot, LoadError> {
    let files = read(directory).map_err(LoadError::Read)?;
    compile(&files, options).map_err(LoadError::Compile)
}

/// A JSON value of a declared type, as requests and the directory give it.
///
/// # Errors
/// Fails with what the value must be.
pub fn attribute_value(value: &serde_json::Value, ty: &AttributeType) -> Result<Value<'static>, String> {
    resolve::json_value(value, ty)
}

/// One value of an attribute that holds a set.
///
/// # Errors
/// Fails with what the value must be, also where the attribute holds no set.
pub fn attribute_item(value: &serde_json::Value, ty: &AttributeType) -> Result<Value<'static>, String> {
    match ty {
        AttributeType::Set(item) => resolve::json_value(value, item),
        _ => Err("given as a whole: the attribute holds one value".to_owned()),
    }
}

/// The JSON Schema of the YAML files of a policy set.
#[must_use]
pub fn set_schema() -> serde_json::Value {
    crate::document::json_schema(&tables::SET, "https://sidegate.dev/schemas/policy-set.schema.json")
}

/// The JSON Schema of policy tests.
#[must_use]
pub fn tests_schema() -> serde_json::Value {
    crate::document::json_schema(&tables::TESTS, "https://sidegate.dev/schemas/policy-tests.schema.json")
}
