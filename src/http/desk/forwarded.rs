//! Questions of proxies: decided as others are, or answered before any policy is asked; their records say the request.

use super::{Asked, Desk, Question, Ruling, record::write_context, subject, write_user};
use crate::{
    engine::{self, Outcome, Subject},
    model::Request,
    policy::Miss,
    reload::Current,
};

/// The member of a record's context that says the request.
const MEMBER: &str = "http";

impl Desk {
    /// Decides as [`Desk::decide`]. `http` is what the record says of the request: the text of an object.
    pub(in crate::http) fn decide_forwarded<'a>(
        &self,
        current: &'a Current,
        question: &Question<'a>,
        asked: &Asked<'_>,
        http: &str,
    ) -> Ruling<'a> {
        let program = &current.snapshot.program;
        self.forwarded(current, question, asked, http, |subject, request| engine::decide(program, subject, request))
    }

    /// Answers without asking the policies, records that and counts it.
    pub(in crate::http) fn settle_forwarded<'a>(
        &self,
        current: &'a Current,
        question: &Question<'a>,
        asked: &Asked<'_>,
        http: &str,
        miss: &Miss,
    ) -> Ruling<'a> {
        let program = &current.snapshot.program;
        self.forwarded(current, question, asked, http, |subject, request| {
            engine::settle(program, subject, request, miss.code, Some(miss.why.clone()))
        })
    }

    fn forwarded<'a>(
        &self,
        current: &'a Current,
        question: &Question<'a>,
        asked: &Asked<'_>,
        http: &str,
        decide: impl FnOnce(Subject<'a>, &Request<'a>) -> Outcome<'a>,
    ) -> Ruling<'a> {
        let program = &current.snapshot.program;
        let subject = subject(current, question);
        let scratch = &mut *self.scratch.borrow_mut();
        // Nobody has no type either.
        scratch.user.clear();
        if !question.subject.is_empty() {
            write_user(&mut scratch.user, program.dialect(), question);
        }
        write_context(&mut scratch.context, program, question.context);
        // A context that has a member of this name has said it itself.
        if question.context.iter().all(|(name, _)| name != MEMBER) {
            add_member(&mut scratch.context, http);
        }
        self.rule(current, question, asked, subject, scratch, |request| decide(subject, request))
    }
}

/// Adds the member to an object that may be none yet.
fn add_member(object: &mut String, value: &str) {
    let is_open = object.pop().is_some();
    object.push_str(if is_open { ",\"" } else { "{\"" });
    object.push_str(MEMBER);
    object.push_str("\":");
    object.push_str(value);
    object.push('}');
}
