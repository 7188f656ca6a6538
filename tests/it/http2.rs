//! HTTP/2 on the authorize listener: the same routes and answers, an orderly end, and limits against those who abuse it.

use crate::support::{
    Http2, PolicyDir, Sidecar, Signal,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, FIRST_REMEMBERED, Frame, Frames, GOAWAY, HEADERS, PING, PRIORITY,
        RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, literal, remembered, request_head,
    },
    http2::request,
    wait_for,
};
use serde_json::Value;
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);
const OK: &str = r#"{"user":"sam","action":"view","resource":"order:o-1"}"#;

/// One worker, so that whoever abuses it shares it with those who do not; short limits, so that nobody waits.
const LIMITS: &str = "server: { authorize: { workers: 1, limits: { header_timeout: 1s, body_timeout: 1s } } }";

/// What an attack may make the process keep, with room for what the allocator keeps of it.
const MOST_MEMORY: u64 = 48 << 20;

/// Codes of RFC 9113, section 7.
const PROTOCOL_ERROR: u32 = 1;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

fn policies() -> PolicyDir {
    PolicyDir::with(&[(
        "orders.cedar",
        r#"@id("anyone-views") permit (principal is User, action == Action::"view", resource is order);"#,
    )])
}

fn json_head(path: &str) -> Vec<u8> {
    request_head("POST", path, &[("content-type", "application/json")])
}

/// The frames of a whole question.
fn question(stream: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &json_head("/v1/authorize"));
    [head, frame(DATA, END_STREAM, stream, OK.as_bytes())].concat()
}

#[track_caller]
fn assert_still_answers(sidecar: &Sidecar) {
    let (status, answer) = sidecar.authorize(&serde_json::from_str(OK).expect("JSON"));
    assert_eq!((status, answer["decision"].as_str()), (200, Some("allow")));
}

/// The memory of the process that is in use, in bytes.
fn memory(sidecar: &Sidecar) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", sidecar.pid())).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn every_route_answers_over_http_2_as_it_does_over_http_1() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    let http2 = Http2::connect(sidecar.authorize_address());
    let evaluation =
        r#"{"subject":{"type":"User","id":"sam"},"action":{"name":"view"},"resource":{"type":"order","id":"o-1"}}"#;
    let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(70_000));
    for (path, body, status) in [
        ("/v1/authorize", OK, 200),
        ("/v1/authorize", "{}", 400),
        ("/v1/authorize", &long, 413),
        ("/access/v1/evaluation", evaluation, 200),
        ("/v1/menu", "{}", 422),
        ("/nowhere", OK, 404),
        ("/v1/users/sam/menu", OK, 405),
    ] {
        let over_1 = sidecar.post_text(path, &[("x-request-id", "r-1")], body);
        let over_2 = http2.post(path, body);
        assert_eq!((over_1.status, over_2.status), (status, status), "{path}: {over_2:?}");
        for header in ["content-type", "x-request-id", "sidegate-revision", "allow", "retry-after"] {
            assert_eq!(over_2.header(header), over_1.header(header), "{path}: {header}");
        }
        assert_eq!(over_2.header("connection"), "", "{path}");
        let mut bodies = [&*over_1.body, str::from_utf8(&over_2.body).expect("text")]
            .map(|body| serde_json::from_str::<Value>(body).expect("JSON"));
        // Each decision has an id of its own.
        for body in &mut bodies {
            body.as_object_mut().expect("an object").remove("id");
            body["context"].as_object_mut().map(|context| context.remove("id"));
        }
        assert_eq!(bodies[0], bodies[1], "{path}");
    }
    // A refused body costs its stream and not the connection.
    assert_eq!(http2.post("/v1/authorize", OK).status, 200);
    let decisions = sidecar.count("sidegate_decisions_total", &[r#"decision="allow""#, r#"source="native""#]);
    assert_eq!(decisions, 3);
}

#[test]
fn many_requests_share_one_connection() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let http2 = Http2::connect(sidecar.authorize_address());
    let json = [("content-type", "application/json")];
    let answers = http2.send_all((0..1000).map(|_| request("/v1/authorize", &json, OK)).collect());
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.expect("an answer").status).collect();
    assert_eq!(statuses, vec![200; 1000]);
}

