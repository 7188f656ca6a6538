//! Calls about users: create, look, change, suspend, reactivate, delete.

use super::{
    Account, Directory, Place,
    book::{Step, fold},
    call::{Actor, Call, Refusal},
    fields::{Fields, Purpose},
    link,
    scene::{Scene, to_json},
    service::{About, Plan},
    session::Ended,
};
use crate::{
    model::{Status, User},
    policy::{Operation, Problem},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A user as a call finds it: of the directory, or declared in the policy set.
#[derive(Debug, Clone)]
pub enum Found {
    /// Of the directory.
    Account(Arc<Account>),
    /// Declared in the policy set, with what is known of its logins: read-only.
    Declared(Arc<User>, Option<super::Logins>),
}

/// Members of a creating call that are no fields of the user.
const CREATING: [&str; 1] = ["activation"];

impl Directory {
    /// Creates a user, and invites it by mail unless the call says that it is active at once.
    ///
    /// # Errors
    /// Fails with every problem of the fields, where the id or the mail address is taken, or where the actor may not.
    pub fn create_user(&self, call: &Call<'_>, fields: &Value) -> Result<Arc<Account>, Refusal> {
        let about = About { action: "create_user", resource_type: "user", id: "", user: "" };
        let made = self.change(call, about, |scene| {
            let account = Arc::new(self.new_account(scene, fields)?);
            let policies = scene.permit(Operation::Create, None, Some(&account))?;
            // Only who may create users learns which there are.
            is_free(scene, &account)?;
            let mut steps = vec![Step::Account(Arc::clone(&account))];
            if account.status == Status::Invited {
                let tenant = account.places.first().and_then(|place| place.tenant.as_deref());
                let invitation = self.new_invitation(scene, &account, tenant, Vec::new(), false);
                steps.push(Step::Invitation(Arc::new(invitation)));
            }
            let made = Some((account.id.clone(), account.id.clone()));
            Ok(Plan { steps, after: Some(to_json(&account)), made, ..Plan::look(policies, account) })
        })?;
        self.0.bell.ring();
        Ok(made)
    }

    /// A new account of what a call gives.
    fn new_account(&self, scene: &Scene<'_>, fields: &Value) -> Result<Account, Refusal> {
        let mut account = self.blank_account(scene, "");
        let mut reader = reader(scene)?;
        reader.read(object(fields)?, Purpose::Create, &CREATING, &mut account);
        account.status = match fields.get("activation").map(Value::as_str) {
            None | Some(Some("mail")) => account.status,
            Some(Some("none")) => Status::Active,
            Some(_) => {
                let message = "must be `mail` (an activation link is sent) or `none`".to_owned();
                reader.problems.push(Problem { pointer: "/activation".to_owned(), message, help: None });
                account.status
            }
        };
        if !reader.problems.is_empty() {
            return Err(Refusal::Invalid(reader.problems));
        }
        if account.id.is_empty() {
            account.id = link::new_id(scene.now()).to_lowercase();
        }
        if account.language.is_empty() {
            account.language.clone_from(&self.0.options.language);
        }
        // Those who administer the tenant in which the user was created are those who go on.
        if let Some(tenant) = scene.tenant_of_creation()? {
            account.places.push(Place { tenant: Some(tenant.to_owned()), ..Place::default() });
        }
        Ok(account)
    }

    /// An account with nothing in it yet.
    pub(super) fn blank_account(&self, scene: &Scene<'_>, email: &str) -> Account {
        Account::blank(email, &self.0.options.language, scene.now())
    }

    /// A user, where the actor may look at it.
    ///
    /// # Errors
    /// Fails where there is none, or the actor may not.
    pub fn read_user(&self, call: &Call<'_>, id: &str) -> Result<Found, Refusal> {
        let about = About { action: "read_user", resource_type: "user", id, user: id };
        self.ask(call, about, |scene| {
            let (found, user) = scene.find(id)?;
            let policies = scene.permit_users(Operation::Read, Some(&user), None)?;
            Ok(Plan::look(policies, scene.shown(found)))
        })
    }

    /// Changes fields of a user. What the call leaves out stays; `null` takes away.
    ///
    /// # Errors
    /// Fails with every problem of the fields, where the user has changed since the caller has seen it, or where the actor may not.
    pub fn change_user(&self, call: &Call<'_>, id: &str, fields: &Value) -> Result<Arc<Account>, Refusal> {
        self.alter(call, "change_user", Operation::Change, id, |scene, account| {
            let before = Account::clone(account);
            let mut reader = reader(scene)?;
            reader.read(object(fields)?, Purpose::Change, &[], account);
            if account.language.is_empty() {
                account.language.clone_from(&self.0.options.language);
            }
            if !reader.problems.is_empty() {
                return Err(Refusal::Invalid(reader.problems));
            }
            scene.permit_unseen(&before, account)?;
            Ok(None)
        })
    }

    /// Suspends a user: denied from the next request on, and all its sessions end.
    ///
    /// # Errors
    /// Fails where there is no such user, or the actor may not.
    pub fn suspend_user(&self, call: &Call<'_>, id: &str) -> Result<Arc<Account>, Refusal> {
        self.alter(call, "suspend_user", Operation::Suspend, id, |_, account| {
            account.status = Status::Suspended;
            Ok(Some(Ended::Suspended))
        })
    }

    /// Ends a suspension.
    ///
    /// # Errors
    /// Fails where there is no such user, it has never accepted its invitation, or the actor may not.
    pub fn reactivate_user(&self, call: &Call<'_>, id: &str) -> Result<Arc<Account>, Refusal> {
        self.alter(call, "reactivate_user", Operation::Reactivate, id, |scene, account| {
            scene.has_accepted(account)?;
            account.status = Status::Active;
            Ok(None)
        })
    }

    /// Deletes a user for good, with its open invitations; its sessions end.
    ///
    /// # Errors
    /// Fails where there is no such user, or the actor may not.
    pub fn delete_user(&self, call: &Call<'_>, id: &str) -> Result<(), Refusal> {
        let about = About { action: "delete_user", resource_type: "user", id, user: id };
        self.change(call, about, |scene| {
            let account = scene.account(id)?;
            scene.expect(account.version)?;
            let policies = scene.permit(Operation::Delete, Some(account), None)?;
            let mut steps = vec![Step::NoAccount(account.id.clone())];
            let invitations = scene.book.invitations_of(&account.id);
            steps.extend(invitations.map(|invitation| Step::NoInvitation(invitation.id.clone())));
            steps.extend(scene.end_sessions(id, Ended::Deleted, |_| true));
            let before = Some(to_json(account));
            Ok(Plan { steps, before, ..Plan::look(policies, ()) })
        })
    }

    /// Changes an account as `change` says; it may say that the user's sessions end.
    pub(super) fn alter(
        &self,
        call: &Call<'_>,
        action: &str,
        operation: Operation,
        id: &str,
        change: impl FnOnce(&Scene<'_>, &mut Account) -> Result<Option<Ended>, Refusal>,
    ) -> Result<Arc<Account>, Refusal> {
        let about = About { action, resource_type: "user", id, user: id };
        self.change(call, about, |scene| {
            let before = scene.account(id)?;
            scene.expect(before.version)?;
            let mut after = Account::clone(before);
            let ended = change(scene, &mut after)?;
            let policies = scene.permit(operation, Some(before), Some(&after))?;
            if after == **before {
                return Ok(Plan::look(policies, scene.shown_account(Arc::clone(before))));
            }
            let after = scene.changed(after);
            let mut steps = vec![Step::Account(Arc::clone(&after))];
            if let Some(how) = ended {
                steps.extend(scene.end_sessions(id, how, |_| true));
            } else {
                steps.extend(scene.end_sessions_of_lost_places(before, &after));
            }
            let (old, new) = difference(&to_json(before), &to_json(&after));
            Ok(Plan { steps, before: Some(old), after: Some(new), ..Plan::look(policies, scene.shown_account(after)) })
        })
    }
}

impl Scene<'_> {
    /// A user of the directory or of the policy set, and as policies see it.
    pub(super) fn find(&self, id: &str) -> Result<(Found, User), Refusal> {
        let declared = self.subjects.find(id).filter(|_| self.subjects.is_declared(id));
        if let Some(bound) = declared {
            let user = bound.user().clone();
            return Ok((Found::Declared(Arc::new(user.clone()), self.book.logins(id)), user));
        }
        let account = self.book.user(id).ok_or_else(|| Refusal::no_user(id))?;
        let user = account.to_user(self.lens()?);
        Ok((Found::Account(Arc::clone(account)), user))
    }

    /// What policies do not see of an account, such as a telephone number, is changed by those who may change the user, whatever else is
    /// changed with it.
    pub(super) fn permit_unseen(&self, before: &Account, after: &Account) -> Result<(), Refusal> {
        let Account { status, family, attributes, places, .. } = before.clone();
        if *before != (Account { status, family, attributes, places, ..after.clone() }) {
            self.permit(Operation::Change, Some(before), Some(before))?;
        }
        Ok(())
    }

    /// A changed account, with its new version.
    pub(super) fn changed(&self, mut account: Account) -> Arc<Account> {
        account.version += 1;
        account.updated = self.now();
        account.compact();
        Arc::new(account)
    }

    /// Ends the open sessions of a user that `which` picks.
    pub(super) fn end_sessions(&self, user: &str, how: Ended, which: impl Fn(&super::Session) -> bool) -> Vec<Step> {
        let sessions = self.book.sessions_of(user).filter(|session| which(session));
        sessions.map(|session| Step::Session(Arc::new(session.ended(how, self.now())))).collect()
    }

    /// Whoever has nothing left in a tenant was taken out of it.
    pub(super) fn end_sessions_of_lost_places(&self, before: &Account, after: &Account) -> Vec<Step> {
        let is_lost = |old: &&Place| !old.left && !after.belongs_to(old.tenant.as_deref());
        let lost: Vec<_> = before.places.iter().filter(is_lost).collect();
        if lost.is_empty() {
            return Vec::new();
        }
        let is_nowhere = after.places.iter().all(|place| place.left);
        self.end_sessions(&before.id, Ended::Removed, |session| {
            // A session without a tenant goes with the last place.
            is_nowhere || lost.iter().any(|place| place.tenant.is_some() && place.tenant == session.tenant)
        })
    }

    /// Refuses to make somebody active who was invited and has never come.
    pub(super) fn has_accepted(&self, account: &Account) -> Result<(), Refusal> {
        if self.never_came(account) {
            let message = "the user has not accepted its invitation: send it again";
            return Err(Refusal::conflict("user_invited", message));
        }
        Ok(())
    }

    /// Whether somebody was invited and has not accepted: such a user may have been suspended meanwhile.
    pub(super) fn never_came(&self, account: &Account) -> bool {
        let mut own = self.book.invitations_of(&account.id).filter(|invitation| !invitation.joins).peekable();
        let is_invited = own.peek().is_some();
        let accepted = own.any(|invitation| invitation.outcome == super::Outcome::Accepted);
        account.status == Status::Invited || is_invited && !accepted
    }

    /// How the actor is named in what it gives.
    pub(super) fn giver(&self) -> String {
        self.call.actor.name()
    }

    /// Whether the caller is an operator.
    pub(super) const fn is_operator(&self) -> bool {
        matches!(self.call.actor, Actor::Operator(_))
    }
}

/// A reader of fields for the policy set of a scene.
pub(super) fn reader<'s>(scene: &Scene<'s>) -> Result<Fields<'s>, Refusal> {
    let families = scene.snapshot.catalog.families.iter().map(|family| family.id.as_str()).collect();
    Ok(Fields { vocabulary: scene.vocabulary()?, families, problems: Vec::new() })
}

