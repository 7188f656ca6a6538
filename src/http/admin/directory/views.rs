//! What the directory's answers show.

use crate::{
    directory::{Account, Found, Given, GivenKind, Invitation, Place, Session},
    model::{Assignment, AssignmentKind, GivenValue, Membership, Timestamp, User},
    policy::value_json,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A user of the directory, or one that the policy set declares.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "User")]
pub(super) struct UserView {
    id: String,
    /// The name to show.
    name: String,
    email: Option<String>,
    first_name: Option<String>,
    middle_name: Option<String>,
    last_name: Option<String>,
    /// `F`, `M` or `U`.
    gender: Option<&'static str>,
    phone: Option<String>,
    job: Option<String>,
    language: Option<String>,
    /// `invited`, `active` or `suspended`.
    status: &'static str,
    /// The family of users, where the policy set has families.
    family: Option<String>,
    /// Attributes that hold one value; those that hold several are given in `assignments`.
    attributes: Map<String, Value>,
    /// Whether the policy set declares the user: such a user is changed in git alone.
    declared: bool,
    /// What the user was given, tenant by tenant.
    assignments: Vec<PlaceView>,
    /// The first login that an application has reported.
    first_login: Option<String>,
    last_login: Option<String>,
    created: Option<String>,
    updated: Option<String>,
    /// Grows with every change; the `ETag`. A declared user has none.
    version: Option<u64>,
}

/// What a user was given in one tenant.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Assignments")]
pub(super) struct PlaceView {
    /// The tenant; none in a policy set without tenants.
    tenant: Option<String>,
    roles: Vec<RoleView>,
    /// Levels by module.
    grants: BTreeMap<String, LevelView>,
    gates: Vec<GateView>,
    /// Values of attributes that hold several, such as channels.
    attributes: BTreeMap<String, Vec<ValueView>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GivenRole")]
struct RoleView {
    role: String,
    #[serde(flatten)]
    how: HowView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GivenLevel")]
struct LevelView {
    level: String,
    #[serde(flatten)]
    how: HowView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GivenGate")]
struct GateView {
    gate: String,
    #[serde(flatten)]
    how: HowView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GivenValue")]
struct ValueView {
    value: Value,
    #[serde(flatten)]
    how: HowView,
}

/// Until when, why, by whom and when something was given.
#[derive(Debug, Serialize, JsonSchema)]
struct HowView {
    /// From when on it no longer counts.
    until: Option<String>,
    why: Option<String>,
    /// Who gave it; none for what the policy set declares.
    by: Option<String>,
    at: Option<String>,
}

/// A page of users.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserPage")]
pub(super) struct UserPageView {
    pub(super) items: Vec<UserView>,
    /// Where the next page begins; absent where nothing follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// What a user was given, in all tenants or in one.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AssignmentsPage")]
pub(super) struct PlacesView {
    pub(super) items: Vec<PlaceView>,
}

/// An invitation. Its link is in the letter, and nowhere else.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Invitation")]
pub(super) struct InvitationView {
    id: String,
    email: String,
    /// The user that it is for.
    user: String,
    /// Whether the user was there before, and just joins.
    joins: bool,
    tenant: Option<String>,
    /// `open`, `accepted`, `revoked` or `expired`.
    state: &'static str,
    /// What a user who was there before gets on accepting. Whoever is new has it already and is denied until then.
    assignments: Option<PlaceView>,
    /// Who invited.
    by: String,
    created: String,
    expires: String,
    /// When it was accepted or revoked.
    closed: Option<String>,
    /// When the last letter went out.
    mailed: Option<String>,
    /// What became of a letter that has not gone out.
    mail_error: Option<String>,
    /// Grows with every change; the `ETag`.
    version: u64,
}

/// A page of invitations, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InvitationPage")]
pub(super) struct InvitationPageView {
    pub(super) items: Vec<InvitationView>,
    /// Where the next page begins; absent where nothing follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// A session that an application has reported.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub(super) struct SessionView {
    id: String,
    user: String,
    tenant: Option<String>,
    start: String,
    /// The last sign of life.
    seen: String,
    end: Option<String>,
    /// `logout`, `idle`, `suspended`, `deleted`, `removed` or `administrator`.
    ended: Option<&'static str>,
    /// How long it lasted, or has lasted so far.
    seconds: f64,
    address: Option<String>,
    agent: Option<String>,
}

/// A page of sessions, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SessionPage")]
pub(super) struct SessionPageView {
    pub(super) items: Vec<SessionView>,
    /// Where the next page begins; absent where nothing follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

fn text(time: Timestamp) -> String {
    time.to_string()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl From<&Account> for UserView {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.clone(),
            name: account.display_name(),
            email: Some(account.email.clone()),
            first_name: some(&account.first_name),
            middle_name: account.middle_name.clone(),
            last_name: some(&account.last_name),
            gender: account.gender.map(|gender| match gender {
                crate::directory::Gender::F => "F",
                crate::directory::Gender::M => "M",
                crate::directory::Gender::U => "U",
            }),
            phone: account.phone.clone(),
            job: account.job.clone(),
            language: Some(account.language.clone()),
            status: account.status.as_str(),
            family: account.family.clone(),
            attributes: account.attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            declared: false,
            assignments: account.places.iter().map(PlaceView::from).collect(),
            first_login: account.first_login.map(text),
            last_login: account.last_login.map(text),
            created: Some(text(account.created)),
            updated: Some(text(account.updated)),
            version: Some(account.version),
        }
    }
}

impl From<&Found> for UserView {
    fn from(found: &Found) -> Self {
        match found {
            Found::Account(account) => Self::from(&**account),
            Found::Declared(user, logins) => Self {
                first_login: logins.map(|logins| text(logins.first)),
                last_login: logins.map(|logins| text(logins.last)),
                ..Self::from(&**user)
            },
        }
    }
}

/// A declared user.
impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.clone(),
            name: user.name.clone().unwrap_or_else(|| user.id.clone()),
            email: user.email.clone(),
            first_name: None,
            middle_name: None,
            last_name: None,
            gender: None,
            phone: None,
            job: None,
            language: None,
            status: user.status.as_str(),
            family: user.family.clone(),
            attributes: user.attributes.iter().map(|(name, value)| (name.clone(), value_json(value))).collect(),
            declared: true,
            assignments: user.memberships.iter().map(PlaceView::from).collect(),
            first_login: None,
            last_login: None,
            created: None,
            updated: None,
            version: None,
        }
    }
}

impl From<&Found> for PlacesView {
    fn from(found: &Found) -> Self {
        Self { items: UserView::from(found).assignments }
    }
}

impl PlacesView {
    /// Leaves those of one tenant.
    pub(super) fn only(mut self, tenant: Option<&str>) -> Self {
        self.items.retain(|place| tenant.is_none() || place.tenant.as_deref() == tenant);
        self
    }
}

impl PlaceView {
    fn role(&mut self, name: &str, how: HowView) {
        self.roles.push(RoleView { role: name.to_owned(), how });
    }