#[test]
fn requests_beyond_the_limit_are_refused_and_the_connection_goes_on() {
    let dir = policies();
    let one = "server: { authorize: { limits: { in_flight: 1 } } }";
    let sidecar = Sidecar::builder().policies(dir.path()).config(one).start();
    let mut frames = Frames::connect(sidecar.authorize_address(), &[]);
    frames.send(frame(HEADERS, END_HEADERS, 1, &json_head("/v1/authorize")));
    // The pong comes after the request has been taken.
    frames.send(frame(PING, 0, 0, b"12345678"));
    assert_eq!(frames.next_of(PING).map(|pong| pong.payload), Some(b"12345678".to_vec()));
    let http2 = Http2::connect(sidecar.authorize_address());
    let refused = http2.post("/v1/authorize", OK);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    frames.send(frame(DATA, END_STREAM, 1, OK.as_bytes()));
    assert_eq!(frames.next_of(DATA).map(|data| data.stream), Some(1));
    wait_for("the place is free again", SOON, || http2.post("/v1/authorize", OK).status == 200);
}

#[test]
fn a_stop_lets_requests_end_that_have_begun_and_no_others() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let mut busy = Frames::connect(sidecar.authorize_address(), &[]);
    busy.send(frame(HEADERS, END_HEADERS, 1, &json_head("/v1/authorize"))).send(frame(PING, 0, 0, b"12345678"));
    assert!(busy.next_of(PING).is_some());
    let mut idle = Frames::connect(sidecar.authorize_address(), &[]);
    idle.send(question(1));
    assert!(idle.next_of(DATA).is_some());
    // One that never says anything, and one that has begun to say what it speaks.
    let mut silent = Frames::silent(sidecar.authorize_address());
    let mut begun = Frames::silent(sidecar.authorize_address());
    begun.send(b"PRI * HT");

    sidecar.signal(Signal::TERM);
    let told = |frames: &mut Frames| {
        let told = frames.next_of(GOAWAY).and_then(|frame| frame.code());
        assert_eq!(told, Some(0), "no error, only the end");
        let ping = frames.next_of(PING).expect("the question whether that was heard");
        frames.send(frame(PING, END_STREAM, 0, &ping.payload));
    };
    told(&mut idle);
    assert!(idle.rest().iter().all(|frame| frame.kind == GOAWAY));
    told(&mut busy);
    busy.send(frame(DATA, END_STREAM, 1, OK.as_bytes()));
    let rest = busy.rest();
    let answer = rest.iter().find(|frame| frame.kind == DATA && frame.stream == 1).expect("the answer");
    assert!(String::from_utf8_lossy(&answer.payload).contains(r#""decision":"allow""#));
    assert_eq!((silent.rest(), begun.rest()), (vec![], vec![]));
    assert_eq!(sidecar.wait_exit(SOON).code, Some(0));
}

#[test]
fn a_stop_does_not_wait_for_those_who_do_not_answer() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let mut deaf = Frames::connect(sidecar.authorize_address(), &[]);
    deaf.send(question(1));
    assert!(deaf.next_of(DATA).is_some());
    assert_eq!(sidecar.stop().code, Some(0), "the end was forced");
}

#[test]
fn who_falls_silent_is_cut_off() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    let head = json_head("/v1/authorize");
    let beginnings: [(&str, Vec<u8>); 5] = [
        ("half a preface", b"PRI * HTTP/2.0\r\n".to_vec()),
        ("a preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("settings", [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()),
        (
            "half a frame",
            [
                &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
                &frame(SETTINGS, 0, 0, &[]),
                &frame(PING, 0, 0, b"12345678")[..12],
            ]
            .concat(),
        ),
        (
            "half a head",
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 0, 1, &head)]
                .concat(),
        ),
    ];
    let mut connections = beginnings.map(|(name, bytes)| {
        let mut frames = Frames::silent(sidecar.authorize_address());
        frames.send(bytes);
        (name, frames)
    });
    for (name, frames) in &mut connections {
        let answered = frames.rest().iter().any(|frame| frame.kind == HEADERS);
        assert!(!answered, "{name}");
    }
    // Half a body is answered, and its connection goes on with other streams.
    let mut frames = Frames::connect(sidecar.authorize_address(), &[]);
    frames.send(frame(HEADERS, END_HEADERS, 1, &head)).send(frame(DATA, 0, 1, &OK.as_bytes()[..10]));
    let answer = frames.next_of(DATA).expect("an answer");
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    assert!(answer.stream == 1 && text.contains("request_timeout"), "{text}");
    frames.send(question(3));
    let answer = frames.next_of(DATA).expect("an answer");
    assert!(answer.stream == 3 && String::from_utf8_lossy(&answer.payload).contains("allow"));
    assert_still_answers(&sidecar);
}

