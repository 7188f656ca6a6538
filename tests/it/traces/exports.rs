//! Spans, as a collector that others wrote the messages for reads them.

use super::{PARENT, TRACE, ask, question};
use crate::support::{Collector, PolicyDir, Sidecar, SidecarBuilder, wait_for};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(20);

/// A sidecar that exports at once.
fn traced(collector: &Collector) -> SidecarBuilder {
    Sidecar::builder()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
}

fn spans(sidecar: &Sidecar, outcome: &str) -> f64 {
    sidecar.metric(&format!("sidegate_trace_spans_total{{outcome=\"{outcome}\"}}"))
}

#[test]
fn a_request_is_a_span_below_its_callers_and_tells_of_the_decision() {
    let collector = Collector::start();
    let sidecar = traced(&collector)
        .env("OTEL_SERVICE_NAME", "gate")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test%20bench,service.name=other")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush")
        .start();
    let headers = [("traceparent", PARENT), ("tracestate", "rojo=1,congo=2"), ("x-request-id", "r-7")];
    let id = ask(&sidecar, &headers);
    let span = collector.wait_span(|span| span["trace"] == TRACE);
    assert_eq!((&span["parent"], &span["state"]), (&json!("b7ad6b7169203331"), &json!("rojo=1,congo=2")), "{span}");
    assert_eq!((&span["name"], &span["kind"]), (&json!("POST /v1/authorize"), &json!("SPAN_KIND_SERVER")), "{span}");
    assert_eq!((&span["failed"], &span["flags"], &span["scope"]), (&json!(false), &json!(0x301), &json!("sidegate")));
    assert!(span["nanoseconds"].as_u64().is_some_and(|took| (1..20_000_000_000).contains(&took)), "{span}");
    let revision = sidecar.ops_get("/status").json()["policies"]["revision"].clone();
    let mut attributes = span["attributes"].clone();
    let peer = attributes.as_object_mut().and_then(|all| all.remove("network.peer.address"));
    assert_eq!(peer, Some(json!("127.0.0.1")));
    if let Some(all) = attributes.as_object_mut() {
        // The document's own test is elsewhere; what counts here is that it is named.
        let named = all.remove("sidegate.revision");
        assert!(named.is_some_and(|named| revision.is_null() || named == revision), "{revision}");
    }
    assert_eq!(
        attributes,
        json!({
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "http.route": "/v1/authorize",
            "network.protocol.version": "1.1",
            "sidegate.action": "view",
            "sidegate.decision": "allow",
            "sidegate.decision.id": id,
            "sidegate.listener": "authorize",
            "sidegate.module": "orders",
            "sidegate.reason": "granted",
            "sidegate.request_id": "r-7",
            "sidegate.resource.type": "order",
            "sidegate.source": "native",
            "url.path": "/v1/authorize",
            "url.scheme": "http",
        })
    );
    // Whose decision it was is in no span.
    assert!(!collector.spans().iter().any(|span| span.to_string().contains("alice")));

    let post = &collector.posts()[0];
    assert_eq!((&post["path"], &post["headers"]["authorization"]), (&json!("/v1/traces"), &json!("Bearer hush")));
    assert_eq!(post["headers"]["content-type"], "application/x-protobuf");
    assert_eq!((&post["resource"]["service.name"], &post["resource"]["deployment.environment.name"]), (&json!("gate"), &json!("test bench")));
    assert!(!sidecar.log().contains("hush"), "headers may be secrets");
    wait_for("spans are counted", SOON, || spans(&sidecar, "exported") >= 1.0);
}

