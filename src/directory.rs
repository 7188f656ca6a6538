//! Users: who is who. Holds the in-memory subjects that deciders read.

use crate::{
    engine::{BoundUser, Program},
    model::User,
};
use std::collections::HashMap;

/// The users of one program, bound to it.
#[derive(Debug, Default)]
pub struct Subjects {
    users: HashMap<String, BoundUser>,
}

impl Subjects {
    /// Binds users to a program.
    pub fn bind<'u>(program: &Program, users: impl IntoIterator<Item = &'u User>) -> Self {
        Self { users: users.into_iter().map(|user| (user.id.clone(), BoundUser::new(program, user))).collect() }
    }

    /// The user with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&BoundUser> {
        self.users.get(id)
    }
}
