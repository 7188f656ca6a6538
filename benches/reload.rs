//! How soon a change is live, and what a reload costs those who ask meanwhile.
//!
//! `cargo bench --bench reload [-- --seconds 10 --rounds 15 --rate 4000 --form yaml|cedar --only freshness|compiling|reloading|storm]`.
//! The figures of the target: from rename to the first decision under
//! the new revision, a median under 400 ms with events and under the poll interval without; 10,000 policies in 100 files with one
//! changed, compiled and swapped in under 150 ms; in a storm of ten reloads a second, half of them broken, at 32 connections, a p99
//! of at most 1.5 times the one without; at the peak of a reload at most 2.2 times the memory of rest.
//!
//! The storm asks `--rate` questions a second, which leaves the processors room, as in an application's pod: where the questions
//! take all of them (`--rate 0`), the thread that compiles, which has the lower priority, gets what is left.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark fails by panicking, prints its figures, and rounds them"
)]

#[path = "http/load.rs"]
mod load;
#[path = "reload/server.rs"]
mod server;
#[path = "reload/sets.rs"]
mod sets;

use load::{Figures, Load};
use server::Sidecar;
use sets::Form;
use sidegate::policy::{self, Compiler, Options};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

const FORMS: [Form; 2] = [Form::Yaml, Form::Cedar];
const CONNECTIONS: usize = 32;
/// Phases of storm, each after one of peace.
const STORMS: u32 = 5;
const QUESTION: &str =
    r#"{"user":"u7","action":"view","resource":{"type":"doc1","id":"d-1","attributes":{"account_manager":"u7"}}}"#;

/// The looks come when they are asked for.
const ON_REQUEST: &str = "watch: false, poll_interval: 1h";

/// That of the binary.
#[global_allocator]
static ALLOCATOR: sidegate::Allocator = sidegate::Allocator;

fn main() {
    let seconds = argument("--seconds").unwrap_or(10);
    let rounds = argument("--rounds").unwrap_or(15) as usize;
    let only = text_argument("--only");
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("freshness") {
        freshness(rounds);
    }
    let form = text_argument("--form");
    let rate = argument("--rate").unwrap_or(4_000) as u32;
    for form in FORMS.into_iter().filter(|known| form.as_deref().is_none_or(|form| form == known.name())) {
        let directory = tempfile::tempdir().expect("a directory");
        sets::write(directory.path(), form);
        if wanted("compiling") {
            compiling(directory.path(), form, rounds);
        }
        if wanted("reloading") {
            reloading(directory.path(), form, rounds);
        }
        if wanted("storm") {
            storm(directory.path(), form, Duration::from_secs(seconds), Some(rate).filter(|&rate| rate > 0));
        }
    }
}

fn argument(name: &str) -> Option<u64> {
    text_argument(name)?.parse().ok()
}

