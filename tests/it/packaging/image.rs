//! The image, as far as it goes without an engine: what the Dockerfile copies is there, what it runs is run with the binary that the
//! tests have built, and what comes of it decides in an empty root.

use crate::support::{Process, Sidecar, SidecarBuilder, Upstream, is_tool_there, repo, run, tool, wait_for};
use serde_json::{Value, json};
use std::{
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    thread,
    time::Duration,
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

/// Compiling the last crate and linking it again, on a machine that is busy with other tests.
const LINKING: Duration = Duration::from_mins(5);

/// Turns the layout of `scripts/image-root` into what a container of the image sees: a root that cannot be written, the data directory
/// and a policy set mounted in it, and a user without any right. Users are those of a namespace, so that nobody has to be root.
const CONTAINER: &str = r#"
root=$0 data=$1 policies=$2 user=$3; shift 3
mount --bind "$root" "$root"
# Whatever runs containers gives them these.
mkdir -p "$root/dev"
for device in random urandom null; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount --bind "$data" "$root/var/lib/sidegate"
mount --bind "$policies" "$root/etc/sidegate/policies"
mount -o remount,ro,bind "$root/etc/sidegate/policies"
mount -o remount,ro,bind "$root"
exec unshare --user --map-user="$user" --map-group="$user" --root="$root" --wd=/ "$@"
"#;

/// The Dockerfile's instructions with their arguments.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(repo("Dockerfile")).expect("the Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let split = |line: &str| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()));
    joined.lines().filter_map(split).collect()
}

/// The arguments of every instruction of this name.
fn all_of(name: &str) -> Vec<String> {
    instructions().into_iter().filter(|(found, _)| found == name).map(|(_, arguments)| arguments).collect()
}

#[track_caller]
fn one_of(name: &str) -> String {
    let found = all_of(name);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].clone()
}

/// A list in the form of JSON, as `ENTRYPOINT` and `CMD` have it.
fn words(name: &str) -> Vec<String> {
    serde_json::from_str(&one_of(name)).expect("a list of words")
}

/// How the Dockerfile has cargo build.
fn build_command() -> Vec<String> {
    let runs = all_of("RUN");
    let cargo = runs.iter().find_map(|line| line.find("cargo ").map(|at| &line[at..])).expect("cargo is run");
    cargo.split_whitespace().map(str::to_owned).collect()
}

/// The flags of the last link, by which the binary gets its libraries.
fn link_flags() -> Vec<String> {
    let command = build_command();
    let (cargo, flags) = command.split_at(command.iter().position(|word| word == "--").expect("flags of rustc"));
    assert_eq!(cargo, ["cargo", "rustc", "--release", "--locked", "--bin", "sidegate"]);
    flags.to_vec()
}

/// The binary as the Dockerfile links it, but out of what the tests have built: the flags concern the last link alone.
fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_sidegate"));
        let profile = built.parent().expect("the folder of a profile");
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "rustc",
            "--locked",
            "--offline",
            "--test",
            "static",
            "--message-format",
            "json",
            "--target-dir",
        ]);
        command.arg(profile.parent().expect("the target directory"));
        if profile.ends_with("release") {
            command.arg("--release");
        }
        command.args(link_flags()).current_dir(repo(""));
        // What cargo tells a test of itself would have build scripts run again, and all that rests on them built anew.
        for (name, _) in std::env::vars_os() {
            let told =
                ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_TARGET_TMP"];
            if told.iter().any(|told| name.to_string_lossy().starts_with(told)) {
                command.env_remove(name);
            }
        }
        let building = Process::spawn(command);
        let ended = building.wait_exit(LINKING).expect("the binary is linked in time");
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let messages = ended.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut of_target = messages.filter(|message| message["target"]["name"] == "static");
        let executable = of_target.next_back().and_then(|message| message["executable"].as_str().map(PathBuf::from));
        executable.expect("an executable")
    });
    &BINARY
}

/// The root of a container, and what is mounted in it.
struct Container {
    layout: TempDir,
}

impl Container {
    fn new() -> Self {
        let layout = tempfile::tempdir().expect("a temporary directory");
        super::licences::written();
        let mut command = Command::new(repo("scripts/image-root"));
        command.arg(binary()).arg(layout.path());
        let laid_out = run(command);
        assert_eq!(laid_out.code, Some(0), "{laid_out:?}");
        let container = Self { layout };
        // What the last `COPY` makes.
        fs::create_dir_all(container.root().join("var/lib/sidegate")).expect("a directory");
        container
    }

    fn root(&self) -> PathBuf {
        self.layout.path().join("rootfs")
    }

    fn data(&self) -> PathBuf {
        self.layout.path().join("data")
    }