/// What an attacker sends once and then again and again, and how that ends.
struct Attack {
    name: &'static str,
    first: Vec<u8>,
    /// Bytes for the n-th time.
    again: Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>,
    times: u32,
    /// The code with which the connection ends, where it is told one.
    code: Option<u32>,
}

impl Attack {
    fn new(name: &'static str, times: u32, code: impl Into<Option<u32>>) -> Self {
        Self { name, first: Vec::new(), again: Box::new(|_| Vec::new()), times, code: code.into() }
    }

    fn first(self, first: Vec<u8>) -> Self {
        Self { first, ..self }
    }

    fn again(self, again: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self { again: Box::new(again), ..self }
    }

    fn repeating(self, bytes: Vec<u8>) -> Self {
        self.again(move |_| bytes.clone())
    }
}

fn attacks() -> Vec<Attack> {
    let head = json_head("/v1/authorize");
    let open = frame(HEADERS, END_HEADERS, 1, &head);
    let reset = {
        let head = head.clone();
        move |n: u32| {
            let begun = frame(HEADERS, END_HEADERS, 2 * n + 1, &head);
            [begun, frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes())].concat()
        }
    };
    let never_ended = {
        let head = head.clone();
        move |n: u32| frame(HEADERS, END_HEADERS, 2 * n + 1, &head)
    };
    // 4,000 bytes once, and from then on one byte each.
    let bomb = [head.clone(), remembered("x-bomb", &"x".repeat(4000)), vec![FIRST_REMEMBERED; 12_000]].concat();
    let endless = frame(CONTINUATION, 0, 1, &literal("x-more", "and more"));
    let dependency = [0, 0, 0, 0, 16];
    vec![
        Attack::new("rapid reset", 10_000, ENHANCE_YOUR_CALM).again(reset),
        Attack::new("streams that are never ended", 10_000, ENHANCE_YOUR_CALM).again(never_ended),
        Attack::new("a bomb of headers", 1, ENHANCE_YOUR_CALM).first(frame(HEADERS, END_HEADERS, 1, &bomb)),
        Attack::new("endless continuation", 100_000, ENHANCE_YOUR_CALM)
            .first(frame(HEADERS, 0, 1, &head))
            .repeating(endless),
        Attack::new("endless continuation with nothing in it", 100_000, ENHANCE_YOUR_CALM)
            .first(frame(HEADERS, 0, 1, &head))
            .repeating(frame(CONTINUATION, 0, 1, &[])),
        Attack::new("pings", 100_000, None).repeating(frame(PING, 0, 0, b"12345678")),
        Attack::new("settings", 100_000, None).repeating(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])),
        Attack::new("priorities", 100_000, None).again(move |n| frame(PRIORITY, 0, 2 * (n % 1000) + 3, &dependency)),
        Attack::new("updates of windows", 100_000, None).repeating(frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        Attack::new("data without data", 100_000, None).first(open.clone()).repeating(frame(DATA, 0, 1, &[])),
        Attack::new("data byte by byte", 60_000, None).first(open).repeating(frame(DATA, 0, 1, b" ")),
        Attack::new("frames of no kind", 100_000, None).repeating(frame(0xee, 0xff, 0, b"what is that")),
        Attack::new("a frame of 16 MB", 1, FRAME_SIZE_ERROR).first(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01".to_vec()),
        Attack::new("an even stream", 1, PROTOCOL_ERROR).first(frame(HEADERS, END_HEADERS, 2, &head)),
        Attack::new("no frames", 1, None).first(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1000)),
    ]
}

/// Has somebody attack, and others ask at the same time. Says what the attacker was told.
fn while_others_ask(sidecar: &Sidecar, attack: impl FnOnce() -> Vec<Frame> + Send) -> Vec<Frame> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut answers = 0;
            while !over.load(Ordering::Relaxed) || answers < 3 {
                assert_still_answers(sidecar);
                answers += 1;
            }
        });
        let attacking = scope.spawn(attack);
        let told = attacking.join();
        over.store(true, Ordering::Relaxed);
        asking.join().expect("others are answered");
        told.expect("an attacker who is told what happens")
    })
}

