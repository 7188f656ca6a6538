//! Users out of files: everything is checked and judged like single calls made one after the other, and all of it happens or nothing.

use super::{IMPORT, Incoming, NOTED};
use crate::{
    directory::{
        Account, Directory, Refusal,
        account::{Given, Place},
        assignments::{self, Manner},
        book::{Step, fold},
        call::Call,
        fields::{Fields, Purpose, pointer},
        link,
        scene::{Scene, to_json},
        service::{Also, Plan},
        session::Ended,
        users::{difference, is_free, object, reader},
    },
    model::Status,
    policy::{Concern, Operation, Problem},
};
use serde_json::{Map, Value, json};
use std::{collections::HashSet, ops::ControlFlow, sync::Arc};

/// Problems that are told at the most.
const MOST_PROBLEMS: usize = 1000;

/// Users that are judged before whoever looks has a turn.
const STRETCH: usize = 256;

/// What an import has done, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Users that are new.
    pub created: usize,
    /// Users that have changed.
    pub updated: usize,
    /// Users that are as the file says already.
    pub unchanged: usize,
    /// Users of those that are new who are asked in by mail.
    pub invited: usize,
}

/// What has come together so far.
#[derive(Default)]
struct Batch {
    imported: Imported,
    steps: Vec<Step>,
    also: Vec<Also>,
    ids: HashSet<String>,
    emails: HashSet<String>,
}

/// How far an import has come.
#[derive(Default)]
struct Run {
    next: usize,
    policies: Vec<String>,
    batch: Batch,
    problems: Vec<Problem>,
}

impl Run {
    /// What it comes down to.
    fn plan(self, users: usize, dry_run: bool) -> Result<Plan<Imported>, Refusal> {
        if !self.problems.is_empty() {
            return Err(Refusal::Invalid(bounded(self.problems, users - self.next)));
        }
        let Batch { imported, steps, also, .. } = self.batch;
        let Imported { created, updated, unchanged, invited } = imported;
        let context = Some(json!({
            "created": created,
            "updated": updated,
            "unchanged": unchanged,
            "invited": invited,
            "dry_run": dry_run,
        }));
        let plan = Plan { context, ..Plan::look(self.policies, imported) };
        Ok(if dry_run { plan } else { Plan { steps, also, ..plan } })
    }
}

impl Directory {
    /// Creates and changes users as a file says. A user is found by its id, or else by its mail address; what the file leaves out stays.
    /// Of what a user was given, each tenant that the file names is replaced.
    ///
    /// # Errors
    /// Fails with every problem, and then nothing has changed.
    pub fn import(&self, call: &Call<'_>, users: &[Incoming], dry_run: bool) -> Result<Imported, Refusal> {
        let stretch = |scene: &Scene<'_>, run: &mut Run| {
            if run.next == 0 {
                run.policies = scene.permit(Operation::Import, None, None)?;
            }
            for incoming in users.iter().skip(run.next).take(STRETCH) {
                if let Err(found) = self.import_one(scene, &mut run.batch, incoming) {
                    run.problems.extend(found.into_iter().map(|problem| placed(problem, run.next, incoming.line)));
                }
                run.next += 1;
            }
            let goes_on = run.next < users.len() && run.problems.len() < MOST_PROBLEMS;
            Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        };
        let imported = self.change_many(call, IMPORT, Run::default(), stretch, |run| run.plan(users.len(), dry_run))?;
        self.0.bell.ring();
        Ok(imported)
    }

    fn import_one(&self, scene: &Scene<'_>, batch: &mut Batch, incoming: &Incoming) -> Result<(), Vec<Problem>> {
        let mut members = incoming.members.clone();
        members.retain(|name, _| !NOTED.contains(&name.as_str()));
        let places = members.remove("assignments").filter(|places| !places.is_null());
        let before = found(scene, &members).map_err(problems_of)?;
        let (mut after, mut problems) = match before {
            Some(before) => changed(self, scene, before, members).map_err(problems_of)?,
            None => self.created(scene, members).map_err(problems_of)?,
        };
        for (given, id, what) in
            [(&mut batch.ids, after.id.clone(), "id"), (&mut batch.emails, fold(&after.email), "email")]
        {
            if !id.is_empty() && !given.insert(id) {
                let message = format!("another user of the file has this {what}");
                problems.push(Problem { pointer: pointer("", what), message, help: None });
            }
        }
        if let Some(places) = &places {
            problems.extend(assigned(scene, &mut after, places).err().unwrap_or_default());
        }
        // Whoever is new and stands in no tenant of the file belongs to that of the call: a user of none would be everybody's.
        if before.is_none() && after.places.is_empty() {
            after.join(scene.tenant_of_creation().map_err(problems_of)?);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let judged = scene.permit_import(before.map(|before| &**before), &after);
        judged.map_err(|refusal| problems_of(refusal.placed(|denied| place_of(denied, places.as_ref()))))?;
        scene.assume(after.to_user(scene.lens().map_err(problems_of)?));
        match before {
            Some(before) if **before == after => batch.imported.unchanged += 1,
            Some(before) => batch.update(scene, before, after),
            None => batch.create(self, scene, after),
        }
        Ok(())
    }

    /// A new account as the file says.
    fn created(&self, scene: &Scene<'_>, mut members: Map<String, Value>) -> Result<(Account, Vec<Problem>), Refusal> {
        let mut account = self.blank_account(scene, "");
        let status = members.remove("status");
        let mut reader = reader(scene)?;
        reader.read(&members, Purpose::Create, &[], &mut account);
        account.status = status_of(status.as_ref(), Status::Invited, &mut reader);
        if account.id.is_empty() {
            account.id = link::new_id(scene.now()).to_lowercase();
        }
        if account.language.is_empty() {
            account.language.clone_from(&self.0.options.language);
        }
        let mut problems = reader.problems;
        if let Err(Refusal::Conflict { code, message }) = is_free(scene, &account) {
            let at = if code == "email_taken" { "/email" } else { "/id" };
            problems.push(Problem { pointer: at.to_owned(), message, help: None });
        }
        Ok((account, problems))
    }
}

