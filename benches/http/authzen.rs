//! AuthZEN: a single evaluation beside the product's own way of asking, and a batch of a thousand beside single evaluations.

use crate::{
    AUTHORIZE, Bench, EVALUATION,
    load::{Figures, Load},
    median,
    servers::{self, Server},
};
use serde_json::{Value, json};

/// A single evaluation is at most so much slower.
const MOST_SLOWER: f64 = 1.05;
/// An item of a batch is at least so much cheaper.
const LEAST_CHEAPER: f64 = 5.0;

const ITEMS: usize = 1000;
const CONNECTIONS: [usize; 2] = [32, 1];

/// Measures both, and says whether the figures hold.
pub fn measure(bench: &Bench) -> bool {
    let (_, durable) = servers::WAYS[0];
    let sidecar = Server::sidecar(durable);
    let load = |path, body, connections| Load { address: sidecar.address, path, body, connections, rate: None };
    let batch = batch();
    let mut met = true;
    for connections in CONNECTIONS {
        println!("\nAuthZEN, {connections} connection(s), {} rounds of {:?}, medians", bench.rounds, bench.seconds);
        let own = load("/v1/authorize", AUTHORIZE, connections);
        let single = load("/access/v1/evaluation", EVALUATION, connections);
        let many = load("/access/v1/evaluations", &batch, connections);
        met &= beside_own(connections, &bench.pairs(own, single));
        met &= beside_singles(&bench.pairs(single, many));
    }
    met
}

fn beside_own(connections: usize, measured: &[(Figures, Figures)]) -> bool {
    let slower = |(own, single): &(Figures, Figures)| {
        if connections == 1 { single.p50 / own.p50 } else { own.per_second / single.per_second }
    };
    let slower = median(measured.iter().map(slower).collect());
    let per_second = median(measured.iter().map(|(_, single)| single.per_second).collect());
    println!("evaluation                 {per_second:>10.0} a second, {slower:.3} times as long as /v1/authorize");
    slower <= MOST_SLOWER
}

fn beside_singles(measured: &[(Figures, Figures)]) -> bool {
    let items = ITEMS as f64;
    let cheaper = |(single, many): &(Figures, Figures)| many.per_second * items / single.per_second;
    let cheaper = median(measured.iter().map(cheaper).collect());
    let per_second = median(measured.iter().map(|(_, many)| many.per_second * items).collect());
    let whole = median(measured.iter().map(|(_, many)| many.p50 / 1000.0).collect());
    println!(
        "items of a batch of {ITEMS}   {per_second:>10.0} a second, {cheaper:.1} times cheaper, {whole:.1} ms a batch"
    );
    cheaper >= LEAST_CHEAPER
}

/// The question of a single evaluation, about a thousand orders.
fn batch() -> String {
    let mut body: Value = serde_json::from_str(EVALUATION).expect("JSON");
    let resource = body["resource"].take();
    let item = |number: usize| {
        let mut resource = resource.clone();
        resource["id"] = json!(format!("o-{number}"));
        json!({ "resource": resource })
    };
    body.as_object_mut().expect("an object").remove("resource");
    body["evaluations"] = (0..ITEMS).map(item).collect();
    body.to_string()
}
