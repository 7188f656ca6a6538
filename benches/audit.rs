//! The audit log's costs: what a decider pays for a record, and what the writer makes of it.
//!
//! The record is the one of the study: about 310 bytes as JSON. With `SIDEGATE_BENCH_RECORDS=5000000` there is a large log as well.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

#[path = "audit/large.rs"]
mod large;

use criterion::{Criterion, Throughput, criterion_group};
use sidegate::{
    audit::{Entry, Intake, Kind, Log, Mode, Options, Order, Origin, Query, Recorder, WhenFull},
    config::{Redact, RedactAction, RedactField, RedactKey, RedactRule},
    model::{Decision, Timestamp, TraceId},
};
use std::{
    cell::RefCell,
    hint::black_box,
    ops::ControlFlow,
    path::Path,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const THREADS: u64 = 2;

fn entry<'a>(n: u64, user: &'a str, resource: &'a str, roles: &'a [String]) -> Entry<'a> {
    Entry {
        time: Timestamp::from_micros(1_800_000_000_000_000 + i64::try_from(n).unwrap_or_default() * 37),
        kind: Kind::Decision,
        // As a ULID: a time, and random bits that do not compress.
        id: (u128::from(n) << 80 | u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 16).to_be_bytes(),
        request_id: "",
        tenant: "north",
        user,
        roles,
        action: "edit",
        module: "orders",
        resource_type: "order",
        resource_id: resource,
        decision: Some(Decision::Allow),
        reason: "granted",
        policies: &["role/sales-rep/orders"],
        errors: &[],
        revision: "3f9c01d2a7b4",
        duration_ns: 700 + n % 500,
        origin: Origin::Native,
        actor: "",
        before: "",
        after: "",
        context: r#"{"ip":"10.1.2.3"}"#,
        trace_id: TraceId::NONE,
    }
}

fn options(data: &Path) -> Options {
    Options { rings: 2, ..Options::new(data) }
}

/// What `Recorder::record` takes while the writer keeps up or drops: no waiting in it. As it is, and with redaction.
fn record(c: &mut Criterion) {
    let place = |field, below: &[&str], action| RedactRule {
        field,
        below: below.iter().map(|step| (*step).to_owned()).collect(),
        action,
    };
    let fields = vec![
        place(RedactField::User, &[], RedactAction::Hash),
        place(RedactField::Context, &["ip"], RedactAction::Mask),
    ];
    let redact = Redact { fields, key_file: None, key: RedactKey::new(&[7; 32]) };
    for (name, intake) in
        [("audit/record", None), ("audit/record_redacted", Intake::new(&redact, &[]).unwrap().map(Arc::new))]
    {
        let data = tempfile::tempdir().unwrap();
        let when_full = WhenFull::DropAndCount;
        let log = Log::open(Options { when_full, intake, ..options(data.path()) }).unwrap();
        let recorder = log.recorder().unwrap();
        let roles = ["sales-rep".to_owned()];
        let mut n = 0;
        c.bench_function(name, |b| {
            b.iter(|| {
                n += 1;
                black_box(recorder.record(&entry(n, "sam@8move.example", "o-123456", &roles)).unwrap());
            });
        });
        let dropped = log.stats().dropped;
        println!("{name}: {dropped} of {n} found no room");
    }
}

/// Records in a burst that the ring holds, without the writer beside: the pure cost.
fn burst(c: &mut Criterion) {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(options(data.path())).unwrap();
    let recorder = log.recorder().unwrap();
    let roles = ["sales-rep".to_owned()];
    c.bench_function("audit/record_burst_of_1000", |b| {
        b.iter_custom(|iterations| {
            let mut total = Duration::ZERO;
            for _ in 0..iterations {
                let begun = Instant::now();
                for n in 0..1_000 {
                    black_box(recorder.record(&entry(n, "sam@8move.example", "o-123456", &roles)).unwrap());
                }
                total += begun.elapsed();
                log.settle().unwrap();
            }
            total / 1_000
        });
    });
}

