//! Counters of decisions, resolved once a snapshot.

use super::table;
use crate::model::{Decision, Origin};
use prometheus::{Histogram, IntCounter, IntCounterVec};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Distinct names of modules, or of callers, that become labels in the life of the process. Names that come and go with reloads count too:
/// a scraper keeps every series that it ever saw.
const MAX_NAMES: usize = 128;

const DECISIONS: [Decision; 2] = [Decision::Allow, Decision::Deny];
const ORIGINS: [Origin; 6] =
    [Origin::Native, Origin::Authzen, Origin::Envoy, Origin::ForwardAuth, Origin::Admin, Origin::Cli];

/// The counters of decisions for one snapshot, with every label set resolved when the snapshot was made.
#[derive(Debug)]
pub struct DecisionCounters {
    modules: Vec<ModuleCounters>,
    other: ModuleCounters,
    none: ModuleCounters,
    duration: Histogram,
}

/// One counter a decision and origin.
#[derive(Debug, Clone)]
struct ModuleCounters([[IntCounter; ORIGINS.len()]; DECISIONS.len()]);

/// The names that are labels.
#[derive(Debug, Default)]
pub(super) struct KnownNames(Mutex<BTreeSet<String>>);

impl DecisionCounters {
    pub(super) fn new(counters: &IntCounterVec, duration: Histogram, known: &KnownNames, modules: &[&str]) -> Self {
        let other = ModuleCounters::resolve(counters, "other");
        let resolve = |module: &&str| {
            if known.admit(module) { ModuleCounters::resolve(counters, module) } else { other.clone() }
        };
        let modules = modules.iter().map(resolve).collect();
        Self { modules, none: ModuleCounters::resolve(counters, "none"), other, duration }
    }

    /// Counts one decision.
    pub fn record(&self, decision: Decision, module: Option<usize>, origin: Origin, took: Duration) {
        let module = module.map_or(&self.none, |index| self.modules.get(index).unwrap_or(&self.other));
        module.get(decision, origin).inc();
        self.duration.observe(took.as_secs_f64());
    }
}

impl ModuleCounters {
    fn resolve(counters: &IntCounterVec, module: &str) -> Self {
        Self(DECISIONS.map(|decision| {
            ORIGINS.map(|origin| counters.with_label_values(&[decision.as_str(), module, origin.as_str()]))
        }))
    }

    const fn get(&self, decision: Decision, origin: Origin) -> &IntCounter {
        let [allow, deny] = &self.0;
        let row = match decision {
            Decision::Allow => allow,
            Decision::Deny => deny,
        };
        let [native, authzen, envoy, forward_auth, admin, cli] = row;
        match origin {
            Origin::Native => native,
            Origin::Authzen => authzen,
            Origin::Envoy => envoy,
            Origin::ForwardAuth => forward_auth,
            Origin::Admin => admin,
            Origin::Cli => cli,
        }
    }
}

impl KnownNames {
    /// Whether a name is one of those that become labels.
    pub(super) fn admit(&self, name: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(name) || (known.len() < MAX_NAMES && known.insert(name.to_owned()))
    }
}

/// The vector that [`DecisionCounters`] are children of.
pub(super) const METRIC: &table::Metric = &table::DECISIONS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn modules_beyond_the_bound_count_as_other() {
        let metrics = Metrics::new();
        let names: Vec<String> = (0..=MAX_NAMES).map(|n| format!("m{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let counters = metrics.decision_counters(&names);
        let took = Duration::from_micros(3);
        counters.record(Decision::Allow, Some(0), Origin::Native, took);
        counters.record(Decision::Deny, Some(MAX_NAMES), Origin::Authzen, took);
        counters.record(Decision::Deny, None, Origin::Envoy, took);

        let text = metrics.render();
        for line in [
            r#"sidegate_decisions_total{decision="allow",module="m0",source="native"} 1"#,
            r#"sidegate_decisions_total{decision="deny",module="other",source="authzen"} 1"#,
            r#"sidegate_decisions_total{decision="deny",module="none",source="envoy"} 1"#,
            r#"sidegate_decision_duration_seconds_bucket{le="0.000005"} 3"#,
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
        assert!(!text.contains(&format!(r#"module="m{MAX_NAMES}""#)));
    }
}
