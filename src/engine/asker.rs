//! One question after another: what the next has in common with the last is found out once.

use super::{
    Outcome, Program, Subject,
    decide::decide_recalling,
    index::Keys,
    uid::{Uid, UidIndex},
};
use crate::model::Request;

/// Puts questions to one program, one after another.
///
/// It decides as [`decide()`](super::decide()) does, and remembers whom and what it was asked about last: questions that come
/// together mostly have one principal, or one resource.
#[derive(Debug)]
pub struct Asker<'p> {
    program: &'p Program,
    recall: Recall,
}

/// Whom and what the last question of a plain Cedar set was about.
#[derive(Debug, Default)]
pub(super) struct Recall {
    pub(super) principal: Side,
    pub(super) resource: Side,
}

/// Where an entity stands in a program.
#[derive(Debug, Default)]
pub(super) struct Side {
    // INVARIANT: `placed` is that of these texts, in the program of the asker.
    ty: String,
    id: String,
    placed: Option<Placed>,
}

/// The number of an entity, and the keys under which its candidates are filed.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) index: Option<UidIndex>,
    pub(super) keys: Keys,
}

impl<'p> Asker<'p> {
    /// Nothing was asked yet.
    #[must_use]
    pub fn new(program: &'p Program) -> Self {
        Self { program, recall: Recall::default() }
    }

    /// Decides the next question.
    #[must_use]
    pub fn decide<'a>(&mut self, subject: Subject<'a>, request: &Request<'a>) -> Outcome<'a>
    where
        'p: 'a,
    {
        decide_recalling(self.program, subject, request, Some(&mut self.recall))
    }
}

impl Side {
    /// Where the entity stands, worked out by `place` unless the last question was about the same; `None` where it cannot be one.
    pub(super) fn find(&mut self, uid: Uid<'_>, place: impl FnOnce() -> Option<Placed>) -> Option<Placed> {
        if self.placed.is_none() || self.ty != uid.ty || self.id != uid.id {
            self.placed = place();
            uid.ty.clone_into(&mut self.ty);
            uid.id.clone_into(&mut self.id);
        }
        self.placed.clone()
    }
}
