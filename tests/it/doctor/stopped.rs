//! An instance that is stopped, with one thing broken in each case.

use super::house::{House, fill, is_root, skipped};
use crate::support::{Authority, Certificate, KeyServer, MailServer, Reply, Safe, SetClock, preload, seconds_now};
use rcgen::date_time_ymd;
use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    time::Duration,
};

/// What is broken, and what is said of it.
struct Case {
    name: &'static str,
    check: &'static str,
    level: &'static str,
    says: &'static [&'static str],
    code: i32,
    /// Breaks it; `false` where this machine does not let it.
    breaks: fn(&mut House) -> bool,
}

const fn case(
    name: &'static str,
    (check, level, code): (&'static str, &'static str, i32),
    says: &'static [&'static str],
    breaks: fn(&mut House) -> bool,
) -> Case {
    Case { name, check, level, says, code, breaks }
}

#[track_caller]
fn check(cases: &[Case]) {
    for Case { name, check, level, says, code, breaks } in cases {
        let mut house = House::new();
        if !breaks(&mut house) {
            continue;
        }
        let report = house.doctor();
        report.assert(name, check, level, says);
        // Where this machine has something wrong beside, that is a 1.
        let is_expected =
            report.code == Some(*code) || *code == 0 && report.code == Some(1) && report.wrong().is_empty();
        assert!(is_expected, "{name}: {:?}, not {code}: {:#}", report.code, report.json);
    }
}

#[test]
fn a_wrong_configuration_is_told_with_place_and_mend() {
    check(&[
        case(
            "an unknown key",
            ("configuration", "error", 64),
            &["sidegate.yaml:1:18", "lisen", "did you mean"],
            |house| {
                house.configure("server: { ops: { lisen: 127.0.0.1:0 } }\naudit: { mode: sync }\n");
                true
            },
        ),
        case("and another problem at once", ("configuration", "error", 64), &["sidegate.yaml:2", "durable"], |house| {
            house.configure("server: { ops: { lisen: 127.0.0.1:0 } }\naudit: { mode: sync }\n");
            true
        }),
        case("no file", ("configuration", "error", 64), &["gone.yaml", "cannot be read"], |house| {
            let gone = house.text("gone.yaml");
            house.argument("--config");
            house.argument(gone);
            true
        }),
        case("a file that anybody may change", ("configuration-file", "error", 1), &["chmod o-w"], |house| {
            house.mode("sidegate.yaml", 0o666);
            true
        }),
        case("a key of the log that others can read", ("configuration", "error", 64), &["signing_key"], |house| {
            house.write("audit.key", "x");
            house.mode("audit.key", 0o644);
            house.configure(&format!("audit: {{ signing_key: {} }}", house.text("audit.key")));
            true
        }),
        case(
            "tokens through the network without TLS",
            ("access", "warning", 1),
            &["without TLS", "server.admin.tls"],
            |house| {
                let digest = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
                house.configure(&format!("server: {{ admin: {{ tokens: [{{ name: ops, sha256: {digest} }}] }} }}"));
                house.argument("--admin-listen");
                house.argument("0.0.0.0:0");
                true
            },
        ),
        case(
            "an admin listener for nobody",
            ("access", "note", 0),
            &["refuses everybody", "sidegate token"],
            |house| {
                house.configure("{}");
                true
            },
        ),
        case("a log without an end", ("retention", "note", 0), &["never go", "audit.retention.age"], |house| {
            house.configure("server: { admin: { auth: none } }");
            true
        }),
    ]);
}

/// A certificate of `localhost`, changed in some way, as that of the authorize listener.
fn certificate(
    house: &mut House,
    names: &[&str],
    change: impl FnOnce(&mut rcgen::CertificateParams),
    more: &str,
) -> bool {
    let safe = Safe::new();
    safe.put(&Authority::new("test CA").issue_with(names, change));
    house.configure(&format!("{}\n{more}", safe.settings("authorize", "")));
    house.keep(safe);
    true
}

