//! Questions of one request, put one after another to one snapshot.
//!
//! What they have in common is worked out once: who asks, what the policies know of them, and the texts of their records. Every
//! question is decided, recorded and counted by the same steps as one that comes alone, and the outcomes are the same.

use super::{Asked, Desk, Question, Ruling, Scratch, is_user, subject, write_context, write_user};
use crate::{
    engine::{Asker, BoundUser, Dialect, Subject},
    http::claim::Claim,
    model::Attributes,
    reload::Current,
};
use std::ptr;

/// Puts questions to one snapshot.
#[derive(Debug)]
pub(in crate::http) struct Run<'r> {
    desk: &'r Desk,
    current: &'r Current,
    engine: Asker<'r>,
    /// Who was looked up last, and what was found.
    user: Option<(String, Option<&'r BoundUser>)>,
    /// The context of questions that bring none of their own. Lent to the run, so that nothing else can lie at its place.
    context: &'r Attributes<'r>,
    scratch: Scratch,
    /// Of whom `scratch.user` is the text.
    named: Option<(Option<String>, String)>,
    /// Whether `scratch.context` is the text of the common context.
    is_common: bool,
}

impl<'r> Run<'r> {
    /// Nothing was asked yet. `context` is what most questions have.
    pub(in crate::http) fn new(desk: &'r Desk, current: &'r Current, context: &'r Attributes<'r>) -> Self {
        Self {
            desk,
            current,
            engine: Asker::new(&current.snapshot.program),
            user: None,
            context,
            scratch: Scratch::default(),
            named: None,
            is_common: false,
        }
    }

    /// Decides the next question, records the decision and counts it.
    pub(in crate::http) fn decide<'a>(&mut self, question: &Question<'a>, asked: &Asked<'_>) -> Ruling<'a>
    where
        'r: 'a,
    {
        let subject = self.subject(question);
        self.draft(question);
        let Self { desk, current, engine, scratch, .. } = self;
        desk.rule(current, question, asked, subject, scratch, |request| engine.decide(subject, request))
    }

    fn subject<'a>(&mut self, question: &Question<'a>) -> Subject<'a>
    where
        'r: 'a,
    {
        let id = question.subject;
        match self.current.snapshot.program.dialect() {
            Dialect::Declared(_) if is_user(question) && matches!(question.claim, Claim::Nothing) => {
                let found = match &self.user {
                    Some((last, found)) if last == id => *found,
                    _ => {
                        let found = self.current.subjects.find(id);
                        self.user = Some((id.to_owned(), found));
                        found
                    }
                };
                found.map_or(Subject::Unknown { id }, Subject::User)
            }
            Dialect::Declared(_) | Dialect::PlainCedar { .. } => subject(self.current, question),
        }
    }

    /// Puts the texts of the record together, as far as they are others than those of the last one.
    fn draft(&mut self, question: &Question<'_>) {
        let program = &self.current.snapshot.program;
        let is_named =
            |(ty, id): &(Option<String>, String)| id == question.subject && ty.as_deref() == question.subject_type;
        if !self.named.as_ref().is_some_and(is_named) {
            write_user(&mut self.scratch.user, program.dialect(), question);
            self.named = Some((question.subject_type.map(str::to_owned), question.subject.to_owned()));
        }
        let is_common = ptr::eq(question.context, self.context);
        if !(is_common && self.is_common) {
            write_context(&mut self.scratch.context, program, question.context);
        }
        self.is_common = is_common;
    }
}
