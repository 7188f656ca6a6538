//! The audit log's costs: what a decider pays for a record, and what the writer makes of it.
//!
//! The record is the one of the study: about 310 bytes as JSON.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, missing_docs, reason = "a benchmark")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sidegate::{
    audit::{Entry, Kind, Log, Mode, Options, Order, Origin, Query, Recorder, WhenFull},
    model::{Decision, Timestamp},
};
use std::{hint::black_box, ops::ControlFlow, path::Path, rc::Rc, thread, time::Instant};

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
    }
}

fn options(data: &Path) -> Options {
    Options { rings: 2, ..Options::new(data) }
}

/// What `Recorder::record` takes while the writer keeps up or drops: no waiting in it.
fn record(c: &mut Criterion) {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { when_full: WhenFull::DropAndCount, ..options(data.path()) }).unwrap();
    let recorder = log.recorder().unwrap();
    let roles = ["sales-rep".to_owned()];
    let mut n = 0;
    c.bench_function("audit/record", |b| {
        b.iter(|| {
            n += 1;
            black_box(recorder.record(&entry(n, "sam@8move.example", "o-123456", &roles)).unwrap());
        });
    });
    let dropped = log.stats().dropped;
    println!("audit/record: {dropped} of {n} found no room");
}

/// Records in a burst that the ring holds, without the writer beside: the pure cost.
fn burst(c: &mut Criterion) {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(options(data.path())).unwrap();
    let recorder = log.recorder().unwrap();
    let roles = ["sales-rep".to_owned()];
    c.bench_function("audit/record_burst_of_1000", |b| {
        b.iter_custom(|iterations| {
            let mut total = std::time::Duration::ZERO;
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
    for (mode, tasks, total) in [(Mode::Durable, 1, 1_000_000u64), (Mode::Synced, 32, 200_000)] {
        let data = tempfile::tempdir().unwrap();
        let log = Log::open(Options { mode, ..options(data.path()) }).unwrap();
        let cpu = writer_cpu();
        let begun = Instant::now();
        thread::scope(|scope| {
            for number in 0..THREADS {
                let recorder = log.recorder().unwrap();
                scope.spawn(move || write(&Rc::new(recorder), number, tasks, total / THREADS / tasks));
            }
        });
        let recorded = begun.elapsed();
        log.settle().unwrap();
        let flushed = begun.elapsed();
        let used = writer_cpu().zip(cpu).map_or(0.0, |(after, before)| after - before);
        let stats = log.stats();
        let per_second = total as f64 / flushed.as_secs_f64();
        println!(
            "audit/throughput {mode:?}, {THREADS} threads with {tasks} writers each: {per_second:.0} records/s to flushed ({recorded:?} recorded, {flushed:?} \
             flushed), writer {:.2} us of processor time a record, {} bytes a record on disk",
            used * 1e6 / total as f64,
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

/// Writers that share their thread's recorder, as requests do.
fn write(recorder: &Rc<Recorder>, number: u64, tasks: u64, count: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let local = tokio::task::LocalSet::new();
    for task in 0..tasks {
        let recorder = Rc::clone(recorder);
        local.spawn_local(async move {
            let roles = ["sales-rep".to_owned()];
            for n in 0..count {
                let rare = n % 5_000 == 17;
                let user =
                    if rare { format!("rare-{number}-{task}-{n}") } else { format!("user-{}@8move.example", n % 500) };
                let resource = format!("o-{}", n.wrapping_mul(7919) % 1_000_000);
                recorder.room().await.unwrap();
                let ticket = recorder.record(&entry(n, &user, &resource, &roles)).unwrap();
                recorder.committed(ticket).await.unwrap();
            }
        });
    }
    runtime.block_on(local);
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
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(3));
    targets = record, burst, page, throughput
}
criterion_main!(benches);
