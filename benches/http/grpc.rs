//! gRPC `Check` beside a bare tonic server that answers a constant; and what asking adds to a request through Envoy.
//!
//! Both servers get the same calls from the same client, in one run. Envoy has three listeners in one process: without the filter,
//! with it and the constant answer, and with it and the sidecar; what counts is how much the second and the third add to the first.

#[path = "../../tests/it/support/ext_authz.rs"]
#[expect(dead_code, reason = "what tests ask beside it")]
mod ext_authz;

#[path = "grpc/constant.rs"]
mod constant;
#[path = "grpc/envoy.rs"]
mod envoy;
#[path = "grpc/load.rs"]
mod load;

use super::{Bench, load::Figures, median, servers::Server};
use ext_authz::CheckRequest;
use load::Calls;
use prost::Message as _;
use std::{fmt::Write as _, fs, process::Command, time::Duration};

/// Connections, and calls at once on each: as a proxy with some workers, and alone.
const SHAPES: [(usize, usize); 2] = [(4, 8), (1, 1)];
/// Routes of the set.
const ROUTES: usize = 1000;
const LEAST_THROUGHPUT: f64 = 0.8;
const MOST_ADDED: f64 = 1.5;

/// Starts this program as the constant server, where the arguments say so; it serves until it is killed.
pub fn serves(arguments: &[String]) -> bool {
    let serves = arguments.iter().any(|argument| argument == "--constant");
    if serves {
        constant::serve();
    }
    serves
}

/// Measures, and says whether the figures hold.
pub fn measure(&Bench { seconds, rounds }: &Bench) -> bool {
    let mut constant = Command::new(std::env::current_exe().expect("the path of this program"));
    constant.arg("--constant");
    let constant = Server::start(constant, None);
    let sidecar = sidecar();
    let met = calls(&constant, &sidecar, seconds, rounds);
    through_envoy(&constant, &sidecar, seconds, rounds) && met
}

/// The sidecar on a thousand routes, of which one is asked for.
fn sidecar() -> Server {
    let files = tempfile::tempdir().expect("a directory");
    let policies = files.path().join("policies");
    fs::create_dir(&policies).expect("a directory");
    fs::write(policies.join("set.yaml"), policy_set()).expect("a file");
    let config = files.path().join("sidegate.yaml");
    let settings = "server: { admin: { auth: none }, \
                    authorize: { trusted_proxies: [127.0.0.1], proxy: { user_header: x-user } } }\n";
    fs::write(&config, settings).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.arg("serve").arg("--config").arg(config).arg("--policies").arg(policies);
    command.arg("--data").arg(files.path().join("data"));
    for listener in ["--authorize-listen", "--admin-listen", "--ops-listen"] {
        command.args([listener, "127.0.0.1:0"]);
    }
    Server::start(command, Some(files))
}

fn policy_set() -> String {
    let mut text = "policy_set: shop\ntenancy: none\nlevels: { edit: [view, edit] }\n\
        modules: { orders: { name: Orders, resources: [order] } }\n\
        roles: { clerk: { name: Clerk, grants: { orders: edit } } }\n\
        users: { u7: { name: Uma, email: uma@shop.example, roles: [clerk] } }\n\
        routes:\n  - { method: POST, path: \"/orders/{id}\", action: edit, resource: \"order:{id}\" }\n"
        .to_owned();
    for number in 1..ROUTES {
        writeln!(
            text,
            "  - {{ method: GET, path: \"/shelf-{number}/{{id}}/part\", action: view, resource: \"order:{{id}}\" }}"
        )
        .expect("a text");
    }
    text
}

/// What Envoy asks about a browser's request.
fn question() -> Vec<u8> {
    let headers = [
        ("x-user", "u7"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
        ("cookie", "theme=dark; session=7f3d5a1e9d554b499a408a1f4f2f7c11"),
        ("referer", "https://shop.example/orders"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "7f3d5a1e-9d55-4b49-9a40-8a1f4f2f7c11"),
    ];
    CheckRequest::about("POST", "/orders/o-1", &headers).encode_to_vec()
}

fn calls(constant: &Server, sidecar: &Server, seconds: Duration, rounds: usize) -> bool {
    let mut met = true;
    let message = question();
    for (connections, at_once) in SHAPES {
        println!(
            "\ngRPC, {connections} connection(s) with {at_once} call(s) at once, {rounds} rounds of {seconds:?}, medians"
        );
        let calls = |server: &Server| Calls { address: server.address, message: &message, connections, at_once };
        calls(constant).run(seconds / 3);
        calls(sidecar).run(seconds / 3);
        let figures: Vec<(Figures, Figures)> =
            (0..rounds).map(|_| (calls(constant).run(seconds), calls(sidecar).run(seconds))).collect();
        let of = |pick: &dyn Fn(&(Figures, Figures)) -> f64| median(figures.iter().map(pick).collect());
        let throughput = of(&|(constant, sidecar)| sidecar.per_second / constant.per_second);
        line("tonic, a constant", &|pick| of(&|round| pick(round.0)), "");
        let ratio = format!("{throughput:>8.2} {:>8.2}", of(&|(constant, sidecar)| sidecar.p50 / constant.p50));
        line("Check", &|pick| of(&|round| pick(round.1)), &ratio);
        met &= throughput >= LEAST_THROUGHPUT;
    }
    met
}

fn through_envoy(constant: &Server, sidecar: &Server, seconds: Duration, rounds: usize) -> bool {
    let Some(binary) = envoy::binary() else {
        println!("\nEnvoy is not installed, so what it adds was NOT measured: run `scripts/install-test-tools`");
        return false;
    };
    let application = Server::bare();
    let envoy = envoy::Envoy::start(&binary, application.address, constant.address, sidecar.address);
    println!("\nthrough Envoy, 1 connection, {rounds} rounds of {seconds:?}, medians");
    for address in envoy.listeners {
        envoy::ask(address, seconds / 3);
    }
    let figures: Vec<[Figures; 3]> =
        (0..rounds).map(|_| envoy.listeners.map(|address| envoy::ask(address, seconds))).collect();
    let of = |pick: &dyn Fn(&[Figures; 3]) -> f64| median(figures.iter().map(pick).collect());
    let added = of(&|[off, constant, sidecar]| (sidecar.p50 - off.p50) / (constant.p50 - off.p50));
    line("filter off", &|pick| of(&|round| pick(round[0])), "");
    line("filter on, a constant", &|pick| of(&|round| pick(round[1])), "");
    line(
        "filter on, Check",
        &|pick| of(&|round| pick(round[2])),
        &format!("added p50 {added:.2} times the constant's"),
    );
    added <= MOST_ADDED
}

/// The median over the rounds of one figure.
type Median<'m> = &'m dyn Fn(&dyn Fn(Figures) -> f64) -> f64;

fn line(name: &str, of: Median<'_>, ratios: &str) {
    let [per_second, p50, p99] = [of(&|one| one.per_second), of(&|one| one.p50), of(&|one| one.p99)];
    println!("{name:<26} {per_second:>10.0} {p50:>9.1} {p99:>9.1} {ratios}");
}
