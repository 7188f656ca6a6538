//! The letters of invitations, as the mail service takes them: they wait with their invitations, and their links are made when they go.

use super::{
    Directory,
    account::GivenKind,
    book::{Book, Step},
    invitation::{Invitation, Letter},
};
use crate::{
    mail::{self, Address, Bell, Due, Kind, Link, Queue, QueueError, Unwritten, Values},
    model::Timestamp,
    policy::Snapshot,
};
use std::sync::Arc;

/// What stands for the token in the form of a link.
pub const TOKEN: &str = "{token}";

impl Queue for Directory {
    fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>, QueueError> {
        let Some(policies) = self.0.policies() else { return Ok(Vec::new()) };
        let (snapshot, _) = policies.current();
        let book = self.0.roster.lock();
        let mut waiting: Vec<_> = waiting(&book).filter(|(_, letter)| letter.next <= now).collect();
        waiting.sort_by_key(|(_, letter)| letter.next);
        let due = waiting.into_iter().take(most).map(|(invitation, letter)| Due {
            letter: self.letter(&book, &snapshot, invitation).map_err(|why| unwritten(invitation, why)),
            failures: letter.attempts,
            queued: letter.queued,
        });
        Ok(due.collect())
    }

    fn next(&self) -> Result<Option<Timestamp>, QueueError> {
        Ok(waiting(&self.0.roster.lock()).map(|(_, letter)| letter.next).min())
    }

    fn sent(&self, id: &str, at: Timestamp) -> Result<(), QueueError> {
        self.concluded(id, |invitation, _| Invitation { letter: None, mailed: Some(at), ..invitation })
    }

    fn failed(&self, id: &str, _at: Timestamp, why: &str, next: Option<Timestamp>) -> Result<(), QueueError> {
        self.concluded(id, |invitation, letter| {
            let given_up = next.is_none();
            let next = next.unwrap_or(letter.next);
            let letter =
                Letter { attempts: letter.attempts + 1, next, error: Some(why.to_owned()), given_up, ..letter };
            Invitation { letter: Some(letter), ..invitation }
        })
    }

    fn depth(&self) -> u64 {
        self.0.roster.lock().letters() as u64
    }

    fn bell(&self) -> Bell {
        self.0.bell.clone()
    }
}

impl Directory {
    /// What became of a letter. One whose invitation was sent again or closed meanwhile is nobody's any more.
    fn concluded(&self, id: &str, change: impl FnOnce(Invitation, Letter) -> Invitation) -> Result<(), QueueError> {
        let noted = self.note(|book| {
            let found = waiting(book).find(|(invitation, _)| letter_id(invitation) == id);
            let changed = found.map(|(invitation, letter)| {
                // Whoever has seen the invitation has seen what counts: its version stays.
                change(Invitation::clone(invitation), letter.clone())
            });
            let step = changed.map(|invitation| Step::Invitation(Arc::new(invitation)));
            (step.into_iter().collect(), Vec::new())
        });
        noted.map(drop).map_err(|error| QueueError(Box::new(error)))
    }

    /// Writes a letter, or says why nobody can.
    fn letter(&self, book: &Book, snapshot: &Snapshot, invitation: &Invitation) -> Result<mail::Letter, &'static str> {
        let user = book.user(&invitation.user).ok_or("its user is gone")?;
        let link = Link::new(self.0.options.link.replace(TOKEN, &self.token(invitation)));
        let link = link.ok_or("`directory.invitations.link` makes no address of it")?;
        let address: Address = invitation.email.parse().map_err(|_| "its mail address can no longer be read")?;
        let name = user.display_name();
        let inviter = book.user(&invitation.by).map(|by| by.display_name());
        let declared = || snapshot.users.iter().find(|user| user.id == invitation.by)?.name.clone();
        let given = if invitation.joins {
            invitation.given.as_slice()
        } else {
            user.place(invitation.tenant.as_deref()).map_or(&[][..], |place| &place.given)
        };
        let roles = given.iter().filter(|given| given.kind == GivenKind::Role);
        let label = |id: &str| {
            let role = snapshot.catalog.roles.iter().find(|role| role.id == id);
            role.and_then(|role| role.label.name.clone()).unwrap_or_else(|| id.to_owned())
        };
        Ok(mail::Letter {
            id: letter_id(invitation),
            kind: kind(invitation),
            recipient: user.id.clone(),
            address,
            name: Some(name).filter(|name| *name != user.email),
            language: Some(user.language.clone()),
            values: Values {
                link,
                expires: invitation.expires,
                tenant: invitation.tenant.clone().unwrap_or_else(|| snapshot.name.clone()),
                inviter: inviter.or_else(declared),
                roles: roles.map(|given| label(&given.name)).collect(),
            },
        })
    }
}

const fn kind(invitation: &Invitation) -> Kind {
    if invitation.joins { Kind::InvitationExisting } else { Kind::Invitation }
}

fn unwritten(invitation: &Invitation, why: &'static str) -> Unwritten {
    Unwritten { id: letter_id(invitation), kind: kind(invitation), recipient: invitation.user.clone(), why }
}

/// Another link is another letter.
fn letter_id(invitation: &Invitation) -> String {
    format!("{}-{}", invitation.id, invitation.generation)
}

fn waiting(book: &Book) -> impl Iterator<Item = (&Arc<Invitation>, &Letter)> {
    book.waiting().filter_map(|invitation| Some((invitation, invitation.letter.as_ref()?)))
}