#[test]
fn certificates_that_do_not_hold_or_soon_will_not_are_told() {
    check(&[
        case("expired", ("certificates", "error", 64), &["has expired at 2020"], |house| {
            certificate(house, &["localhost"], |params| params.not_after = date_time_ymd(2020, 1, 1), "")
        }),
        case("not valid yet", ("certificates", "error", 64), &["does not hold before 2090", "clock"], |house| {
            certificate(house, &["localhost"], |params| params.not_before = date_time_ymd(2090, 1, 1), "")
        }),
        case("soon to expire", ("certificates", "warning", 1), &["expires in", "renew it"], |house| {
            let soon = Duration::from_secs(seconds_now().unsigned_abs() + 3 * 86_400);
            certificate(house, &["localhost"], move |params| params.not_after = date_time_ymd(1970, 1, 1) + soon, "")
        }),
        case("of another key", ("certificates", "error", 64), &["is not that of the first certificate"], |house| {
            let (safe, authority) = (Safe::new(), Authority::new("test CA"));
            safe.put(&authority.issue(&["localhost"]));
            safe.write("key.pem", &authority.issue(&["localhost"]).key);
            house.configure(&safe.settings("admin", ""));
            house.keep(safe);
            true
        }),
        case("a key that others can read", ("certificates", "error", 64), &["chmod 600"], |house| {
            let safe = Safe::new();
            safe.put(&Authority::new("test CA").issue(&["localhost"]));
            fs::set_permissions(safe.path("key.pem"), fs::Permissions::from_mode(0o644)).expect("a mode");
            house.configure(&safe.settings("ops", ""));
            house.keep(safe);
            true
        }),
        case("for another name", ("certificates", "warning", 1), &["pdp.example", "shop.internal"], |house| {
            let safe = Safe::new();
            safe.put(&Authority::new("test CA").issue(&["shop.internal"]));
            let public = ", public_url: https://pdp.example";
            let settings = safe.settings("authorize", "");
            let settings = settings.strip_suffix(" } }").expect("the end of a mapping");
            house.configure(&format!("{settings}{public} }} }}"));
            house.keep(safe);
            true
        }),
    ]);
}

#[test]
fn policy_files_that_are_of_no_use_are_told_with_their_place() {
    check(&[
        case("no directory", ("policies", "error", 3), &["set", "sidegate check"], |house| {
            fs::rename(house.path("set"), house.path("elsewhere")).expect("moved");
            true
        }),
        case("an empty directory", ("policies", "error", 3), &["no policy file"], |house| {
            fs::rename(house.path("set"), house.path("elsewhere")).expect("moved");
            fs::create_dir(house.path("set")).expect("made");
            true
        }),
        case("a file that cannot be read", ("policies", "error", 3), &["roles.yaml", "ermission denied"], |house| {
            house.as_nobody();
            house.mode("set/roles.yaml", 0o000);
            true
        }),
        case("an unknown module", ("policies", "error", 3), &["more.yaml:1", "ordres", "orders"], |house| {
            house.write("set/more.yaml", "roles: { temp: { name: T, grants: { ordres: view } } }");
            true
        }),
        case("a test that fails", ("policy-tests", "error", 4), &["tests/more.yaml", "expected deny"], |house| {
            house.write("set/tests/more.yaml", "cases: [{ user: bob, action: view, resource: orders, expect: deny }]");
            true
        }),
        case("a test that fails and is not required", ("policy-tests", "warning", 1), &["tests/more.yaml"], |house| {
            house.write("set/tests/more.yaml", "cases: [{ user: bob, action: view, resource: orders, expect: deny }]");
            house.configure("policies: { activation_tests: warn }");
            true
        }),
        case("a set without tests", ("policy-tests", "note", 0), &["no tests"], |house| {
            fs::remove_dir_all(house.path("set/tests")).expect("removed");
            true
        }),
        case(
            "files that anybody may change",
            ("policies-access", "warning", 1),
            &["roles.yaml", "chmod -R o-w"],
            |house| {
                house.mode("set/roles.yaml", 0o666);
                true
            },
        ),
        case(
            "files that the process may change",
            ("policies-access", "note", 0),
            &["can change", "read-only"],
            |house| {
                house.as_nobody();
                true
            },
        ),
        case("a shadow set with an error", ("shadow-set", "warning", 1), &["a.yaml:1"], |house| {
            fs::create_dir(house.path("beside")).expect("made");
            house.write("beside/a.yaml", "policy_set: [");
            house.configure(&format!("policies: {{ shadow: {} }}", house.text("beside")));
            true
        }),
        case("a copy that was changed", ("last-good", "warning", 1), &["last-good.json", "digest"], |house| {
            house.live(|_| ());
            let copy = house.path("data/policies/last-good.json");
            let text = fs::read_to_string(&copy).expect("the copy").replace("clerk", "clark");
            fs::write(copy, text).expect("written");
            true
        }),
        case("a copy of other files", ("last-good", "note", 0), &["another by now"], |house| {
            house.live(|_| ());
            house.write("set/more.yaml", "users: { nina: { email: nina@demo.example } }");
            true
        }),
    ]);
}