impl Scene<'_> {
    /// Lets a user be created or changed by import. What policies do not see of an account, such as a telephone number, is changed like in
    /// a single call, and what is there already is told to those alone who may look at it.
    fn permit_import(&self, before: Option<&Account>, after: &Account) -> Result<Vec<String>, Refusal> {
        let policies = self.permit(Operation::Import, before, Some(after))?;
        let Some(before) = before else { return Ok(policies) };
        if before == after {
            self.permit(Operation::Read, Some(before), None)?;
            return Ok(policies);
        }
        self.permit_unseen(before, after)?;
        Ok(policies)
    }
}

/// The user that is there already.
fn found<'s>(scene: &Scene<'s>, members: &Map<String, Value>) -> Result<Option<&'s Arc<Account>>, Refusal> {
    if let Some(id) = members.get("id").and_then(Value::as_str) {
        if scene.subjects.is_declared(id) || scene.book.user(id).is_some() {
            return scene.account(id).map(Some);
        }
        return Ok(None);
    }
    match members.get("email").and_then(Value::as_str).and_then(|email| scene.book.user_with_email(email)) {
        Some(account) => scene.account(&account.id).map(Some),
        None => Ok(None),
    }
}

/// An account as the file would have it.
fn changed(
    directory: &Directory,
    scene: &Scene<'_>,
    before: &Account,
    mut members: Map<String, Value>,
) -> Result<(Account, Vec<Problem>), Refusal> {
    let mut after = before.clone();
    let status = members.remove("status");
    // What is fixed may be said again.
    let same = |given: &Value, fixed: &str| given.as_str().is_some_and(|given| given.eq_ignore_ascii_case(fixed));
    members.retain(|name, value| match name.as_str() {
        "id" => value.as_str() != Some(&before.id),
        "email" => !same(value, &before.email),
        "family" => value.as_str() != before.family.as_deref(),
        _ => true,
    });
    let mut reader = reader(scene)?;
    reader.read(&members, Purpose::Change, &[], &mut after);
    if after.language.is_empty() {
        after.language.clone_from(&directory.0.options.language);
    }
    after.status = status_of(status.as_ref(), before.status, &mut reader);
    let mut problems = reader.problems;
    let refused = match (before.status, after.status) {
        (was, is) if was == is => None,
        (_, Status::Active) => scene.has_accepted(before).err().map(|refusal| refusal.to_string()),
        (_, Status::Invited) => Some("a user who is there is not made an invited one".to_owned()),
        (_, Status::Suspended) => None,
    };
    problems.extend(refused.map(|message| Problem { pointer: "/status".to_owned(), message, help: None }));
    Ok((after, problems))
}

fn status_of(given: Option<&Value>, otherwise: Status, reader: &mut Fields<'_>) -> Status {
    let Some(given) = given.filter(|given| !given.is_null()) else { return otherwise };
    let known = [Status::Invited, Status::Active, Status::Suspended];
    let status = known.into_iter().find(|status| given.as_str() == Some(status.as_str()));
    if status.is_none() {
        let message = "must be `invited`, `active` or `suspended`".to_owned();
        reader.problems.push(Problem { pointer: "/status".to_owned(), message, help: None });
    }
    status.unwrap_or(otherwise)
}