    /// A file that an engine makes in each container.
    fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.root().join(path), text).expect("written");
        self
    }

    /// The sidecar in it, started as the image says.
    fn sidecar(&self) -> SidecarBuilder {
        let (user, group) = one_of("USER").split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("both");
        assert_eq!(user, group);
        let mut prefix =
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", CONTAINER].map(str::to_owned).to_vec();
        for path in [self.root(), self.data(), repo("policies/demo")] {
            prefix.push(path.display().to_string());
        }
        prefix.push(user);
        prefix.extend(words("ENTRYPOINT"));
        Sidecar::builder().whole(words("CMD")).through(prefix)
    }
}

/// Whether this machine lets processes have namespaces of their own. In continuous integration it has to.
fn can_contain() -> bool {
    is_tool_there("unshare", "--version") && {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "true"]);
        let permitted = run(command).code == Some(0);
        assert!(permitted || std::env::var_os("CI").is_none(), "continuous integration needs user namespaces");
        if !permitted {
            eprintln!("SKIPPED: this machine permits no user namespaces");
        }
        permitted
    }
}

fn question() -> Value {
    json!({ "user": "bob", "action": "edit", "resource": "order:o-1" })
}

#[test]
fn what_the_dockerfile_copies_is_in_its_context_and_is_enough_for_cargo() {
    let ignored = fs::read_to_string(repo(".dockerignore")).expect("a list");
    let mut listed: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "what is not listed stays outside");
    let mut copied = Vec::new();
    let context = tempfile::tempdir().expect("a temporary directory");
    for arguments in all_of("COPY").iter().filter(|arguments| !arguments.starts_with("--from")) {
        let words: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
        let (to, from) = words.split_last().expect("where to");
        for path in from {
            let to = context.path().join(if to == "./" { path } else { to });
            fs::create_dir_all(to.parent().expect("a folder")).expect("a directory");
            let mut command = Command::new("cp");
            command.arg("-R").arg(repo(path)).arg(&to);
            assert_eq!(run(command).code, Some(0), "{path}");
            copied.push(path.clone());
        }
    }
    copied.sort();
    listed.sort_unstable();
    assert_eq!(copied, listed, "what is copied and what .dockerignore lets in");

    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--format-version", "1"]).current_dir(context.path());
    let read = run(cargo);
    assert_eq!(read.code, Some(0), "{}", read.stderr);
    assert!(all_of("RUN").iter().any(|line| line.ends_with(" scripts/licences")));
    let mut licences = Command::new(context.path().join("scripts/licences"));
    licences.env("CARGO_NET_OFFLINE", "true");
    let written = run(licences);
    assert_eq!(written.code, Some(0), "{written:?}");
    // And with what comes of it the layout is made, by the same script.
    let script = context.path().join("scripts/image-root");
    assert!(all_of("RUN").contains(&"scripts/image-root target/release/sidegate /image".to_owned()));
    let mut command = Command::new(script);
    command.arg("/bin/sh").arg(context.path().join("image"));
    assert_eq!(run(command).code, Some(0));
    for file in ["usr/bin/sidegate", "usr/share/doc/sidegate/THIRD-PARTY-LICENCES"] {
        assert!(context.path().join("image/rootfs").join(file).exists(), "{file}");
    }
}

#[test]
fn a_linter_finds_no_fault_with_the_dockerfile() {
    let mut linter = tool("python/bin/hadolint");
    linter.args(["--no-color", "--failure-threshold", "style"]).arg(repo("Dockerfile"));
    let linted = run(linter);
    assert_eq!((linted.code, linted.stdout.as_str()), (Some(0), ""), "{linted:?}");
}

/// A port of the loopback address is no port of the container.
#[test]
fn the_image_exposes_the_ports_that_others_reach() {
    let text = fs::read_to_string(repo("packaging/image/sidegate.yaml")).expect("a configuration");
    let configuration: Value = serde_yaml::from_str(&text).expect("YAML");
    let server = configuration["server"].as_object().expect("listeners").values();
    let open = server.filter_map(|listener| listener["listen"].as_str()?.strip_prefix("0.0.0.0:"));
    assert_eq!(one_of("EXPOSE").split_whitespace().collect::<Vec<_>>(), open.collect::<Vec<_>>());
}

