//! Search: who may, what may be done, on what. Every result is decided about as a single evaluation would be.
//!
//! Results come in a fixed order, page by page. A token holds where the next page begins and a digest of the request and the
//! revision, so nothing is kept between pages, and a token fits no other question.

use super::{
    batch,
    evaluation::{Action, Entity, Parts},
    page::{Asked, Page, Request as PageRequest},
    place,
};
use crate::{
    engine::{Dialect, Outcome, decide},
    http::{
        ApiError,
        claim::{Claim, Claims},
        desk::{self, Desk, Question},
        json::{self, Members, Object, write},
        service::Answer,
    },
    model::Timestamp,
    reload::Current,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Sought {
    /// Who may do it.
    Subjects,
    /// On what it may be done.
    Resources,
    /// What may be done.
    Actions,
}

/// The body of a request. Members that are not named here are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) subject: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) action: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) resource: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) context: Option<&'a RawValue>,
    page: Option<Object<PageRequest>>,
    options: Option<Object<Options>>,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    reasons: Option<bool>,
}

/// The searched entity: its id, where there is one, is ignored.
#[derive(Debug, Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    ty: Cow<'a, str>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

/// Answers a search; `tenant` is the segment in front, where there is one.
pub(in crate::http) async fn search(
    desk: &Desk,
    tenant: &str,
    sought: Sought,
    body: Bytes,
) -> Result<Answer, ApiError> {
    json::check(&body)?;
    let current = arc_swap::Guard::into_inner(desk.current());
    let revision = desk.revision_header(current.snapshot.revision);
    let time = desk.now();
    let place = place(&current.snapshot.program, tenant)?;
    let claims = desk.claims().clone();
    let body = desk.aside().run(move || find(&current, &claims, sought, place.as_deref(), &body, time)).await?;
    Ok(Answer { body, revision })
}

fn find(
    current: &Current,
    claims: &Claims,
    sought: Sought,
    place: Option<&str>,
    body: &[u8],
    time: Timestamp,
) -> Result<String, ApiError> {
    let Object(body): Object<Body<'_>> = serde_json::from_slice(body)?;
    let reasons = body.options.as_ref().and_then(|Object(options)| options.reasons).unwrap_or_default();
    let asked = Asked { sought, revision: current.snapshot.revision, place, reasons };
    let mut page = Page::new(&asked, &body, body.page.as_ref().map(|Object(page)| page))?;
    let subject = entity(body.subject, sought == Sought::Subjects)?;
    let resource = entity(body.resource, sought == Sought::Resources)?;
    let action = match (sought, body.action) {
        (Sought::Actions, _) => Some(Action::named("")),
        (_, action) => action.map(batch::read::<Action<'_>>).transpose()?,
    };
    let context: Option<Members<'_>> = body.context.map(batch::read).transpose()?;
    let context = context.as_ref().map_or(&[][..], |Members(members)| members);
    let parts = Parts::new(subject.as_ref(), action.as_ref(), resource.as_ref(), context, place)?;
    let dialect = current.snapshot.program.dialect();
    let claim = match sought {
        Sought::Subjects => Claim::Nothing,
        Sought::Resources | Sought::Actions => claims.find(current, &parts.claimed(claims, dialect)?, time),
    };
    if claim.refusal().is_some() {
        // Whoever that is may do nothing.
        return Ok(page.finish());
    }
    let question = parts.question(dialect, &claim)?;
    let search = Search { current, question, time, reasons };
    match sought {
        Sought::Subjects => search.subjects(&mut page),
        Sought::Resources => search.resources(&mut page),
        Sought::Actions => search.actions(&mut page),
    }
    Ok(page.finish())
}

fn entity(given: Option<&RawValue>, is_sought: bool) -> Result<Option<Entity<'_>>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    if !is_sought {
        return batch::read(given).map(Some);
    }
    let Object(Kind { ty, properties }) = batch::read(given)?;
    let properties = properties.map(batch::read).transpose()?.unwrap_or_default();
    Ok(Some(Entity { ty, id: Cow::Borrowed(""), properties, token: None }))
}

struct Search<'s> {
    current: &'s Current,
    question: Question<'s>,
    time: Timestamp,
    reasons: bool,
}

impl Search<'_> {
    fn subjects(&self, page: &mut Page) {
        let program = &self.current.snapshot.program;
        let ty = self.question.subject_type.unwrap_or_default();
        match program.dialect() {
            Dialect::Declared(_) if desk::is_user(&self.question) => {
                let request = self.question.request(self.time);
                let after = page.after().map(str::to_owned);
                for (user, outcome) in self.current.subjects.allowed(program, &request, after.as_deref()) {
                    if !page.take(user.id(), |out| self.entity(out, ty, user.id(), &outcome)) {
                        return;
                    }
                }
            }
            Dialect::Declared(_) => {}
            Dialect::PlainCedar { .. } => {
                for id in page.rest(program.entities_of(ty).iter().map(|id| &**id)) {
                    let question = Question { subject: id, ..self.question };
                    if !self.ask(&question, id, page, |search, out, outcome| search.entity(out, ty, id, outcome)) {
                        return;
                    }
                }
            }
        }
    }

    fn resources(&self, page: &mut Page) {
        let program = &self.current.snapshot.program;
        let ty = self.question.resource.ty;
        let mut ids = program.areas_of(ty);
        ids.extend(program.entities_of(ty).iter().map(|id| &**id));
        if let Dialect::Declared(vocabulary) = program.dialect() {
            // A module as a whole goes by its own id: any id that is no area stands for it.
            ids.extend(vocabulary.modules.iter().map(|module| module.id.as_str()).filter(|id| *id == ty));
        }
        ids.sort_unstable();
        ids.dedup();
        for id in page.rest(ids.into_iter()) {
            let mut question = self.question;
            question.resource.id = id;
            if !self.ask(&question, id, page, |search, out, outcome| search.entity(out, ty, id, outcome)) {
                return;
            }
        }
    }

    fn actions(&self, page: &mut Page) {
        let mut names = self.current.snapshot.program.actions();
        names.sort_unstable();
        for name in page.rest(names.into_iter()) {
            let question = Question { action: name, ..self.question };
            let write = |search: &Self, out: &mut String, outcome: &Outcome<'_>| {
                out.push_str(r#"{"name":"#);
                write::text(out, name);
                search.reason(out, outcome);
                out.push('}');
            };
            if !self.ask(&question, name, page, write) {
                return;
            }
        }
    }

    /// Decides about one candidate, and takes it where it is allowed. `false` once the page is full.
    fn ask(
        &self,
        question: &Question<'_>,
        key: &str,
        page: &mut Page,
        write: impl FnOnce(&Self, &mut String, &Outcome<'_>),
    ) -> bool {
        let request = question.request(self.time);
        let outcome = decide(&self.current.snapshot.program, desk::subject(self.current, question), &request);
        !outcome.decision.is_allow() || page.take(key, |out| write(self, out, &outcome))
    }

    fn entity(&self, out: &mut String, ty: &str, id: &str, outcome: &Outcome<'_>) {
        out.push_str(r#"{"type":"#);
        write::text(out, ty);
        out.push_str(r#","id":"#);
        write::text(out, id);
        self.reason(out, outcome);
        out.push('}');
    }

    fn reason(&self, out: &mut String, outcome: &Outcome<'_>) {
        if self.reasons {
            out.push_str(r#","context":{"reason":"#);
            desk::write_reason(out, outcome, &self.current.snapshot.program);
            out.push('}');
        }
    }
}
