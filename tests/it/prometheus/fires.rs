//! A real Prometheus reads real sidecars that are broken on purpose, and the alerts fire.
//!
//! Time runs 100 times as fast for the rules: a minute is 600 milliseconds, and nothing has to last before it fires. A record that waits
//! for the disk waits in the sidecar's time, which nothing hurries: six times as short a wait is enough here.

use super::{RULES, alerts};
use crate::{
    faults::shim::{EVERY_CALL, Fault, Shim},
    support::{Certificate, Client, MailServer, PolicyDir, Process, Sidecar, repo, tool, wait_for, wait_until},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tempfile::TempDir;

/// The machine may be busy with other tests and builds.
const SOON: Duration = Duration::from_mins(1);

/// What is not brought about here. The engine and plain Cedar, which the self-check asks the same, differ by a mistake of the product
/// and by nothing that stands outside of it: what happens then is in the unit tests of `http::self_check`. A copy that cannot be kept is in
/// the tests of reloads, where the metric is looked at; and the last two are metrics of others. What the rules make of the figures is in
/// the unit tests of the rules.
const NEVER: [&str; 4] =
    ["SidegateSelfCheckDifference", "SidegatePoliciesCopyFailing", "SidegateGitSyncFailing", "SidegateVolumeFilling"];

/// Which sidecar is to bring which alerts about.
const WANTED: [(&str, &[&str]); 12] = [
    ("policies", &["SidegateReloadFailing", "SidegatePoliciesStale"]),
    ("config", &["SidegateConfigRejected"]),
    ("errors", &["SidegatePolicyErrors"]),
    ("failing", &["SidegateAuditStoreFailing", "SidegateAuditDrops"]),
    ("full", &["SidegateAuditBacklog", "SidegateAuditLag", "SidegateErrorRate"]),
    ("slow", &["SidegateLatencyBudget"]),
    ("denied", &["SidegateDenialSpike"]),
    ("gap", &["SidegateAuditRecordsMissing"]),
    ("checkpoints", &["SidegateCheckpointsFailing"]),
    ("mail", &["SidegateMailQueue", "SidegateMailGivenUp"]),
    ("certificate", &["SidegateCertificateExpiry", "SidegateCertificateRejected"]),
    ("directory", &["SidegateDirectoryStoreFailing"]),
];

/// Those that are broken from the start.
const BROKEN: [&str; 3] = ["gap", "checkpoints", "certificate"];

/// The rules with times that a test can wait for.
fn quick_rules() -> String {
    const TIMES: [(&str, &str); 7] = [
        ("[5m]", "[3s]"),
        ("[10m]", "[6s]"),
        ("[15m]", "[9s]"),
        ("[1h]", "[36s]"),
        ("[1d]", "[864s]"),
        ("offset 15m", "offset 9s"),
        ("sidegate_audit_lag_seconds > 30", "sidegate_audit_lag_seconds > 5"),
    ];
    let text = fs::read_to_string(repo(RULES)).expect("the rules");
    let text = TIMES.iter().fold(text, |text, (slow, quick)| {
        assert!(text.contains(slow), "no rule has {slow}");
        text.replace(slow, quick)
    });
    let lines = text.lines().map(|line| match line.trim_start().strip_prefix("for: ") {
        Some(_) => line.replace(line.trim_start(), "for: 0s"),
        None => line.to_owned(),
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(!text.contains("m]") && !text.contains("h]") && !text.contains("d]"), "a time that runs slowly: {text}");
    text
}

/// A running Prometheus.
struct Prometheus {
    process: Process,
    client: Client,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Reads these targets, each as a job of its own.
    fn start(targets: &[(&str, SocketAddr)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let rules = folder.path().join("rules.yaml");
        fs::write(&rules, quick_rules()).expect("written");
        let mut config = format!(
            "global: {{ scrape_interval: 400ms, scrape_timeout: 400ms, evaluation_interval: 400ms }}\n\
             rule_files: [{}]\nscrape_configs:\n",
            rules.display()
        );
        for (job, address) in targets {
            writeln!(config, "  - {{ job_name: {job}, static_configs: [{{ targets: ['{address}'] }}] }}")
                .expect("a string");
        }
        let file = folder.path().join("prometheus.yaml");
        fs::write(&file, config).expect("written");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, MailServer::free_port()));
        let mut command = tool("prometheus/usr/bin/prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let started = Self { process: Process::spawn(command), client: Client::new(), address, _folder: folder };
        wait_for("Prometheus is ready", SOON, || {
            assert!(started.process.exit_status().is_none(), "Prometheus has ended");
            started.client.get(address, "/-/ready", &[]).is_ok_and(|answer| answer.status == 200)
        });
        started
    }

    fn api(&self, path: &str) -> Value {
        let answer = self.client.get(self.address, &format!("/api/v1/{path}"), &[]).expect("Prometheus answers");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()["data"].clone()
    }

    /// The alerts that fire, each with its job.
    fn firing(&self) -> BTreeSet<(String, String)> {
        let data = self.api("alerts");
        let firing = data["alerts"].as_array().expect("a list").iter().filter(|alert| alert["state"] == "firing");
        let label = |alert: &Value, name: &str| alert["labels"][name].as_str().expect("a label").to_owned();
        firing.map(|alert| (label(alert, "job"), label(alert, "alertname"))).collect()
    }

    /// The value of an expression that gives one number; `None` where it gives nothing.
    fn value(&self, expression: &str) -> Option<f64> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        self.api(&format!("query?query={encoded}"))["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

/// The sidecars, and what they stand on.
struct House {
    policies: (Sidecar, PolicyDir),
    config: Sidecar,
    errors: (Sidecar, PolicyDir),
    failing: (Sidecar, Disk),
    full: (Sidecar, Disk),
    slow: (Sidecar, Disk),
    denied: Sidecar,
    gap: (Sidecar, TempDir),
    checkpoints: Sidecar,
    mail: Sidecar,
    certificate: (Sidecar, Certificate),
    directory: (Sidecar, Disk),
}

/// A disk between which and the sidecar the test stands.
struct Disk {
    shim: Shim,
    _scratch: TempDir,
}

impl Disk {
    /// A sidecar on a disk of its own, with one worker and the smallest ring.
    fn sidecar(audit: &str) -> (Sidecar, Self) {
        Self::under("", audit)
    }

    /// A sidecar of which only the directory's store is on the disk.
    fn directory() -> (Sidecar, Self) {
        Self::under("directory", "")
    }

    /// A sidecar that has this folder of its data on the disk.
    fn under(folder: &str, audit: &str) -> (Sidecar, Self) {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let shim = Shim::new(scratch.path(), false);
        shim.count(&[]);
        let settings = format!("server: {{ authorize: {{ workers: 1 }} }}\naudit: {{ ring_bytes: 256KiB, {audit} }}\n");
        let builder = Sidecar::builder().data(shim.directory()).config(&settings);
        let builder = shim
            .variables()
            .iter()
            .fold(builder, |builder, (name, value)| builder.env(name, value.to_str().expect("UTF-8")));
        let watched = if folder.is_empty() { shim.directory().to_owned() } else { shim.directory().join(folder) };
        let builder = builder.env("FAULTS_DIR", watched.to_str().expect("UTF-8"));
        (builder.start(), Self { shim, _scratch: scratch })
    }
}

fn allowed() -> Value {
    json!({ "user": "bob", "action": "edit", "resource": "order:o-1" })
}

fn refused() -> Value {
    json!({ "user": "bob", "action": "delete", "resource": "order:o-1" })
}

/// A question whose record takes more than a kilobyte, so that few of them fill a ring.
fn large() -> Value {
    json!({ "user": "u".repeat(900), "action": "view", "resource": "product:p-1" })
}

/// A data directory with a segment that is damaged.
fn damaged() -> TempDir {
    let data = tempfile::tempdir().expect("a temporary directory");
    let sidecar = Sidecar::builder().data(data.path()).start();
    for _ in 0..20 {
        assert_eq!(sidecar.authorize(&allowed()).0, 200);
    }
    sidecar.stop();
    let segments =
        fs::read_dir(data.path().join("audit")).expect("the log").map(|entry| entry.expect("an entry").path());
    let segment = segments
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seg-")))
        .min()
        .expect("a segment");
    for entry in fs::read_dir(segment).expect("a segment") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with("snap") {
            fs::remove_file(&path).expect("removed");
        } else if name == "db" {
            fs::write(&path, vec![0xa5; 700_000]).expect("written");
        }
    }
    data
}

impl House {
    fn build() -> Self {
        let nobody = MailServer::free_port();
        let link = "directory: { invitations: { link: 'https://app.example/accept#{token}' } }";
        let mail = format!(
            "mail: {{ transport: smtp, from: office@example.org, smtp: {{ host: localhost, port: {nobody}, tls: none }}, \
             retry: {{ first: 200ms, longest: 400ms, give_up_after: 4s }} }}"
        );
        let demo = PolicyDir::copy_of(repo("policies/demo"));
        let careful = "policies: { poll_interval: 100ms, debounce: 20ms, max_staleness: 3s }";
        let broken = PolicyDir::with(&[(
            "policies.cedar",
            "permit (principal, action, resource) when { principal.name == \"ann\" };\n",
        )]);
        let data = damaged();
        // It lasts for two days.
        let certificate = Certificate::new();
        let folder = certificate.folder().display();
        let tls = format!(
            "server: {{ admin: {{ tls: {{ certificate: {folder}/certificate.pem, key: {folder}/key.pem }} }} }}"
        );
        Self {
            policies: (Sidecar::builder().policies(demo.path()).config(careful).start(), demo),
            config: Sidecar::builder().start(),
            errors: (Sidecar::builder().policies(broken.path()).start(), broken),
            failing: Disk::sidecar("when_failed: allow_and_count"),
            full: Disk::sidecar("when_full: refuse"),
            slow: Disk::sidecar("mode: synced"),
            denied: Sidecar::builder().start(),
            gap: (Sidecar::builder().data(data.path()).start(), data),
            checkpoints: Sidecar::builder()
                .config(&format!(
                    "audit: {{ checkpoint: {{ interval: 100ms, webhook: 'http://127.0.0.1:{nobody}/' }} }}"
                ))
                .start(),
            mail: Sidecar::builder().config(link).config(&mail).start(),
            certificate: (Sidecar::builder().config(&tls).start(), certificate),
            directory: Disk::directory(),
        }
    }

    /// Each with its name, in the order of [`WANTED`].
    fn all(&self) -> [(&'static str, &Sidecar); 12] {
        let sidecars = [
            &self.policies.0,
            &self.config,
            &self.errors.0,
            &self.failing.0,
            &self.full.0,
            &self.slow.0,
            &self.denied,
            &self.gap.0,
            &self.checkpoints,
            &self.mail,
            &self.certificate.0,
            &self.directory.0,
        ];
        std::array::from_fn(|place| (WANTED[place].0, sidecars[place]))
    }

    /// What is asked while all is well, and of those that are broken from the start.
    fn ask_in_peace(&self) {
        for sidecar in [&self.failing.0, &self.full.0, &self.slow.0, &self.denied, &self.checkpoints] {
            assert_eq!(sidecar.authorize(&allowed()).1["decision"], "allow");
        }
    }

    fn break_everything(&self) {
        self.policies.1.write("roles.yaml", "roles: { clerk: [");
        self.config.write_config("audit: [");
        self.failing.1.shim.fail(EVERY_CALL, 1, u64::MAX, Fault::Io);
        self.full.1.shim.delay(u64::MAX);
        self.slow.1.shim.delay(20_000);
        fs::write(self.certificate.1.folder().join("key.pem"), "no key").expect("written");
        let invitation = json!({ "email": "ann@example.com", "user": "ann", "assignments": { "roles": ["clerk"] } });
        assert_eq!(self.mail.admin_post("/v1/invitations", &invitation).status, 201);
        self.directory.1.shim.fail(EVERY_CALL, 1, u64::MAX, Fault::Io);
        assert_eq!(self.directory.0.admin_post("/v1/invitations", &invitation).status, 503);
    }

    /// What is asked of those that are broken.
    fn ask_in_need(&self) {
        drop(
            self.errors
                .0
                .authorize(&json!({ "user": "ann", "action": "view", "resource": { "type": "Order", "id": "1" } })),
        );
        for _ in 0..8 {
            drop(self.failing.0.authorize(&large()));
            drop(self.full.0.post("/v1/authorize", &large()));
        }
        drop(self.slow.0.authorize(&allowed()));
        drop(self.checkpoints.authorize(&allowed()));
        for _ in 0..4 {
            drop(self.denied.authorize(&refused()));
        }
    }
}

#[test]
fn what_is_broken_on_purpose_is_told_by_its_alert_and_what_is_well_by_none() {
    let every: BTreeSet<_> = alerts().iter().map(|alert| alert["alert"].as_str().expect("a name").to_owned()).collect();
    let wanted: BTreeSet<(String, String)> = WANTED
        .iter()
        .flat_map(|(job, alerts)| alerts.iter().map(|alert| ((*job).to_owned(), (*alert).to_owned())))
        .collect();
    let covered: BTreeSet<_> = wanted.iter().map(|(_, alert)| alert.clone()).chain(NEVER.map(str::to_owned)).collect();
    assert_eq!(covered, every, "an alert that nothing lets fire");

    let house = House::build();
    let prometheus = Prometheus::start(&house.all().map(|(job, sidecar)| (job, sidecar.ops_address())));
    // So long that the rule about denials has a past to compare with.
    let past = "count_over_time(sidegate:decisions_denied:ratio_rate10m{job=\"denied\"}[60s] offset 9s)";
    wait_for("Prometheus has a past and reads all of them", SOON, || {
        house.ask_in_peace();
        prometheus.value(past).is_some_and(|samples| samples > 4.0)
            && prometheus.value("count(up == 1)").is_some_and(|up| up > 11.0)
    });
    // Whether answers are quick is the machine's doing as well, which others use.
    let early: Vec<_> = prometheus
        .firing()
        .into_iter()
        .filter(|(job, alert)| !BROKEN.contains(&job.as_str()) && alert != "SidegateLatencyBudget")
        .collect();
    assert!(early.is_empty(), "nothing is broken yet: {early:?}");

    house.break_everything();
    let mut told = BTreeSet::new();
    let all = wait_until(SOON, || {
        house.ask_in_need();
        told.extend(prometheus.firing());
        wanted.is_subset(&told).then_some(())
    });
    assert!(all.is_some(), "these did not fire: {:?}", wanted.difference(&told).collect::<Vec<_>>());
    assert!(told.iter().all(|(_, alert)| !NEVER.contains(&alert.as_str())), "{told:?}");
}
