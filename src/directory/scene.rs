//! What a call meets: the directory and the policies as they are, with nobody else changing anything.

use super::{
    Account, Found, Invitation, Subjects,
    account::{Given, GivenKind, Place},
    book::Book,
    call::{Actor, Call, Denied, Refusal, Seen},
    role::Lens,
};
use crate::{
    engine::{BoundUser, Tenancy, Vocabulary},
    model::{Membership, Timestamp, User},
    policy::{self, Deed, Judge, Operation, Snapshot, Verdict},
};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, sync::Arc};

/// See the module.
#[derive(Debug)]
pub(super) struct Scene<'s> {
    pub(super) book: &'s Book,
    pub(super) snapshot: &'s Snapshot,
    pub(super) subjects: &'s Subjects,
    pub(super) call: &'s Call<'s>,
    judge: Judge<'s>,
    /// Users as the call has changed them so far, where it changes several.
    pending: RefCell<Pending>,
    /// The user and the id that the call has turned out to be about.
    concerned: RefCell<Option<(String, String)>>,
}

/// Users as a call has changed them so far.
pub(super) type Pending = BTreeMap<String, User>;

impl<'s> Scene<'s> {
    pub(super) fn new(book: &'s Book, snapshot: &'s Snapshot, subjects: &'s Subjects, call: &'s Call<'s>) -> Self {
        let (pending, concerned) = (RefCell::default(), RefCell::default());
        Self { book, snapshot, subjects, call, judge: Judge::new(snapshot), pending, concerned }
    }

    /// The same after these changes.
    pub(super) fn after(self, pending: Pending) -> Self {
        Self { pending: RefCell::new(pending), ..self }
    }

    /// The changes so far, for the next scene of the same call.
    pub(super) fn into_pending(self) -> Pending {
        self.pending.into_inner()
    }

    /// Goes on as if this user had been changed already.
    pub(super) fn assume(&self, user: User) {
        self.pending.borrow_mut().insert(user.id.clone(), user);
    }

    /// Says whom and what the call is about, where its address does not: its record names them, also where it is refused.
    pub(super) fn concerns(&self, user: &str, id: &str) {
        *self.concerned.borrow_mut() = Some((user.to_owned(), id.to_owned()));
    }

    /// Whom and what the call has turned out to be about.
    pub(super) fn concerned(&self) -> Option<(String, String)> {
        self.concerned.take()
    }

    pub(super) const fn now(&self) -> Timestamp {
        self.call.now
    }

