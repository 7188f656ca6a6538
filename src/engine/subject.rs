//! Who asks.

use super::Program;
use crate::model::{Status, Timestamp, User};

/// Who asks, as far as the directory knows.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A user of the directory or of the policy set.
    User(&'a BoundUser),
    /// Nobody that the directory knows.
    Unknown {
        /// The id that the request named.
        id: &'a str,
    },
    /// An entity of a plain Cedar policy set, stored or not.
    Entity {
        /// Its Cedar type.
        ty: &'a str,
        /// Its id.
        id: &'a str,
    },
}

/// A user made ready for one program: assignments are resolved to the keys of its index.
#[derive(Debug)]
pub struct BoundUser {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) until: Option<Timestamp>,
    pub(super) memberships: Vec<BoundMembership>,
}

/// What a bound user has in one tenant.
#[derive(Debug)]
pub struct BoundMembership {
    pub(super) tenant: Option<String>,
    pub(super) roles: Vec<String>,
}

impl BoundUser {
    /// Binds a user to a program. Call it again for every new program.
    #[must_use]
    pub fn new(_program: &Program, user: &User) -> Self {
        Self {
            id: user.id.clone(),
            status: user.status,
            until: user.until,
            memberships: user
                .memberships
                .iter()
                .map(|m| BoundMembership { tenant: m.tenant.clone(), roles: Vec::new() })
                .collect(),
        }
    }

    /// The user's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}
