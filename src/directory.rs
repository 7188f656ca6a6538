//! Users: who is who. Holds the in-memory subjects that deciders read.

use crate::{
    engine::{BoundUser, Outcome, Program, Prospects, Subject, decide},
    model::{Request, User},
};
use std::{collections::HashMap, sync::Arc};

/// The users of one program, bound to it.
#[derive(Debug, Default)]
pub struct Subjects {
    // INVARIANT: sorted by id; no id occurs twice.
    users: Vec<BoundUser>,
    /// The place of each user in `users`.
    places: HashMap<Box<str>, u32>,
}

impl Subjects {
    /// Binds users to a program.
    pub fn bind<'u>(program: &Program, users: impl IntoIterator<Item = &'u Arc<User>>) -> Self {
        let mut users: Vec<_> = users.into_iter().map(|user| BoundUser::new(program, user)).collect();
        users.sort_by(|one, other| one.id().cmp(other.id()));
        users.dedup_by(|one, other| one.id() == other.id());
        let places = (0..).zip(&users).map(|(place, user)| (user.id().into(), place)).collect();
        Self { users, places }
    }

    /// The user with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&BoundUser> {
        self.users.get(*self.places.get(id)? as usize)
    }

    /// All users, in order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &BoundUser> {
        self.users.iter()
    }

    /// The users behind an id, in order of their ids.
    pub fn after(&self, id: Option<&str>) -> impl Iterator<Item = &BoundUser> {
        let start = id.map_or(0, |id| self.users.partition_point(|user| user.id() <= id));
        self.users.iter().skip(start)
    }

    /// The users behind an id that are allowed a request, in order of their ids, each with the decision.
    ///
    /// Each is decided about as if it had asked itself; who has no role, grant or name in any permit is not asked about.
    pub fn allowed<'s>(
        &'s self,
        program: &'s Program,
        request: &'s Request<'s>,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'s BoundUser, Outcome<'s>)> {
        let prospects = Prospects::of(program, request);
        self.after(after).filter(move |user| prospects.include(user)).filter_map(move |user| {
            let outcome = decide(program, Subject::User(user), request);
            outcome.decision.is_allow().then_some((user, outcome))
        })
    }
}