    /// What the policy set declares.
    pub(super) fn vocabulary(&self) -> Result<&'s Vocabulary, Refusal> {
        Ok(self.lens()?.vocabulary)
    }

    /// How accounts look to policies.
    pub(super) fn lens(&self) -> Result<Lens<'s>, Refusal> {
        Lens::new(self.snapshot, self.book.roles()).ok_or_else(|| {
            let message =
                "a policy set of plain Cedar keeps its users in its entities: there is no directory beside it";
            Refusal::conflict("no_directory", message)
        })
    }

    /// A user of the directory, to be changed.
    pub(super) fn account(&self, id: &str) -> Result<&'s Arc<Account>, Refusal> {
        match self.book.user(id) {
            // What git declares counts, and git alone changes it.
            _ if self.subjects.is_declared(id) => {
                let message = format!("`{id}` is declared in the policy set: change it in git");
                Err(Refusal::conflict("user_declared", message))
            }
            Some(account) => Ok(account),
            None => Err(Refusal::no_user(id)),
        }
    }

    /// Refuses a change of what the caller has not seen.
    pub(super) fn expect(&self, version: u64) -> Result<(), Refusal> {
        match self.call.if_match {
            Some(seen @ Seen::Version(known)) if known != version => Err(Refusal::Changed { now: Some(version), seen }),
            _ => Ok(()),
        }
    }

    /// The tenant of a call: the one that it names, where there is one by that name.
    pub(super) fn tenant(&self) -> Result<Option<&'s str>, Refusal> {
        let vocabulary = self.vocabulary()?;
        match (self.call.tenant, vocabulary.tenancy, &vocabulary.tenants) {
            (Some(_), Tenancy::None, _) => {
                Err(Refusal::problem("/tenant", "this policy set has no tenants: leave the tenant out"))
            }
            (Some(tenant), Tenancy::Required, Some(known)) if !known.iter().any(|name| name == tenant) => {
                Err(Refusal::NotFound { what: "tenant", id: tenant.to_owned() })
            }
            (tenant, _, _) => Ok(tenant),
        }
    }

    /// The tenant of a call that gives or takes: where there are tenants, it has to be named, unless the actor has one alone.
    pub(super) fn tenant_of_change(&self) -> Result<Option<&'s str>, Refusal> {
        let tenancy = self.vocabulary()?.tenancy;
        match (self.tenant()?, tenancy) {
            (None, Tenancy::Required) => self.only_tenant().map(Some).ok_or_else(|| {
                Refusal::problem("/tenant", "what is given counts in one tenant: name it as the parameter `tenant`")
            }),
            (tenant, _) => Ok(tenant),
        }
    }

    /// The tenant of a call that creates, where it has one.
    pub(super) fn tenant_of_creation(&self) -> Result<Option<&'s str>, Refusal> {
        match (self.tenant()?, self.vocabulary()?.tenancy) {
            (None, Tenancy::Required) => Ok(self.only_tenant()),
            (tenant, _) => Ok(tenant),
        }
    }

    /// The tenant in which a call counts: the one that it names, or the only one of whoever acts.
    pub(super) fn home(&self) -> Option<&'s str> {
        let has_tenants = || self.vocabulary().is_ok_and(|known| known.tenancy == Tenancy::Required);
        self.call.tenant.or_else(|| if has_tenants() { self.only_tenant() } else { None })
    }

    /// The one tenant of the acting user.
    fn only_tenant(&self) -> Option<&'s str> {
        let Actor::User(id) = self.call.actor else { return None };
        match self.subjects.find(id)?.user().memberships.as_slice() {
            [only] => only.tenant.as_deref(),
            _ => None,
        }
    }

    /// Lets a deed be done, or says why not. Gives the policies that allowed it.
    pub(super) fn permit(
        &self,
        operation: Operation,
        before: Option<&Account>,
        after: Option<&Account>,
    ) -> Result<Vec<String>, Refusal> {
        let promised = after.map_or_else(Vec::new, |after| self.promised(&after.id));
        self.permit_beside(operation, self.call.tenant, (before, after), &promised)
    }

    /// The same in a tenant, beside what the user has been promised.
    pub(super) fn permit_beside(
        &self,
        operation: Operation,
        tenant: Option<&str>,
        (before, after): (Option<&Account>, Option<&Account>),
        promised: &[&Invitation],
    ) -> Result<Vec<String>, Refusal> {
        let lens = self.lens()?;
        let user = |account: &Account| account.to_user(lens);
        let promised = memberships(promised, lens);
        let (before, after) = (before.map(user), after.map(user));
        let (before, after) = (before.as_ref(), after.as_ref());
        self.judged(Deed { operation, tenant, before, after, promised: &promised, time: self.now() })
    }

    /// The same for users as policies see them.
    pub(super) fn permit_users(
        &self,
        operation: Operation,
        before: Option<&User>,
        after: Option<&User>,
    ) -> Result<Vec<String>, Refusal> {
        self.permit_users_beside(operation, before, after, &[])
    }

    /// The same beside what the user has been promised.
    pub(super) fn permit_users_beside(
        &self,
        operation: Operation,
        before: Option<&User>,
        after: Option<&User>,
        promised: &[Membership],
    ) -> Result<Vec<String>, Refusal> {
        self.judged(Deed { operation, tenant: self.call.tenant, before, after, promised, time: self.now() })
    }

    /// Refuses what nobody is asked about where it would leave a tenant without an administrator.
    pub(super) fn keep_administrators(&self, before: &Account, after: &Account) -> Result<(), Refusal> {
        let lens = self.lens()?;
        let (before, after) = (before.to_user(lens), after.to_user(lens));
        let (operation, tenant, time) = (Operation::Assign, self.call.tenant, self.now());
        let deed = Deed { operation, tenant, before: Some(&before), after: Some(&after), promised: &[], time };
        let others = |tenant: Option<&str>, end| self.administrators_beside(Some(&before.id), tenant, end);
        found(policy::last_administrator(self.snapshot, &deed, &others)).map(drop)
    }

    fn judged(&self, deed: Deed<'_>) -> Result<Vec<String>, Refusal> {
        let concerned = deed.before.or(deed.after).map(|user| user.id.as_str());
        let others = |tenant: Option<&str>, end| self.administrators_beside(concerned, tenant, end);
        let verdict = match self.call.actor {
            Actor::Operator(_) => policy::last_administrator(self.snapshot, &deed, &others),
            Actor::Application(_) => return Err(Refusal::no_actor()),
            Actor::User(id) => Some(self.judge.judge(self.actor(id)?, &deed, &others)),
        };
        found(verdict)
    }

    /// Open invitations that give something to a user who is there already: accepting is asked of nobody else.
    pub(super) fn promised(&self, user: &str) -> Vec<&'s Invitation> {
        let invitations = self.book.invitations_of(user).map(|invitation| &**invitation);
        invitations.filter(|invitation| invitation.joins && invitation.is_open(self.now())).collect()
    }

    /// Whether the actor may look at a user.
    pub(super) fn sees(&self, user: &User) -> bool {
        self.permit_users(Operation::Read, Some(user), None).is_ok()
    }

    /// Whether the actor may look at a user in a tenant; in that of the call where there is none.
    pub(super) fn sees_in(&self, tenant: Option<&str>, user: &User) -> bool {
        self.is_operator() || self.permit_in(tenant, Operation::Read, user).is_ok()
    }

    /// Lets something be done to a user that changes nothing about it, in a tenant; in that of the call where there is none.
    pub(super) fn permit_in(
        &self,
        tenant: Option<&str>,
        operation: Operation,
        user: &User,
    ) -> Result<Vec<String>, Refusal> {
        let tenant = tenant.or(self.call.tenant);
        self.judged(Deed { operation, tenant, before: Some(user), after: None, promised: &[], time: self.now() })
    }

    /// Refuses a report in the name of somebody whom nobody knows.
    pub(super) fn known_actor(&self) -> Result<(), Refusal> {
        match self.call.actor {
            Actor::User(id) => self.actor(id).map(drop),
            Actor::Operator(_) | Actor::Application(_) => Ok(()),
        }
    }

    /// A user with what it was given in those tenants in which the actor may look at it.
    pub(super) fn shown(&self, found: Found) -> Found {
        let Ok(lens) = self.lens() else { return found };
        match found {
            Found::Account(account) if account.places.len() > 1 && !self.is_operator() => {
                let user = account.to_user(lens);
                let mut shown = Account::clone(&account);
                shown.places.retain(|place| self.sees_in(place.tenant.as_deref(), &user));
                Found::Account(Arc::new(shown))
            }
            Found::Declared(user, logins) if user.memberships.len() > 1 && !self.is_operator() => {
                let mut shown = User::clone(&user);
                shown.memberships.retain(|one| self.sees_in(one.tenant.as_deref(), &user));
                Found::Declared(Arc::new(shown), logins)
            }
            found => found,
        }
    }

    /// The same of an account.
    pub(super) fn shown_account(&self, account: Arc<Account>) -> Arc<Account> {
        match self.shown(Found::Account(account)) {
            Found::Account(account) => account,
            // What goes in as the one comes out as the one.
            Found::Declared(user, _) => Arc::new(Account { id: user.id.clone(), ..Account::blank("", "", self.now()) }),
        }
    }

    pub(super) fn actor(&self, id: &str) -> Result<&'s BoundUser, Refusal> {
        self.subjects
            .find(id)
            .ok_or_else(|| Refusal::forbidden("actor_unknown", format!("no user `{id}`, who is said to act")))
    }

    /// How many others administer a tenant, now and up to an end.
    fn administrators_beside(&self, concerned: Option<&str>, tenant: Option<&str>, end: Option<Timestamp>) -> usize {
        let pending = self.pending.borrow();
        let Ok(lens) = self.lens() else { return 0 };
        let declared = self.snapshot.users.iter().map(|user| Cow::Borrowed(&**user));
        // Users of the directory are many, and hardly one is an administrator.
        let own = self.book.users().filter(|account| self.may_administer(account, lens));
        let own = own.filter(|account| !self.subjects.is_declared(&account.id));
        let known = declared.chain(own.map(|account| Cow::Owned(account.to_user(lens))));
        let known = known.filter(|user| !pending.contains_key(&user.id));
        let others =
            known.chain(pending.values().map(Cow::Borrowed)).filter(|user| Some(user.id.as_str()) != concerned);
        others.filter(|user| policy::is_administrator_until(self.snapshot, user, tenant, self.now(), end)).count()
    }

    /// Whether somebody may be an administrator of some tenant, told by what was given alone.
    fn may_administer(&self, account: &Account, lens: Lens<'_>) -> bool {
        let makes = |given: &Given| {
            given.kind.assigned().is_some_and(|kind| policy::makes_administrator(self.snapshot, kind, &given.name))
        };
        let mut given = account.places.iter().flat_map(|place| &place.given);
        given.any(|given| makes(given) || lens.custom_role(&given.name).is_some())
    }
}