/// Puts what a file gives in a tenant in the place of what the user has there, tenant by tenant.
fn assigned(scene: &Scene<'_>, account: &mut Account, places: &Value) -> Result<(), Vec<Problem>> {
    let Value::Array(places) = places else {
        return Err(problems_of(Refusal::problem("/assignments", "must be a list with an entry for each tenant")));
    };
    let (mut problems, mut seen) = (Vec::new(), Vec::new());
    for (index, place) in places.iter().enumerate() {
        let at = pointer("/assignments", &index.to_string());
        let given = one_place(scene, account, place, &mut seen);
        problems.extend(
            given
                .err()
                .into_iter()
                .flatten()
                .map(|problem| Problem { pointer: format!("{at}{}", problem.pointer), ..problem }),
        );
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn one_place(
    scene: &Scene<'_>,
    account: &mut Account,
    place: &Value,
    seen: &mut Vec<Option<String>>,
) -> Result<(), Vec<Problem>> {
    let mut members = object(place).map_err(problems_of)?.clone();
    let tenant = match members.remove("tenant") {
        None | Some(Value::Null) => None,
        Some(Value::String(tenant)) => Some(tenant),
        Some(_) => return Err(problems_of(Refusal::problem("/tenant", "must be a text"))),
    };
    if seen.contains(&tenant) {
        return Err(problems_of(Refusal::problem("/tenant", "stands there twice")));
    }
    seen.push(tenant.clone());
    let given: Vec<Given> = assignments::read(scene, tenant.as_deref(), &members.into()).map_err(problems_of)?;
    assignments::apply(scene, account, tenant.as_deref(), Manner::Replace, given).map_err(problems_of)?;
    // Who stands in a file with a tenant belongs to it, though there be nothing to have there.
    if tenant.is_some() && account.place(tenant.as_deref()).is_none() {
        account.places.push(Place { tenant, ..Place::default() });
        account.places.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    }
    Ok(())
}

impl Batch {
    fn update(&mut self, scene: &Scene<'_>, before: &Arc<Account>, after: Account) {
        let suspended = before.status != Status::Suspended && after.status == Status::Suspended;
        let (old, new) = difference(&to_json(before), &to_json(&after));
        let after = scene.changed(after);
        if suspended {
            self.steps.extend(scene.end_sessions(&after.id, Ended::Suspended, |_| true));
        } else {
            self.steps.extend(scene.end_sessions_of_lost_places(before, &after));
        }
        let user = after.id.clone();
        self.also.push(Also { action: "change_user", user, before: Some(old), after: Some(new) });
        self.steps.push(Step::Account(after));
        self.imported.updated += 1;
    }

    fn create(&mut self, directory: &Directory, scene: &Scene<'_>, account: Account) {
        let account = Arc::new(account);
        if account.status == Status::Invited {
            let tenant = account.places.first().and_then(|place| place.tenant.as_deref());
            let invitation = directory.new_invitation(scene, &account, tenant, Vec::new(), false);
            self.steps.push(Step::Invitation(Arc::new(invitation)));
            self.imported.invited += 1;
        }
        let after = Some(to_json(&account));
        self.also.push(Also { action: "create_user", user: account.id.clone(), before: None, after });
        self.steps.push(Step::Account(account));
        self.imported.created += 1;
    }
}

/// Where something stands among what a user of the file is given.
fn place_of(denied: &Concern, places: Option<&Value>) -> String {
    let places = places.and_then(Value::as_array).into_iter().flatten();
    let mut of_tenant =
        places.enumerate().filter(|(_, place)| place.get("tenant").and_then(Value::as_str) == denied.tenant.as_deref());
    let found = of_tenant.next().map(|(index, place)| {
        format!("{}{}", pointer("/assignments", &index.to_string()), assignments::place_of(denied, place))
    });
    found.unwrap_or_default()
}

/// A refusal of one user, as problems of the file.
fn problems_of(refusal: Refusal) -> Vec<Problem> {
    match refusal {
        Refusal::Invalid(problems) => problems,
        Refusal::Forbidden { what: Some(denied), code, message, .. } => {
            let message = format!("{}: {message} ({code})", denied.what);
            vec![Problem { pointer: denied.pointer, message, help: None }]
        }
        other => {
            let message = format!("{other} ({})", other.code());
            vec![Problem { pointer: String::new(), message, help: None }]
        }
    }
}

fn placed(problem: Problem, index: usize, line: Option<u32>) -> Problem {
    let line = line.map_or_else(String::new, |line| format!("line {line}: "));
    Problem {
        pointer: format!("/users/{index}{}", problem.pointer),
        message: format!("{line}{}", problem.message),
        ..problem
    }
}

/// As many problems as are told, and what is not: problems beyond them, and users that were not looked at any more.
fn bounded(mut problems: Vec<Problem>, unread: usize) -> Vec<Problem> {
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    let mut untold = Vec::new();
    if more > 0 {
        untold.push(format!("{more} more problems"));
    }
    if unread > 0 {
        untold.push(format!("{unread} more users, which were not looked at"));
    }
    if !untold.is_empty() {
        problems.push(Problem { pointer: String::new(), message: format!("and {}", untold.join(", ")), help: None });
    }
    problems
}