#[test]
fn what_is_linked_for_the_test_is_the_program_and_make_links_as_the_dockerfile_does() {
    let code = |path: &str| {
        let text = fs::read_to_string(repo(path)).expect("a file");
        text.lines().filter(|line| !line.starts_with("//!")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(code("tests/static/main.rs"), code("src/main.rs"));
    let makefile = fs::read_to_string(repo("Makefile")).expect("the Makefile");
    assert!(makefile.contains(&format!("\t{}\n", build_command().join(" "))), "{makefile}");
}

#[test]
fn it_decides_in_an_empty_root_as_nobody_and_stops_in_order() {
    if !can_contain() {
        return;
    }
    let container = Container::new();
    let sidecar = container.sidecar().start();
    let proc = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", sidecar.pid())).expect("a process");
    let libraries: Vec<_> = proc("maps").lines().filter(|line| line.contains(".so")).map(str::to_owned).collect();
    assert!(libraries.is_empty(), "{libraries:#?}");
    // Nobody: the user of the image, with no right.
    assert_eq!(proc("uid_map").split_whitespace().next(), one_of("USER").split(':').next());
    assert!(proc("status").contains("CapEff:\t0000000000000000"), "{}", proc("status"));
    let mounts = proc("mountinfo");
    let options = |place: &str| -> String {
        let of = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).rfind(|fields| fields[4] == place);
        of.expect("a mount")[5].to_owned()
    };
    assert!(options("/").starts_with("ro"), "{mounts}");
    assert_eq!(one_of("VOLUME"), "/var/lib/sidegate");
    assert!(options("/var/lib/sidegate").starts_with("rw"), "{mounts}");

    let (status, answer) = sidecar.authorize(&question());
    assert_eq!((status, &answer["decision"]), (200, &json!("allow")), "{answer}");
    let exited = sidecar.stop();
    assert_eq!(exited.code, Some(0), "{exited:?}");
    let mut command = Command::new(binary());
    command.args(["audit", "list", "--kind", "decision", "--output", "json", "--data"]).arg(container.data());
    let listed = run(command);
    assert!(listed.stdout.contains(answer["id"].as_str().expect("an id")), "{listed:?}");
}

/// The C library looks for names of hosts with modules that it loads; those for files and DNS are within it.
#[test]
fn names_of_hosts_are_found_in_files_and_by_dns() {
    if !can_contain() {
        return;
    }
    let by_file = Container::new().file("etc/hosts", "127.0.0.1 collector.test\n");
    assert_reached(&by_file);
    // An address of the loopback network that nobody else is likely to have. The port cannot be another.
    match UdpSocket::bind("127.117.0.53:53") {
        Ok(socket) => {
            thread::spawn(move || answer_names(&socket));
            assert_reached(&Container::new().file("etc/resolv.conf", "nameserver 127.117.0.53\n"));
        }
        Err(error) => eprintln!("SKIPPED names by DNS: its port cannot be had: {error}"),
    }
}

/// That a receiver of checkpoints is found by its name.
fn assert_reached(container: &Container) {
    let collector = Upstream::start();
    let webhook = format!("http://collector.test:{}/", collector.address().port());
    let sidecar = container
        .sidecar()
        .env("SIDEGATE_AUDIT__CHECKPOINT__INTERVAL", "100ms")
        .env("SIDEGATE_AUDIT__CHECKPOINT__WEBHOOK", &webhook)
        .start();
    sidecar.authorize(&question());
    wait_for("a checkpoint at the collector", SOON, || collector.served() > 0);
    assert_eq!(sidecar.stop().code, Some(0));
}

/// A server of DNS that knows one address for every name.
fn answer_names(socket: &UdpSocket) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        // The name ends with an empty label; then come type and class, and what is beyond the question is not asked for.
        let Some(end) = query[12..length].iter().position(|byte| *byte == 0).map(|at| 12 + at + 5) else { continue };
        let is_ipv4 = query[end - 4..end - 2] == [0, 1];
        let answer: &[u8] = if is_ipv4 { &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1] } else { &[] };
        let head = [0x81, 0x80, 0, 1, 0, u8::from(is_ipv4), 0, 0, 0, 0];
        let reply = [&query[..2], &head, &query[12..end], answer].concat();
        drop(socket.send_to(&reply, from));
    }
}

#[test]
fn the_chart_runs_the_image_as_the_user_that_owns_its_data_directory() {
    let values = fs::read_to_string(repo("helm/sidegate/values.yaml")).expect("the values");
    let values: Value = serde_yaml::from_str(&values).expect("YAML");
    let user = one_of("USER");
    let (user, group) = user.split_once(':').expect("both");
    let number = |value: &Value| value.to_string();
    let context = &values["securityContext"];
    assert_eq!((number(&context["runAsUser"]).as_str(), number(&context["runAsGroup"]).as_str()), (user, group));
    assert!(all_of("COPY").iter().any(|copied| copied.contains(&format!("--chown={user}:{group}"))));
    for (file, expected) in
        [("passwd", format!("sidegate:x:{user}:{group}:")), ("group", format!("sidegate:x:{group}:"))]
    {
        let text = fs::read_to_string(repo("packaging/image").join(file)).expect("a file");
        assert!(text.lines().any(|line| line.starts_with(&expected)), "{text}");
    }
}