/// What invitations promise, as policies see it.
pub(super) fn memberships(promised: &[&Invitation], lens: Lens<'_>) -> Vec<Membership> {
    promised.iter().flat_map(|promised| promised.promise().to_user(lens).memberships).collect()
}

/// The policies that allowed a deed, or why it may not be done.
fn found(verdict: Option<Verdict>) -> Result<Vec<String>, Refusal> {
    match verdict {
        Some(Verdict { allowed: false, code, message, policies, what }) => Err(Refusal::Forbidden {
            code: code.to_owned(),
            message,
            policies,
            what: what.map(|what| Box::new(Denied { what, pointer: String::new() })),
        }),
        Some(Verdict { policies, .. }) => Ok(policies),
        None => Ok(Vec::new()),
    }
}

/// A user as records and exports show it.
pub(super) fn to_json(account: &Account) -> Value {
    let time = |time: Timestamp| Value::from(time.to_string());
    let mut shown = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    };
    let text = |text: &str| Some(Value::from(text)).filter(|_| !text.is_empty());
    put("id", text(&account.id));
    put("email", text(&account.email));
    put("first_name", text(&account.first_name));
    put("middle_name", account.middle_name.as_deref().and_then(text));
    put("last_name", text(&account.last_name));
    put("gender", account.gender.map(|gender| json!(gender)));
    put("phone", account.phone.as_deref().and_then(text));
    put("job", account.job.as_deref().and_then(text));
    put("language", text(&account.language));
    put("status", text(account.status.as_str()));
    put("family", account.family.as_deref().and_then(text));
    put("attributes", (!account.attributes.is_empty()).then(|| json!(account.attributes)));
    put("assignments", (!account.places.is_empty()).then(|| account.places.iter().map(place_to_json).collect()));
    put("first_login", account.first_login.map(time));
    put("last_login", account.last_login.map(time));
    put("created", Some(time(account.created)));
    put("updated", Some(time(account.updated)));
    shown.into()
}

