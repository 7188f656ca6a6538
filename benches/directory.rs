//! What a directory of 100,000 users costs: memory, start, a page of a list, a change, a decision beside one among 100 users.
//!
//! `SIDEGATE_BENCH_USERS` sets the number. Ratios are of one run; absolute times are those of the machine. The directory is filled by
//! another process, so that memory is that of a start.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints and stops where its set-up is wrong"
)]

use arc_swap::ArcSwap;
use serde_json::json;
use sidegate::{
    directory::{
        Actor, Audience, Book, Call, Directory, Event, Form, Manner, Options, Policies, Sort, Subjects, UserQuery,
        Witness, read_users,
    },
    engine::{Subject, decide},
    model::{Request, Resource, Status, Timestamp, TraceId},
    policy::{self, Snapshot},
};
use std::{
    collections::HashSet,
    fs,
    hint::black_box,
    path::Path,
    process::Command,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const ROLES: [&str; 5] = ["manager", "sales-rep", "warehouse", "finance", "catalog-manager"];

#[derive(Debug)]
struct Deciders {
    snapshot: Arc<Snapshot>,
    subjects: ArcSwap<Subjects>,
    /// When the last change was published.
    published: ArcSwap<Option<Instant>>,
}

impl Policies for Deciders {
    fn current(&self) -> (Arc<Snapshot>, Arc<Subjects>) {
        (Arc::clone(&self.snapshot), self.subjects.load_full())
    }
}

impl Audience for Deciders {
    fn changed(&self, book: &Book, users: &[Arc<str>]) {
        let began = Instant::now();
        let mut subjects = Subjects::clone(&self.subjects.load());
        book.renew(&self.snapshot, &mut subjects, users);
        self.subjects.store(Arc::new(subjects));
        self.published.store(Arc::new(Some(began)));
        PUBLISHING.get_or_init(Default::default).lock().expect("nobody panics").push(began.elapsed());
    }
}

static PUBLISHING: OnceLock<std::sync::Mutex<Vec<Duration>>> = OnceLock::new();

#[derive(Debug)]
struct Nobody;

impl Witness for Nobody {
    fn is_ready(&self) -> bool {
        true
    }

    fn record_all(&self, events: &[Event]) -> usize {
        events.len()
    }

    fn known_since(&self, _: Timestamp) -> HashSet<String> {
        HashSet::new()
    }
}

/// That of the binary.
#[global_allocator]
static ALLOCATOR: sidegate::Allocator = sidegate::Allocator;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/8move");
    let snapshot = Arc::new(policy::load(&set, &policy::Options::default()).expect("a policy set"));
    if let Some(at) = arguments.iter().position(|argument| argument == FILL) {
        let count = arguments[at + 2].parse().expect("a number");
        return fill(Path::new(&arguments[at + 1]), &snapshot, count);
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "the size is for the benchmark alone")]
    let count: usize = std::env::var("SIDEGATE_BENCH_USERS").map_or(100_000, |text| text.parse().expect("a number"));
    let [few, many] = [100, count].map(|count| {
        let files = tempfile::tempdir().expect("a directory");
        let path = files.path().join("directory");
        let filled = Instant::now();
        let itself = std::env::current_exe().expect("this program");
        let filling = Command::new(itself).arg(FILL).arg(&path).arg(count.to_string()).status();
        assert!(filling.expect("this program starts").success(), "the directory is filled");
        println!("{count} users: created in {:.1} s", filled.elapsed().as_secs_f64());
        let before = resident();
        let began = Instant::now();
        let opened = open(&path, &snapshot);
        let (took, after) = (began.elapsed(), resident());
        println!("{count} users: start {took:.3?}, resident memory {before:.0} MiB before and {after:.0} MiB after");
        (opened, files)
    });
    let (directory, deciders) = &many.0;
    lists(directory, count);
    imports(directory, count);
    changes(directory, deciders, count);
    decisions(&few.0.1, deciders, count);
}

/// Stands before a path and a number: this process fills a directory for the one that started it.
const FILL: &str = "--fill";

