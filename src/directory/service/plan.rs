//! What a call is about, what it comes down to, and the record of it.

use crate::directory::{
    book::Step,
    call::{Actor, Call, Refusal},
    event::Event,
    link,
};
use serde_json::Value;

/// What a call is about, for its record.
#[derive(Debug, Clone, Copy)]
pub(in crate::directory) struct About<'a> {
    /// What is done.
    pub(in crate::directory) action: &'a str,
    /// `user`, `invitation`, `session`, `role`.
    pub(in crate::directory) resource_type: &'a str,
    /// Its id, as far as it is known before.
    pub(in crate::directory) id: &'a str,
    /// The user concerned, as far as it is known before.
    pub(in crate::directory) user: &'a str,
}

/// What a call comes down to.
#[derive(Debug)]
pub(in crate::directory) struct Plan<T> {
    /// What changes. Nothing for a look.
    pub(in crate::directory) steps: Vec<Step>,
    /// The policies that allowed it.
    pub(in crate::directory) policies: Vec<String>,
    /// For the record.
    pub(in crate::directory) before: Option<Value>,
    /// For the record.
    pub(in crate::directory) after: Option<Value>,
    /// For the record.
    pub(in crate::directory) context: Option<Value>,
    /// The tenant concerned, where it is another than that of the call.
    pub(in crate::directory) tenant: Option<String>,
    /// The user concerned and the id of what was acted on, where they were not known before.
    pub(in crate::directory) made: Option<(String, String)>,
    /// Further users that are changed, each with a record of its own.
    pub(in crate::directory) also: Vec<Also>,
    /// The steps take the place of everything that there is.
    pub(in crate::directory) instead: bool,
    /// The answer.
    pub(in crate::directory) value: T,
}

/// One of several users that a call changes.
#[derive(Debug)]
pub(in crate::directory) struct Also {
    /// What is done.
    pub(in crate::directory) action: &'static str,
    /// The user.
    pub(in crate::directory) user: String,
    /// For the record.
    pub(in crate::directory) before: Option<Value>,
    /// For the record.
    pub(in crate::directory) after: Option<Value>,
}

impl<T> Plan<T> {
    /// A look that changes nothing.
    pub(in crate::directory) const fn look(policies: Vec<String>, value: T) -> Self {
        Self {
            steps: Vec::new(),
            policies,
            before: None,
            after: None,
            context: None,
            tenant: None,
            made: None,
            also: Vec::new(),
            instead: false,
            value,
        }
    }
}

/// What an application may do by its own word: it reports.
const REPORTS: [&str; 3] = ["login", "logout", "accept_invitation"];

impl About<'_> {
    /// Refuses a call that may not be made at all, and one that is no report and names nobody who acts.
    pub(in crate::directory) fn admits(&self, call: &Call<'_>) -> Result<(), Refusal> {
        if let Some(code) = call.barred {
            return Err(Refusal::conflict(code, "the call was refused before it was looked at"));
        }
        match call.actor {
            Actor::Application(_) if !REPORTS.contains(&self.action) => Err(Refusal::no_actor()),
            _ => Ok(()),
        }
    }

    /// The record of a call that is allowed, in the tenant in which it counts, under the revision that decides.
    pub(in crate::directory) fn event(&self, call: &Call<'_>, tenant: Option<&str>, revision: &str) -> Event {
        Event {
            id: link::new_id(call.now),
            of_session: self.resource_type == "session",
            of_cli: false,
            at: call.now,
            actor: call.actor.name(),
            action: self.action.to_owned(),
            user: self.user.to_owned(),
            tenant: tenant.unwrap_or_default().to_owned(),
            resource_type: self.resource_type.to_owned(),
            resource_id: self.id.to_owned(),
            allowed: true,
            reason: "granted".to_owned(),
            policies: Vec::new(),
            revision: revision.to_owned(),
            before: None,
            after: None,
            context: None,
            request_id: call.request_id.to_owned(),
            trace_id: call.trace_id,
        }
    }
}

impl Event {
    /// The record of one of several users that are changed.
    pub(super) fn beside(&self, also: Also) -> Self {
        Self {
            id: link::new_id(self.at),
            action: also.action.to_owned(),
            resource_type: "user".to_owned(),
            resource_id: also.user.clone(),
            user: also.user,
            before: also.before,
            after: also.after,
            context: None,
            ..self.clone()
        }
    }

    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.allowed = false;
        refusal.code().clone_into(&mut self.reason);
        let mut context = serde_json::Map::new();
        if let Refusal::Forbidden { policies, what, .. } = refusal {
            self.policies.clone_from(policies);
            context.extend(what.as_ref().map(|denied| ("what".to_owned(), denied.what.to_string().into())));
        }
        // A conflict is told in words that may name what settings want out of records: its code tells enough.
        let told = if let Refusal::Conflict { code, .. } = refusal { (*code).to_owned() } else { refusal.to_string() };
        context.insert("refused".to_owned(), told.into());
        if let Refusal::Invalid(problems) = refusal {
            let problems = problems.iter().map(|problem| format!("{}: {}", problem.pointer, problem.message));
            context.insert("problems".to_owned(), problems.take(16).collect());
        }
        self.context = Some(context.into());
    }

    /// The record of the same call where the store has failed it. It has an id of its own: what the disk has of the change is not known, and
    /// a start that finds it there records it then.
    pub(super) fn failed(&self, refusal: &Refusal) -> Self {
        let mut failed =
            Self { id: link::new_id(self.at), policies: Vec::new(), before: None, after: None, ..self.clone() };
        failed.refused(refusal);
        failed
    }

    pub(super) fn tell<T>(&mut self, plan: &Plan<T>) {
        self.policies.clone_from(&plan.policies);
        (self.before, self.after) = (plan.before.clone(), plan.after.clone());
        self.context.clone_from(&plan.context);
        if let Some(tenant) = &plan.tenant {
            self.tenant.clone_from(tenant);
        }
        if let Some((user, id)) = &plan.made {
            self.user.clone_from(user);
            self.resource_id.clone_from(id);
        }
    }
}
