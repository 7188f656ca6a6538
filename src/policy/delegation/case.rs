//! One deed while it is judged: each step is a question of the set, and one of the directory's own module.

use super::{
    Ask, Deed, Delegation, Questions, Rule, Target, Verdict,
    administrators::{is_last, last_words},
    difference::{Step, Thing, invites, is_later},
    facts::{self, Facts},
    held::Place,
    judge::{Judge, NOT_DELEGATED, Others},
    rules::{ASSIGNMENT, GIVE, TAKE, USER},
};
use crate::{
    engine::{BoundUser, Outcome, Subject, decide},
    model::{Decision, Membership, ReasonCode, Request, Resource, User},
};
use std::{borrow::Cow, collections::BTreeSet};

/// One deed while it is judged.
pub(super) struct Case<'s, 'c> {
    pub(super) judge: &'c Judge<'s>,
    pub(super) delegation: &'c Delegation,
    pub(super) actor: &'c BoundUser,
    pub(super) deed: &'c Deed<'c>,
    pub(super) home: Option<&'c str>,
    pub(super) others: &'c Others<'c>,
}

/// One question: what is asked for, where, and about what.
#[derive(Clone, Copy)]
struct Inquiry<'i> {
    ask: Ask,
    /// The action of the directory's own module.
    action: &'static str,
    tenant: Option<&'i str>,
    thing: Option<Thing<'i>>,
    /// Whether it is about a user of a tenant in which the actor may not do it.
    elsewhere: bool,
    /// Whether several things together go beyond what the actor has.
    grows: bool,
}

/// What the set's own question came to.
enum Base {
    Granted(Vec<String>),
    Refused {
        verdict: Verdict,
        /// A condition does not hold; a rule may say more about it.
        conditional: bool,
    },
}

impl Case<'_, '_> {
    /// One step.
    pub(super) fn step(&self, step: &Step<'_>) -> Verdict {
        let inquiry =
            |ask: Ask, action, tenant| Inquiry { ask, action, tenant, thing: None, elsewhere: false, grows: false };
        match *step {
            Step::Account(Ask::Assign) => self.inquire(inquiry(Ask::Assign, GIVE, self.home)),
            Step::Account(ask) => self.inquire(inquiry(ask, ask.key(), self.home)),
            Step::Person(ask) => self.person(inquiry(ask, ask.key(), self.home)),
            Step::Give(thing, tenant) => {
                self.inquire(Inquiry { thing: Some(thing), ..inquiry(Ask::Assign, GIVE, tenant) })
            }
            Step::Take(thing, tenant) => {
                self.inquire(Inquiry { thing: Some(thing), ..inquiry(Ask::Assign, TAKE, tenant) })
            }
        }
    }

    /// What concerns the person is asked in every tenant that the user belongs to.
    fn person(&self, inquiry: Inquiry<'_>) -> Verdict {
        let first = self.inquire(inquiry);
        let memberships = self.deed.before.map_or(&[][..], |before| before.memberships.as_slice());
        let others = memberships.iter().map(|one| one.tenant.as_deref()).filter(|tenant| *tenant != self.home);
        others.fold(first, |verdict, tenant| {
            if !verdict.allowed {
                return verdict;
            }
            let there = Inquiry { tenant, ..inquiry };
            match self.base(&there) {
                Base::Refused { conditional: false, .. } => self.inquire(Inquiry { elsewhere: true, ..inquiry }),
                _ => self.inquire(there),
            }
        })
    }

    /// Whether the changes together open what none of them does alone.
    pub(super) fn growth(&self) -> Option<Verdict> {
        let after = self.deed.after.filter(|_| self.delegation.has(Rule::OnlyHeld))?;
        if self.deed.operation.ask().looks() {
            return None;
        }
        let before = self.deed.before;
        let users = || before.into_iter().chain([after]);
        let memberships = users().flat_map(|user| &user.memberships).chain(self.deed.promised);
        let mut tenants: BTreeSet<Option<&str>> = memberships.map(|one| one.tenant.as_deref()).collect();
        if tenants.is_empty() {
            // Attributes count for whoever belongs nowhere too.
            tenants.insert(self.home);
        }
        // What was promised lasts as long as the user then.
        let lasts_longer = before.is_some_and(|before| is_later(after.until, before.until));
        let is_same = before.is_some_and(|before| before.attributes == after.attributes) && !lasts_longer;
        let refused = tenants.into_iter().find_map(|tenant| {
            let of = |user: &User| user.memberships.iter().find(|one| one.tenant.as_deref() == tenant).cloned();
            if is_same && before.and_then(of) == of(after) {
                return None;
            }
            let place = Place { tenant, time: self.deed.time };
            let (scales, kept) = (self.judge.scales(), self.kept(after));
            let outlasts = lasts_longer && !scales.has_all(self.actor, &kept, place);
            // What was promised may be taken up, and may not.
            let as_it_is = || scales.has_growth(self.actor, before, after, place);
            let once_kept = || {
                let before = before.map(|before| self.kept(before));
                self.deed.promised.is_empty() || scales.has_growth(self.actor, before.as_deref(), &kept, place)
            };
            if !outlasts && as_it_is() && once_kept() {
                return None;
            }
            let inquiry =
                Inquiry { ask: Ask::Assign, action: GIVE, tenant, thing: None, elsewhere: false, grows: true };
            Some(self.inquire(inquiry))
        });
        refused.filter(|verdict| !verdict.allowed)
    }

