//! Sessions: reported by applications, looked at by administrators, ended with the user.

use super::{
    Account, Directory, Found,
    book::{Logins, Step},
    call::{Actor, Call, Refusal},
    event::Event,
    link,
    role::Lens,
    scene::Scene,
    service::{About, Plan, Policies},
    session::{Ended, Session},
    store::{self, StoreError},
};
use crate::{
    model::{Status, Timestamp, TraceId, User},
    policy::Operation,
};
use serde_json::{Value, json};
use std::{ops::ControlFlow, sync::Arc, time::Duration};

/// A sign of life is stored where the last one that was is older than this part of the idle time: what a crash takes is no more.
const BEATS: i64 = 4;
/// Sessions that one call looks at, at most: a page may be short, and says where to go on.
const MOST_LOOKED_AT: usize = 20_000;
/// Sessions that are read before they are looked at.
const STRETCH: usize = 512;
/// Sessions of one user that are open at the most: whoever begins another ends the one that has been quiet for longest.
const MOST_OPEN: usize = 100;
/// Sessions that are removed in one go.
const MOST_REMOVED: usize = 1000;

/// What an application says about a login.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// Who logged in.
    pub user: String,
    /// Where from.
    pub address: Option<String>,
    /// With what.
    pub agent: Option<String>,
}

/// Which sessions are asked for.
#[derive(Debug, Clone, Default)]
pub struct SessionQuery {
    /// Of one user.
    pub user: Option<String>,
    /// Open ones, or ended ones.
    pub open: Option<bool>,
    /// That began at this time or later.
    pub from: Option<Timestamp>,
    /// That began before this time.
    pub to: Option<Timestamp>,
    /// Behind this one.
    pub before: Option<String>,
    /// So many at most.
    pub limit: usize,
}