#[test]
fn a_data_directory_that_cannot_be_used_or_that_others_can_read_is_told() {
    check(&[
        case("not writable", ("data-directory", "error", 1), &["cannot use", "chown"], |house| {
            house.as_nobody();
            house.mode("data", 0o500);
            true
        }),
        case("not to be made", ("data-directory", "error", 1), &["cannot make it", "--data"], |house| {
            fs::remove_dir(house.path("data")).expect("removed");
            house.as_nobody();
            house.mode("", 0o555);
            true
        }),
        case("a file", ("data-directory", "error", 1), &["is not a directory"], |house| {
            fs::remove_dir(house.path("data")).expect("removed");
            house.write("data", "");
            true
        }),
        case("open to others", ("data-directory", "warning", 1), &["0755", "chmod o="], |house| {
            house.mode("data", 0o755);
            true
        }),
        case("of a newer version", ("data-directory", "error", 1), &["format 9", "newer version"], |house| {
            house.live(|_| ());
            house.write("data/VERSION", "9\n");
            true
        }),
        case("files that others can read", ("data-files", "warning", 1), &["HEAD", "chmod -R o="], |house| {
            house.live(|_| ());
            for (name, mode) in [("data", 0o755), ("data/audit", 0o755), ("data/audit/HEAD", 0o644)] {
                house.mode(name, mode);
            }
            true
        }),
        case("files that cannot be written", ("data-files", "error", 1), &["HEAD", "chown -R"], |house| {
            house.live(|_| ());
            house.as_nobody();
            house.mode("data/audit/HEAD", 0o400);
            true
        }),
        case("files that root has left", ("data-files", "warning", 1), &["another user", "chown -R 65534"], |house| {
            house.live(|_| ());
            if !is_root() {
                return skipped("this user cannot give files away");
            }
            house.give_away("data");
            true
        }),
        case("a segment that was put aside", ("audit-log", "warning", 1), &["corrupt-1", "audit verify"], |house| {
            house.live(|_| ());
            fs::create_dir(house.path("data/audit/seg-00000000000000000077.corrupt-1")).expect("made");
            house.mode("data/audit/seg-00000000000000000077.corrupt-1", 0o700);
            true
        }),
        case("a gap", ("audit-log", "warning", 1), &["5 to 7", "lightning"], |house| {
            house.live(|_| ());
            let gaps = r#"[{"first_seq":5,"last_seq":7,"why":"lightning","kept_as":null}]"#;
            house.write("data/audit/GAPS", gaps);
            house.mode("data/audit/GAPS", 0o600);
            true
        }),
        case("an end that cannot be read", ("audit-log", "warning", 1), &["HEAD", "audit verify"], |house| {
            house.live(|_| ());
            house.write("data/audit/HEAD", "x".repeat(8192).as_str());
            true
        }),
    ]);
}