fn open(path: &Path, snapshot: &Arc<Snapshot>) -> (Directory, Arc<Deciders>) {
    let directory = Directory::open(Options::new(path), Arc::new(Nobody)).expect("the directory opens");
    let subjects = ArcSwap::from_pointee(directory.roster().bind(snapshot).subjects);
    let snapshot = Arc::clone(snapshot);
    let deciders = Arc::new(Deciders { snapshot, subjects, published: ArcSwap::from_pointee(None) });
    let audience: Arc<dyn Audience> = Arc::clone(&deciders) as Arc<dyn Audience>;
    directory.attach(Arc::clone(&deciders) as Arc<dyn Policies>, vec![audience]);
    (directory, deciders)
}

fn fill(path: &Path, snapshot: &Arc<Snapshot>, count: usize) {
    let (directory, _deciders) = open(path, snapshot);
    let mut random = fastrand::Rng::with_seed(1);
    let users: Vec<_> = (0..count)
        .map(|n| {
            let role = ROLES[random.usize(..ROLES.len())];
            json!({
                "id": id(n), "email": format!("user-{n}@8move.example"), "status": "active",
                "first_name": format!("First{}", random.u32(..5000)), "last_name": format!("Last{}", random.u32(..20000)),
                "phone": format!("+31 20 {n:07}"), "job": "Account manager",
                "assignments": [{ "tenant": "north", "roles": [{ "role": role, "why": "works there" }] }],
            })
        })
        .collect();
    let text = serde_json::to_vec(&json!({ "users": users })).expect("JSON");
    let users = read_users(Form::Json, &text).expect("the users can be read");
    directory.import(&operator(), &users, false).expect("the users are good");
    // The next change forgets the events of the one before.
    directory.suspend_user(&operator(), &id(0)).expect("a change");
    directory.reactivate_user(&operator(), &id(0)).expect("a change");
}

fn id(n: usize) -> String {
    format!("user-{n:06}")
}

fn operator<'c>() -> Call<'c> {
    Call {
        actor: Actor::Operator("bench"),
        tenant: None,
        request_id: "",
        trace_id: TraceId::NONE,
        now: NOW,
        if_match: None,
        barred: None,
    }
}

/// Memory of the process, in MiB.
fn resident() -> f64 {
    let pages: f64 = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()))
        .unwrap_or(f64::NAN);
    pages * 4096.0 / f64::from(1 << 20)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn lists(directory: &Directory, count: usize) {
    let page = |name: &str, call: &Call<'_>, query: UserQuery| {
        let mut found = 0;
        let times = (0..9).map(|_| {
            let began = Instant::now();
            found = black_box(directory.list_users(call, &query).expect("a page")).users.len();
            began.elapsed()
        });
        println!("{count} users: page of 50, {name}: {:?}, {found} found", median(times.collect()));
    };
    let base = || UserQuery { limit: 50, ..UserQuery::default() };
    let text = |text: &str| Some(text.to_owned());
    let ada = Call { actor: Actor::User("ada"), tenant: Some("north"), ..operator() };
    for (who, call) in [("an operator", &operator()), ("an administrator of the tenant", &ada)] {
        let page = |name: &str, query: UserQuery| page(&format!("{name}, for {who}"), call, query);
        page("by id", base());
        page("by name", UserQuery { sort: Sort::Name, ..base() });
        page("by last change, descending", UserQuery { sort: Sort::Updated, descending: true, ..base() });
        page("searched, few found", UserQuery { search: text("last1234"), ..base() });
        page("searched, none found", UserQuery { search: text("nobody"), ..base() });
        page("searched, none found, by name", UserQuery { search: text("nobody"), sort: Sort::Name, ..base() });
        page("of a role", UserQuery { role: text("finance"), ..base() });
        page("of a role that nobody has", UserQuery { role: text("admin"), declared: Some(false), ..base() });
        page("suspended", UserQuery { status: Some(Status::Suspended), declared: Some(false), ..base() });
        page("of another tenant", UserQuery { tenant: text("south"), declared: Some(false), ..base() });
        page("of no family", UserQuery { family: text("none"), ..base() });
        page("who reach a module", UserQuery { module: text("catalog"), ..base() });
        page("who reach no module", UserQuery { module: text("nothing"), ..base() });
        page(
            "who reach a module, none found",
            UserQuery { module: text("settings"), role: text("sales-rep"), ..base() },
        );
    }
}

