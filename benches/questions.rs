//! What questions beyond yes and no cost: loading and searching 100,000 users, access, all actions, a large matrix.
//!
//! Each figure is the best of a few runs, since all that disturbs a run makes it longer; the memory is the process's highest
//! mark after loading and binding. `cargo bench --bench questions`.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints and stops where its set-up is wrong")]

use sidegate::{
    directory::Subjects,
    engine::{Subject, decide},
    model::{Attributes, Request, Resource, Timestamp, Value},
    policy::{self, Matrix, Options, Overview, Snapshot},
};
use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

const USERS: usize = 100_000;
const RUNS: usize = 5;

/// That of the binary.
#[global_allocator]
static ALLOCATOR: sidegate::Allocator = sidegate::Allocator;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let users = directory.path().join("users");
    users_set(&users, false);
    let load = |path: &Path| policy::load(path, &Options::default()).expect("the set is sound");
    let loaded = best(RUNS, || {
        let snapshot = load(&users);
        black_box(Subjects::bind(&snapshot.program, &snapshot.users));
    });
    let memory = fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    row("load 100,000 users", loaded, "under 2 s");
    println!("{:<44} {:>12} KiB   under 400 MiB", "  highest memory", memory.unwrap_or_default());
    let snapshot = load(&users);
    let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
    let owner = [("owner".into(), Value::text("u000042"))];
    searches(
        &snapshot,
        &subjects,
        &[
            ("one user in twenty, by role", "edit", "r7", &[]),
            ("nobody, though all have the role", "approve", "r0", &[]),
            ("everybody, by role", "view", "r0", &[]),
            ("the owner, by a condition on each", "approve", "r0", &owner),
        ],
    );
    drop((snapshot, subjects));

    // Here no two users are known to be alike: each has attributes, and each is asked.
    let channels = directory.path().join("channels");
    users_set(&channels, true);
    let snapshot = load(&channels);
    let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
    let channel = [("channel".into(), Value::text("c7"))];
    searches(
        &snapshot,
        &subjects,
        &[
            ("one user in ten, by channel", "edit", "r0", &channel),
            ("the owner, beside channels", "approve", "r0", &owner),
        ],
    );
    drop((snapshot, subjects));

    let large = directory.path().join("large");
    large_set(&large);
    let snapshot = load(&large);
    let matrix = best(RUNS, || {
        let matrix = Matrix::of_roles(&snapshot, None, now()).expect("a set with modules");
        black_box(serde_json::to_string(&matrix).expect("JSON"));
    });
    row("matrix of 1,000 roles x 100 modules", matrix, "under 1 s");

    for set in ["8move", "propeller", "omc"] {
        shipped(set, &load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(set)));
    }
}

/// A search: its name, and what is asked of which type of resource with which attributes.
type Case<'c> = (&'c str, &'c str, &'c str, &'c Attributes<'c>);

