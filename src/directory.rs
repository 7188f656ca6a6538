//! Users: who is who. Holds the in-memory subjects that deciders read.

use crate::{
    engine::{Binder, BoundUser, Outcome, Program, Prospects, Subject, decide},
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
        let mut binder = Binder::new(program);
        let mut users: Vec<_> = users.into_iter().map(|user| binder.bind(user)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Resource, Timestamp, Value},
        policy::{Files, Options, compile},
    };
    use std::borrow::Cow;

    /// Each asks for something else of what is known before anybody is asked about, and of what is not.
    const CONDITIONS: &[&str] = &[
        "resource has owner && resource.owner == principal",
        "resource has owner && resource.owner in Role::\\\"boss\\\"",
        "resource has owner && resource.owner has desk && resource.owner.desk == \\\"a\\\"",
        "context has tenant && context.tenant == \\\"north\\\"",
        "resource has status && resource.status == \\\"open\\\"",
        "!(resource has status) || principal in Role::\\\"boss\\\"",
        "principal has desk && resource has status && resource.status == principal.desk",
        "if resource has owner then principal == resource.owner else false",
        "resource in Module::\\\"m0\\\" && resource has status",
        "principal is User && resource has owner && resource.owner is User",
    ];

    /// Who is left out before anybody is asked about would have been denied.
    #[test]
    fn who_is_allowed_is_whom_a_decision_allows() {
        let modules = 0..CONDITIONS.len();
        let lines = |line: &dyn Fn(usize) -> String| modules.clone().map(line).collect::<Vec<_>>().join("\n");
        let types = lines(&|n| format!("  m{n}: {{ resources: {{ r{n}: {{ owner: User, status: String }} }} }}"));
        let conditions = lines(&|n| format!("  c{n}: {{ cedar: \"{}\" }}", CONDITIONS[n]));
        let cells = lines(&|n| format!("      m{n}: {{ level: view, when: c{n} }}"));
        let user = |id: &str, desk: &str, roles: &str| {
            format!(
                "  {id}: {{ name: U, email: u@demo.example, attributes: {{ desk: {desk} }}, roles: {{ {roles} }} }}"
            )
        };
        let users = [
            user("ada", "a", "north: [clerk]"),
            user("bob", "open", "north: [boss], south: [clerk]"),
            user("cas", "b", "south: [boss]"),
            user("dan", "a", "south: [guest]"),
        ];
        let set = format!(
            "policy_set: s\ntenancy: required\ntenants: [north, south]\nlevels: {{ view: [view] }}\n\
             user_attributes: {{ desk: String }}\nmodules:\n{types}\nconditions:\n{conditions}\n\
             roles:\n  clerk:\n    grants:\n{cells}\n  boss: {{ includes: [clerk] }}\n  guest: {{ grants: {{ m0: view }} }}\n\
             users:\n{}\n",
            users.join("\n")
        );
        let files = Files::from_parts("set", vec![("set.yaml".to_owned(), set)]).unwrap();
        let snapshot = compile(&files, &Options::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
        let text = |value: &'static str| Value::String(Cow::Borrowed(value));
        let (mut allowed, mut asked) = (0, 0);
        for module in modules {
            for attributes in [
                vec![],
                vec![(Cow::Borrowed("owner"), text("ada"))],
                vec![(Cow::Borrowed("owner"), text("bob")), (Cow::Borrowed("status"), text("open"))],
                vec![(Cow::Borrowed("status"), text("a"))],
                vec![(Cow::Borrowed("status"), Value::Long(7))],
            ] {
                for tenant in [None, Some("north"), Some("south"), Some("west")] {
                    let ty = format!("r{module}");
                    let resource = Resource { ty: &ty, id: "x", attributes: &attributes };
                    let time = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
                    let request =
                        Request { action: "view", resource, tenant, context: &[], subject_attributes: &[], time };
                    let found: Vec<_> =
                        subjects.allowed(&snapshot.program, &request, None).map(|(user, _)| user.id()).collect();
                    let decided = subjects
                        .iter()
                        .filter(|user| decide(&snapshot.program, Subject::User(user), &request).decision.is_allow());
                    let decided: Vec<_> = decided.map(BoundUser::id).collect();
                    assert_eq!(found, decided, "{ty} {attributes:?} {tenant:?}");
                    allowed += found.len();
                    asked += subjects.iter().len();
                }
            }
        }
        assert!(allowed > 50 && allowed < asked / 2, "{allowed} of {asked}");
    }
}