/// The members of an object.
pub(super) fn object(value: &Value) -> Result<&Map<String, Value>, Refusal> {
    value.as_object().ok_or_else(|| Refusal::problem("", "must be an object"))
}

/// Whether nobody has the id or the mail address of a new user.
pub(super) fn is_free(scene: &Scene<'_>, account: &Account) -> Result<(), Refusal> {
    if let Some(known) = scene.book.user(&account.id) {
        let family = known.family.as_ref().map(|family| format!(" in the family `{family}`")).unwrap_or_default();
        return Err(Refusal::conflict("user_exists", format!("there is a user `{}`{family} already", account.id)));
    }
    if scene.subjects.is_declared(&account.id) {
        let message = format!("the policy set declares a user `{}`", account.id);
        return Err(Refusal::conflict("user_exists", message));
    }
    if is_email_taken(scene, &account.email) {
        return Err(Refusal::conflict("email_taken", "there is a user with this mail address already"));
    }
    Ok(())
}

/// Whether a user, declared or not, has this mail address.
pub(super) fn is_email_taken(scene: &Scene<'_>, email: &str) -> bool {
    let is_same = |known: &str| fold(known) == fold(email);
    scene.book.user_with_email(email).is_some()
        || scene.snapshot.users.iter().any(|user| user.email.as_deref().is_some_and(is_same))
}

/// What differs between two objects, as it was and as it is.
pub(super) fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let empty = Map::new();
    let [old, new] = [before, after].map(|value| value.as_object().unwrap_or(&empty));
    let differing = |from: &Map<String, Value>, other: &Map<String, Value>| -> Value {
        let members = from.iter().filter(|(name, value)| other.get(*name) != Some(value) && *name != "updated");
        json!(members.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
    };
    (differing(old, new), differing(new, old))
}