#[test]
fn abuse_ends_the_connection_and_disturbs_nobody_else() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    assert_still_answers(&sidecar);
    for attack in attacks() {
        let name = attack.name;
        let before = memory(&sidecar);
        let told = while_others_ask(&sidecar, || {
            let mut sending = Frames::connect(sidecar.authorize_address(), &[]);
            let mut reading = sending.again();
            std::thread::scope(|scope| {
                let told = scope.spawn(move || reading.rest());
                sending.send(&attack.first);
                let mut n = 0;
                while n < attack.times && !sending.is_refused() {
                    // Many at once, as somebody would who means it.
                    let burst: Vec<u8> = (n..attack.times.min(n + 100)).flat_map(|n| (attack.again)(n)).collect();
                    sending.send(burst);
                    n += 100;
                }
                told.join().expect("frames")
            })
        });
        let code = told.iter().filter(|frame| frame.kind == GOAWAY).find_map(Frame::code);
        if attack.code.is_some() {
            assert_eq!(code, attack.code, "{name}");
        }
        let grown = memory(&sidecar).saturating_sub(before);
        assert!(grown < MOST_MEMORY, "{name}: memory has grown by {grown} bytes");
    }
    assert_still_answers(&sidecar);
}

#[test]
fn a_head_that_is_too_long_is_refused_and_the_connection_goes_on() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    let mut frames = Frames::connect(sidecar.authorize_address(), &[]);
    let head = [json_head("/v1/authorize"), literal("x-huge", &"x".repeat(20_000))].concat();
    let (first, second) = head.split_at(16_000);
    frames.send(frame(HEADERS, END_STREAM, 1, first)).send(frame(CONTINUATION, END_HEADERS, 1, second));
    let refused = frames.next_of(HEADERS).expect("an answer");
    // 431, as far as a test that knows no compression can tell: the answer is nothing but a head.
    assert_eq!((refused.stream, refused.flags & END_STREAM), (1, END_STREAM));
    frames.send(question(3));
    assert_eq!(frames.next_of(DATA).map(|data| data.stream), Some(3));
}

#[test]
fn streams_beyond_the_limit_are_refused_one_by_one() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    let mut frames = Frames::connect(sidecar.authorize_address(), &[]);
    let head = json_head("/v1/authorize");
    let settings = frames.next_of(SETTINGS).expect("settings");
    let streams = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 3]).expect("a limit on streams");
    let streams = u32::from_be_bytes(streams[2..].try_into().expect("four bytes"));
    for n in 0..streams + 10 {
        frames.send(frame(HEADERS, END_HEADERS, 2 * n + 1, &head));
    }
    for n in streams..streams + 10 {
        let refused = frames.next_of(RST_STREAM).expect("a refusal");
        assert_eq!((refused.stream, refused.code()), (2 * n + 1, Some(REFUSED_STREAM)));
    }
    frames.send(frame(DATA, END_STREAM, 1, OK.as_bytes()));
    assert_eq!(frames.next_of(DATA).map(|data| data.stream), Some(1));
}

#[test]
fn who_takes_no_answers_is_given_up() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    assert_still_answers(&sidecar);
    let before = memory(&sidecar);
    let address = sidecar.authorize_address();
    // Windows of no bytes: answers are made, and cannot be sent.
    let told = while_others_ask(&sidecar, || {
        let mut frames = Frames::connect(address, &[(4, 0)]);
        for n in 0..200 {
            frames.send(question(2 * n + 1));
        }
        frames.rest()
    });
    let answers = told.iter().filter(|frame| frame.kind == HEADERS).count();
    assert_eq!((answers, told.iter().any(|frame| frame.kind == DATA)), (200, false));
    // Windows of any size, and nobody who reads.
    let _told = while_others_ask(&sidecar, || {
        let mut frames = Frames::connect(address, &[(4, 0x7fff_ffff)]);
        frames.send(frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes()));
        let mut n = 0;
        while !frames.is_refused() {
            frames.send(question(2 * n + 1));
            n += 1;
        }
        Vec::new()
    });
    let grown = memory(&sidecar).saturating_sub(before);
    assert!(grown < MOST_MEMORY, "memory has grown by {grown} bytes");
    assert_still_answers(&sidecar);
}