#[test]
fn every_door_has_spans_and_probes_have_none() {
    let collector = Collector::start();
    let proxy = "server: { authorize: { trusted_proxies: [127.0.0.1], proxy: { user_header: x-user } } }";
    let sidecar = traced(&collector).config(proxy).start();
    let evaluation = |user: &str| {
        json!({
            "subject": { "type": "user", "id": user }, "action": { "name": "delete" }, "resource": { "type": "order", "id": "o-1" },
        })
    };
    let batch = json!({ "evaluations": [evaluation("alice"), evaluation("bob"), evaluation("nobody")] });
    sidecar.post_text("/access/v1/evaluations", &[], &batch.to_string());
    let several = collector.wait_span(|span| span["attributes"]["http.route"] == "/access/v1/evaluations");
    assert_eq!(several["attributes"]["sidegate.decisions"], 3, "{several}");
    assert_eq!(several["attributes"]["sidegate.decisions.allowed"], 1, "{several}");
    assert!(several["attributes"]["sidegate.decision"].is_null(), "{several}");
    assert_eq!((several["parent"].as_str(), several["trace"].as_str().map(str::len)), (Some(""), Some(32)));

    let http2 = crate::support::Http2::connect(sidecar.authorize_address());
    http2.call("/grpc.health.v1.Health/Check", &[("traceparent", PARENT)], vec![0; 5]);
    let call = collector.wait_span(|span| span["attributes"]["rpc.system"] == "grpc");
    assert_eq!(call["name"], "grpc.health.v1.Health/Check");
    assert_eq!(
        (&call["attributes"]["rpc.service"], &call["attributes"]["rpc.method"], &call["attributes"]["rpc.grpc.status_code"]),
        (&json!("grpc.health.v1.Health"), &json!("Check"), &json!(0))
    );
    sidecar.client().get(sidecar.authorize_address(), "/auth-request", &[("x-user", "bob")]).expect("an answer");
    collector.wait_span(|span| span["attributes"]["http.route"] == "/auth-request");
    let user = sidecar.get("/v1/users/alice/menu");
    let menu = collector.wait_span(|span| span["attributes"]["http.route"] == "/v1/users/{id}/menu");
    assert!(user.status < 500 && !menu.to_string().contains("alice"), "{menu}");
    sidecar.get("/nowhere/alice");
    let lost = collector.wait_span(|span| span["attributes"]["http.response.status_code"] == 404);
    assert!(lost["name"] == "GET" && !lost.to_string().contains("alice"), "{lost}");
    sidecar.admin_get("/v1/policies");
    let admin = collector.wait_span(|span| span["attributes"]["sidegate.listener"] == "admin");
    assert_eq!(admin["name"], "GET /v1/policies", "{admin}");
    assert!(!collector.spans().iter().any(|span| span["attributes"]["http.route"] == "/readyz"));
}

#[test]
fn whether_a_trace_is_recorded_is_the_callers_word_and_then_the_samplers() {
    let collector = Collector::start();
    let unsampled = PARENT.replace("-01", "-00");
    let cases = [
        ("parentbased_always_on", [Some(PARENT), None], [Some(unsampled.as_str()), None]),
        ("parentbased_always_off", [Some(PARENT), Some(PARENT)], [None, Some(&unsampled)]),
        ("always_off", [None, None], [None, Some(PARENT)]),
    ];
    for (sampler, _, left_out) in &cases {
        let sidecar = traced(&collector).env("OTEL_TRACES_SAMPLER", sampler).start();
        for parent in left_out {
            let headers: Vec<_> = parent.iter().map(|parent| ("traceparent", *parent)).collect();
            if *sampler == "parentbased_always_on" && parent.is_none() {
                continue;
            }
            let id = ask(&sidecar, &headers);
            assert!(!collector.spans().iter().any(|span| span["attributes"]["sidegate.decision.id"] == id.as_str()));
        }
        sidecar.stop();
        assert!(!sidecar.log().contains("span_export_failed"));
    }
    assert!(collector.spans().iter().all(|span| span["attributes"]["sidegate.decision.id"].is_null()), "none was wanted");

    // A trace that begins here is in the record under the same name.
    let sidecar = traced(&collector).start();
    let id = ask(&sidecar, &[]);
    let span = collector.wait_span(|span| span["attributes"]["sidegate.decision.id"] == id.as_str());
    assert_eq!(sidecar.wait_decision()["trace_id"], span["trace"], "{span}");
}

#[test]
fn loads_and_calls_to_others_are_spans_too_and_the_calls_say_so() {
    let collector = Collector::start();
    let (address, heads) = listener();
    let dir = PolicyDir::copy_of("demo");
    let sidecar = traced(&collector)
        .policies(dir.path())
        .config(&format!("audit: {{ checkpoint: {{ interval: 100ms, webhook: \"http://{address}/\" }} }}"))
        .start();
    ask(&sidecar, &[]);
    let head = heads.recv_timeout(SOON).expect("a post");
    let place = head.lines().find_map(|line| line.strip_prefix("traceparent: ")).expect("a place in a trace");
    let [_, trace, span, flags] = place.split('-').collect::<Vec<_>>()[..] else { panic!("{place}") };
    let call = collector.wait_span(|found| found["id"] == span);
    assert_eq!((&call["trace"], &call["kind"], flags), (&json!(trace), &json!("SPAN_KIND_CLIENT"), "01"), "{call}");
    assert_eq!(call["attributes"]["server.address"], "127.0.0.1", "{call}");
    assert_eq!(call["attributes"]["http.response.status_code"], 204, "{call}");

    dir.write("broken.yaml", "roles: [");
    let refused = collector.wait_span(|span| span["name"] == "policy load");
    assert_eq!(refused["attributes"]["sidegate.outcome"], "rejected_syntax", "{refused}");
    assert_eq!((&refused["failed"], &refused["kind"]), (&json!(true), &json!("SPAN_KIND_INTERNAL")));
}