/// How long one call can hold up the others: an import is judged user by user.
fn imports(directory: &Directory, count: usize) {
    const USERS: usize = 2000;
    let users: Vec<_> = (0..USERS)
        .map(|n| {
            let roles = [json!({ "role": "warehouse" })];
            json!({
                "id": format!("new-{n}"), "email": format!("new-{n}@8move.example"), "first_name": "New", "last_name": "Come",
                "assignments": [{ "tenant": "north", "roles": roles }],
            })
        })
        .collect();
    let text = serde_json::to_vec(&json!({ "users": users })).expect("JSON");
    let users = read_users(Form::Json, &text).expect("the users can be read");
    for actor in [Actor::Operator("bench"), Actor::User("ada")] {
        let call = Call { actor, tenant: Some("north"), ..operator() };
        let began = Instant::now();
        let done = directory.import(&call, &users, true);
        println!(
            "{count} users: {USERS} more judged for {actor:?}: {:?}, {:?}",
            began.elapsed(),
            done.map_err(|error| error.to_string())
        );
    }
}

fn changes(directory: &Directory, deciders: &Deciders, count: usize) {
    PUBLISHING.get_or_init(Default::default).lock().expect("nobody panics").clear();
    let call = Call { tenant: Some("north"), ..operator() };
    let times = (0..200).map(|n| {
        let began = Instant::now();
        let role = ROLES[n % ROLES.len()];
        directory
            .assign(&call, &id(n), Manner::Replace, &json!({ "roles": [role], "why": n.to_string() }))
            .expect("a change");
        began.elapsed()
    });
    let whole = median(times.collect());
    let publishing = median(PUBLISHING.get_or_init(Default::default).lock().expect("nobody panics").clone());
    println!("{count} users: a change {whole:?}, of which until deciders see it {publishing:?}");
    assert!(deciders.published.load().is_some());
}

fn decisions(few: &Deciders, many: &Deciders, count: usize) {
    const AMONG: usize = 100;
    let time = |deciders: &Deciders, ids: &[String]| {
        let subjects = deciders.subjects.load();
        let resource = Resource { ty: "product", id: "p-1", attributes: &[] };
        let request = Request {
            action: "view",
            resource,
            tenant: Some("north"),
            context: &[],
            subject_attributes: &[],
            time: NOW,
        };
        let began = Instant::now();
        for _ in 0..50_000 / ids.len() {
            for id in ids {
                let subject = subjects.find(id).map_or(Subject::Unknown { id }, Subject::User);
                black_box(decide(&deciders.snapshot.program, subject, &request));
            }
        }
        began.elapsed() / 50_000
    };
    let mut random = fastrand::Rng::with_seed(7);
    let mut asked = |among: usize, whom: &[usize]| -> Vec<String> {
        (0..10_000).map(|_| id(whom[random.usize(..whom.len())] % among)).collect()
    };
    let small: Vec<usize> = (0..AMONG).collect();
    // As many users ask as in the small directory, wherever they stand in the large one: an application serves those who are at work.
    let at_work: Vec<usize> = (0..AMONG).map(|n| n * (count / AMONG).max(1)).collect();
    let everybody: Vec<usize> = (0..count).collect();
    let [among_few, hot, uniform] = [asked(AMONG, &small), asked(count, &at_work), asked(count, &everybody)];
    let rounds: Vec<_> = (0..15).map(|_| [time(few, &among_few), time(many, &hot), time(many, &uniform)]).collect();
    let [one, hot, uniform] = [0, 1, 2].map(|which| median(rounds.iter().map(|round| round[which]).collect()));
    let ratio = |other: Duration| other.as_secs_f64() / one.as_secs_f64();
    println!("decide with the lookup: {one:?} among {AMONG} users");
    println!("decide with the lookup: {hot:?} among {count}, of whom {AMONG} ask: ratio {:.2}", ratio(hot));
    println!("decide with the lookup: {uniform:?} among {count}, any of whom ask next: ratio {:.2}", ratio(uniform));
}