#[test]
fn a_disk_that_is_full_read_only_slow_or_made_of_memory_is_told() {
    check(&[
        case("in memory", ("disk-mount", "warning", 1), &["lies in memory"], |house| {
            house.mount("data", "mode=700,size=400m")
        }),
        case("a container's own layer", ("disk-mount", "warning", 1), &["container's own layer", "volume"], |house| {
            fs::create_dir(house.path("layers")).expect("made");
            let (layers, data) = (house.text("layers"), house.text("data"));
            house.mounts(&format!(
                "mount -t tmpfs sidegate-test {layers} && cd {layers} && mkdir -m 700 lower upper work && \
                 mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay {data}"
            ))
        }),
        case("read-only", ("disk-mount", "error", 1), &["read-only", "--data"], |house| {
            house.mount("data", "mode=700,ro")
        }),
        case("full", ("disk-space", "error", 1), &["0 bytes", "ring_bytes"], |house| {
            let is_mounted = house.mount("data", "mode=700,size=8m");
            if is_mounted {
                fill(&house.path("data"));
            }
            is_mounted
        }),
        case("room for less than a segment", ("disk-space", "warning", 1), &["less than one segment"], |house| {
            house.mount("data", "mode=700,size=60m")
        }),
        case(
            "room for less than is kept",
            ("disk-space", "warning", 1),
            &["audit.retention.bytes", "is full before"],
            |house| {
                house.configure("audit: { retention: { bytes: 1GiB } }");
                house.mount("data", "mode=700,size=400m")
            },
        ),
        case("no inodes left", ("disk-space", "warning", 1), &["inodes"], |house| {
            house.mount("data", "mode=700,size=400m,nr_inodes=100")
        }),
        case("a slow disk", ("disk-sync", "warning", 1), &["ms", "quicker disk"], |house| {
            // The shim of the fault suites watches a directory of this name.
            let control = [0_u64, 0, 0, 0, 0, 300_000, 0, 0].map(u64::to_ne_bytes).concat();
            fs::write(house.path("control"), control).expect("written");
            let (library, data) =
                (preload("tests/it/faults/shim.c"), house.path("data").canonicalize().expect("a path"));
            house.variable("LD_PRELOAD", library.to_str().expect("UTF-8"));
            house.variable("FAULTS_DIR", data.to_str().expect("UTF-8"));
            let control = house.text("control");
            house.variable("FAULTS_CONTROL", control);
            true
        }),
    ]);
}

#[test]
fn limits_that_are_too_low_are_told() {
    check(&[
        case("open files", ("open-files", "warning", 1), &["300 files", "LimitNOFILE"], |house| {
            house.first("ulimit -n 300");
            true
        }),
        case("watches", ("watches", "warning", 1), &["2 watches", "max_user_watches"], |house| {
            let own = "unshare --user --map-root-user true";
            let is_allowed = std::process::Command::new("sh").args(["-c", own]).output();
            if !is_allowed.is_ok_and(|output| output.status.success()) {
                return skipped("this user may not make a namespace");
            }
            let lowered = "sh -c 'echo 2 > /proc/sys/user/max_inotify_watches; exec \"$0\" \"$@\"'";
            house.first(&format!("exec unshare --user --map-root-user {lowered} \"$0\" \"$@\""));
            true
        }),
        case("memory", ("memory", "warning", 1), &["limit of the cgroup is 20 MiB", "raise the limit"], |house| {
            // As both kinds of kernel tell it, of the group that is above all others.
            fs::create_dir_all(house.path("cgroup/memory")).expect("made");
            for file in ["memory.max", "memory/memory.limit_in_bytes"] {
                house.write(&format!("cgroup/{file}"), &(20_u64 << 20).to_string());
            }
            let own = house.text("cgroup");
            house.mounts(&format!("mount --bind {own} /sys/fs/cgroup"))
        }),
    ]);
}

#[test]
fn addresses_that_are_taken_are_told() {
    check(&[
        case("a port", ("ports", "error", 1), &["server.admin.listen", "is taken", "ss -ltnp"], |house| {
            let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
            house.argument("--admin-listen");
            house.argument(taken.local_addr().expect("bound").to_string());
            house.keep(taken);
            true
        }),
        case(
            "an address of somebody else",
            ("ports", "error", 1),
            &["server.ops.listen", "none of this machine"],
            |house| {
                house.argument("--ops-listen");
                house.argument("192.0.2.1:8482");
                true
            },
        ),
        case("a Unix socket", ("unix-socket", "error", 1), &["somebody listens"], |house| {
            let socket = UnixListener::bind(house.path("ask.sock")).expect("a socket");
            house.keep(socket);
            house.configure(&format!("server: {{ authorize: {{ unix_socket: {} }} }}", house.text("ask.sock")));
            true
        }),
        case("a file in the place of the socket", ("unix-socket", "error", 1), &["is no socket"], |house| {
            house.write("ask.sock", "");
            house.configure(&format!("server: {{ authorize: {{ unix_socket: {} }} }}", house.text("ask.sock")));
            true
        }),
        case("no directory for the socket", ("unix-socket", "error", 1), &["make the directory"], |house| {
            house.configure(&format!("server: {{ authorize: {{ unix_socket: {} }} }}", house.text("gone/ask.sock")));
            true
        }),
    ]);
}

