//! Who may read the log, and who may be named in what is reported to it.

use super::{
    Directory,
    call::{Call, Refusal},
    role::Lens,
    scene::Scene,
    service::{About, Plan},
};
use crate::{
    model::{Membership, Status, User},
    policy::{self, Operation},
};

impl Directory {
    /// Lets whoever acts read the log, or says why not. Gives the tenant whose records are shown; none where there are no tenants, and for
    /// operators who name none.
    ///
    /// # Errors
    /// Fails where the actor may not, or may not look at all users of whom the log tells.
    pub fn begin_log(&self, call: &Call<'_>) -> Result<Option<String>, Refusal> {
        let about = About { action: "read_log", resource_type: "log", id: "", user: "" };
        self.ask(call, about, |scene| {
            scene.known_actor()?;
            let tenant = scene.shown_tenant()?.map(str::to_owned);
            let policies = scene.permit(Operation::Log, None, None)?;
            if !scene.is_operator() {
                scene.sees_everybody(tenant.as_deref())?;
            }
            Ok(Plan { tenant: tenant.clone(), ..Plan::look(policies, tenant) })
        })
    }

    /// Refuses an actor whom nobody knows. A policy set of plain Cedar keeps no users here: there anybody may be named.
    ///
    /// # Errors
    /// Fails where there is no such user.
    pub fn knows_actor(&self, call: &Call<'_>) -> Result<(), Refusal> {
        self.look(call, |scene| match Lens::new(scene.snapshot, scene.book.roles()) {
            Some(_) => scene.known_actor(),
            None => Ok(()),
        })
    }
}

impl Scene<'_> {
    /// Refuses whoever may look at some users only: records tell of all of them, of those as well who are gone by now.
    fn sees_everybody(&self, tenant: Option<&str>) -> Result<(), Refusal> {
        let families = self.snapshot.catalog.families.iter().map(|family| Some(family.id.clone()));
        let mut families = families.chain(self.snapshot.catalog.families.is_empty().then_some(None));
        let of = |family| self.sees(&somebody(family, tenant));
        if policy::is_seen_by_standing(self.snapshot) && families.all(of) {
            return Ok(());
        }
        let message = "the log tells of all users, and the policies let the actor look at some of them only";
        Err(Refusal::forbidden("log_of_others", message))
    }
}

/// Somebody of a family who has nothing.
fn somebody(family: Option<String>, tenant: Option<&str>) -> User {
    User {
        id: String::new(),
        name: None,
        email: None,
        status: Status::Active,
        until: None,
        family,
        attributes: Vec::new(),
        memberships: vec![Membership {
            tenant: tenant.map(str::to_owned),
            assignments: Vec::new(),
            values: Vec::new(),
        }],
    }
}
