//! Queries against a naive model, and the admin routes.

use crate::{audit::entry, support::Client};
use proptest::{prelude::*, test_runner::TestCaseError};
use sidegate::{
    audit::{Entry, Export, Format, Kind, Log, Mode, Options, Order, Origin, Query, Reader},
    http::admin::audit::routes,
    model::{Decision, Timestamp},
};
use std::{net::SocketAddr, ops::ControlFlow, sync::mpsc, thread};
use tokio::sync::oneshot;

const START: i64 = 1_800_000_000_000_000;

/// What the model keeps of a record: numbers that choose from small sets, so that filters hit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    user: u8,
    tenant: u8,
    action: u8,
    allow: Option<bool>,
    kind: usize,
    policy: u8,
    second: u16,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..6u8, 0..3u8, 0..4u8, any::<Option<bool>>(), 0..Kind::ALL.len(), 0..5u8, 0..500u16).prop_map(
        |(user, tenant, action, allow, kind, policy, second)| Row { user, tenant, action, allow, kind, policy, second },
    );
    prop::collection::vec(row, 0..700)
}

#[derive(Debug, Clone)]
struct Filter {
    user: Option<u8>,
    tenant: Option<u8>,
    action: Option<u8>,
    allow: Option<bool>,
    kind: Option<usize>,
    policy: Option<u8>,
    from: Option<u16>,
    length: Option<u16>,
    ascending: bool,
    limit: usize,
}

fn filter() -> impl Strategy<Value = Filter> {
    use prop::option::weighted as rarely;
    (
        (rarely(0.3, 0..7u8), rarely(0.2, 0..3u8), rarely(0.2, 0..4u8), rarely(0.2, any::<bool>())),
        (rarely(0.2, 0..Kind::ALL.len()), rarely(0.2, 0..5u8), rarely(0.3, 0..500u16), rarely(0.3, 1..300u16)),
        (any::<bool>(), 1..60usize),
    )
        .prop_map(|((user, tenant, action, allow), (kind, policy, from, length), (ascending, limit))| Filter {
            user,
            tenant,
            action,
            allow,
            kind,
            policy,
            from,
            length,
            ascending,
            limit,
        })
}

fn time(second: u16) -> Timestamp {
    Timestamp::from_micros(START + i64::from(second) * 1_000_000)
}