    fn gate(&mut self, name: &str, how: HowView) {
        self.gates.push(GateView { gate: name.to_owned(), how });
    }

    /// A grant is named `module/level`.
    fn grant(&mut self, name: &str, how: HowView) {
        let (module, level) = name.rsplit_once('/').unwrap_or((name, ""));
        self.grants.insert(module.to_owned(), LevelView { level: level.to_owned(), how });
    }

    fn value(&mut self, attribute: &str, value: Value, how: HowView) {
        self.attributes.entry(attribute.to_owned()).or_default().push(ValueView { value, how });
    }
}

impl From<&Place> for PlaceView {
    fn from(place: &Place) -> Self {
        let mut view = Self { tenant: place.tenant.clone(), ..Self::default() };
        for given in &place.given {
            let how = HowView::from(given);
            match given.kind {
                GivenKind::Role => view.role(&given.name, how),
                GivenKind::Grant => view.grant(&given.name, how),
                GivenKind::Gate => view.gate(&given.name, how),
                GivenKind::Value => view.value(&given.name, given.value.clone().unwrap_or_default(), how),
            }
        }
        view
    }
}

impl From<&Membership> for PlaceView {
    fn from(membership: &Membership) -> Self {
        let mut view = Self { tenant: membership.tenant.clone(), ..Self::default() };
        for Assignment { kind, name, until, why } in &membership.assignments {
            let how = HowView { until: until.map(text), why: why.clone(), by: None, at: None };
            match kind {
                AssignmentKind::Role => view.role(name, how),
                AssignmentKind::Grant => view.grant(name, how),
                AssignmentKind::Gate => view.gate(name, how),
            }
        }
        for GivenValue { attribute, value, until, why } in &membership.values {
            let how = HowView { until: until.map(text), why: why.clone(), by: None, at: None };
            view.value(attribute, value_json(value), how);
        }
        view
    }
}

impl From<&Given> for HowView {
    fn from(given: &Given) -> Self {
        Self {
            until: given.until.map(text),
            why: given.why.clone(),
            by: Some(given.by.clone()),
            at: Some(text(given.at)),
        }
    }
}

impl InvitationView {
    /// As it stands at a time.
    pub(super) fn new(invitation: &Invitation, now: Timestamp) -> Self {
        let (tenant, given) = (invitation.tenant.clone(), invitation.given.clone());
        let place = Place { tenant, given, left: false };
        Self {
            id: invitation.id.clone(),
            email: invitation.email.clone(),
            user: invitation.user.clone(),
            joins: invitation.joins,
            tenant: invitation.tenant.clone(),
            state: invitation.state(now),
            assignments: invitation.joins.then(|| PlaceView::from(&place)),
            by: invitation.by.clone(),
            created: text(invitation.created),
            expires: text(invitation.expires),
            closed: invitation.closed.map(text),
            mailed: invitation.mailed.map(text),
            mail_error: invitation.letter.as_ref().and_then(|letter| letter.error.clone()),
            version: invitation.version,
        }
    }
}

impl SessionView {
    /// As it stands at a time.
    pub(super) fn new(session: &Session, now: Timestamp) -> Self {
        Self {
            id: session.id.clone(),
            user: session.user.clone(),
            tenant: session.tenant.clone(),
            start: text(session.start),
            seen: text(session.seen),
            end: session.end.map(text),
            ended: session.ended.map(crate::directory::Ended::as_str),
            seconds: session.seconds(now),
            address: session.address.clone(),
            agent: session.agent.clone(),
        }
    }
}
