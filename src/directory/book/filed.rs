//! A user as it is filed: beside the account stands what lists look for, in one text.

use crate::{
    directory::{Account, GivenKind},
    model::Status,
};
use memchr::memmem;
use std::sync::Arc;

/// Ends the text that is searched, and each of the facts behind it. No text that a search can name holds it.
const END: char = '\0';
/// Stands between the tenant and the name of a role.
const OF: char = '\u{1}';
/// Stands between the texts that are searched.
const LINE: char = '\n';
/// The last of the facts where some role is given until a time.
const ENDS: &str = "\0u\0";

/// A user of the directory, and what it can be found by.
#[derive(Debug, Clone, Copy)]
pub(in crate::directory) struct Filed<'b> {
    pub(in crate::directory) account: &'b Arc<Account>,
    /// Name, id, mail address, telephone and job, folded, a line each; behind them status, family, tenants and roles.
    pub(super) facts: &'b str,
}

impl<'b> Filed<'b> {
    /// The name that is shown, folded.
    pub(in crate::directory) fn name(&self) -> &'b str {
        self.facts.split_once(LINE).map_or(self.facts, |(name, _)| name)
    }

    /// Whether a word of [`search_of`] occurs in what is searched.
    pub(in crate::directory) fn mentions(&self, word: &memmem::Finder<'_>) -> bool {
        let found = word.find(self.facts.as_bytes());
        // What is searched comes first, so the first place tells.
        found.is_some_and(|at| memchr::memchr(END as u8, self.facts.as_bytes()).is_none_or(|end| at < end))
    }

    /// Status, family, tenants and roles: equal for users who have these in common.
    pub(in crate::directory) fn standing(&self) -> &'b str {
        self.facts.split_once(END).map_or("", |(_, standing)| standing)
    }

    /// Whether one of the facts is there. For a role it says that it was given, not that it still counts: see [`Self::has_ends`].
    pub(in crate::directory) fn says(&self, fact: &memmem::Finder<'_>) -> bool {
        fact.find(self.facts.as_bytes()).is_some()
    }

    /// Whether some role is given until a time, which may have come.
    pub(in crate::directory) fn has_ends(&self) -> bool {
        self.facts.ends_with(ENDS)
    }
}

/// The words of a search, each to be found in what is searched.
pub(in crate::directory) fn search_of(text: &str) -> Vec<memmem::Finder<'static>> {
    text.split_whitespace().map(|word| memmem::Finder::new(&fold(word)).into_owned()).collect()
}

fn fact(text: &str) -> memmem::Finder<'static> {
    memmem::Finder::new(text).into_owned()
}

/// That a user has a status.
pub(in crate::directory) fn status_fact(status: Status) -> memmem::Finder<'static> {
    fact(&format!("{END}s={}{END}", status.as_str()))
}

/// That a user belongs to a tenant.
pub(in crate::directory) fn tenant_fact(tenant: &str) -> memmem::Finder<'static> {
    fact(&format!("{END}t={tenant}{END}"))
}

/// That a user is of a family.
pub(in crate::directory) fn family_fact(family: &str) -> memmem::Finder<'static> {
    fact(&format!("{END}f={family}{END}"))
}

/// That a user was given a role: in a tenant, or anywhere.
pub(in crate::directory) fn role_fact(tenant: Option<&str>, role: &str) -> memmem::Finder<'static> {
    fact(&match tenant {
        Some(tenant) => format!("{END}r={tenant}{OF}{role}{END}"),
        None => format!("{OF}{role}{END}"),
    })
}

/// What a user can be found by.
pub(super) fn facts_of(account: &Account) -> String {
    let name = account.display_name();
    let searched = [Some(&name), Some(&account.id), Some(&account.email), account.phone.as_ref(), account.job.as_ref()];
    let line = |text: Option<&String>| {
        let line = text.map(|text| fold(text)).unwrap_or_default();
        if line.contains([END, OF, LINE]) { line.replace([END, OF, LINE], " ") } else { line }
    };
    let mut facts = searched.map(line).join("\n");
    facts.extend([format!("{END}s={}{END}", account.status.as_str())]);
    facts.extend(account.family.iter().map(|family| format!("f={family}{END}")));
    for place in &account.places {
        let tenant = place.tenant.as_deref().unwrap_or_default();
        facts.extend([format!("t={tenant}{END}")]);
        let roles = place.given.iter().filter(|given| given.kind == GivenKind::Role);
        facts.extend(roles.map(|role| format!("r={tenant}{OF}{}{END}", role.name)));
    }
    let given = || account.places.iter().flat_map(|place| &place.given);
    if given().any(|given| given.kind == GivenKind::Role && given.until.is_some()) {
        facts.push_str(ENDS.trim_start_matches(END));
    }
    facts
}

/// A text for comparing without regard to case.
pub(in crate::directory) fn fold(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, tenant: &str, role: &str) -> Account {
        let given = serde_json::json!({ "kind": "role", "name": role, "by": "operator:x", "at": 0 });
        let account = serde_json::json!({
            "id": id, "email": format!("{id}@x.example"), "first_name": "Lena", "language": "en", "status": "active",
            "places": [{ "tenant": tenant, "given": [given] }], "created": 0, "updated": 0, "version": 1,
        });
        serde_json::from_value(account).unwrap()
    }

    #[test]
    fn what_is_searched_is_told_from_the_facts_behind_it() {
        let account = Arc::new(account("lena-1", "north", "sales-rep"));
        let facts = facts_of(&account);
        let filed = Filed { account: &account, facts: &facts };
        assert_eq!(filed.name(), "lena");
        let mentions = |text: &str| search_of(text).iter().all(|word| filed.mentions(word));
        assert!(mentions("LENA") && mentions("lena-1 x.example"));
        assert!(!mentions("sales-rep") && !mentions("north") && !mentions("active"), "facts are not searched");
        assert!(!mentions("a\0s=active"));
        assert!(filed.says(&tenant_fact("north")) && !filed.says(&tenant_fact("nor")));
        assert!(filed.says(&role_fact(None, "sales-rep")) && filed.says(&role_fact(Some("north"), "sales-rep")));
        assert!(!filed.says(&role_fact(None, "rep")) && !filed.says(&role_fact(Some("south"), "sales-rep")));
        assert!(filed.says(&status_fact(Status::Active)) && !filed.says(&status_fact(Status::Invited)));
    }
}
