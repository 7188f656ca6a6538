//! Users into files: a stretch at a time, so that neither memory nor anybody's wait grows with the directory.

use super::{Form, write::UserWriter};
use crate::{
    directory::{
        Account, Directory, Refusal,
        call::{Actor, Call},
        scene::{Scene, to_json},
        service::{About, Plan},
    },
    engine::Tenancy,
    policy::Operation,
};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    sync::Arc,
};

/// Users that are looked at in one go.
const STRETCH: usize = 500;

/// Why an export ends early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What decides has changed its mind meanwhile, or the policies are gone.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Whoever takes it has gone, or its disk is full.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

impl Directory {
    /// Lets users be exported, or says why not. To be asked before [`Self::export`].
    ///
    /// # Errors
    /// Fails where the actor may not.
    pub fn begin_export(&self, call: &Call<'_>, form: Form) -> Result<(), Refusal> {
        let about = About { action: "export_users", resource_type: "user", id: "", user: "" };
        self.ask(call, about, |scene| {
            let policies = scene.permit(Operation::Export, None, None)?;
            scene.shown_tenant()?;
            let context = Some(json!({ "format": form.as_str() }));
            Ok(Plan { context, ..Plan::look(policies, ()) })
        })
    }

    /// Writes every user of the directory that the actor may see, in order of the ids. Tells how many. Where the call names a tenant, only
    /// its users are written, and what they have there.
    ///
    /// # Errors
    /// Fails where it cannot be written.
    pub fn export(&self, call: &Call<'_>, form: Form, out: &mut dyn Write) -> Result<u64, ExportError> {
        let mut writer = UserWriter::new(form, out)?;
        let (mut written, mut after): (u64, Option<String>) = (0, None);
        loop {
            let (users, next) = self.look(call, |scene| stretch(scene, after.as_deref()))?;
            for user in users {
                writer.write(&user)?;
                written += 1;
            }
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        writer.finish()?;
        Ok(written)
    }
}

/// The next users behind an id, and where to go on.
fn stretch(scene: &Scene<'_>, after: Option<&str>) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let tenant = scene.shown_tenant()?;
    let lens = scene.lens()?;
    let mut accounts = scene.book.users_behind(after);
    let (mut users, mut last) = (Vec::new(), None);
    for account in accounts.by_ref().take(STRETCH) {
        last = Some(account.id.clone());
        let hidden = tenant.is_some() && account.place(tenant).is_none();
        // What git declares counts, and is in git.
        if hidden || scene.subjects.is_declared(&account.id) {
            continue;
        }
        if scene.permit_users(Operation::Export, Some(&account.to_user(lens)), None).is_ok() {
            users.push(to_json(&seen_from(account, tenant)));
        }
    }
    let next = if accounts.next().is_some() { last } else { None };
    Ok((users, next))
}

/// An account with nothing but what it has in a tenant, where one is given.
fn seen_from(account: &Arc<Account>, tenant: Option<&str>) -> Account {
    let mut account = Account::clone(account);
    if tenant.is_some() {
        account.places.retain(|place| place.tenant.as_deref() == tenant);
    }
    account
}

impl<'s> Scene<'s> {
    /// The tenant that is looked at: a user looks at one, an operator at all or at one.
    pub(in crate::directory) fn shown_tenant(&self) -> Result<Option<&'s str>, Refusal> {
        match (self.call.actor, self.vocabulary()?.tenancy) {
            (Actor::User(_), Tenancy::Required) => self.tenant_of_change(),
            _ => self.tenant(),
        }
    }
}
