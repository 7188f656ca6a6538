//! What a set's tests have touched: policies that decided, conditions that failed to hold, cells of the matrix that were asked,
//! routes that were found.

use crate::{
    engine::{ConditionResult, Explanation, PolicyIndex, Program},
    model::ReasonCode,
    policy::Snapshot,
};
use rustc_hash::FxHashSet;

/// How much of a policy set its tests have touched.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Policies that decided at least once.
    pub policies: Count,
    /// Policies with a condition that did not apply at least once because the condition did not hold.
    pub conditions: Count,
    /// Each role on each action of each module: asked at least once, by somebody who has the role.
    pub cells: Count,
    /// Routes that were found at least once.
    pub routes: Count,
}

/// How many things of a sort were touched.
#[derive(Debug, Clone, Default)]
pub struct Count {
    /// How many were.
    pub covered: usize,
    /// How many there are.
    pub total: usize,
    /// What was not touched, in the order of the set.
    pub missing: Vec<String>,
}

impl Coverage {
    /// All counts, with what each is called.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, &Count); 4] {
        let Self { policies, conditions, cells, routes } = self;
        [("policies", policies), ("conditions", conditions), ("cells", cells), ("routes", routes)]
    }

    /// The share that was touched, in percent; all of nothing is 100.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let sum = |of: fn(&Count) -> usize| self.counts().iter().map(|(_, count)| of(count)).sum::<usize>();
        let (covered, total) = (sum(|count| count.covered), sum(|count| count.total));
        let [covered, total] = [covered, total].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        if total == 0 { 100.0 } else { f64::from(covered) * 100.0 / f64::from(total) }
    }
}

impl Count {
    fn of(all: impl Iterator<Item = (String, bool)>) -> Self {
        let mut count = Self::default();
        for (name, touched) in all {
            count.total += 1;
            if touched {
                count.covered += 1;
            } else {
                count.missing.push(name);
            }
        }
        count
    }
}

/// Collects what tests touch.
#[derive(Debug, Default)]
pub(super) struct Collector {
    decided: FxHashSet<PolicyIndex>,
    unmet: FxHashSet<PolicyIndex>,
    asked: FxHashSet<(String, String, String)>,
    routes: FxHashSet<usize>,
}

impl Collector {
    /// Takes note of one decision.
    pub(super) fn note(&mut self, program: &Program, explanation: &Explanation<'_>, action: &str) {
        let outcome = &explanation.outcome;
        self.decided.extend(outcome.determining.iter().copied());
        let unmet = explanation.considered.iter().filter(|considered| considered.result == ConditionResult::Unmet);
        self.unmet.extend(unmet.map(|considered| considered.policy));
        let by_policies = matches!(
            outcome.code,
            ReasonCode::Granted
                | ReasonCode::NotGranted
                | ReasonCode::ConditionNotMet
                | ReasonCode::GateClosed
                | ReasonCode::Forbidden
                | ReasonCode::PolicyError
        );
        if by_policies {
            let module = program.module_id(outcome.module);
            let asked = outcome.roles.iter().map(|role| (role.clone(), module.to_owned(), action.to_owned()));
            self.asked.extend(asked);
        }
    }

    /// Takes note of a route that was found, by its place in the set.
    pub(super) fn note_route(&mut self, place: usize) {
        self.routes.insert(place);
    }

    /// Compares with what there is.
    pub(super) fn finish(&self, snapshot: &Snapshot) -> Coverage {
        let Snapshot { program, catalog, .. } = snapshot;
        let policies = || (0..).zip(program.policies());
        let conditional = policies().filter(|(index, _)| program.has_condition(*index));
        let roles = catalog.roles.iter().map(|role| &role.id);
        let cells = roles.flat_map(|role| {
            let actions = |module: &'_ crate::policy::Module| {
                let of_module = |action: &String| (role.clone(), module.id.clone(), action.clone());
                module.actions.iter().map(of_module).collect::<Vec<_>>()
            };
            catalog.modules.iter().flat_map(actions)
        });
        Coverage {
            policies: Count::of(policies().map(|(index, facts)| (facts.id.to_string(), self.decided.contains(&index)))),
            conditions: Count::of(
                conditional.map(|(index, facts)| (facts.id.to_string(), self.unmet.contains(&index))),
            ),
            cells: Count::of(cells.map(|cell| {
                let (role, module, action) = &cell;
                (format!("{role} {action} {module}"), self.asked.contains(&cell))
            })),
            routes: Count::of(
                snapshot
                    .routes
                    .list()
                    .iter()
                    .enumerate()
                    .map(|(place, route)| (route.name.clone(), self.routes.contains(&place))),
            ),
        }
    }
}
