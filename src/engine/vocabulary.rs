//! What a policy set declares: tenants, modules, resource types, actions and the attributes that requests may carry.

use std::sync::Arc;

/// How requests are to be read.
#[derive(Debug, Clone)]
pub enum Dialect {
    /// A policy set of plain Cedar: types and actions are Cedar's, nothing needs to be declared.
    PlainCedar {
        /// The type of `user` in the short form of a request.
        principal_type: String,
    },
    /// A policy set with modules, roles and users; what it does not declare is denied with a reason.
    Declared(Arc<Vocabulary>),
}

/// The declared names of a policy set.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// Whether a request happens within a tenant.
    pub tenancy: Tenancy,
    /// Whether only users with an open session are allowed anything.
    pub sessions: Sessions,
    /// Declared tenants, sorted. `None`: the set does not list them, so none is unknown.
    pub tenants: Option<Vec<String>>,
    /// Modules, in the order of the files.
    pub modules: Vec<Module>,
    /// Resource types.
    pub resource_types: Vec<ResourceType>,
    /// Every action of every module.
    pub actions: Vec<String>,
    /// Attributes of the request's context.
    pub context: Vec<(String, AttributeType)>,
    /// Attributes of users.
    pub user_attributes: Vec<(String, AttributeType)>,
}

/// Whether a policy set knows tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tenancy {
    /// Roles count only in the tenant for which they were given.
    Required,
    /// There are no tenants.
    #[default]
    None,
}

/// Whether a policy set demands sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sessions {
    /// Whoever has no open session is denied everything.
    Required,
    /// Sessions do not matter.
    #[default]
    None,
}

/// The place of a module in [`Vocabulary::modules`].
pub type ModuleIndex = usize;

/// A module of the application.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its id, Cedar's `Module::"<id>"`.
    pub id: String,
    /// Its areas; each is Cedar's `Area::"<module>/<area>"`, a child of the module.
    pub areas: Vec<String>,
}

/// A type of resource within a module: a Cedar entity type of the same name, its entities children of the module, or of
/// the area whose id they carry.
#[derive(Debug, Clone)]
pub struct ResourceType {
    /// Its name.
    pub name: String,
    /// The module it belongs to.
    pub module: ModuleIndex,
    /// The attributes that requests may give, each optional.
    pub attributes: Vec<(String, AttributeType)>,
}

/// The type of an attribute, as Cedar names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeType {
    /// `Bool`
    Bool,
    /// `Long`
    Long,
    /// `String`
    String,
    /// An entity type such as `User`; requests give the entity's id.
    Entity(String),
    /// `Set<...>`
    Set(Box<AttributeType>),
    /// A record; every field is optional.
    Record(Vec<(String, AttributeType)>),
    /// `ipaddr`, `decimal`, `datetime` or `duration`; requests give its text.
    Extension(&'static str),
}
