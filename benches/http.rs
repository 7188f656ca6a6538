//! Throughput and latency of decisions over HTTP, beside a bare hyper server, in one run.
//!
//! `cargo bench --bench http [-- --seconds 3 --rounds 5]`. Each round measures the bare server, then the sidecar in each of its
//! ways, one after the other on the same machine; the figures are medians of the rounds, the ratios are taken within a round.
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

#[path = "http/bare.rs"]
mod bare;
#[path = "http/load.rs"]
mod load;
#[path = "http/servers.rs"]
mod servers;

use load::{Figures, Load};
use servers::Server;
use std::time::Duration;

/// The many connections of the target, and the single one.
const CONNECTIONS: [usize; 2] = [32, 1];
const LEAST_THROUGHPUT: f64 = 0.85;
const MOST_P99: f64 = 2.0;
const MOST_P50_ALONE: f64 = 1.3;

/// What is measured against the bare server.
struct Target {
    name: &'static str,
    path: &'static str,
    body: &'static str,
    mode: &'static str,
    /// Whether the figures must hold; the others are reported beside them.
    binding: bool,
}

const AUTHORIZE: &str = r#"{"user":"u7","action":"edit","tenant":"north","resource":{"type":"order","id":"o-1","attributes":{"account_manager":{"__entity":{"type":"User","id":"u7"}},"status":"open"}},"context":{"ip":"10.1.2.3"}}"#;
const EVALUATION: &str = r#"{"subject":{"type":"User","id":"u7"},"action":{"name":"edit"},"resource":{"type":"order","id":"o-1","properties":{"account_manager":{"__entity":{"type":"User","id":"u7"}},"status":"open"}},"context":{"ip":"10.1.2.3"}}"#;

const TARGETS: [Target; 3] = [
    Target { name: "/v1/authorize", path: "/v1/authorize", body: AUTHORIZE, mode: "durable", binding: true },
    Target {
        name: "/access/v1/evaluation",
        path: "/access/v1/evaluation",
        body: EVALUATION,
        mode: "durable",
        binding: true,
    },
    Target { name: "/v1/authorize, synced", path: "/v1/authorize", body: AUTHORIZE, mode: "synced", binding: false },
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--bare") {
        return bare::serve();
    }
    let number = |name: &str, default: u64| {
        let place = arguments.iter().position(|argument| argument == name);
        place.map_or(default, |place| arguments[place + 1].parse().expect("a number"))
    };
    let seconds = Duration::from_secs(number("--seconds", 3));
    let rounds = number("--rounds", 5) as usize;

    let bare = Server::bare();
    let sidecars = ["durable", "synced"].map(|mode| (mode, Server::sidecar(mode)));
    let mut met = true;
    for connections in CONNECTIONS {
        println!("\n{connections} connection(s), {rounds} rounds of {seconds:?}, medians");
        println!("{:<26} {:>10} {:>9} {:>9} {:>8} {:>8} {:>8}", "", "req/s", "p50 us", "p99 us", "req/s", "p50", "p99");
        for target in &TARGETS {
            let (_, sidecar) = sidecars.iter().find(|(mode, _)| *mode == target.mode).expect("a sidecar of the mode");
            let load =
                |server: &Server| Load { address: server.address, path: target.path, body: target.body, connections };
            // Caches fill and the processor finds its pace before anything counts.
            load(&bare).run(seconds / 3);
            load(sidecar).run(seconds / 3);
            let measured: Vec<(Figures, Figures)> =
                (0..rounds).map(|_| (load(&bare).run(seconds), load(sidecar).run(seconds))).collect();
            met &= report(target, connections, &measured);
        }
    }
    println!("\ntargets: {}", if met { "met" } else { "MISSED" });
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
    let throughput = median_of(&|(bare, sidecar)| sidecar.per_second / bare.per_second);
    let p50 = median_of(&|(bare, sidecar)| sidecar.p50 / bare.p50);
    let p99 = median_of(&|(bare, sidecar)| sidecar.p99 / bare.p99);
    line("bare, same body", &|round| round.0, "");
    line(target.name, &|round| round.1, &format!("{throughput:>8.2} {p50:>8.2} {p99:>8.2}"));
    let alone = connections == 1;
    !target.binding || if alone { p50 <= MOST_P50_ALONE } else { throughput >= LEAST_THROUGHPUT && p99 <= MOST_P99 }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