/// A webhook: answers 204 to each, and hands its head on.
fn listener() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<String>) {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (send, heads) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a stream"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).is_ok_and(|read| read > 0) {}
            let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let read = stream.read_exact(&mut body);
            let answered = stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            if read.and(answered).is_err() || send.send(head).is_err() {
                return;
            }
        }
    });
    (address, heads)
}

#[test]
fn a_collector_that_hangs_or_is_not_there_slows_nothing_down() {
    let collector = Collector::start();
    collector.hang();
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    for endpoint in [collector.endpoint(), format!("http://{nobody}")] {
        let sidecar = Sidecar::builder()
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .env("OTEL_BSP_SCHEDULE_DELAY", "1")
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "16")
            .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
            .start();
        ask(&sidecar, &[]);
        if endpoint == collector.endpoint() {
            collector.wait_hanging();
        }
        let began = Instant::now();
        for _ in 0..200 {
            ask(&sidecar, &[]);
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "200 decisions took {took:?} beside a collector that is of no use");
        wait_for("spans are dropped and counted", SOON, || {
            let lost = spans(&sidecar, "dropped") + spans(&sidecar, "failed");
            lost >= 150.0 && spans(&sidecar, "exported") == 0.0
        });
        let began = Instant::now();
        let exited = sidecar.stop();
        assert_eq!(exited.code, Some(0), "{}", exited.stderr);
        assert!(began.elapsed() < Duration::from_secs(5), "the stop took {:?}", began.elapsed());
        assert!(exited.stderr.contains("\"spans_lost\""), "{}", exited.stderr);
    }
}

#[test]
fn what_a_collector_cannot_take_now_it_gets_later_and_what_is_left_at_the_end_too() {
    let collector = Collector::start();
    collector.tell(&json!({ "status": 503 }));
    let sidecar = traced(&collector).start();
    let id = ask(&sidecar, &[]);
    wait_for("the collector was asked", SOON, || !collector.posts().is_empty());
    collector.tell(&json!({ "status": 200, "rejected": 1 }));
    collector.wait_span(|span| span["attributes"]["sidegate.decision.id"] == id.as_str());
    wait_for("what it refused is counted", SOON, || spans(&sidecar, "failed") >= 1.0);
    sidecar.wait_event("spans_refused", SOON, |_| true);
    sidecar.stop();

    collector.tell(&json!({ "status": 200 }));
    let sidecar = traced(&collector).env("OTEL_BSP_SCHEDULE_DELAY", "600000").start();
    let id = ask(&sidecar, &[]);
    assert_eq!(sidecar.stop().code, Some(0));
    collector.wait_span(|span| span["attributes"]["sidegate.decision.id"] == id.as_str());
}

#[test]
fn what_cannot_be_honoured_stops_the_start_and_names_the_variable() {
    for (name, value, said) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "`OTEL_EXPORTER_OTLP_PROTOCOL` is `http/protobuf`"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "`OTEL_TRACES_SAMPLER` is `always_on`"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hush", "does not fit `OTEL_EXPORTER_OTLP_HEADERS`"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317", "does not fit `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`"),
        ("OTEL_PROPAGATORS", "b3", "`b3` cannot be honoured in `OTEL_PROPAGATORS`"),
    ] {
        let base = || Sidecar::builder().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env(name, value);
        for exited in [base().start_failing(), base().arg("--check-config").start_failing()] {
            assert_eq!(exited.code, Some(64), "{name}: {exited:?}");
            assert!(exited.stderr.contains(said) && !exited.stderr.contains("hush"), "{name}: {}", exited.stderr);
        }
    }
    let lost = Sidecar::builder()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1")
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem");
    let exited = lost.start_failing();
    assert_eq!(exited.code, Some(64), "{exited:?}");
    assert!(exited.stderr.contains("/nowhere/ca.pem"), "{}", exited.stderr);
    // Nobody wants spans, whatever the other variables say of them.
    let off = [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")];
    for (name, value) in off {
        let sidecar = Sidecar::builder().env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").env(name, value).start();
        let (status, answer): (u16, Value) = sidecar.authorize(&question());
        assert_eq!((status, &answer["decision"]), (200, &json!("allow")));
    }
}