/// What a user was given in a tenant, as records and exports show it.
pub(super) fn place_to_json(place: &Place) -> Value {
    let of = |kind: GivenKind| place.given.iter().filter(move |given| given.kind == kind);
    let list = |kind| {
        of(kind).map(|given| given_to_json(given, kind.as_str(), given.name.as_str().into())).collect::<Vec<_>>()
    };
    let mut shown = Map::new();
    if let Some(tenant) = &place.tenant {
        shown.insert("tenant".to_owned(), tenant.as_str().into());
    }
    for (name, list) in [("roles", list(GivenKind::Role)), ("gates", list(GivenKind::Gate))] {
        if !list.is_empty() {
            shown.insert(name.to_owned(), list.into());
        }
    }
    let mut grants = Map::new();
    for given in of(GivenKind::Grant) {
        let (module, level) = given.name.rsplit_once('/').unwrap_or((&given.name, ""));
        grants.insert(module.to_owned(), given_to_json(given, "level", level.into()));
    }
    if !grants.is_empty() {
        shown.insert("grants".to_owned(), grants.into());
    }
    let mut attributes = Map::new();
    for given in of(GivenKind::Value) {
        let values = attributes.entry(given.name.clone()).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            values.push(given_to_json(given, "value", given.value.clone().unwrap_or_default()));
        }
    }
    if !attributes.is_empty() {
        shown.insert("attributes".to_owned(), attributes.into());
    }
    shown.into()
}

fn given_to_json(given: &Given, key: &str, name: Value) -> Value {
    let mut shown = Map::new();
    shown.insert(key.to_owned(), name);
    if let Some(until) = given.until {
        shown.insert("until".to_owned(), until.to_string().into());
    }
    if let Some(why) = &given.why {
        shown.insert("why".to_owned(), why.as_str().into());
    }
    shown.insert("by".to_owned(), given.by.as_str().into());
    shown.insert("at".to_owned(), given.at.to_string().into());
    shown.into()
}