/// From the first record to all of them flushed; bytes on disk; a full scan. Printed, since one run says it all.
fn throughput(_: &mut Criterion) {
    for (mode, tasks, total) in [(Mode::Durable, 1, 1_000_000u64), (Mode::Synced, 32, 1_000_000)] {
        let data = tempfile::tempdir().unwrap();
        let log = Log::open(Options { mode, ..options(data.path()) }).unwrap();
        let cpu = writer_cpu();
        let begun = Instant::now();
        let mut acknowledged: Vec<Duration> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|number| {
                    let recorder = log.recorder().unwrap();
                    scope.spawn(move || write(&Rc::new(recorder), number, tasks, total / THREADS / tasks))
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let recorded = begun.elapsed();
        log.settle().unwrap();
        let flushed = begun.elapsed();
        let used = writer_cpu().zip(cpu).map_or(0.0, |(after, before)| after - before);
        let stats = log.stats();
        let writers = THREADS * tasks;
        println!(
            "audit/throughput {mode:?}, {writers} writers: {:.0} records/s to flushed ({recorded:?} recorded, {flushed:?} flushed), \
             writer {:.2} us of processor time a record",
            total as f64 / flushed.as_secs_f64(),
            used * 1e6 / total as f64,
        );
        acknowledged.sort_unstable();
        let percentile = |hundredth: usize| acknowledged[(acknowledged.len() - 1) * hundredth / 100];
        println!(
            "audit/acknowledged {mode:?}, {writers} writers: {:.0} a second (target 60,000 in synced), p50 {:?}, p99 {:?} (target 5 ms)",
            total as f64 / recorded.as_secs_f64(),
            percentile(50),
            percentile(99),
        );
        println!(
            "audit/bytes {mode:?}: {} a record on disk over {total} records (target 110)",
            stats.store_bytes / total
        );
        let begun = Instant::now();
        let mut seen = 0u64;
        log.reader()
            .for_each(&Query::all(Order::Ascending), |record| {
                seen += u64::from(!record.user.is_empty());
                ControlFlow::Continue(())
            })
            .unwrap();
        println!("audit/scan {mode:?}: {:.0} records/s", seen as f64 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let query = Query::parse([("user", "rare-0-0-17"), ("limit", "100")]).unwrap();
        let page = log.reader().page(&query).unwrap();
        println!("audit/one_user {mode:?}: {:?} for {} bytes", begun.elapsed(), page.len());
    }
}

/// A log as large as asked for.
fn large(_: &mut Criterion) {
    #[expect(clippy::disallowed_methods, reason = "the size is for the benchmark alone")]
    let records = std::env::var("SIDEGATE_BENCH_RECORDS").ok();
    match records {
        Some(records) => large::run(records.replace('_', "").parse().unwrap()),
        None => println!("audit/large: left out, SIDEGATE_BENCH_RECORDS=5000000 measures it"),
    }
}

/// One writer on its own thread that waits for room and for nothing else.
fn write_alone(log: &Log, count: u64, mut write: impl FnMut(u64, &Recorder)) {
    let recorder = log.recorder().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for n in 0..count {
            recorder.room().await.unwrap();
            write(n, &recorder);
        }
    });
}

/// Writers that share their thread's recorder, as requests do. Answers how long each record took to be acknowledged.
fn write(recorder: &Rc<Recorder>, number: u64, tasks: u64, count: u64) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let took = Rc::new(RefCell::new(Vec::with_capacity(usize::try_from(tasks * count).unwrap())));
    for task in 0..tasks {
        let (recorder, took) = (Rc::clone(recorder), Rc::clone(&took));
        local.spawn_local(async move {
            let roles = ["sales-rep".to_owned()];
            for n in 0..count {
                let rare = n % 5_000 == 17;
                let user =
                    if rare { format!("rare-{number}-{task}-{n}") } else { format!("user-{}@8move.example", n % 500) };
                let resource = format!("o-{}", n.wrapping_mul(7919) % 1_000_000);
                let begun = Instant::now();
                recorder.room().await.unwrap();
                let ticket = recorder.record(&entry(n, &user, &resource, &roles)).unwrap();
                recorder.committed(ticket).await.unwrap();
                took.borrow_mut().push(begun.elapsed());
            }
        });
    }
    runtime.block_on(local);
    took.take()
}

/// Seconds of processor time that the writer's thread and sled's have used.
fn writer_cpu() -> Option<f64> {
    let mut ticks = 0.0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let path = task.ok()?.path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if name.starts_with("audit-writer") || name.starts_with("sled") || name.starts_with("log flusher") {
            let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
            ticks += fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        }
    }
    Some(ticks / 100.0)
}

/// Encoding a query's page.
fn page(c: &mut Criterion) {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(options(data.path())).unwrap();
    let roles = ["sales-rep".to_owned()];
    for n in 0..10_000 {
        log.append(&entry(n, "sam@8move.example", "o-123456", &roles)).unwrap();
    }
    log.settle().unwrap();
    let (reader, query) = (log.reader(), Query::all(Order::Descending));
    let mut group = c.benchmark_group("audit");
    group.throughput(Throughput::Elements(100));
    group.bench_function("page_of_100", |b| b.iter(|| black_box(reader.page(&query).unwrap())));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = record, burst, page, throughput, large
}

/// That of the binary.
#[global_allocator]
static ALLOCATOR: sidegate::Allocator = sidegate::Allocator;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == large::CHILD) {
        return large::child_main(&arguments[1..]);
    }
    // `-- large` measures the large log alone.
    if arguments.iter().any(|argument| argument == "large") {
        return large(&mut Criterion::default());
    }
    // `-- throughput` measures that alone.
    if arguments.iter().any(|argument| argument == "throughput") {
        return throughput(&mut Criterion::default());
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
