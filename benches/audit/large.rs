//! A large log: `SIDEGATE_BENCH_RECORDS=5000000 cargo bench --bench audit -- large`.
//!
//! One child writes and is killed, another opens what it has left and reads, so that memory is that of one job alone.

use super::{entry, options, write_alone};
use sidegate::audit::{Export, Format, Log, Options, Order, Query, Reader};
use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write},
    ops::ControlFlow,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Marks this program's own children.
pub const CHILD: &str = "--child-of-the-large-log";
/// How many records the rare user has, evenly over the whole log: the worst a query for the last 100 can meet.
const RARE: u64 = 100;

pub fn run(records: u64) {
    let data = tempfile::tempdir().unwrap();
    let mut writer = child("write", data.path(), records);
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut most = 0;
    let said = loop {
        most = most.max(resident(&writer));
        // The child says something several times a second.
        let line = lines.next().unwrap().unwrap();
        if line != "." {
            break line;
        }
    };
    println!("audit/large {records} records: {said}, at most {} MiB resident (target 80)", most >> 20);
    writer.kill().unwrap();
    writer.wait().unwrap();
    for job in ["open", "query", "scan", "export-ndjson", "export-csv"] {
        let mut reader = child(job, data.path(), records);
        let mut most = 0;
        for line in BufReader::new(reader.stdout.take().unwrap()).lines() {
            most = most.max(resident(&reader));
            match line.unwrap() {
                line if line == "." => {}
                said => println!("audit/large {said}"),
            }
        }
        if job.starts_with("export") {
            println!("audit/large {job}: at most {} MiB resident (target 150)", most >> 20);
        }
        assert!(reader.wait().unwrap().success(), "{job}");
    }
}

fn child(job: &str, data: &Path, records: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(CHILD).arg(job).arg(data).arg(records.to_string());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Most bytes that the process has had in memory so far.
fn resident(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn say(text: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
}

/// What a child does.
pub fn child_main(arguments: &[String]) {
    let [job, data, records] = arguments else { panic!("job, directory, records") };
    let (data, records) = (Path::new(data), records.parse().unwrap());
    match job.as_str() {
        "write" => write(data, records),
        "open" => open(data, records),
        "query" => query(data),
        "scan" => scan(data),
        "export-ndjson" => export(data, Format::Ndjson),
        "export-csv" => export(data, Format::Csv),
        other => panic!("{other}"),
    }
}

/// As the settings have it by default: rings of 2 MiB.
fn sidecar_options(data: &Path) -> Options {
    Options { ring_bytes: 2 << 20, ..options(data) }
}

fn write(data: &Path, records: u64) {
    let log = Log::open(sidecar_options(data)).unwrap();
    let begun = Instant::now();
    let every = records / RARE;
    write_alone(&log, records, |n, recorder| {
        let rare = n % every == every / 2;
        let user = if rare { "rare@8move.example".to_owned() } else { format!("user-{}@8move.example", n % 5000) };
        let resource = format!("o-{}", n.wrapping_mul(7919) % 1_000_000);
        recorder.record(&entry(n, &user, &resource, &["sales-rep".to_owned()])).unwrap();
        if n % 100_000 == 0 {
            say(".");
        }
    });
    let rate = records as f64 / begun.elapsed().as_secs_f64();
    say(&format!("{rate:.0} records/s recorded, {} bytes a record on disk", log.stats().store_bytes / records));
    // Killed here, with records in the rings and no segment closed.
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// As a start of the sidecar opens it.
fn open(data: &Path, records: u64) {
    let begun = Instant::now();
    let log = Log::open(sidecar_options(data)).unwrap();
    let took = begun.elapsed();
    let (recovery, seq) = (log.recovery(), log.stats().durable_seq);
    say(&format!("open after kill -9: {took:?} (target 500 ms), {recovery:?}, {seq} records"));
    assert_eq!(seq, records, "nothing was lost");
}

fn query(data: &Path) {
    let reader = Reader::open(data).unwrap();
    for (name, user) in
        [("a rare", "rare@8move.example"), ("a frequent", "user-17@8move.example"), ("an unknown", "nobody")]
    {
        for round in ["first", "second"] {
            let begun = Instant::now();
            let query = Query::parse([("user", user), ("limit", "100")]).unwrap();
            let page = reader.page(&query).unwrap();
            let took = begun.elapsed();
            say(&format!("last 100 of {name} user, {round} time: {took:?} (target 50 ms), {} bytes", page.len()));
        }
    }
}

fn scan(data: &Path) {
    let reader = Reader::open(data).unwrap();
    let begun = Instant::now();
    let mut seen = 0_u64;
    let visit = |record: &sidegate::audit::Record<'_>| {
        seen += u64::from(!record.user.is_empty());
        ControlFlow::Continue(())
    };
    reader.for_each(&Query::all(Order::Ascending), visit).unwrap();
    say(&format!("full scan: {:.0} records/s (target 1,500,000)", seen as f64 / begun.elapsed().as_secs_f64()));
}

fn export(data: &Path, format: Format) {
    struct Sink(u64, u64);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            // So that the parent looks at the memory while it goes on.
            if self.0 >> 27 > self.1 {
                self.1 = self.0 >> 27;
                say(".");
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let reader = Reader::open(data).unwrap();
    let begun = Instant::now();
    let mut sink = Sink(0, 0);
    let export = Export { format, after_seq: None };
    let count = reader.export(&Query::all(Order::Ascending), export, &mut sink).unwrap();
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    say(&format!("export as {}: {rate:.0} records/s, {} MiB", format.as_str(), sink.0 >> 20));
}