impl Filter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let to = self.length.map(|length| time(self.from.unwrap_or(100) + length).to_string());
        let decision = |allow| if allow { "allow" } else { "deny" };
        let all = [
            ("user", self.user.map(|n| format!("user-{n}"))),
            ("tenant", self.tenant.map(|n| format!("tenant-{n}"))),
            ("action", self.action.map(|n| format!("action-{n}"))),
            ("decision", self.allow.map(|allow| decision(allow).to_owned())),
            ("kind", self.kind.map(|n| Kind::ALL[n].as_str().to_owned())),
            ("policy", self.policy.map(|n| format!("policy-{n}"))),
            ("from", self.from.map(|second| time(second).to_string())),
            ("to", to),
            ("order", Some(if self.ascending { "asc" } else { "desc" }.to_owned())),
            ("limit", Some(self.limit.to_string())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn keeps(&self, row: &Row) -> bool {
        self.user.is_none_or(|n| row.user == n)
            && self.tenant.is_none_or(|n| row.tenant == n)
            && self.action.is_none_or(|n| row.action == n)
            && self.allow.is_none_or(|allow| row.allow == Some(allow))
            && self.kind.is_none_or(|n| row.kind == n)
            && self.policy.is_none_or(|n| row.policy == n)
            && self.from.is_none_or(|from| row.second >= from)
            && self.length.is_none_or(|length| row.second < self.from.unwrap_or(100) + length)
    }

    /// The numbers of the records that a naive look at all of them finds.
    fn expected(&self, rows: &[Row]) -> Vec<u64> {
        let mut found: Vec<u64> = (1..).zip(rows).filter(|(_, row)| self.keeps(row)).map(|(seq, _)| seq).collect();
        if !self.ascending {
            found.reverse();
        }
        found
    }
}

fn write(log: &Log, rows: &[Row]) {
    for row in rows {
        let (user, tenant) = (format!("user-{}", row.user), format!("tenant-{}", row.tenant));
        let (action, policy) = (format!("action-{}", row.action), format!("policy-{}", row.policy));
        log.append(&Entry {
            time: time(row.second),
            kind: Kind::ALL[row.kind],
            tenant: &tenant,
            action: &action,
            decision: row.allow.map(|allow| if allow { Decision::Allow } else { Decision::Deny }),
            policies: &["policy-always", &policy],
            origin: Origin::Admin,
            ..entry(&user, "")
        })
        .unwrap();
    }
    log.settle().unwrap();
}

/// Goes through all pages, and calls `between` after each.
fn paged(reader: &Reader, filter: &Filter, mut between: impl FnMut()) -> Result<Vec<u64>, TestCaseError> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut parameters = filter.parameters();
        parameters.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let query = Query::parse(parameters.iter().map(|(name, value)| (*name, value.as_str()))).unwrap();
        let page: serde_json::Value = serde_json::from_slice(&reader.page(&query).unwrap()).unwrap();
        let items = page["items"].as_array().unwrap();
        prop_assert!(items.len() <= filter.limit);
        found.extend(items.iter().map(|item| item["seq"].as_u64().unwrap()));
        between();
        match page.get("next_cursor") {
            Some(next) => {
                prop_assert_eq!(items.len(), filter.limit, "only a full page has another one behind it");
                cursor = Some(next.as_str().unwrap().to_owned());
            }
            None => return Ok(found),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_query_finds_what_a_naive_look_finds(
        rows in rows(),
        cuts in prop::collection::vec(0..700usize, 0..4),
        filters in prop::collection::vec(filter(), 12),
        small_segments: bool,
    ) {
        let data = tempfile::tempdir().unwrap();
        let segment_bytes = if small_segments { 1 } else { u64::MAX };
        let options = || Options { ring_bytes: 0, segment_bytes, ..Options::new(data.path()) };
        // Written in several goes with restarts between them: blocks of all sizes, hot commits, segments.
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).collect();
        cuts.push(rows.len());
        cuts.sort_unstable();
        let mut from = 0;
        let mut log = Log::open(options()).unwrap();
        for cut in cuts {
            write(&log, &rows[from..cut]);
            from = cut;
            if cut % 2 == 0 {
                drop(log);
                log = Log::open(options()).unwrap();
            }
        }
        for filter in &filters {
            prop_assert_eq!(paged(&log.reader(), filter, || {})?, filter.expected(&rows), "running, {:?}", filter);
        }
        drop(log);
        let reader = Reader::open(data.path()).unwrap();
        for filter in &filters {
            prop_assert_eq!(paged(&reader, filter, || {})?, filter.expected(&rows), "stopped, {:?}", filter);
        }
    }

    #[test]
    fn cursors_stay_where_they_are_while_writing_goes_on(rows in rows(), more in rows(), filter in filter()) {
        let data = tempfile::tempdir().unwrap();
        let log = Log::open(Options { ring_bytes: 0, mode: Mode::Synced, ..Options::new(data.path()) }).unwrap();
        write(&log, &rows);
        let filter = Filter { limit: filter.limit.max(20), ..filter };
        let (mut parts, mut written) = (more.chunks(50), rows.clone());
        let found = paged(&log.reader(), &filter, || {
            if let Some(part) = parts.next() {
                write(&log, part);
                written.extend_from_slice(part);
            }
        })?;
        if filter.ascending {
            // What was written meanwhile may be seen as well, but nothing twice, nothing out of order, nothing left out.
            prop_assert_eq!(&found[..], &filter.expected(&written)[..found.len()]);
            prop_assert!(found.len() >= filter.expected(&rows).len());
        } else {
            prop_assert_eq!(found, filter.expected(&rows));
        }
    }
}

