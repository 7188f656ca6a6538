//! The registry and its typed handles.

use super::{
    audit::{AuditFigures, AuditMetrics},
    decisions::{self, DecisionCounters, KnownNames},
    doors::DoorMetrics,
    mail::MailMetrics,
    spans::{LogCounters, SpanCounters},
    table::{self, ConfigOutcome, Kind, Metric, ReloadOutcome, ShadowOutcome},
    tokens::TokenMetrics,
};
use crate::model::{Revision, Status, Timestamp};
use arc_swap::ArcSwapOption;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder, core::Collector, process_collector::ProcessCollector,
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// All metrics of the process. Shared.
pub struct Metrics {
    registry: Registry,
    decisions: IntCounterVec,
    decision_duration: Histogram,
    known_modules: KnownNames,
    http_duration: HistogramVec,
    reloads: IntCounterVec,
    reload_duration: Histogram,
    last_success: Gauge,
    consecutive_failures: IntGauge,
    policy_info: IntGaugeVec,
    policies_loaded: IntGauge,
    policy_errors: IntCounter,
    policies_stale: IntGauge,
    policies_copy_failing: IntGauge,
    policies_source: ArcSwapOption<PoliciesSource>,
    shadow_decisions: IntCounterVec,
    shadow_skipped: IntCounter,
    config_reloads: IntCounterVec,
    config_rejected: IntGauge,
    self_checks: IntCounterVec,
    audit: AuditMetrics,
    directory_users: IntGaugeVec,
    directory_failing: IntGauge,
    directory_source: ArcSwapOption<DirectorySource>,
    users_source: ArcSwapOption<UsersSource>,
    pub(super) mail: MailMetrics,
    pub(super) tokens: TokenMetrics,
    pub(super) doors: DoorMetrics,
    pub(super) spans: SpanCounters,
    pub(super) log_lines: LogCounters,
    audit_source: ArcSwapOption<AuditSource>,
    // Held while what others count is taken over, since two scrapes at once would add the same twice, and while series change together.
    refreshing: Mutex<()>,
}

type AuditSource = Box<dyn Fn() -> AuditFigures + Send + Sync>;

type PoliciesSource = Box<dyn Fn() -> PoliciesFigures + Send + Sync>;

/// Tells whether the directory takes no changes.
type DirectorySource = Box<dyn Fn() -> bool + Send + Sync>;

/// Tells who the users are, one status a user.
type UsersSource = Box<dyn Fn() -> Vec<Status> + Send + Sync>;

/// How the policies stand when metrics are scraped.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoliciesFigures {
    /// Whether they are older than is allowed, or a copy.
    pub stale: bool,
    /// Whether they are not kept for a restart though they should be.
    pub copy_failing: bool,
}

/// The answers of one route with one code.
#[derive(Debug, Clone)]
pub struct HttpSeries(Histogram);

