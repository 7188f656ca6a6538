//! Calls about invitations: invite, send again, change, revoke, list.

mod accept;

use super::{
    Account, Directory,
    account::Given,
    assignments::{self, Manner},
    book::Step,
    call::{Call, Refusal},
    fields::{Purpose, checked_email},
    invitation::{Invitation, Letter, Outcome},
    link,
    scene::{Scene, to_json},
    service::{About, Plan},
    users::{difference, is_free, object, reader},
};
use crate::{
    model::{Status, Timestamp},
    policy::{Operation, Problem},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

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
            let members = object(body)?;
            let email = email(members)?;
            let tenant = scene.tenant_of_change()?;
            let nothing = Value::Object(Map::new());
            let given = members.get("assignments").unwrap_or(&nothing);
            let given = assignments::read(scene, tenant, given).map_err(inside)?;
            match scene.book.user_with_email(&email) {
                Some(account) if account.status != Status::Invited => self.plan_joining(scene, account, tenant, given),
                Some(account) => {
                    let message = format!("`{}` is invited already: send that invitation again", account.email);
                    Err(Refusal::conflict("already_invited", message))
                }
                None => self.plan_newcomer(scene, members, &email, tenant, given),
            }
        });
        let made = made.map_err(|refusal| placed(refusal, body))?;
        self.0.bell.ring();
        Ok(made)
    }

    fn plan_joining(
        &self,
        scene: &Scene<'_>,
        account: &Arc<Account>,
        tenant: Option<&str>,
        given: Vec<Given>,
    ) -> Result<Plan<Arc<Invitation>>, Refusal> {
        let mut after = Account::clone(account);
        assignments::apply(scene, &mut after, tenant, Manner::Give, given.clone())?;
        let policies = scene.permit(Operation::Invite, Some(account), Some(&after))?;
        let invitation = Arc::new(self.new_invitation(scene, account, tenant, given, true));
        let steps = vec![Step::Invitation(Arc::clone(&invitation))];
        Ok(planned(steps, policies, invitation))
    }

    fn plan_newcomer(
        &self,
        scene: &Scene<'_>,
        members: &Map<String, Value>,
        email: &str,
        tenant: Option<&str>,
        given: Vec<Given>,
    ) -> Result<Plan<Arc<Invitation>>, Refusal> {
        let mut account = self.blank_account(scene, email);
        // Names may follow with the acceptance.
        let mut reader = reader(scene)?;
        reader.read(members, Purpose::Change, &INVITING, &mut account);
        if !reader.problems.is_empty() {
            return Err(Refusal::Invalid(reader.problems));
        }
        account.id = match members.get("user").filter(|user| !user.is_null()) {
            Some(id) => named_id(scene, id, &account)?,
            None => link::new_id(scene.now()).to_lowercase(),
        };
        assignments::apply(scene, &mut account, tenant, Manner::Replace, given)?;
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
        let resent = self.alter_invitation(
            call,
            "resend_invitation",
            Operation::ChangeInvitation,
            id,
            |scene, account, invitation| {
                invitation.generation += 1;
                invitation.replace_link(link::hash(&self.0.key.secret(id, invitation.generation)));
                invitation.expires = self.expiry(scene.now());
                invitation.letter = Some(Letter::due(scene.now()));
                Ok(account.clone())
            },
        )?;
        self.0.bell.ring();
        Ok(resent)
    }

    /// Changes what an invitation gives.
    ///
    /// # Errors
    /// Fails with every problem of what is given, where it was accepted or revoked, or where the actor may not.
    pub fn change_invitation(&self, call: &Call<'_>, id: &str, body: &Value) -> Result<Arc<Invitation>, Refusal> {
        let changed = self.alter_invitation(
            call,
            "change_invitation",
            Operation::ChangeInvitation,
            id,
            |scene, account, invitation| {
                let members = object(body)?;
                let unknown = members.keys().find(|name| *name != "assignments");
                let given = members.get("assignments");
                let (None, Some(given)) = (unknown, given) else {
                    let message = "only what an invitation gives can be changed: name it as `assignments`";
                    return Err(Refusal::problem("", message));
                };
                let tenant = invitation.tenant.clone();
                let given = assignments::read(scene, tenant.as_deref(), given).map_err(inside)?;
                let mut after = account.clone();
                if invitation.joins {
                    assignments::apply(scene, &mut after, tenant.as_deref(), Manner::Give, given.clone())?;
                    invitation.given = given;
                } else {
                    assignments::apply(scene, &mut after, tenant.as_deref(), Manner::Replace, given)?;
                }
                Ok(after)
            },
        );
        changed.map_err(|refusal| placed(refusal, body))
    }

    /// Takes an invitation back. A user who was made by it and never came is gone with it.
    ///
    /// # Errors
    /// Fails where there is no such invitation, it was accepted, or the actor may not.
    pub fn revoke_invitation(&self, call: &Call<'_>, id: &str) -> Result<Arc<Invitation>, Refusal> {
        let about = About { action: "revoke_invitation", resource_type: "invitation", id, user: "" };
        self.change(call, about, |scene| {
            let (invitation, account) = scene.invitation(id)?;
            let policies = scene.permit(Operation::RevokeInvitation, Some(account), None)?;
            let mut revoked = Invitation::clone(invitation);
            revoked.outcome = Outcome::Revoked;
            (revoked.closed, revoked.letter) = (Some(scene.now()), None);
            revoked.version += 1;
            let others = scene.book.invitations().filter(|other| other.user == account.id && other.id != id);
            let mut others = others.filter(|other| other.is_open(scene.now()));
            let is_gone = account.status == Status::Invited && others.next().is_none();
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
        operation: Operation,
        id: &str,
        change: impl FnOnce(&Scene<'_>, &Account, &mut Invitation) -> Result<Account, Refusal>,
    ) -> Result<Arc<Invitation>, Refusal> {
        let about = About { action, resource_type: "invitation", id, user: "" };
        self.change(call, about, |scene| {
            let (before, account) = scene.invitation(id)?;
            scene.expect(before.version)?;
            let mut invitation = Invitation::clone(before);
            let after = change(scene, account, &mut invitation)?;
            let policies = scene.permit(operation, Some(account), Some(&after))?;
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

    /// The token of an invitation's link.
    #[must_use]
    pub fn token(&self, invitation: &Invitation) -> String {
        format!("{}.{}", invitation.id, self.0.key.secret(&invitation.id, invitation.generation))
    }
}

impl<'s> Scene<'s> {
    /// An invitation that nobody has accepted or revoked, and its user.
    fn invitation(&self, id: &str) -> Result<(&'s Arc<Invitation>, &'s Arc<Account>), Refusal> {
        let found = self.book.invitation(id);
        let invitation = found.ok_or_else(|| Refusal::NotFound { what: "invitation", id: id.to_owned() })?;
        match invitation.outcome {
            Outcome::Open => Ok((invitation, self.account(&invitation.user)?)),
            Outcome::Accepted => Err(Refusal::conflict("invitation_used", "the invitation was accepted")),
            Outcome::Revoked => Err(Refusal::conflict("invitation_revoked", "the invitation was taken back")),
        }
    }

    fn sees_invitation(&self, invitation: &Invitation) -> bool {
        if self.is_operator() {
            return true;
        }
        match self.find(&invitation.user) {
            Ok((_, user)) => self.sees(&user),
            Err(_) => self.lens().is_ok_and(|lens| self.sees(&invitation.guest().to_user(lens))),
        }
    }
}

fn planned(steps: Vec<Step>, policies: Vec<String>, invitation: Arc<Invitation>) -> Plan<Arc<Invitation>> {
    let made = Some((invitation.user.clone(), invitation.id.clone()));
    Plan { steps, made, after: Some(shown(&invitation)), ..Plan::look(policies, invitation) }
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
        let place = super::Place { tenant, given, left: false };
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
    reader.problems.retain(|problem| problem.pointer == "/id");
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