/// Runs `ask` with the address of an admin listener over the log.
fn with_listener(log: Log, ask: impl FnOnce(SocketAddr)) {
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = mpsc::channel();
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let served = axum::serve(listener, routes(log)).with_graceful_shutdown(async { drop(stopped.await) });
            served.await.unwrap();
        });
    });
    ask(told.recv().unwrap());
    stop.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn the_admin_listener_lists_and_exports() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    for n in 0..3_000 {
        log.append(&entry(&format!("user-{}", n % 7), "")).unwrap();
    }
    log.settle().unwrap();
    let mut csv = Vec::new();
    let export = Export { format: Format::Csv, after_seq: None };
    log.reader().export(&Query::all(Order::Descending), export, &mut csv).unwrap();
    with_listener(log, |address| {
        let client = Client::new();
        let get = |path: &str| client.get(address, path, &[("x-request-id", "r-9"), ("connection", "close")]).unwrap();

        let answer = get("/v1/audit?user=user-3&limit=2&order=asc");
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.header("x-request-id"), "r-9");
        let page = answer.json();
        assert_eq!((&page["items"][0]["seq"], &page["items"][1]["seq"]), (&4.into(), &11.into()));
        assert_eq!(page["next_cursor"], "11");
        assert_eq!(get("/v1/audit?user=nobody").body, r#"{"items":[]}"#);

        let answer = get("/v1/audit/export?format=csv");
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/csv; charset=utf-8; header=present"));
        assert_eq!(answer.header("content-disposition"), "attachment; filename=\"audit.csv\"");
        assert_eq!(answer.body.as_bytes(), csv);

        let answer = get("/v1/audit/export?user=user%2D5");
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let seqs: Vec<u64> = answer
            .body
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, (1..=3_000u64).rev().filter(|seq| (seq - 1) % 7 == 5).collect::<Vec<_>>());
    });
}

#[test]
fn the_admin_listener_says_what_is_wrong_with_a_query() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    with_listener(log, |address| {
        let client = Client::new();
        for (path, message) in [
            ("/v1/audit?usr=sam", "unknown parameter `usr`; did you mean `user`?"),
            ("/v1/audit?format=csv", "unknown parameter `format`"),
            (
                "/v1/audit/export?cursor=3",
                "`cursor` is no parameter of this path: an export that broke off goes on with `after_seq`",
            ),
            ("/v1/audit/export?after_seq=x", "`x` is no value of `after_seq`: the number of a record"),
            ("/v1/audit/stats?limit=3", "`limit` is no parameter of this path: figures are of all records that match"),
            (
                "/v1/audit?limit=5000",
                "`5000` is no value of `limit`: a page has at most 1000 records; an export has no bound",
            ),
            ("/v1/audit/export?format=xml", "`xml` is no value of `format`: `csv` or `ndjson`"),
            ("/v1/audit/export?format=csv&format=csv", "parameter `format` is given more than once"),
            ("/v1/audit?user=%zz", "`%zz` in the address is not percent-encoded UTF-8"),
            ("/v1/audit?user=%ff", "`%ff` in the address is not percent-encoded UTF-8"),
        ] {
            let answer = client.get(address, path, &[("x-request-id", "r-1"), ("connection", "close")]).unwrap();
            let error = serde_json::json!({ "code": "malformed_request", "message": message, "request_id": "r-1" });
            assert_eq!((answer.status, &answer.json()["error"]), (400, &error), "{path}");
        }
        let answer = client.get(address, "/v1/audit", &[("connection", "close")]).unwrap();
        assert_eq!(answer.header("x-request-id").len(), 26, "one is made up");
    });
}

#[test]
fn a_client_that_hangs_up_ends_its_export() {
    use std::io::{Read, Write};
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    let filler = "x".repeat(8_000);
    for _ in 0..2_000 {
        log.append(&entry("sam", &filler)).unwrap();
    }
    log.settle().unwrap();
    // The listener ends only when the export has: the runtime waits for threads that block.
    with_listener(log, |address| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /v1/audit/export HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut some = [0; 1024];
        stream.read_exact(&mut some).unwrap();
    });
}

#[test]
fn a_visit_can_be_broken_off() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    for _ in 0..500 {
        log.append(&entry("sam", "")).unwrap();
    }
    log.settle().unwrap();
    let mut seen = 0;
    log.reader()
        .for_each(&Query::all(Order::Descending), |_| {
            seen += 1;
            if seen == 200 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 200);
}