    /// A user once everything is there that it was promised.
    fn kept<'u>(&self, user: &'u User) -> Cow<'u, User> {
        let mut user = Cow::Borrowed(user);
        for promised in self.deed.promised {
            let memberships = &mut user.to_mut().memberships;
            match memberships.iter_mut().find(|one| one.tenant == promised.tenant) {
                Some(one) => {
                    one.assignments.extend(promised.assignments.iter().cloned());
                    one.values.extend(promised.values.iter().cloned());
                }
                None => memberships.push(promised.clone()),
            }
        }
        user
    }

    /// Asks the set's own question, then the directory's rules.
    fn inquire(&self, inquiry: Inquiry<'_>) -> Verdict {
        let base = self.base(&inquiry);
        let (granted, policies) = match &base {
            Base::Granted(policies) => (true, policies.clone()),
            Base::Refused { verdict, conditional: false } => return Self::about(&inquiry, verdict.clone()),
            Base::Refused { conditional: true, .. } => (false, Vec::new()),
        };
        let facts = self.facts_for_rules(&inquiry, granted);
        let attributes = facts.all();
        let id = match inquiry.thing {
            Some(thing) => {
                let concern = thing.concern(None);
                format!("{}/{}", concern.kind, concern.name)
            }
            None => facts.user.unwrap_or_default().to_owned(),
        };
        let is_assignment = inquiry.ask == Ask::Assign;
        let resource = Resource { ty: if is_assignment { ASSIGNMENT } else { USER }, id: &id, attributes: &attributes };
        let asked = self.decide(inquiry.action, resource, inquiry.tenant, |outcome| {
            let determining = self.ids(outcome);
            match outcome.decision {
                Decision::Allow => Ok(determining),
                Decision::Deny => Err((outcome.code, outcome.message(self.program()).to_string(), determining)),
            }
        });
        let verdict = match (asked, base) {
            (Ok(determining), Base::Granted(_)) => {
                return Verdict::allowed(policies.into_iter().chain(determining).collect());
            }
            (Err((ReasonCode::Forbidden, message, determining)), _) => {
                let rule = Rule::ALL.into_iter().find(|rule| determining.iter().any(|id| id == rule.policy()));
                match rule.filter(|rule| determining.first().is_some_and(|id| id == rule.policy())) {
                    Some(rule) => Verdict::refused(rule.code(), self.words(rule, &inquiry), determining),
                    None => Verdict::refused(ReasonCode::Forbidden.as_str(), message, determining),
                }
            }
            (_, Base::Refused { verdict, .. }) => verdict,
            (Err((code, message, determining)), Base::Granted(_)) => {
                Verdict::refused(code.as_str(), message, determining)
            }
        };
        Self::about(&inquiry, verdict)
    }

    /// A refusal with the thing that it is about.
    fn about(inquiry: &Inquiry<'_>, verdict: Verdict) -> Verdict {
        Verdict { what: inquiry.thing.map(|thing| thing.concern(inquiry.tenant)), ..verdict }
    }

    /// The set's own question.
    fn base(&self, inquiry: &Inquiry<'_>) -> Base {
        let concerned = self.concerned();
        let all: Vec<&Questions> = match concerned {
            Some(user) => self.delegation.questions(user.family.as_deref()).into_iter().collect(),
            // A look at nobody in particular is one at the users of any family.
            None => self.delegation.questions.iter().collect(),
        };
        let mut refused = None;
        for questions in all {
            match self.base_of(questions, inquiry) {
                Base::Granted(policies) => return Base::Granted(policies),
                other @ Base::Refused { .. } => drop(refused.get_or_insert(other)),
            }
        }
        refused.unwrap_or_else(|| self.not_delegated(inquiry))
    }

    fn not_delegated(&self, inquiry: &Inquiry<'_>) -> Base {
        let family = self.concerned().and_then(|user| user.family.as_deref());
        let of = family.map_or_else(String::new, |family| format!(" users of the family `{family}`"));
        let message = format!("the policy set delegates `{}`{of} to nobody", inquiry.ask.key());
        Base::Refused { verdict: Verdict::refused(NOT_DELEGATED, message, Vec::new()), conditional: false }
    }

    fn base_of(&self, questions: &Questions, inquiry: &Inquiry<'_>) -> Base {
        let Some(action) = questions.action(inquiry.ask) else { return self.not_delegated(inquiry) };
        let user = self.facts(&Inquiry { thing: None, ..*inquiry });
        let mut policies = Vec::new();
        // What is given or taken is asked about, and so is the user to whom or from whom.
        let asked: &[(&Target, Facts<'_>)] = if inquiry.ask == Ask::Assign {
            &[(&questions.user, user), (&questions.assignment, self.facts(inquiry))]
        } else {
            &[(questions.target(inquiry.ask), user)]
        };
        for (target, facts) in asked {
            match self.question(action, target, facts, inquiry) {
                Base::Granted(determining) => policies.extend(determining),
                refused @ Base::Refused { .. } => return refused,
            }
        }
        Base::Granted(policies)
    }

    fn question(&self, action: &str, target: &Target, facts: &Facts<'_>, inquiry: &Inquiry<'_>) -> Base {
        let attributes = facts.declared(target);
        let base = |outcome: &Outcome<'_>| {
            let policies = self.ids(outcome);
            if outcome.decision.is_allow() {
                return Base::Granted(policies);
            }
            let message = outcome.message(self.program()).to_string();
            let conditional = outcome.code == ReasonCode::ConditionNotMet;
            Base::Refused { verdict: Verdict::refused(outcome.code.as_str(), message, policies), conditional }
        };
        let found = self.decide(action, target.resource(&attributes), inquiry.tenant, base);
        match found {
            // Whoever may look at some may look: at whom is asked for each.
            Base::Refused { conditional: true, .. } if inquiry.ask.looks() => {
                self.decide(action, target.whole(), inquiry.tenant, base)
            }
            found => found,
        }
    }

    fn decide<T>(
        &self,
        action: &str,
        resource: Resource<'_>,
        tenant: Option<&str>,
        read: impl Fn(&Outcome<'_>) -> T,
    ) -> T {
        let request = Request { action, resource, tenant, context: &[], subject_attributes: &[], time: self.deed.time };
        read(&decide(self.program(), Subject::User(self.actor), &request))
    }

    fn program(&self) -> &crate::engine::Program {
        &self.judge.snapshot.program
    }

    fn ids(&self, outcome: &Outcome<'_>) -> Vec<String> {
        let known = outcome.determining.iter().filter_map(|policy| self.program().policy(*policy));
        known.map(|facts| facts.id.to_string()).collect()
    }

    /// The user concerned, as it is where there is one already.
    fn concerned(&self) -> Option<&User> {
        self.deed.before.or(self.deed.after)
    }

    /// What is told about a step whoever asks.
    fn facts<'f>(&'f self, inquiry: &Inquiry<'f>) -> Facts<'f> {
        let catalog = &self.judge.snapshot.catalog;
        let (concerned, tenant) = (self.concerned(), inquiry.tenant);
        let families = [self.deed.before, self.deed.after].map(|user| user.and_then(|user| user.family.as_deref()));
        let family = match families {
            // A change of family is none of the one nor of the other.
            [Some(was), Some(is)] if was != is => "",
            [was, is] => is.or(was).unwrap_or_default(),
        };
        let of_user = facts::rank_of(catalog, self.deed.before, tenant);
        let role = inquiry.thing.and_then(Thing::role);
        let of_role = role.and_then(|role| facts::rank_of_role(catalog, role));
        let family = match role.and_then(|role| catalog.role(role)?.family.as_deref()) {
            Some(of_role) if of_role != family => "",
            _ => family,
        };
        let thing = inquiry.thing.map(|thing| thing.concern(tenant));
        Facts {
            user: concerned.map(|user| user.id.as_str()),
            tenant,
            status: concerned.map(|user| user.status.as_str()),
            kind: thing.as_ref().map(|thing| thing.kind),
            name: thing.map(|thing| thing.name),
            family: Some(family).filter(|_| concerned.is_some() && !catalog.families.is_empty()),
            // What somebody else has to respect is the higher of the two.
            rank: of_role.or(of_user),
            ..Facts::default()
        }
    }

    /// The same with what the rules look at.
    fn facts_for_rules<'f>(&'f self, inquiry: &Inquiry<'f>, granted: bool) -> Facts<'f> {
        let catalog = &self.judge.snapshot.catalog;
        let facts = self.facts(inquiry);
        let of_user = facts::rank_of(catalog, self.deed.before, inquiry.tenant);
        Facts {
            rank: facts.rank.min(of_user).or(facts.rank),
            own_family: self.actor.user().family.as_deref(),
            own_rank: self.own_rank(inquiry),
            granted,
            held: self.held(inquiry),
            elsewhere: inquiry.elsewhere || self.is_elsewhere(inquiry),
            last_administrator: self.last_in(inquiry).is_some(),
            ..facts
        }
    }

    /// The actor's rank. Beside what is given it is the lowest for as long as that would last.
    fn own_rank(&self, inquiry: &Inquiry<'_>) -> Option<i64> {
        let (user, place) = (self.actor.user(), Place { tenant: inquiry.tenant, time: self.deed.time });
        match inquiry.thing.filter(|_| inquiry.action == GIVE && self.judge.snapshot.catalog.has_ranks()) {
            Some(thing) => self.judge.scales().rank_for(user, thing.until(), place),
            None => facts::own_rank(&self.judge.snapshot.catalog, user, place.tenant, place.time),
        }
    }

    /// What the user has in the tenant that would lose its last administrator.
    fn last_in(&self, inquiry: &Inquiry<'_>) -> Option<&Membership> {
        let mut memberships = self.deed.before.map_or(&[][..], |before| before.memberships.as_slice()).iter();
        memberships.find(|one| {
            let tenant = one.tenant.as_deref();
            let concerned = match inquiry.action {
                TAKE => tenant == inquiry.tenant,
                "suspend" | "delete" => true,
                _ => false,
            };
            concerned && is_last(self.delegation, self.deed, tenant, self.others)
        })
    }

    /// Whether the actor has what would be given.
    fn held(&self, inquiry: &Inquiry<'_>) -> bool {
        let place = Place { tenant: inquiry.tenant, time: self.deed.time };
        let scales = || self.judge.scales();
        if inquiry.grows {
            return false;
        }
        let given = self.deed.after.or(self.deed.before);
        match (inquiry.action, inquiry.thing) {
            (GIVE, Some(thing)) => scales().has(self.actor, thing, place),
            ("reactivate", _) => given.is_none_or(|user| scales().has_all(self.actor, &self.kept(user), place)),
            ("invite", _) => given.is_none_or(|user| scales().has_all(self.actor, user, place)),
            _ => true,
        }
    }

    /// Whether the user concerned belongs to other tenants than the one it is about, and to none that the actor may look into. Whoever
    /// belongs to no tenant at all was created by an operator outside of all, and is everybody's to take in: the directory leaves a user
    /// in the tenant where it takes the last thing.
    fn is_elsewhere(&self, inquiry: &Inquiry<'_>) -> bool {
        let Some(before) = self.deed.before.filter(|_| self.judge.has_tenants) else { return false };
        // An invitation is about where the user would be.
        let concerned = self.deed.after.filter(|_| invites(self.deed.operation)).unwrap_or(before);
        let tenants = || concerned.memberships.iter().map(|one| one.tenant.as_deref());
        let sees = |tenant| {
            let look = Inquiry { ask: Ask::View, action: Ask::View.key(), tenant, thing: None, ..*inquiry };
            matches!(self.base(&look), Base::Granted(_))
        };
        tenants().next().is_some() && !tenants().any(|tenant| tenant == inquiry.tenant) && !tenants().any(sees)
    }

    /// A refusal by a rule, in words.
    fn words(&self, rule: Rule, inquiry: &Inquiry<'_>) -> String {
        let actor = self.actor.id();
        let user = self.concerned().map_or("", |user| user.id.as_str());
        let thing = inquiry.thing.map(|thing| thing.concern(None));
        let name = thing.as_ref().map_or(user, |thing| thing.name.as_str());
        match rule {
            Rule::OwnAccount => "nobody changes what the own account has, its status, or deletes it".to_owned(),
            Rule::Rank => {
                let of_role = inquiry.thing.and_then(Thing::role).is_some();
                let above = if of_role { format!("`{name}` or `{user}`") } else { format!("`{user}`") };
                format!("{above} ranks above `{actor}`")
            }
            Rule::Family => format!("`{name}` is not of the family of `{actor}`"),
            Rule::Tenant => format!("`{user}` belongs to a tenant in which `{actor}` may not do this"),
            Rule::OnlyHeld if inquiry.grows => {
                format!("what `{user}` would have together goes beyond the access of `{actor}`")
            }
            Rule::OnlyHeld => {
                let place = Place { tenant: inquiry.tenant, time: self.deed.time };
                let now = inquiry.thing.is_some_and(|thing| self.judge.scales().has_then(self.actor, thing, place));
                let goes = if now { "would outlast" } else { "goes beyond" };
                format!("`{name}` {goes} the access of `{actor}`")
            }
            Rule::LastAdministrator => last_words(user, self.last_in(inquiry).and_then(|one| one.tenant.as_deref())),
        }
    }
}