impl HttpSeries {
    /// Counts one answered HTTP request.
    pub fn record(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

impl Metrics {
    /// Registers everything; every series is present from the start, at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let registry = Registry::new();
        let metrics = Self {
            decisions: counters(&registry, decisions::METRIC),
            decision_duration: histogram(&registry, &table::DECISION_DURATION),
            known_modules: KnownNames::default(),
            http_duration: histograms(&registry, &table::HTTP_DURATION),
            reloads: counters(&registry, &table::POLICY_RELOADS),
            reload_duration: histogram(&registry, &table::POLICY_RELOAD_DURATION),
            last_success: gauge(&registry, &table::POLICY_LAST_SUCCESS),
            consecutive_failures: integer(&registry, &table::POLICY_FAILURES),
            policy_info: integers(&registry, &table::POLICY_INFO),
            policies_loaded: integer(&registry, &table::POLICIES_LOADED),
            policy_errors: counter(&registry, &table::POLICY_ERRORS),
            policies_stale: integer(&registry, &table::POLICIES_STALE),
            policies_copy_failing: integer(&registry, &table::POLICIES_COPY_FAILING),
            policies_source: ArcSwapOption::empty(),
            shadow_decisions: counters(&registry, &table::SHADOW_DECISIONS),
            shadow_skipped: counter(&registry, &table::SHADOW_SKIPPED),
            config_reloads: counters(&registry, &table::CONFIG_RELOADS),
            config_rejected: integer(&registry, &table::CONFIG_REJECTED),
            self_checks: counters(&registry, &table::SELF_CHECKS),
            audit: AuditMetrics::new(&registry),
            directory_users: integers(&registry, &table::DIRECTORY_USERS),
            directory_failing: integer(&registry, &table::DIRECTORY_FAILING),
            directory_source: ArcSwapOption::empty(),
            users_source: ArcSwapOption::empty(),
            mail: MailMetrics::new(&registry),
            tokens: TokenMetrics::new(&registry),
            doors: DoorMetrics::new(&registry),
            spans: SpanCounters::new(&registry),
            log_lines: LogCounters::new(&registry),
            audit_source: ArcSwapOption::empty(),
            refreshing: Mutex::new(()),
            registry,
        };
        metrics.begin_at_zero();
        Arc::new(metrics)
    }

    fn begin_at_zero(&self) {
        for outcome in ReloadOutcome::ALL {
            self.reloads.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        for outcome in ShadowOutcome::ALL {
            self.shadow_decisions.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        for outcome in ConfigOutcome::ALL {
            self.config_reloads.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        for outcome in ["same", "different"] {
            self.self_checks.with_label_values(&[outcome]).inc_by(0);
        }
        self.directory_users([]);
        let commit = option_env!("SIDEGATE_COMMIT").unwrap_or("unknown");
        integers(&self.registry, &table::BUILD_INFO).with_label_values(&[env!("CARGO_PKG_VERSION"), commit]).set(1);
        register(&self.registry, ProcessCollector::for_self());
        // Without modules, so that the series are there before the first snapshot is.
        drop(self.decision_counters(&[]));
    }

    /// Resolves the counters for these modules, in the order of the vocabulary (bounded; what is beyond counts as `other`).
    #[must_use]
    pub fn decision_counters(&self, modules: &[&str]) -> DecisionCounters {
        DecisionCounters::new(&self.decisions, self.decision_duration.clone(), &self.known_modules, modules)
    }

    /// Makes the series of a route, so that they are there before the first request is.
    pub fn http_route(&self, listener: &'static str, route: &'static str, codes: &[u16]) {
        for &code in codes {
            drop(self.http_child(listener, route, code));
        }
    }

    /// Counts one answered HTTP request. `route` is a route's pattern, never a path.
    pub fn http_request(&self, listener: &'static str, route: &'static str, code: u16, took: Duration) {
        self.http_child(listener, route, code).observe(took.as_secs_f64());
    }

    /// The series of one route and code, for those who count so often that looking it up would show.
    #[must_use]
    pub fn http_series(&self, listener: &'static str, route: &'static str, code: u16) -> HttpSeries {
        HttpSeries(self.http_child(listener, route, code))
    }

    fn http_child(&self, listener: &str, route: &str, code: u16) -> Histogram {
        let mut digits = [0; 3];
        self.http_duration.with_label_values(&[listener, route, code_text(code, &mut digits)])
    }

    /// Counts policies that could not be evaluated in one decision.
    pub fn policy_errors(&self, count: usize) {
        self.policy_errors.inc_by(count as u64);
    }

    /// Counts one comparison with plain Cedar.
    pub fn self_check(&self, same: bool) {
        self.self_checks.with_label_values(&[if same { "same" } else { "different" }]).inc();
    }

    /// Counts one look at the policy directory.
    pub fn reload(&self, outcome: ReloadOutcome) {
        self.reloads.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Observes how long a changed set took to be swapped in or refused.
    pub fn reload_took(&self, took: Duration) {
        self.reload_duration.observe(took.as_secs_f64());
    }

    /// Says how many loads have failed since the files were last what is live.
    pub fn policy_health(&self, consecutive_failures: u64) {
        self.consecutive_failures.set(saturating(consecutive_failures));
    }

    /// Says when the files were last seen to be what is live.
    pub fn policy_confirmed(&self, at: Timestamp) {
        self.last_success.set(seconds(at));
    }

    /// Says where it is known how the policies stand. It is asked for at each scrape, since their age grows by itself.
    pub fn watch_policies(&self, source: impl Fn() -> PoliciesFigures + Send + Sync + 'static) {
        self.policies_source.store(Some(Arc::new(Box::new(source))));
    }

    /// Counts one decision of the shadow set.
    pub fn shadow_decision(&self, outcome: ShadowOutcome) {
        self.shadow_decisions.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Counts a decision that the shadow set was not asked about.
    pub fn shadow_skipped(&self) {
        self.shadow_skipped.inc();
    }

    /// Counts one look at the configuration.
    pub fn config_reload(&self, outcome: ConfigOutcome) {
        self.config_reloads.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Says whether the configuration file does not count as it is.
    pub fn config_rejected(&self, rejected: bool) {
        self.config_rejected.set(i64::from(rejected));
    }

    /// Names the snapshot that decides; the one before loses its series. No scrape falls in between.
    pub fn policy_live(&self, revision: Revision, policy_set: &str, policies: usize) {
        let _alone = self.alone();
        self.policy_info.reset();
        self.policy_info.with_label_values(&[revision.short(), policy_set]).set(1);
        self.policies_loaded.set(saturating(policies as u64));
    }

    /// Says who the users are that deciders know. It is asked for at each scrape.
    pub fn watch_users(&self, users: impl Fn() -> Vec<Status> + Send + Sync + 'static) {
        self.users_source.store(Some(Arc::new(Box::new(users))));
    }

    /// Says how it is known whether the directory takes no changes. It is asked for at each scrape.
    pub fn watch_directory(&self, is_failing: impl Fn() -> bool + Send + Sync + 'static) {
        self.directory_source.store(Some(Arc::new(Box::new(is_failing))));
    }

    fn directory_users(&self, statuses: impl IntoIterator<Item = Status>) {
        let mut counts = [(Status::Invited, 0), (Status::Active, 0), (Status::Suspended, 0)];
        for status in statuses {
            counts.iter_mut().filter(|(of, _)| *of == status).for_each(|(_, count)| *count += 1);
        }
        for (status, count) in counts {
            self.directory_users.with_label_values(&[status.as_str()]).set(count);
        }
    }

    /// Observes one group commit of the audit store.
    pub fn audit_commit(&self, took: Duration) {
        self.audit.commit_duration.observe(took.as_secs_f64());
    }

    /// Says where the audit log's figures come from. They are asked for at each scrape.
    pub fn watch_audit(&self, source: impl Fn() -> AuditFigures + Send + Sync + 'static) {
        self.audit_source.store(Some(Arc::new(Box::new(source))));
    }

    /// The text exposition.
    #[must_use]
    pub fn render(&self) -> String {
        let families = {
            let _alone = self.alone();
            self.refresh();
            self.registry.gather()
        };
        let mut text = Vec::with_capacity(64 * 1024);
        match TextEncoder::new().encode(&families, &mut text) {
            Ok(()) => String::from_utf8(text).unwrap_or_default(),
            // Writing into memory cannot fail, and families without series are left out by the registry.
            Err(_) => String::new(),
        }
    }

    /// Held by whoever changes several series that belong together, and by whoever reads them.
    fn alone(&self) -> MutexGuard<'_, ()> {
        self.refreshing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what others count and know. Called alone.
    fn refresh(&self) {
        if let Some(source) = &*self.policies_source.load() {
            let PoliciesFigures { stale, copy_failing } = source();
            self.policies_stale.set(i64::from(stale));
            self.policies_copy_failing.set(i64::from(copy_failing));
        }
        if let Some(is_failing) = &*self.directory_source.load() {
            self.directory_failing.set(i64::from(is_failing()));
        }
        if let Some(source) = &*self.audit_source.load() {
            self.audit.refresh(&source());
        }
        self.mail.refresh();
        self.tokens.refresh();
        if let Some(users) = &*self.users_source.load() {
            self.directory_users(users());
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a double holds microseconds exactly until the year 2255")]
pub(super) fn seconds(time: Timestamp) -> f64 {
    time.as_micros() as f64 / 1e6
}

pub(super) fn saturating(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The three digits of a status code, without a text on the heap.
fn code_text(code: u16, digits: &mut [u8; 3]) -> &str {
    for (digit, divisor) in digits.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + u8::try_from(code / divisor % 10).unwrap_or_default();
    }
    str::from_utf8(digits).unwrap_or_default()
}

pub(super) fn counter(registry: &Registry, metric: &Metric) -> IntCounter {
    add(registry, built(metric, IntCounter::with_opts(options(metric))))
}

pub(super) fn counters(registry: &Registry, metric: &Metric) -> IntCounterVec {
    add(registry, built(metric, IntCounterVec::new(options(metric), &labels(metric))))
}

/// The child of a counter with one label, there from now on.
pub(super) fn counter_of(counters: &IntCounterVec, value: &str) -> IntCounter {
    counters.with_label_values(&[value])
}

pub(super) fn gauge(registry: &Registry, metric: &Metric) -> Gauge {
    add(registry, built(metric, Gauge::with_opts(options(metric))))
}

pub(super) fn gauges(registry: &Registry, metric: &Metric) -> GaugeVec {
    add(registry, built(metric, GaugeVec::new(options(metric), &labels(metric))))
}

pub(super) fn integer(registry: &Registry, metric: &Metric) -> IntGauge {
    add(registry, built(metric, IntGauge::with_opts(options(metric))))
}

pub(super) fn integers(registry: &Registry, metric: &Metric) -> IntGaugeVec {
    add(registry, built(metric, IntGaugeVec::new(options(metric), &labels(metric))))
}

pub(super) fn histogram(registry: &Registry, metric: &Metric) -> Histogram {
    add(registry, built(metric, Histogram::with_opts(histogram_options(metric))))
}

fn histograms(registry: &Registry, metric: &Metric) -> HistogramVec {
    add(registry, built(metric, HistogramVec::new(histogram_options(metric), &labels(metric))))
}

fn options(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

fn histogram_options(metric: &Metric) -> HistogramOpts {
    let options = HistogramOpts::new(metric.name, metric.help);
    match metric.kind {
        Kind::Histogram(buckets) => options.buckets(buckets.to_vec()),
        Kind::Counter | Kind::Gauge => options,
    }
}

fn labels(metric: &Metric) -> Vec<&'static str> {
    metric.labels.iter().map(|(label, _)| *label).collect()
}

#[expect(clippy::expect_used, reason = "the table is constant and a test registers all of it")]
fn built<C>(metric: &Metric, collector: prometheus::Result<C>) -> C {
    collector.expect(metric.name)
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    register(registry, collector.clone());
    collector
}

#[expect(clippy::expect_used, reason = "the table is constant and a test registers all of it")]
fn register(registry: &Registry, collector: impl Collector + 'static) {
    registry.register(Box::new(collector)).expect("a metric stands in the table twice");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_of_the_table_is_there_from_the_start_and_no_other() {
        let metrics = Metrics::new();
        metrics.policy_live(Revision::new([7; 32]), "demo", 3);
        metrics.http_route("ops", "/metrics", &[200]);
        let there: BTreeSet<String> = metrics.registry.gather().iter().map(|family| family.name().to_owned()).collect();
        let table: BTreeSet<String> = table::TABLE.iter().map(|metric| metric.name.to_owned()).collect();
        let process: BTreeSet<String> = there.iter().filter(|name| name.starts_with("process_")).cloned().collect();
        assert_eq!(there.difference(&process).cloned().collect::<BTreeSet<_>>(), table);
        assert!(process.contains("process_resident_memory_bytes"));
    }

    #[test]
    fn a_swap_removes_the_series_of_the_revision_before() {
        let metrics = Metrics::new();
        metrics.policy_live(Revision::new([0xaa; 32]), "demo", 3);
        metrics.policy_live(Revision::new([0xbb; 32]), "demo", 4);
        let text = metrics.render();
        assert!(text.contains(r#"sidegate_policy_info{policy_set="demo",revision="bbbbbbbbbbbb"} 1"#), "{text}");
        assert!(!text.contains("aaaaaaaaaaaa"));
        assert!(text.contains("sidegate_policies_loaded 4"));
    }

    #[test]
    fn a_scrape_beside_a_swap_names_one_revision() {
        let metrics = Metrics::new();
        metrics.policy_live(Revision::new([0; 32]), "demo", 3);
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..20_000_u32 {
                    let byte = u8::try_from(n % 251).unwrap();
                    metrics.policy_live(Revision::new([byte; 32]), "demo", 3);
                }
                done.store(true, std::sync::atomic::Ordering::SeqCst);
            });
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                let text = metrics.render();
                let named = text.lines().filter(|line| line.starts_with("sidegate_policy_info{")).count();
                assert_eq!(named, 1, "{text}");
            }
        });
    }

    #[test]
    fn audit_figures_are_asked_for_at_each_scrape() {
        let metrics = Metrics::new();
        assert!(metrics.render().contains(r#"sidegate_audit_records_total{outcome="written"} 0"#));
        metrics.watch_audit(|| AuditFigures {
            written: 12,
            oldest: Some(Timestamp::from_micros(1_500_000)),
            ..AuditFigures::default()
        });
        for _ in 0..2 {
            let text = metrics.render();
            assert!(text.contains(r#"sidegate_audit_records_total{outcome="written"} 12"#), "{text}");
            assert!(text.contains("sidegate_audit_oldest_record_timestamp_seconds 1.5"), "{text}");
        }
    }

    #[test]
    fn scrapes_at_the_same_time_count_nothing_twice() {
        let metrics = Metrics::new();
        let written = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let source = Arc::clone(&written);
        metrics.watch_audit(move || AuditFigures {
            written: source.load(std::sync::atomic::Ordering::SeqCst),
            ..AuditFigures::default()
        });
        let barrier = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..200 {
                        written.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        drop(metrics.render());
                    }
                });
            }
        });
        let text = metrics.render();
        assert!(text.contains(r#"sidegate_audit_records_total{outcome="written"} 800"#), "{text}");
    }

    #[test]
    fn what_is_wrong_at_the_moment_is_said_at_each_scrape() {
        let metrics = Metrics::new();
        let wrong = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let is_wrong = Arc::clone(&wrong);
        let is_wrong = move || is_wrong.load(std::sync::atomic::Ordering::SeqCst);
        metrics.watch_directory(is_wrong.clone());
        let of_policies = is_wrong.clone();
        metrics.watch_policies(move || PoliciesFigures { stale: of_policies(), copy_failing: of_policies() });
        metrics.watch_audit(move || {
            if !is_wrong() {
                return AuditFigures::default();
            }
            AuditFigures {
                fullest_queue: (3, 4),
                lag: Duration::from_millis(1500),
                checkpoint_webhook_undelivered: true,
                ..AuditFigures::default()
            }
        });
        for (now, values) in [(true, ["1", "1", "1", "0.75", "1.5", "1"]), (false, ["0"; 6])] {
            wrong.store(now, std::sync::atomic::Ordering::SeqCst);
            let text = metrics.render();
            for (series, value) in [
                "sidegate_directory_store_failing",
                "sidegate_policies_stale",
                "sidegate_policies_copy_failing",
                "sidegate_audit_fullest_queue_ratio",
                "sidegate_audit_lag_seconds",
                r#"sidegate_audit_checkpoint_undelivered{to="webhook"}"#,
            ]
            .iter()
            .zip(values)
            {
                assert!(text.contains(&format!("\n{series} {value}\n")), "{series} {value} in\n{text}");
            }
            assert!(text.contains("\nsidegate_audit_checkpoint_undelivered{to=\"file\"} 0\n"), "{text}");
        }
    }

    #[test]
    fn requests_are_counted_by_status_code() {
        let metrics = Metrics::new();
        metrics.http_request("ops", "/metrics", 404, Duration::from_millis(2));
        let line = r#"sidegate_http_request_duration_seconds_count{code="404",listener="ops",route="/metrics"} 1"#;
        assert!(metrics.render().contains(line));
    }
}