fn text_argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// From rename to the first decision under the new revision.
fn freshness(rounds: usize) {
    for (name, settings) in
        [("with events", "poll_interval: 1h"), ("polled each 500 ms", "watch: false, poll_interval: 500ms")]
    {
        let directory = tempfile::tempdir().expect("a directory");
        let set = |n: usize| {
            format!(
                "policy_set: s\ntenancy: none\nlevels: {{ view: [view] }}\nmodules: {{ orders: {{ resources: [order] }} }}\n\
                 roles: {{ reader: {{ grants: {{ orders: view }} }} }}\n\
                 users: {{ gen-{n}: {{ name: R, email: r@demo.example, roles: [reader] }} }}\n"
            )
        };
        sets::place(directory.path(), "set.yaml", &set(0));
        let sidecar = Sidecar::start(directory.path(), settings);
        let samples = (1..=rounds).map(|n| {
            let question = format!(r#"{{"user":"gen-{n}","action":"view","resource":"order:o-1"}}"#);
            // The renames fall anywhere between two polls.
            thread::sleep(Duration::from_millis(n as u64 * 37 % 500));
            let renamed = Instant::now();
            sets::place(directory.path(), "set.yaml", &set(n));
            while sidecar.ask(&question)["decision"] != "allow" {
                assert!(renamed.elapsed() < Duration::from_secs(10), "generation {n} never went live");
                thread::sleep(Duration::from_millis(1));
            }
            milliseconds(renamed.elapsed())
        });
        println!("rename to decision, {name}: median {:.0} ms", median(samples.collect()));
    }
}

/// Reading and compiling alone, with what is known from the generation before and without.
fn compiling(directory: &Path, form: Form, rounds: usize) {
    let mut compiler = Compiler::new();
    let compile = |compiler: &mut Compiler, generation: usize| {
        sets::write_file(directory, form, 0, generation);
        let began = Instant::now();
        let files = policy::read(directory).expect("the set can be read");
        let read = began.elapsed();
        let result = compiler.compile(files, &Options::default());
        let took = milliseconds(began.elapsed());
        let snapshot = result.unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(snapshot.program.policies().len() >= sets::FILES * sets::EACH);
        (took, milliseconds(read))
    };
    let (cold, _) = compile(&mut compiler, 0);
    let (warm, reads): (Vec<f64>, Vec<f64>) = (1..=rounds).map(|generation| compile(&mut compiler, generation)).unzip();
    println!(
        "{}: read and compiled, all new {cold:.0} ms; one file changed, median {:.1} ms (of which reading {:.1} ms)",
        form.name(),
        median(warm),
        median(reads)
    );
}

/// The whole of a reload in the running process, and the memory that it takes.
fn reloading(directory: &Path, form: Form, rounds: usize) {
    let sidecar = Sidecar::start(directory, ON_REQUEST);
    let swap = |generation: usize| {
        sets::write_file(directory, form, 0, generation);
        let report = sidecar.reload();
        assert_eq!(report["outcome"], "swapped", "{report}");
        report["took_ms"].as_f64().expect("a number")
    };
    let took: Vec<f64> = (100..100 + rounds).map(swap).collect();
    // Replaced snapshots are freed within a moment.
    thread::sleep(Duration::from_millis(500));
    let rest = sidecar.memory();
    sidecar.forget_peak();
    swap(99);
    let peak = sidecar.peak();
    println!(
        "{}: compiled and swapped, median {:.1} ms; memory at rest {} MiB, at the peak {} MiB, ratio {:.2}",
        form.name(),
        median(took),
        rest >> 20,
        peak >> 20,
        peak as f64 / rest as f64
    );
}

/// Decisions in a storm of reloads beside decisions in peace, one after the other and over again: a machine that stops for a moment
/// spoils one phase, and not the medians.
fn storm(directory: &Path, form: Form, duration: Duration, rate: Option<u32>) {
    let sidecar = Sidecar::start(directory, ON_REQUEST);
    let load =
        Load { address: sidecar.authorize, path: "/v1/authorize", body: QUESTION, connections: CONNECTIONS, rate };
    load.run(Duration::from_secs(1));
    let (mut peace, mut storm, mut outcomes) = (Vec::new(), Vec::new(), (0, 0));
    for phase in 0..STORMS {
        peace.push(load.run(duration));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let reloads = scope.spawn(|| reload_until(&done, &sidecar, directory, (form, phase * 1_000)));
            storm.push(load.run(duration));
            done.store(true, Ordering::Relaxed);
            let (swapped, refused) = reloads.join().expect("the reloads");
            outcomes = (outcomes.0 + swapped, outcomes.1 + refused);
        });
    }
    let of = |phases: &[Figures], figure: fn(&Figures) -> f64| median(phases.iter().map(figure).collect());
    let (p99_in_peace, p99_in_storm) = (of(&peace, |phase| phase.p99), of(&storm, |phase| phase.p99));
    println!(
        "{}: p50 {:.0} and p99 {p99_in_peace:.0} us in peace, {:.0} and {p99_in_storm:.0} us in storms of {} swaps and {} refusals \
         in {STORMS} x {} s, p99 ratio {:.2}; {:.0} and {:.0} decisions a second",
        form.name(),
        of(&peace, |phase| phase.p50),
        of(&storm, |phase| phase.p50),
        outcomes.0,
        outcomes.1,
        duration.as_secs(),
        p99_in_storm / p99_in_peace,
        of(&peace, |phase| phase.per_second),
        of(&storm, |phase| phase.per_second)
    );
    drop(std::fs::remove_file(directory.join("broken.yaml")));
}

/// Ten changes a second, each second one of them broken, from a generation on. Tells how many were taken and how many refused.
fn reload_until(done: &AtomicBool, sidecar: &Sidecar, directory: &Path, (form, first): (Form, u32)) -> (usize, usize) {
    let began = Instant::now();
    let (mut swapped, mut refused) = (0, 0);
    for number in 0_u32.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        if number % 2 == 0 {
            sets::place(directory, "broken.yaml", &format!("roles: [ # {number}\n"));
        } else {
            std::fs::remove_file(directory.join("broken.yaml")).expect("it is there");
            sets::write_file(directory, form, 0, (first + number) as usize);
        }
        match sidecar.reload()["outcome"].as_str() {
            Some("swapped") => swapped += 1,
            _ => refused += 1,
        }
        let next = began + Duration::from_millis(100) * (number + 1);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    (swapped, refused)
}
