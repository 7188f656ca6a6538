//! Who is found, and who is left out before anybody is asked about.

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
        format!("  {id}: {{ name: U, email: u@demo.example, attributes: {{ desk: {desk} }}, roles: {{ {roles} }} }}")
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
                let request = Request { action: "view", resource, tenant, context: &[], subject_attributes: &[], time };
                let found: Vec<_> =
                    subjects.allowed(&snapshot.program, &request, None).map(|(user, _)| user.id()).collect();
                let decided = subjects
                    .iter()
                    .filter(|user| decide(&snapshot.program, Subject::User(user), &request).decision.is_allow());
                let decided: Vec<_> = decided.map(BoundUser::id).collect();
                assert_eq!(found, decided, "{ty} {attributes:?} {tenant:?}");
                allowed += found.len();
                asked += subjects.len();
            }
        }
    }
    assert!(allowed > 50 && allowed < asked / 2, "{allowed} of {asked}");
}
