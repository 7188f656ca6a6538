//! What a directory of 100,000 users costs: memory, start, a page of a list, a change, a decision beside one among 100 users.
//!
//! `SIDEGATE_BENCH_USERS` sets the number. Ratios are of one run; absolute times are those of the machine.

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
    model::{Request, Resource, Timestamp},
    policy::{self, Snapshot},
};
use std::{
    fs,
    hint::black_box,
    path::Path,
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

    fn record(&self, _: &Event) -> bool {
        true
    }
}

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "the size is for the benchmark alone")]
    let count: usize = std::env::var("SIDEGATE_BENCH_USERS").map_or(100_000, |text| text.parse().expect("a number"));
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/8move");
    let snapshot = Arc::new(policy::load(&set, &policy::Options::default()).expect("a policy set"));
    let [few, many] = [100, count].map(|count| {
        let files = tempfile::tempdir().expect("a directory");
        let filled = Instant::now();
        fill(&files.path().join("directory"), &snapshot, count);
        println!("{count} users created in {:.1} s", filled.elapsed().as_secs_f64());
        let before = resident();
        let began = Instant::now();
        let opened = open(&files.path().join("directory"), &snapshot);
        println!(
            "{count} users: start {:.3} s, memory {:.0} MiB more",
            began.elapsed().as_secs_f64(),
            resident() - before
        );
        (opened, files)
    });
    let (directory, deciders) = &many.0;
    lists(directory, count);
    changes(directory, deciders, count);
    decisions(&few.0.1, deciders, count);
}

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
}

fn id(n: usize) -> String {
    format!("user-{n:06}")
}

fn operator<'c>() -> Call<'c> {
    Call { actor: Actor::Operator("bench"), tenant: None, request_id: "", now: NOW, if_match: None }
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
    let page = |name: &str, query: UserQuery| {
        let times = (0..9).map(|_| {
            let began = Instant::now();
            black_box(directory.list_users(&operator(), &query).expect("a page"));
            began.elapsed()
        });
        println!("{count} users: page of 50, {name}: {:?}", median(times.collect()));
    };
    let base = || UserQuery { limit: 50, ..UserQuery::default() };
    page("by id", base());
    page("by name", UserQuery { sort: Sort::Name, ..base() });
    page("by last change, descending", UserQuery { sort: Sort::Updated, descending: true, ..base() });
    page("searched, few found", UserQuery { search: Some("last1234".to_owned()), ..base() });
    page("searched, none found", UserQuery { search: Some("nobody".to_owned()), ..base() });
    page("of a role", UserQuery { role: Some("finance".to_owned()), ..base() });
    page("of a role that nobody has", UserQuery { role: Some("admin".to_owned()), declared: Some(false), ..base() });
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
    let time = |deciders: &Deciders, among: usize| {
        let subjects = deciders.subjects.load();
        let mut random = fastrand::Rng::with_seed(7);
        let ids: Vec<String> = (0..1000).map(|_| id(random.usize(..among))).collect();
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
        for _ in 0..50 {
            for id in &ids {
                let subject = subjects.find(id).map_or(Subject::Unknown { id }, Subject::User);
                black_box(decide(&deciders.snapshot.program, subject, &request));
            }
        }
        began.elapsed() / 50_000
    };
    let rounds: Vec<_> = (0..9).map(|_| (time(few, 100), time(many, count))).collect();
    let [one, other] =
        [rounds.iter().map(|pair| pair.0).collect(), rounds.iter().map(|pair| pair.1).collect()].map(median);
    println!(
        "decide with the lookup: {one:?} among 100 users, {other:?} among {count}: ratio {:.2}",
        other.as_secs_f64() / one.as_secs_f64()
    );
}
