//! Calls about invitations: invite, send again, change, revoke, list.

mod accept;

use super::{
    Account, Directory,
    account::{Given, Place},
    assignments::{self, Manner},
    book::Step,
    call::{Call, Refusal},
    fields::{Purpose, checked_email, pointer},
    invitation::{Invitation, Letter, Outcome},
    link,
    scene::{Scene, to_json},
    service::{About, Plan},
    store::StoreError,
    users::{difference, is_free, object, reader},
};
use crate::{
    model::{Status, Timestamp, User},
    policy::{Operation, Problem},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Invitations that are forgotten in one go.
const MOST_FORGOTTEN: usize = 1000;
/// Members of an invitation that are no fields of the user.
const INVITING: [&str; 3] = ["email", "user", "assignments"];

impl Directory {
    /// Invites somebody by mail. Whoever is new becomes a user that is denied everything until the invitation is accepted; whoever is
    /// there already gets what is given on accepting.
    ///
    /// # Errors
    /// Fails with every problem of what is given, or where the actor may not.
    pub fn invite(&self, call: &Call<'_>, body: &Value) -> Result<Arc<Invitation>, Refusal> {
        let about = About { action: "invite", resource_type: "invitation", id: "", user: "" };
        let made = self.change(call, about, |scene| {
            let tenant = scene.tenant_of_change()?;
            let (newcomer, given) = self.read_invitation(scene, object(body)?, tenant)?;
            match scene.book.user_with_email(&newcomer.email) {
                Some(account) => self.plan_joining(scene, account, tenant, given),
                None => self.plan_newcomer(scene, &newcomer, tenant, given),
            }
        });
        let made = made.map_err(|refusal| placed(refusal, body))?;
        self.0.bell.ring();
        Ok(made)
    }

    /// Reads all that a call says, whether the user is there or not; tells every problem. The user is as it would be where it is new.
    fn read_invitation(
        &self,
        scene: &Scene<'_>,
        members: &Map<String, Value>,
        tenant: Option<&str>,
    ) -> Result<(Account, Vec<Given>), Refusal> {
        let mut account = self.blank_account(scene, "");
        // Names may follow with the acceptance.
        let mut reader = reader(scene)?;
        let fields = members.iter().filter(|(name, _)| !INVITING.contains(&name.as_str()));
        let fields = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        reader.read(&fields, Purpose::Change, &INVITING, &mut account);
        let mut problems = reader.problems;
        let mut note = |refusal| match refusal {
            Refusal::Invalid(found) => {
                problems.extend(found);
                Ok(())
            }
            other => Err(other),
        };
        match email(members) {
            Ok(email) => account.email = email,
            Err(refusal) => note(refusal)?,
        }
        match members.get("user").filter(|user| !user.is_null()).map(|id| named_id(scene, id, &account)) {
            Some(Ok(id)) => account.id = id,
            Some(Err(refusal)) => note(refusal)?,
            None => account.id = link::new_id(scene.now()).to_lowercase(),
        }
        let nothing = Value::Object(Map::new());
        let given = match assignments::read(scene, tenant, members.get("assignments").unwrap_or(&nothing)) {
            Ok(given) => given,
            Err(refusal) => {
                note(inside(refusal))?;
                Vec::new()
            }
        };
        if problems.is_empty() { Ok((account, given)) } else { Err(Refusal::Invalid(problems)) }
    }

    fn plan_joining(
        &self,
        scene: &Scene<'_>,
        account: &Arc<Account>,
        tenant: Option<&str>,
        given: Vec<Given>,
    ) -> Result<Plan<Arc<Invitation>>, Refusal> {
        let after = scene.joined(account, tenant, given.clone()).map_err(inside)?;
        let promised = scene.promised(&account.id);
        let policies = scene.permit_beside(Operation::Invite, tenant, (Some(account), Some(&after)), &promised)?;
        // Only who may invite learns who is invited.
        if account.status == Status::Invited {
            let message = "there is an invitation to this mail address already: send that one again";
            return Err(Refusal::conflict("already_invited", message));
        }
        let invitation = Arc::new(self.new_invitation(scene, account, tenant, given, true));
        let steps = vec![Step::Invitation(Arc::clone(&invitation))];
        Ok(planned(steps, policies, invitation))
    }

    fn plan_newcomer(
        &self,
        scene: &Scene<'_>,
        account: &Account,
        tenant: Option<&str>,
        given: Vec<Given>,
    ) -> Result<Plan<Arc<Invitation>>, Refusal> {
        // Whoever is asked in with nothing belongs to the tenant too: a user of none would be everybody's.
        let account = scene.joined(account, tenant, given).map_err(inside)?;
        let policies = scene.permit(Operation::Invite, None, Some(&account))?;
        // Only who may invite learns which users there are.
        is_free(scene, &account)?;
        let account = Arc::new(account);
        let invitation = Arc::new(self.new_invitation(scene, &account, tenant, Vec::new(), false));
        let steps = vec![Step::Account(account), Step::Invitation(Arc::clone(&invitation))];
        Ok(planned(steps, policies, invitation))
    }

    /// A new invitation, its letter due.
    pub(super) fn new_invitation(
        &self,
        scene: &Scene<'_>,
        account: &Account,
        tenant: Option<&str>,
        given: Vec<Given>,
        joins: bool,
    ) -> Invitation {
        let id = link::new_id(scene.now());
        let secret = link::hash(&self.0.key.secret(&id, 1));
        Invitation {
            id,
            email: account.email.clone(),
            user: account.id.clone(),
            joins,
            tenant: tenant.map(str::to_owned),
            given,
            family: None,
            by: scene.giver(),
            created: scene.now(),
            expires: self.expiry(scene.now()),
            outcome: Outcome::Open,
            closed: None,
            generation: 1,
            secret,
            spent: Vec::new(),
            letter: Some(Letter::due(scene.now())),
            mailed: None,
            version: 1,
        }
    }

    fn expiry(&self, now: Timestamp) -> Timestamp {
        let expiry = i64::try_from(self.0.options.invitation_expiry.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(now.as_micros().saturating_add(expiry))
    }

    /// Sends an invitation again: the old link dies, the new one counts from now.
    ///
    /// # Errors
    /// Fails where there is no such invitation, it was accepted or revoked, or the actor may not.
    pub fn resend_invitation(&self, call: &Call<'_>, id: &str) -> Result<Arc<Invitation>, Refusal> {
        let resent = self.alter_invitation(call, "resend_invitation", id, |scene, _, invitation| {
            invitation.generation += 1;
            invitation.replace_link(link::hash(&self.0.key.secret(id, invitation.generation)));
            invitation.expires = self.expiry(scene.now());
            invitation.letter = Some(Letter::due(scene.now()));
            Ok(())
        })?;
        self.0.bell.ring();
        Ok(resent)
    }

    /// Changes what an invitation gives.
    ///
    /// # Errors
    /// Fails with every problem of what is given, where it was accepted or revoked, or where the actor may not.
    pub fn change_invitation(&self, call: &Call<'_>, id: &str, body: &Value) -> Result<Arc<Invitation>, Refusal> {
        let changed = self.alter_invitation(call, "change_invitation", id, |scene, account, invitation| {
            let members = object(body)?;
            let message = "only what an invitation gives can be changed: name it as `assignments`";
            let unknown = members.keys().filter(|name| *name != "assignments");
            let mut problems: Vec<Problem> = unknown.map(|name| problem(&pointer("", name), message)).collect();
            let tenant = invitation.tenant.clone();
            let given = match members.get("assignments") {
                Some(given) => assignments::read(scene, tenant.as_deref(), given).map_err(inside),
                None => Err(Refusal::problem("/assignments", "is required")),
            };
            match given {
                Ok(given) if problems.is_empty() && invitation.joins => invitation.given = given,
                Ok(given) if problems.is_empty() => {
                    assignments::apply(scene, account, tenant.as_deref(), Manner::Replace, given).map_err(inside)?;
                    account.join(tenant.as_deref());
                }
                Ok(_) => {}
                Err(Refusal::Invalid(found)) => problems.extend(found),
                Err(other) => return Err(other),
            }
            if problems.is_empty() { Ok(()) } else { Err(Refusal::Invalid(problems)) }
        });
        changed.map_err(|refusal| placed(refusal, body))
    }

    /// Takes an invitation back. A user who was made by it and never came is gone with it; one who belongs to other tenants too is gone
    /// only where the actor may delete it.
    ///
    /// # Errors
    /// Fails where there is no such invitation, it was accepted, or the actor may not.
    pub fn revoke_invitation(&self, call: &Call<'_>, id: &str) -> Result<Arc<Invitation>, Refusal> {
        let about = About { action: "revoke_invitation", resource_type: "invitation", id, user: "" };
        self.change(call, about, |scene| {
            let (invitation, account) = scene.invitation(id)?;
            scene.expect(invitation.version)?;
            let others = scene.book.invitations_of(&account.id).filter(|other| other.id != id);
            let mut others = others.filter(|other| other.outcome == Outcome::Open);
            let is_gone = scene.never_came(account) && others.next().is_none();
            let tenant = invitation.tenant.as_deref().or(scene.call.tenant);
            // What it gives counts, as it would for somebody who has it.
            let joined =
                if invitation.joins { scene.joined(account, tenant, invitation.given.clone()).ok() } else { None };
            let before = joined.as_ref().unwrap_or(account);
            let after = (!is_gone).then_some(before);
            let policies = scene.permit_beside(Operation::RevokeInvitation, tenant, (Some(before), after), &[])?;
            let mut revoked = Invitation::clone(invitation);
            revoked.outcome = Outcome::Revoked;
            (revoked.closed, revoked.letter) = (Some(scene.now()), None);
            revoked.version += 1;
            if is_gone {
                // Whoever could see the user goes on to see the invitation.
                revoked.family.clone_from(&account.family);
                let had = account.place(revoked.tenant.as_deref());
                revoked.given = had.map(|had| had.given.clone()).unwrap_or_default();
            }
            let revoked = Arc::new(revoked);
            let mut steps = vec![Step::Invitation(Arc::clone(&revoked))];
            if is_gone {
                steps.push(Step::NoAccount(account.id.clone()));
            }
            Ok(Plan { before: Some(shown(invitation)), ..planned(steps, policies, revoked) })
        })
    }

    fn alter_invitation(
        &self,
        call: &Call<'_>,
        action: &str,
        id: &str,
        change: impl FnOnce(&Scene<'_>, &mut Account, &mut Invitation) -> Result<(), Refusal>,
    ) -> Result<Arc<Invitation>, Refusal> {
        let about = About { action, resource_type: "invitation", id, user: "" };
        self.change(call, about, |scene| {
            let (before, account) = scene.invitation(id)?;
            scene.expect(before.version)?;
            let mut invitation = Invitation::clone(before);
            let mut after = Account::clone(account);
            change(scene, &mut after, &mut invitation)?;
            let tenant = before.tenant.as_deref().or(scene.call.tenant);
            let policies = scene.permit_invitation(account, &after, tenant, [before, &invitation])?;
            invitation.version += 1;
            let invitation = Arc::new(invitation);
            let mut steps = vec![Step::Invitation(Arc::clone(&invitation))];
            let (mut old, mut new) = (shown(before), shown(&invitation));
            if !invitation.joins && after != **account {
                let (was, is) = difference(&to_json(account), &to_json(&after));
                old = json!({ "invitation": old, "user": was });
                new = json!({ "invitation": new, "user": is });
                steps.push(Step::Account(scene.changed(after)));
            }
            Ok(Plan { before: Some(old), after: Some(new), ..planned(steps, policies, invitation) })
        })
    }

    /// Invitations that the actor may see, the newest first.
    ///
    /// # Errors
    /// Fails where the actor may not list any.
    pub fn list_invitations(
        &self,
        call: &Call<'_>,
        state: Option<&str>,
        limit: usize,
        before: Option<&str>,
    ) -> Result<Vec<Arc<Invitation>>, Refusal> {
        let about = About { action: "list_invitations", resource_type: "invitation", id: "", user: "" };
        self.ask(call, about, |scene| {
            let policies = scene.permit(Operation::ListInvitations, None, None)?;
            let now = scene.now();
            let tenant = scene.call.tenant;
            let listed = scene.book.invitations().rev();
            let listed = listed.filter(|invitation| before.is_none_or(|before| invitation.id.as_str() < before));
            let listed = listed.filter(|invitation| state.is_none_or(|state| invitation.state(now) == state));
            let listed = listed.filter(|invitation| tenant.is_none() || invitation.tenant.as_deref() == tenant);
            let listed = listed.filter(|invitation| scene.sees_invitation(invitation));
            Ok(Plan::look(policies, listed.take(limit).cloned().collect()))
        })
    }

    /// Forgets invitations that were accepted or revoked too long ago. Tells how many.
    ///
    /// # Errors
    /// Fails where the store does.
    pub fn forget_invitations(&self, now: Timestamp) -> Result<usize, StoreError> {
        let keep = i64::try_from(self.0.options.invitation_keep.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp::from_micros(now.as_micros().saturating_sub(keep));
        let mut forgotten = 0;
        self.note(|book| {
            let old = book.invitations().filter(|one| one.closed.is_some_and(|closed| closed < before));
            let steps: Vec<_> = old.take(MOST_FORGOTTEN).map(|one| Step::NoInvitation(one.id.clone())).collect();
            forgotten = steps.len();
            (steps, Vec::new())
        })?;
        Ok(forgotten)
    }

    /// The token of an invitation's link.
    #[must_use]
    pub fn token(&self, invitation: &Invitation) -> String {
        format!("{}.{}", invitation.id, self.0.key.secret(&invitation.id, invitation.generation))
    }
}

impl<'s> Scene<'s> {
    /// An invitation that nobody has accepted or revoked, and its user. It counts in its own tenant: in another one there is none such.
    fn invitation(&self, id: &str) -> Result<(&'s Arc<Invitation>, &'s Arc<Account>), Refusal> {
        let of_tenant = |one: &&Arc<Invitation>| {
            one.tenant.is_none() || self.call.tenant.is_none_or(|tenant| one.tenant.as_deref() == Some(tenant))
        };
        let found = self.book.invitation(id).filter(of_tenant);
        let invitation = found.ok_or_else(|| Refusal::NotFound { what: "invitation", id: id.to_owned() })?;
        match invitation.outcome {
            Outcome::Open => Ok((invitation, self.account(&invitation.user)?)),
            Outcome::Accepted => Err(Refusal::conflict("invitation_used", "the invitation was accepted")),
            Outcome::Revoked => Err(Refusal::conflict("invitation_revoked", "the invitation was taken back")),
        }
    }

    /// A user as it would be once it has accepted: in the tenant, with what it is given.
    pub(super) fn joined(
        &self,
        account: &Account,
        tenant: Option<&str>,
        given: Vec<Given>,
    ) -> Result<Account, Refusal> {
        let mut joined = account.clone();
        assignments::apply(self, &mut joined, tenant, Manner::Give, given)?;
        joined.join(tenant);
        Ok(joined)
    }

    /// Lets an invitation be changed or sent again, or says why not: whoever does so gives all that it gives.
    fn permit_invitation(
        &self,
        account: &Account,
        after: &Account,
        tenant: Option<&str>,
        [old, new]: [&Invitation; 2],
    ) -> Result<Vec<String>, Refusal> {
        let operation = Operation::ChangeInvitation;
        let mut promised = self.promised(&account.id);
        promised.retain(|other| other.id != old.id);
        if !new.joins {
            return self.permit_beside(operation, tenant, (Some(account), Some(after)), &promised);
        }
        let [was, is] = [old, new].map(|one| self.joined(account, tenant, one.given.clone()).map_err(inside));
        let is = is?;
        let policies = self.permit_beside(operation, tenant, (Some(account), Some(&is)), &promised)?;
        // Whoever changes it takes what it would have given.
        match was {
            Ok(was) if was != is => drop(self.permit_beside(operation, tenant, (Some(&was), Some(&is)), &promised)?),
            _ => {}
        }
        Ok(policies)
    }

    /// Whoever may look at somebody who has what an invitation gives, where it gives it.
    fn sees_invitation(&self, invitation: &Invitation) -> bool {
        let Ok(lens) = self.lens() else { return false };
        let user = match self.find(&invitation.user) {
            Ok((_, user)) if invitation.joins => User { family: user.family, ..invitation.guest().to_user(lens) },
            Ok((_, user)) => user,
            Err(_) => invitation.guest().to_user(lens),
        };
        self.sees_in(invitation.tenant.as_deref(), &user)
    }
}

fn planned(steps: Vec<Step>, policies: Vec<String>, invitation: Arc<Invitation>) -> Plan<Arc<Invitation>> {
    let made = Some((invitation.user.clone(), invitation.id.clone()));
    let tenant = invitation.tenant.clone();
    Plan { steps, made, tenant, after: Some(shown(&invitation)), ..Plan::look(policies, invitation) }
}

/// An invitation as records show it: nothing of its link.
fn shown(invitation: &Invitation) -> Value {
    let mut shown = json!({
        "email": invitation.email,
        "user": invitation.user,
        "joins": invitation.joins,
        "outcome": invitation.outcome,
        "expires": invitation.expires.to_string(),
    });
    if let (Some(shown), false) = (shown.as_object_mut(), invitation.given.is_empty()) {
        let (tenant, given) = (invitation.tenant.clone(), invitation.given.clone());
        let place = Place { tenant, given, left: false };
        shown.insert("assignments".to_owned(), super::scene::place_to_json(&place));
    }
    shown
}

/// The id that a call names for a new user.
fn named_id(scene: &Scene<'_>, id: &Value, account: &Account) -> Result<String, Refusal> {
    let mut named = account.clone();
    let mut reader = reader(scene)?;
    let fields = Map::from_iter([("id".to_owned(), id.clone())]);
    reader.read(&fields, Purpose::Create, &[], &mut named);
    // Here it is called `user`.
    reader.problems.retain(|problem| problem.pointer == "/id");
    reader.problems.iter_mut().for_each(|problem| "/user".clone_into(&mut problem.pointer));
    if reader.problems.is_empty() { Ok(named.id) } else { Err(Refusal::Invalid(reader.problems)) }
}

fn email(members: &Map<String, Value>) -> Result<String, Refusal> {
    let given = members.get("email").and_then(Value::as_str);
    let given = given.ok_or_else(|| Refusal::problem("/email", "is required"))?;
    checked_email(given).ok_or_else(|| Refusal::problem("/email", "is no mail address"))
}

/// A refusal with the place under `assignments` that it is about.
fn placed(refusal: Refusal, body: &Value) -> Refusal {
    refusal.placed(|denied| {
        let given = body.get("assignments").map(|given| assignments::place_of(denied, given));
        given.filter(|place| !place.is_empty()).map_or_else(String::new, |place| format!("/assignments{place}"))
    })
}

fn problem(pointer: &str, message: &str) -> Problem {
    Problem { pointer: pointer.to_owned(), message: message.to_owned(), help: None }
}

/// Problems of what stands under `assignments`.
fn inside(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Invalid(problems) => Refusal::Invalid(
            problems
                .into_iter()
                .map(|problem| Problem { pointer: format!("/assignments{}", problem.pointer), ..problem })
                .collect(),
        ),
        other => other,
    }
}
