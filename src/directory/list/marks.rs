//! What is asked of users that can be told of them as they are filed, and who among all of them fits.

use super::UserQuery;
use crate::directory::book::{
    BLOCK, Book, Filed, Slot, family_fact, parts, role_fact, search_of, status_fact, tenant_fact,
};
use memchr::memmem::Finder;
use std::ops::ControlFlow;

/// What is asked of users that can be told of them as they are filed.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) words: Vec<Finder<'static>>,
    facts: Vec<Finder<'static>>,
}

/// Who fits, by slots: found in the order of the memory, so that any other order need not look at those who do not.
///
/// It is what was so when their block was looked at. Whoever is marked has to be looked at again.
#[derive(Debug)]
pub(super) struct Marks {
    era: u64,
    blocks: Vec<u64>,
}

impl Wanted {
    pub(super) fn of(query: &UserQuery) -> Self {
        let tenant = query.tenant.as_deref();
        let facts = [
            query.status.map(status_fact),
            query.family.as_deref().map(family_fact),
            tenant.map(tenant_fact),
            query.role.as_deref().map(|role| role_fact(tenant, role)),
        ];
        Self {
            words: query.search.as_deref().map(search_of).unwrap_or_default(),
            facts: facts.into_iter().flatten().collect(),
        }
    }

    /// Whether anything is asked at all.
    pub(super) fn is_any(&self) -> bool {
        self.first().is_some()
    }

    /// Whether a user fits.
    pub(super) fn fits(&self, filed: Filed<'_>) -> bool {
        self.facts.iter().all(|fact| filed.says(fact)) && self.words.iter().all(|word| filed.mentions(word))
    }

    /// What every user who fits has in its facts, and fewest others.
    fn first(&self) -> Option<&Finder<'static>> {
        self.words.first().or_else(|| self.facts.last())
    }
}

impl Marks {
    /// Nobody is marked yet.
    pub(super) fn new(book: &Book) -> Self {
        Self { era: book.era(), blocks: Vec::new() }
    }

    /// Whether slots are still those of the users that were looked at.
    pub(super) fn count_in(&self, book: &Book) -> bool {
        self.era == book.era()
    }

    /// Looks at so many users more; says whether any are left.
    pub(super) fn add(&mut self, book: &Book, wanted: &Wanted, users: usize) -> ControlFlow<()> {
        let Some(first) = wanted.first() else { return ControlFlow::Break(()) };
        for _ in 0..users.div_ceil(BLOCK) {
            let fits = |filed: Filed<'_>| wanted.fits(filed);
            let Some(fitting) = book.shelf().fitting(self.blocks.len(), first, fits) else {
                return ControlFlow::Break(());
            };
            self.blocks.push(fitting);
        }
        ControlFlow::Continue(())
    }

    pub(super) fn has(&self, slot: Slot) -> bool {
        let (block, number) = parts(slot);
        self.blocks.get(block).is_some_and(|fitting| fitting >> number & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{Account, book::Step},
        model::Timestamp,
    };
    use std::sync::Arc;

    #[test]
    fn marks_do_not_count_once_everything_was_replaced() {
        let step = |id: &str| {
            let blank = Account::blank(&format!("{id}@x.example"), "en", Timestamp::from_micros(0));
            Step::Account(Arc::new(Account { id: id.to_owned(), ..blank }))
        };
        let mut book = Book::default();
        book.apply(vec![step("ada"), step("bo")]);
        let wanted = Wanted::of(&UserQuery { search: Some("bo".to_owned()), ..UserQuery::default() });
        let mut marks = Marks::new(&book);
        assert!(marks.add(&book, &wanted, 1).is_continue() && marks.add(&book, &wanted, 1).is_break());
        assert!(!marks.has(0) && marks.has(1) && !marks.has(2) && !marks.has(1000));
        book.apply(vec![step("cy")]);
        assert!(marks.count_in(&book), "a change moves nobody");
        book.replace(vec![step("cy"), step("dora")]);
        assert!(!marks.count_in(&book));
    }
}