fn searches(snapshot: &Snapshot, subjects: &Subjects, cases: &[Case<'_>]) {
    for &(name, action, ty, attributes) in cases {
        let resource = Resource { ty, id: "x-1", attributes };
        let request =
            Request { action, resource, tenant: Some("north"), context: &[], subject_attributes: &[], time: now() };
        let all = || subjects.allowed(&snapshot.program, &request, None);
        let found = all().count();
        println!("search/subject over {USERS} users: {name} ({found})");
        row("  all of them", best(RUNS, || assert_eq!(black_box(all().count()), found)), "under 100 ms");
        row("  first page of 50", best(RUNS, || assert!(black_box(all().take(51).count()) <= found)), "under 10 ms");
    }
}

/// Questions about the users of a shipped set.
fn shipped(name: &str, snapshot: &Snapshot) {
    let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
    let user = subjects.iter().next().expect("a user");
    let tenant = user.user().memberships.first().and_then(|membership| membership.tenant.as_deref());
    let access = best(50, || {
        let overview = Overview::new(snapshot);
        let access = overview.access(user, tenant, now()).expect("a known tenant");
        black_box(serde_json::to_string(&access).expect("JSON"));
    });
    row(&format!("{name}: access of `{}`", user.id()), access, "under 1 ms");
    let ty = &snapshot.catalog.modules.first().expect("a module").id;
    let actions = best(50, || {
        for action in snapshot.program.actions() {
            let resource = Resource { ty, id: "", attributes: &[] };
            let request = Request { action, resource, tenant, context: &[], subject_attributes: &[], time: now() };
            black_box(decide(&snapshot.program, Subject::User(user), &request));
        }
    });
    row(&format!("{name}: search/action, {} actions", snapshot.program.actions().len()), actions, "under 1 ms");
}

fn best(runs: usize, mut work: impl FnMut()) -> Duration {
    let timed = (0..runs).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    timed.min().unwrap_or_default()
}

fn row(name: &str, took: Duration, goal: &str) {
    println!("{name:<44} {:>12.3} ms    {goal}", took.as_secs_f64() * 1e3);
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").expect("a time")
}

/// 100,000 users of 100 roles on 20 modules, in files of 10,000 each; with `channels`, one of ten for each user.
fn users_set(directory: &Path, channels: bool) {
    fs::create_dir_all(directory).expect("a directory");
    let mut set = String::from(
        "policy_set: users\ntenancy: required\ntenants: [north, south]\n\
         levels: { view: [view], full: { includes: [view], actions: [edit, approve] } }\n\
         conditions: { never: { description: a dead end, cedar: resource has owner && resource.owner == principal } }\nmodules:\n",
    );
    for module in 0..20 {
        writeln!(set, "  m{module}: {{ resources: {{ r{module}: {{ owner: User, channel: String }} }} }}")
            .expect("writing to a text");
    }
    set.push_str("roles:\n  everybody: { grants: { m0: [view, { actions: [approve], when: never }] } }\n");
    for role in 0..100 {
        writeln!(set, "  role{role}: {{ includes: [everybody], grants: {{ m{}: full }} }}", 1 + role % 19)
            .expect("writing to a text");
    }
    let mut set = set.replace("m0: [view, {", "m0: [{ level: view }, {");
    if channels {
        set.push_str("user_attributes: { channels: Set<String> }\n");
        set = set.replace("when: never }]", "when: never }, { actions: [edit], when: own }]").replace(
            "conditions: {",
            "conditions: { own: { description: of a channel of the user, cedar: resource has channel && principal has channels && principal.channels.contains(resource.channel) },",
        );
    }
    fs::write(directory.join("set.yaml"), set).expect("a file");
    for file in 0..10 {
        let mut users = String::from("users:\n");
        for number in file * (USERS / 10)..(file + 1) * (USERS / 10) {
            let role = number % 100;
            let channel = number / 100 % 10;
            let more = if channels { format!(", attributes: {{ channels: [c{channel}] }}") } else { String::new() };
            writeln!(users, "  u{number:06}: {{ name: User {number}, email: u{number}@demo.example, roles: {{ north: [role{role}] }}{more} }}")
                .expect("writing to a text");
        }
        fs::write(directory.join(format!("users-{file}.yaml")), users).expect("a file");
    }
}

/// 1,000 roles, each with a cell on every one of 100 modules.
fn large_set(directory: &Path) {
    fs::create_dir_all(directory).expect("a directory");
    let mut set = String::from(
        "policy_set: large\nlevels: { view: [view], edit: { includes: [view], actions: [edit] }, full: { includes: [edit], actions: [create, delete] } }\nmodules:\n",
    );
    for module in 0..100 {
        writeln!(set, "  m{module}: {{ resources: [r{module}] }}").expect("writing to a text");
    }
    fs::write(directory.join("set.yaml"), set).expect("a file");
    for file in 0..10 {
        let mut roles = String::from("roles:\n");
        for role in file * 100..(file + 1) * 100 {
            let cells = (0..100).map(|module| {
                let level = ["view", "edit", "full"].into_iter().cycle().nth(role + module).unwrap_or("view");
                format!("m{module}: {level}")
            });
            writeln!(roles, "  role{role}: {{ grants: {{ {} }} }}", cells.collect::<Vec<_>>().join(", "))
                .expect("writing to a text");
        }
        fs::write(directory.join(format!("roles-{file}.yaml")), roles).expect("a file");
    }
}