/// Sets the clock of whoever looks.
fn set_clock(house: &mut House, seconds: i64) -> bool {
    let clock = SetClock::new();
    clock.set(seconds);
    for (name, value) in clock.variables() {
        house.variable(name, value);
    }
    house.keep(clock);
    true
}

#[test]
fn a_clock_that_is_wrong_is_told() {
    check(&[
        case("set back", ("clock", "warning", 1), &["later than the clock", "time service"], |house| {
            house.live(|_| ());
            set_clock(house, -3_600)
        }),
        case("long ago", ("clock", "error", 1), &["which cannot be"], |house| set_clock(house, -20 * 365 * 86_400)),
        case("far ahead", ("clock", "note", 0), &["older than `audit.retention.age`", "audit.hold"], |house| {
            house.live(|_| ());
            set_clock(house, 200 * 86_400)
        }),
    ]);
}

/// A port where nobody listens.
fn dead() -> u16 {
    MailServer::free_port()
}

const LINK: &str = "directory: { invitations: { link: 'https://app.example/accept?token={token}' } }\n";

fn issuer(keys: &str) -> String {
    format!("subjects: {{ tokens: [{{ issuer: https://id.example, jwks: '{keys}', audiences: shop }}] }}")
}

#[test]
fn others_who_cannot_be_reached_are_told() {
    check(&[
        case("no mail server", ("mail", "error", 1), &["the connection", "mail.smtp.host"], |house| {
            let smtp = format!("{{ host: 127.0.0.1, port: {}, tls: none }}", dead());
            house.configure(&format!("{LINK}mail: {{ transport: smtp, from: office@example.com, smtp: {smtp} }}"));
            true
        }),
        case("a mail server that refuses the login", ("mail", "error", 1), &["the login", "535"], |house| {
            let certificate = Certificate::new();
            let server = MailServer::builder().tls("starttls", &certificate).login("office", "right").start();
            fs::write(certificate.folder().join("password"), "wrong").expect("written");
            let password = certificate.folder().join("password");
            fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("a mode");
            let smtp = format!(
                "{{ host: localhost, port: {}, tls: starttls, ca_file: {}, username: office, password_file: {} }}",
                server.port(),
                certificate.path().display(),
                password.display()
            );
            house.configure(&format!("{LINK}mail: {{ transport: smtp, from: office@example.com, smtp: {smtp} }}"));
            house.keep((server, certificate));
            true
        }),
        case("no issuer", ("token-keys", "error", 1), &["https://id.example", "cannot be reached"], |house| {
            house.configure(&issuer(&format!("http://127.0.0.1:{}/jwks.json", dead())));
            true
        }),
        case("an issuer without keys", ("token-keys", "error", 1), &["none of the keys"], |house| {
            let server = KeyServer::start(Reply::Text(r#"{"keys":[]}"#.to_owned()));
            house.configure(&issuer(&server.url()));
            house.keep(server);
            true
        }),
        case(
            "no receiver of checkpoints",
            ("webhook", "error", 1),
            &["nobody answers", "the receiver runs"],
            |house| {
                house.configure(&format!("audit: {{ checkpoint: {{ webhook: 'http://127.0.0.1:{}/c' }} }}", dead()));
                true
            },
        ),
    ]);
}

#[test]
fn a_mail_server_that_is_well_is_greeted_and_gets_no_mail() {
    let mut house = House::new();
    let server = MailServer::builder().start();
    let smtp = format!("{{ host: 127.0.0.1, port: {}, tls: none }}", server.port());
    house.configure(&format!("{LINK}mail: {{ transport: smtp, from: office@example.com, smtp: {smtp} }}"));
    house.argument("--verbose");
    let report = house.doctor();
    assert_eq!(report.of("mail")[0]["level"], "ok", "{:#}", report.json);
    assert!(server.mails().is_empty(), "{:?}", server.mails());
}

#[test]
fn a_clock_that_nobody_keeps_is_told() {
    let mut house = House::new();
    let clock = SetClock::new();
    for (name, value) in clock.variables() {
        house.variable(name, value);
    }
    house.variable("CLOCK_UNKEPT", "yes");
    house.doctor().assert("unkept", "clock", "note", &["unsynchronised", "time service"]);
}