/// Sessions, and where to go on.
#[derive(Debug, Clone, Default)]
pub struct SessionPage {
    /// The newest first.
    pub sessions: Vec<Arc<Session>>,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl Directory {
    /// Takes a login: a session begins, and the user's first and last login are noted.
    ///
    /// # Errors
    /// Fails where there is no such user, it may not act, or somebody else is named who may not report for it.
    pub fn login(&self, call: &Call<'_>, login: &Login) -> Result<Arc<Session>, Refusal> {
        let about = About { action: "login", resource_type: "session", id: "", user: &login.user };
        self.change(call, about, |scene| {
            scene.known_actor()?;
            let tenant = scene.tenant()?;
            let (found, user) = scene.find(&login.user)?;
            let policies = scene.permit_login(&user)?;
            if user.status != Status::Active {
                let message = format!("`{}` is {} and cannot log in", user.id, user.status.as_str());
                return Err(Refusal::conflict("user_not_active", message));
            }
            let session = Arc::new(Session {
                id: link::new_id(scene.now()),
                user: user.id.clone(),
                tenant: tenant.map(str::to_owned),
                start: scene.now(),
                seen: scene.now(),
                end: None,
                ended: None,
                address: login.address.clone(),
                agent: login.agent.clone(),
            });
            let mut steps = vec![Step::Session(Arc::clone(&session)), scene.note_login(&found, &user.id)];
            let mut context = origin(&session);
            if let Some(stale) = scene.session_too_many(&user.id) {
                if let Some(members) = context.as_object_mut() {
                    members.insert("ended".to_owned(), stale.id.as_str().into());
                }
                steps.push(Step::Session(Arc::new(stale.ended(Ended::Idle, scene.now()))));
            }
            let made = Some((session.user.clone(), session.id.clone()));
            Ok(Plan { steps, made, context: Some(context), ..Plan::look(policies, session) })
        })
    }

    /// Takes a login as it was read: [`Self::login`]. One that could not be read is refused and recorded like any other.
    ///
    /// # Errors
    /// Fails with what is wrong with it, and where there is no such user, or it may not act.
    pub fn report_login(&self, call: &Call<'_>, read: Result<Login, Refusal>) -> Result<Arc<Session>, Refusal> {
        match read {
            Ok(login) => self.login(call, &login),
            Err(refusal) => {
                let about = About { action: "login", resource_type: "session", id: "", user: "" };
                self.ask(call, about, |scene| scene.known_actor().and(Err(refusal)))
            }
        }
    }

    /// Takes a sign of life.
    ///
    /// # Errors
    /// Fails where there is no such session, or it has ended.
    pub fn heartbeat(&self, now: Timestamp, id: &str) -> Result<Arc<Session>, Refusal> {
        let not_found = || Refusal::NotFound { what: "open session", id: id.to_owned() };
        let (session, idle) = {
            let book = self.0.roster.lock();
            (Arc::clone(book.session(id).ok_or_else(not_found)?), book.idle())
        };
        if now >= session.idle_end(idle) {
            return Err(not_found());
        }
        let beat = idle.map_or(Duration::from_mins(1).as_micros(), |idle| idle.as_micros());
        let beat = i64::try_from(beat).unwrap_or(i64::MAX) / BEATS;
        if now.as_micros() - session.seen.as_micros() < beat {
            return Ok(session);
        }
        let mut seen = None;
        self.note(|book| {
            // It may have ended meanwhile.
            let session = book.session(id).map(|session| Arc::new(Session { seen: now, ..Session::clone(session) }));
            seen.clone_from(&session);
            (session.map(Step::Session).into_iter().collect(), Vec::new())
        })?;
        seen.ok_or_else(not_found)
    }

    /// Ends a session: a logout that an application reports, or an administrator's doing.
    ///
    /// # Errors
    /// Fails where there is no such session, it has ended, or the actor may not.
    pub fn end_session(&self, call: &Call<'_>, id: &str) -> Result<Arc<Session>, Refusal> {
        let user = self.0.roster.lock().session(id).map(|session| session.user.clone()).unwrap_or_default();
        let by_application = matches!(call.actor, Actor::Application(_));
        let action = if by_application { "logout" } else { "end_session" };
        let about = About { action, resource_type: "session", id, user: &user };
        self.change(call, about, |scene| {
            let session = scene.book.session(id);
            let not_found = || Refusal::NotFound { what: "open session", id: id.to_owned() };
            let session = session.ok_or_else(not_found)?;
            let (how, policies) = if by_application {
                (Ended::Logout, Vec::new())
            } else {
                if !scene.is_of_call(session) {
                    return Err(not_found());
                }
                let (_, user) = scene.find(&session.user)?;
                (Ended::Administrator, scene.permit_in(session.tenant.as_deref(), Operation::EndSession, &user)?)
            };
            let session = Arc::new(session.ended(how, scene.now()));
            let context = Some(json!({ "seconds": session.seconds(scene.now()), "ended": how.as_str() }));
            let (steps, tenant) = (vec![Step::Session(Arc::clone(&session))], session.tenant.clone());
            Ok(Plan { steps, context, tenant, ..Plan::look(policies, session) })
        })
    }

    /// Sessions that the actor may see, the newest first.
    ///
    /// # Errors
    /// Fails where the actor may not list any, or they cannot be read.
    pub fn list_sessions(&self, call: &Call<'_>, query: &SessionQuery) -> Result<SessionPage, Refusal> {
        let user = query.user.as_deref().unwrap_or_default();
        let about = About { action: "list_sessions", resource_type: "session", id: "", user };
        self.ask(call, about, |scene| Ok(Plan::look(scene.permit(Operation::ListSessions, None, None)?, ())))?;
        let mut page = SessionPage::default();
        let (mut before, mut looked_at) = (query.before.clone(), 0);
        loop {
            // The disk is read with nobody waiting for it; what is read is looked at as it is by then.
            let read = self.read_sessions(query, before.as_deref())?;
            before = read.last().map(|last| last.id.clone());
            looked_at += read.len();
            let is_last = read.len() < STRETCH;
            let is_full = self.look(call, |scene| Ok(page.take(scene, query, read)))?;
            if is_full || is_last {
                return Ok(page);
            }
            if looked_at >= MOST_LOOKED_AT {
                page.next = before;
                return Ok(page);
            }
        }
    }

    /// Some sessions behind one, the newest first; fewer than [`STRETCH`] where nothing follows that is asked for.
    fn read_sessions(&self, query: &SessionQuery, before: Option<&str>) -> Result<Vec<Session>, StoreError> {
        let store = &*self.0.store;
        let mut sessions: Vec<Session> = Vec::new();
        let mut take = |session: Session| {
            if query.from.is_some_and(|from| session.start < from) {
                return ControlFlow::Break(());
            }
            sessions.push(session);
            if sessions.len() < STRETCH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let Some(user) = &query.user else {
            let before = before.map(|id| format!("s/{id}"));
            store.back("s/", before.as_deref(), &mut |key, value| Ok(take(store::read(key, value)?)))?;
            return Ok(sessions);
        };
        let prefix = format!("t/{user}/");
        let before = before.map(|id| format!("{prefix}{id}"));
        let mut keys = Vec::new();
        store.back(&prefix, before.as_deref(), &mut |key, _| {
            // Another user's id may begin with this one's and a slash.
            keys.extend(key.strip_prefix(&prefix).filter(|id| !id.contains('/')).map(|id| format!("s/{id}")));
            Ok(if keys.len() < STRETCH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        for key in keys {
            let mut session = None;
            store.each(&key, &mut |key, value| {
                session = Some(store::read(key, value)?);
                Ok(ControlFlow::Break(()))
            })?;
            // One that is gone by now was forgotten, and so are all before it.
            if session.is_none_or(|session| take(session).is_break()) {
                break;
            }
        }
        Ok(sessions)
    }

    /// Ends sessions without a sign of life and those of users who are suspended or gone in the policy set, and forgets those that ended
    /// too long ago. Tells how many.
    ///
    /// # Errors
    /// Fails where the store does.
    pub fn tidy_sessions(&self, now: Timestamp) -> Result<(usize, usize), StoreError> {
        let mut ended = 0;
        let noted = self.note(|book| {
            let idle = book.idle();
            // Nothing is published meanwhile.
            let policies = self.0.policies().map(Policies::current);
            // In a policy set of plain Cedar there are no users that could be gone.
            let subjects = policies.as_ref().filter(|(snapshot, _)| Lens::new(snapshot, book.roles()).is_some());
            let how = |session: &Session| match subjects.map(|(_, subjects)| subjects.find(&session.user)) {
                _ if now >= session.idle_end(idle) => Some((Ended::Idle, session.idle_end(idle))),
                Some(None) => Some((Ended::Deleted, now)),
                Some(Some(user)) if user.status() == Status::Suspended => Some((Ended::Suspended, now)),
                _ => None,
            };
            let gone = book.sessions().filter_map(|session| how(session).map(|(how, at)| session.ended(how, at)));
            let gone: Vec<_> = gone.collect();
            ended = gone.len();
            let events = gone.iter().map(|session| over(session, now)).collect();
            (gone.into_iter().map(|session| Step::Session(Arc::new(session))).collect(), events)
        })?;
        Ok((if noted { ended } else { 0 }, self.forget_sessions(now)?))
    }

    fn forget_sessions(&self, now: Timestamp) -> Result<usize, StoreError> {
        let keep = i64::try_from(self.0.options.session_keep.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp::from_micros(now.as_micros().saturating_sub(keep));
        let mut old = 0;
        self.forget(|store| {
            let mut rows = Vec::new();
            store.each("s/", &mut |key, value| {
                let session: Session = store::read(key, value)?;
                // Ids sort by time: what follows is younger.
                if session.start >= before || old >= MOST_REMOVED {
                    return Ok(ControlFlow::Break(()));
                }
                if session.end.is_some_and(|end| end < before) {
                    old += 1;
                    rows.push((format!("s/{}", session.id), None));
                    rows.push((format!("t/{}/{}", session.user, session.id), None));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(rows)
        })?;
        Ok(old)
    }
}

impl SessionPage {
    /// Takes the sessions that fit and that the actor may see; says whether the page is full.
    fn take(&mut self, scene: &Scene<'_>, query: &SessionQuery, read: Vec<Session>) -> bool {
        for session in read {
            if self.sessions.len() >= query.limit {
                self.next = self.sessions.last().map(|last| last.id.clone());
                return true;
            }
            // The book has the latest sign of life.
            let session = scene.book.session(&session.id).map_or_else(|| Arc::new(session), Arc::clone);
            if query.fits(&session) && scene.sees_session(&session) {
                self.sessions.push(session);
            }
        }
        false
    }
}

impl SessionQuery {
    fn fits(&self, session: &Session) -> bool {
        self.user.as_ref().is_none_or(|user| *user == session.user)
            && self.open.is_none_or(|open| open == session.end.is_none())
            && self.to.is_none_or(|to| session.start < to)
    }
}

impl Scene<'_> {
    /// The first and the last login of a user.
    fn note_login(&self, found: &Found, id: &str) -> Step {
        match found {
            Found::Account(account) => {
                let first_login = account.first_login.or(Some(self.now()));
                let last_login = account.last_login.max(Some(self.now()));
                let account = Account { first_login, last_login, ..Account::clone(account) };
                Step::Account(Arc::new(account))
            }
            Found::Declared(_, known) => {
                let first = known.map_or(self.now(), |known| known.first);
                let last = known.map_or(self.now(), |known| known.last.max(self.now()));
                Step::Logins(id.to_owned(), Logins { first, last })
            }
        }
    }

    /// Lets whoever is named report a login: the user itself, or somebody who may end that session as well.
    fn permit_login(&self, user: &User) -> Result<Vec<String>, Refusal> {
        match self.call.actor {
            Actor::User(id) if id != user.id => self.permit_in(None, Operation::EndSession, user),
            _ => Ok(Vec::new()),
        }
    }

    /// The session that ends where a user with many begins another: the one that has been quiet for longest.
    fn session_too_many(&self, user: &str) -> Option<&Session> {
        let open: Vec<_> = self.book.sessions_of(user).collect();
        let quiet = open.iter().min_by_key(|session| session.seen);
        quiet.filter(|_| open.len() >= MOST_OPEN).map(|session| &***session)
    }

    /// Whether a session is of the tenant of the call, where the call and the session name one.
    fn is_of_call(&self, session: &Session) -> bool {
        self.call.tenant.is_none() || session.tenant.is_none() || session.tenant.as_deref() == self.call.tenant
    }

    fn sees_session(&self, session: &Session) -> bool {
        if self.is_operator() {
            return true;
        }
        let tenant_fits = self.call.tenant.is_none() || session.tenant.as_deref() == self.call.tenant;
        tenant_fits && self.find(&session.user).is_ok_and(|(_, user)| self.sees_in(session.tenant.as_deref(), &user))
    }
}

fn origin(session: &Session) -> Value {
    json!({ "address": session.address, "agent": session.agent })
}

/// The record of a session that has ended with nobody ending it.
fn over(session: &Session, now: Timestamp) -> Event {
    let how = session.ended.unwrap_or(Ended::Idle).as_str();
    Event {
        id: link::new_id(now),
        of_session: true,
        of_cli: false,
        at: now,
        actor: String::new(),
        action: how.to_owned(),
        user: session.user.clone(),
        tenant: session.tenant.clone().unwrap_or_default(),
        resource_type: "session".to_owned(),
        resource_id: session.id.clone(),
        allowed: true,
        reason: how.to_owned(),
        policies: Vec::new(),
        revision: String::new(),
        before: None,
        after: None,
        context: Some(json!({ "seconds": session.seconds(now) })),
        request_id: String::new(),
        trace_id: TraceId::NONE,
    }
}
