//! Explanations in sentences.

use super::Change;
use crate::{
    document::nearest,
    engine::{Outcome, Subject},
    model::{Assignment, AssignmentKind, Decision, ReasonCode},
    policy::access::Overview,
};

/// So many names are compared with one that does not exist: it takes about a microsecond for each.
const MOST_NAMES: usize = 10_000;

/// What came of a decision, a sentence each.
pub(super) fn summary(
    overview: &Overview<'_>,
    subject: Subject<'_>,
    outcome: &Outcome<'_>,
    changes: &[Change],
) -> Vec<String> {
    match outcome.decision {
        Decision::Allow => {
            outcome.determining.iter().filter_map(|&policy| granted(overview, subject, outcome, policy)).collect()
        }
        Decision::Deny if changes.is_empty() => hopeless(overview, subject, outcome).into_iter().collect(),
        Decision::Deny => changes.iter().map(|change| change.text.clone()).collect(),
    }
}

/// Why a policy that permits has its say.
fn granted(overview: &Overview<'_>, subject: Subject<'_>, outcome: &Outcome<'_>, policy: u32) -> Option<String> {
    let facts = overview.snapshot.program.policy(policy)?;
    let place = facts.location.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
    let sentence = format!("allowed because {}{place}", facts.summary);
    let Subject::User(user) = subject else { return Some(sentence) };
    let memberships = user.user().memberships.iter();
    let given: Vec<&Assignment> = memberships
        .filter(|membership| membership.tenant.as_deref() == outcome.tenant)
        .flat_map(|membership| &membership.assignments)
        .collect();
    let tenant = outcome.tenant.map(|tenant| format!(" in `{tenant}`")).unwrap_or_default();
    let through = match (overview.cell(&facts.id), facts.id.strip_prefix("grant/")) {
        (Some((role, _)), _) => {
            let of_role = |given: &&&Assignment| given.kind == AssignmentKind::Role;
            let leads = |given: &&&Assignment| leads_to(overview, &given.name, &role.id);
            given.iter().filter(of_role).find(leads).map(|given| {
                let included =
                    if given.name == role.id { String::new() } else { format!(", which includes `{}`", role.id) };
                format!("; `{}` has the role `{}`{tenant}{included}{}", user.id(), given.name, terms(given))
            })
        }
        (None, Some(name)) => {
            let grant = given.iter().find(|given| given.kind == AssignmentKind::Grant && given.name == name);
            grant.map(|given| format!("; `{}` was given it{tenant}{}", user.id(), terms(given)))
        }
        (None, None) => None,
    };
    Some(sentence + &through.unwrap_or_default())
}

/// Whether a role is another one, or includes it on whatever way.
fn leads_to(overview: &Overview<'_>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (Vec::new(), vec![from]);
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if !seen.contains(&name) {
            seen.push(name);
            open.extend(overview.role(name).into_iter().flat_map(|role| &role.includes).map(String::as_str));
        }
    }
    false
}

fn terms(given: &Assignment) -> String {
    let until = given.until.map(|until| format!(" until {until}")).unwrap_or_default();
    let why = given.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    until + &why
}

/// Why no grant would help.
fn hopeless(overview: &Overview<'_>, subject: Subject<'_>, outcome: &Outcome<'_>) -> Option<String> {
    let facts = |policy: Option<&u32>| policy.and_then(|&policy| overview.snapshot.program.policy(policy));
    match outcome.code {
        ReasonCode::Forbidden => {
            let facts = facts(outcome.determining.first())?;
            let place = facts.location.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            Some(format!("no grant helps while `{}` forbids it{place}", facts.id))
        }
        ReasonCode::UserUnknown => {
            let Subject::Unknown { id } = subject else { return None };
            let users = overview.snapshot.users.iter().take(MOST_NAMES).map(|user| user.id.as_str());
            let known = nearest(id, users)?;
            Some(format!("the nearest user is `{known}`"))
        }
        ReasonCode::PolicyError => Some("no grant helps while a policy cannot be evaluated".to_owned()),
        ReasonCode::NotGranted => Some("no role, level or tenant was found that would allow it".to_owned()),
        _ => None,
    }
}
