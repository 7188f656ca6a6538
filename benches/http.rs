//! Throughput and latency of decisions over HTTP, beside a bare hyper server, and beside the sidecar without its audit log, in one run.
//!
//! `cargo bench --bench http [-- --seconds 3 --rounds 5 --only decisions]`; `--only tls` and so on. Each round measures the yardstick, then the sidecar, one after the other
//! on the same machine; the figures are medians of the rounds, the ratios are taken within a round.
//! The sidecar without a log is one that samples every allow away: it puts a record's fields together and writes nothing.
//! The load generator shares the cores with the server it measures, as an application does with its sidecar.
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

#[path = "http/authzen.rs"]
mod authzen;
#[path = "http/bare.rs"]
mod bare;
#[path = "http/grpc.rs"]
mod grpc;
#[path = "http/load.rs"]
mod load;
#[path = "http/servers.rs"]
mod servers;
#[path = "http/tls.rs"]
mod tls;

use load::{Figures, Load};
use servers::Server;
use std::time::Duration;

/// The many connections of the target, and the single one.
const CONNECTIONS: [usize; 2] = [32, 1];
const LEAST_THROUGHPUT: f64 = 0.85;
const MOST_P99: f64 = 2.0;
const MOST_P50_ALONE: f64 = 1.3;

const LEAST_THROUGHPUT_OF_NO_LOG: f64 = 0.93;
const MOST_P50_OVER_NO_LOG: f64 = 5.0;

/// What is measured, and against what.
struct Target {
    name: &'static str,
    path: &'static str,
    body: &'static str,
    /// Which sidecar.
    way: &'static str,
    beside: Yardstick,
}

/// What a target is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Yardstick {
    /// A bare server, and the figures must hold.
    Bare,
    /// A bare server, for the report alone.
    BareForReport,
    /// The same sidecar without its log, and the figures must hold.
    NoLog,
}

pub const AUTHORIZE: &str = r#"{"user":"u7","action":"edit","tenant":"north","resource":{"type":"order","id":"o-1","attributes":{"account_manager":{"__entity":{"type":"User","id":"u7"}},"status":"open"}},"context":{"ip":"10.1.2.3"}}"#;
pub const EVALUATION: &str = r#"{"subject":{"type":"User","id":"u7"},"action":{"name":"edit"},"resource":{"type":"order","id":"o-1","properties":{"account_manager":{"__entity":{"type":"User","id":"u7"}},"status":"open"}},"context":{"ip":"10.1.2.3"}}"#;

const TARGETS: [Target; 4] = [
    Target { name: "/v1/authorize", path: "/v1/authorize", body: AUTHORIZE, way: "durable", beside: Yardstick::Bare },
    Target {
        name: "/access/v1/evaluation",
        path: "/access/v1/evaluation",
        body: EVALUATION,
        way: "durable",
        beside: Yardstick::Bare,
    },
    Target {
        name: "/v1/authorize, durable",
        path: "/v1/authorize",
        body: AUTHORIZE,
        way: "durable",
        beside: Yardstick::NoLog,
    },
    Target {
        name: "/v1/authorize, synced",
        path: "/v1/authorize",
        body: AUTHORIZE,
        way: "synced",
        beside: Yardstick::BareForReport,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--bare") {
        return bare::serve();
    }
    if grpc::serves(&arguments) {
        return;
    }
    let number = |name: &str, default: u64| {
        let place = arguments.iter().position(|argument| argument == name);
        place.map_or(default, |place| arguments[place + 1].parse().expect("a number"))
    };
    let bench = Bench { seconds: Duration::from_secs(number("--seconds", 3)), rounds: number("--rounds", 5) as usize };
    let only = arguments.iter().position(|argument| argument == "--only").map(|place| arguments[place + 1].as_str());
    let sections: &[(&str, Section)] =
        &[("decisions", decisions), ("authzen", authzen::measure), ("grpc", grpc::measure), ("tls", tls::measure)];
    let mut met = true;
    for (_, section) in sections.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        met &= section(&bench);
    }
    println!("\ntargets: {}", if met { "met" } else { "MISSED" });
}

