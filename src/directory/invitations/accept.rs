//! The call that ends an invitation well: whoever has its link comes in.

use crate::{
    directory::{
        Account, Directory,
        book::Step,
        call::{Actor, Call, Refusal},
        fields::Purpose,
        invitation::{Invitation, MOST_SPENT, Outcome},
        link,
        scene::{Scene, to_json},
        service::{About, Plan},
        users::{difference, object, reader},
    },
    model::Status,
    policy::Operation,
};
use serde_json::Value;
use std::sync::Arc;

/// Members of an acceptance that are no fields of the user.
const ACCEPTING: [&str; 1] = ["token"];

impl Directory {
    /// Accepts an invitation: whoever is new becomes active, whoever was there joins. The application has made sure who it is; where it
    /// names somebody else than the invited user as acting, that user needs what it takes to send the invitation.
    ///
    /// # Errors
    /// Fails with a code of its own for a link that is forged, expired, used, replaced or revoked, at equal cost; where somebody else
    /// accepts who may not; and where the user is a tenant's last administrator, and would not be one with what the invitation gives.
    pub fn accept_invitation(&self, call: &Call<'_>, body: &Value) -> Result<Arc<Account>, Refusal> {
        let about = About { action: "accept_invitation", resource_type: "invitation", id: "", user: "" };
        self.change(call, about, |scene| {
            scene.known_actor()?;
            let members = object(body)?;
            let Some(Value::String(token)) = members.get("token") else {
                return Err(Refusal::problem("/token", "is required: the token of the link"));
            };
            let invitation = Self::checked_link(scene, token)?;
            scene.concerns(&invitation.user, &invitation.id);
            let before = scene.account(&invitation.user)?;
            let mut after = Account::clone(before);
            let mut reader = reader(scene)?;
            reader.read(members, Purpose::Accept, &ACCEPTING, &mut after);
            if !reader.problems.is_empty() {
                return Err(Refusal::Invalid(reader.problems));
            }
            if invitation.joins {
                // Whoever lets its account be named by a letter does not change it.
                after = scene.joined(before, invitation.tenant.as_deref(), invitation.given.clone())?;
            } else if after.status == Status::Invited {
                after.status = Status::Active;
            }
            let policies = Self::permit_acceptance(scene, invitation, before, &after)?;
            // Whoever has sent the invitation may have been another administrator then, and is none by now.
            scene.keep_administrators(before, &after)?;
            let after = scene.changed(after);
            let mut accepted = Invitation::clone(invitation);
            accepted.outcome = Outcome::Accepted;
            (accepted.closed, accepted.letter) = (Some(scene.now()), None);
            accepted.version += 1;
            let (old, new) = difference(&to_json(before), &to_json(&after));
            Ok(Plan {
                before: Some(old),
                after: Some(new),
                tenant: accepted.tenant.clone(),
                made: Some((after.id.clone(), accepted.id.clone())),
                steps: vec![Step::Account(Arc::clone(&after)), Step::Invitation(Arc::new(accepted))],
                ..Plan::look(policies, after)
            })
        })
    }

    /// Whoever has the link comes in as who is invited, by the word of the application, an operator or its own. Somebody else who is
    /// named gives all that the invitation gives, and is asked as if it was sent anew.
    fn permit_acceptance(
        scene: &Scene<'_>,
        invitation: &Invitation,
        before: &Account,
        after: &Account,
    ) -> Result<Vec<String>, Refusal> {
        match scene.call.actor {
            Actor::User(id) if id != invitation.user => {
                let mut promised = scene.promised(&invitation.user);
                promised.retain(|other| other.id != invitation.id);
                let tenant = invitation.tenant.as_deref().or(scene.call.tenant);
                scene.permit_beside(Operation::ChangeInvitation, tenant, (Some(before), Some(after)), &promised)
            }
            Actor::User(_) | Actor::Operator(_) | Actor::Application(_) => Ok(Vec::new()),
        }
    }

    /// The invitation of a link that counts. What is done does not depend on what is wrong.
    fn checked_link<'s>(scene: &Scene<'s>, token: &str) -> Result<&'s Arc<Invitation>, Refusal> {
        let (id, secret) = token.split_once('.').unwrap_or((token, ""));
        let given = link::hash(secret);
        let found = scene.book.invitation(id);
        // Whoever has no invitation is compared with one that there is not.
        let expected = found.map_or([0; 32], |invitation| invitation.secret);
        let counts = link::is_equal(&given, &expected) & found.is_some();
        let spent = found.map_or(&[][..], |invitation| &invitation.spent);
        // However many links were replaced, and whether there is an invitation at all, as many are compared.
        let replaced = (0..MOST_SPENT).fold(false, |any, index| {
            let old = spent.get(index);
            any | (link::is_equal(&given, old.unwrap_or(&[0; 32])) & old.is_some())
        });
        let refused = |code, message| Err(Refusal::Link { code, message });
        let Some(invitation) = found.filter(|_| counts || replaced) else {
            return refused("invitation_unknown", "this link is of no invitation");
        };
        match invitation.outcome {
            Outcome::Revoked => refused("invitation_revoked", "the invitation was taken back"),
            Outcome::Accepted => refused("invitation_used", "the invitation was accepted before"),
            Outcome::Open if replaced => {
                refused("invitation_replaced", "the invitation was sent again: the newer link counts")
            }
            Outcome::Open if !invitation.is_open(scene.now()) => {
                refused("invitation_expired", "the invitation has expired: ask for it to be sent again")
            }
            Outcome::Open => Ok(invitation),
        }
    }
}
