//! A user of the directory as it is bound: what decisions need is worked out at once, and the rest when somebody asks for it.

use super::{Account, role::KeptLens};
use crate::{
    engine::{Binder, BoundUser, Origin},
    model::User,
};
use std::sync::{Arc, OnceLock};

/// Where a bound user of the directory comes from. Most users are only ever decided about: as policies see it a user is made when it is
/// first asked for, and kept from then on.
#[derive(Debug)]
struct Member {
    account: Arc<Account>,
    lens: Arc<KeptLens>,
    user: OnceLock<Box<User>>,
}

impl Origin for Member {
    fn user(&self) -> &User {
        self.user.get_or_init(|| Box::new(self.account.to_user(self.lens.lens())))
    }
}

/// Binds a user of the directory, looked at through a lens.
pub(super) fn bind(binder: &mut Binder<'_>, account: &Arc<Account>, lens: &Arc<KeptLens>) -> BoundUser {
    let user = account.to_user(lens.lens());
    let (account, lens) = (Arc::clone(account), Arc::clone(lens));
    binder.bind_of(&user, Arc::new(Member { account, lens, user: OnceLock::new() }))
}