/// Measures and prints, and says whether the figures hold.
type Section = fn(&Bench) -> bool;

/// How long and how often each section measures. Every section says whether its figures hold.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    pub seconds: Duration,
    pub rounds: usize,
}

impl Bench {
    /// Measures the first load and the second in turn, after both have run for a while that does not count.
    pub fn pairs(&self, first: Load<'_>, second: Load<'_>) -> Vec<(Figures, Figures)> {
        // Caches fill and the processor finds its pace before anything counts.
        first.run(self.seconds / 3);
        second.run(self.seconds / 3);
        (0..self.rounds).map(|_| (first.run(self.seconds), second.run(self.seconds))).collect()
    }
}

/// Decisions beside a bare server, and beside a sidecar without a log.
fn decisions(bench: &Bench) -> bool {
    let bare = Server::bare();
    let sidecars = servers::WAYS.map(|(way, audit)| (way, Server::sidecar(audit)));
    let sidecar = |way: &str| &sidecars.iter().find(|(name, _)| *name == way).expect("a sidecar of this way").1;
    let mut met = true;
    for connections in CONNECTIONS {
        println!("\n{connections} connection(s), {} rounds of {:?}, medians", bench.rounds, bench.seconds);
        println!(
            "{:<26} {:>10} {:>9} {:>9} {:>8} {:>8} {:>8} {:>11}",
            "", "req/s", "p50 us", "p99 us", "req/s", "p50", "p99", "p50 over"
        );
        for target in &TARGETS {
            let measured = sidecar(target.way);
            let yardstick = if target.beside == Yardstick::NoLog { sidecar("no log") } else { &bare };
            let load = |server: &Server| Load {
                address: server.address,
                path: target.path,
                body: target.body,
                connections,
                rate: None,
            };
            met &= report(target, connections, &bench.pairs(load(yardstick), load(measured)));
        }
    }
    met
}

/// Prints one line for each server and says whether the figures hold.
fn report(target: &Target, connections: usize, measured: &[(Figures, Figures)]) -> bool {
    let median_of = |pick: &dyn Fn(&(Figures, Figures)) -> f64| median(measured.iter().map(pick).collect());
    let line = |name: &str, side: &dyn Fn(&(Figures, Figures)) -> Figures, ratios: &str| {
        println!(
            "{name:<26} {:>10.0} {:>9.1} {:>9.1} {ratios}",
            median_of(&|round| side(round).per_second),
            median_of(&|round| side(round).p50),
            median_of(&|round| side(round).p99),
        );
    };
    let throughput = median_of(&|(yardstick, sidecar)| sidecar.per_second / yardstick.per_second);
    let p50 = median_of(&|(yardstick, sidecar)| sidecar.p50 / yardstick.p50);
    let p99 = median_of(&|(yardstick, sidecar)| sidecar.p99 / yardstick.p99);
    let alone = connections == 1;
    let over = median_of(&|(yardstick, sidecar)| sidecar.p50 - yardstick.p50);
    let yardstick = if target.beside == Yardstick::NoLog { "the same without a log" } else { "bare, same body" };
    line(yardstick, &|round| round.0, "");
    line(target.name, &|round| round.1, &format!("{throughput:>8.2} {p50:>8.2} {p99:>8.2} {over:>+8.1} us"));
    match target.beside {
        Yardstick::BareForReport => true,
        Yardstick::Bare if alone => p50 <= MOST_P50_ALONE,
        Yardstick::Bare => throughput >= LEAST_THROUGHPUT && p99 <= MOST_P99,
        Yardstick::NoLog if alone => over <= MOST_P50_OVER_NO_LOG,
        Yardstick::NoLog => throughput >= LEAST_THROUGHPUT_OF_NO_LOG,
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
