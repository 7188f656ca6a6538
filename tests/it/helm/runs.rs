//! What the chart renders, at work: configurations are checked by the real binary, pods are made into directories as the kubelet would
//! make them, and the script of `helm test` asks.

use super::chart::{CHART, Chart, all, container, example};
use crate::support::{Certificate, Sidecar, repo, run, sidegate, wait_for};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

/// What mounts of containers lead to.
const MOUNTS: [&str; 2] = ["/etc/sidegate", "/var/lib/sidegate"];

/// The file system of a pod.
struct Pod {
    root: TempDir,
    turns: usize,
}

impl Pod {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a temporary directory"), turns: 0 }
    }

    /// The container of Sidegate with its volumes filled; what a path leads to in the container is below the root here.
    fn of(chart: &Chart) -> (Self, Vec<String>) {
        let (_, pod) = chart.pods().into_iter().find(|(kind, _)| *kind != "Pod").expect("a workload");
        let gate = container(pod, "sidegate");
        let mut made = Self::new();
        for mount in gate["volumeMounts"].as_array().expect("mounts") {
            let path = mount["mountPath"].as_str().expect("a path");
            let volume =
                pod["volumes"].as_array().expect("volumes").iter().find(|volume| volume["name"] == mount["name"]);
            let volume = volume.unwrap_or_else(|| panic!("no volume for {mount}"));
            if let Some(name) = volume["configMap"]["name"].as_str() {
                let data =
                    chart.all("ConfigMap").find(|object| object["metadata"]["name"] == name).expect("a ConfigMap");
                let files = files_of(&data["data"], &volume["configMap"]["items"]);
                made.turn(path, &files);
            } else {
                fs::create_dir_all(made.at(path)).expect("a directory");
            }
        }
        let args =
            gate["args"].as_array().expect("arguments").iter().map(|arg| made.moved(arg.as_str().expect("a text")));
        let args = args.collect();
        (made, args)
    }

    /// Where a path of the container is.
    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// A text with the paths of the container as they are here.
    fn moved(&self, text: &str) -> String {
        let root = self.root.path().display().to_string();
        MOUNTS.iter().fold(text.to_owned(), |text, mount| text.replace(mount, &format!("{root}{mount}")))
    }

    /// Writes the files of a mount as the kubelet does: all of them into a directory beside the old one, then one link turns.
    fn turn(&mut self, mount: &str, files: &BTreeMap<String, String>) {
        self.turns += 1;
        let mount = self.at(mount);
        let generation = format!("..generation_{}", self.turns);
        for (path, text) in files {
            let file = mount.join(&generation).join(path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(&file, self.moved(text)).expect("written");
            let top = path.split('/').next().expect("a name");
            if !mount.join(top).is_symlink() {
                symlink(format!("..data/{top}"), mount.join(top)).expect("linked");
            }
        }
        symlink(&generation, mount.join("..data_tmp")).expect("linked");
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("turned");
    }
}

/// The files that a volume makes of a ConfigMap.
fn files_of(data: &Value, items: &Value) -> BTreeMap<String, String> {
    let text = |key: &str| data[key].as_str().unwrap_or_else(|| panic!("no key `{key}`")).to_owned();
    match items.as_array() {
        Some(items) => {
            let named = |item: &Value, field: &str| item[field].as_str().expect("a text").to_owned();
            items.iter().map(|item| (named(item, "path"), text(&named(item, "key")))).collect()
        }
        None => data.as_object().expect("data").keys().map(|key| (key.clone(), text(key))).collect(),
    }
}

#[test]
fn the_configuration_of_every_scenario_is_accepted() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let secrets = folder.path().join("secrets");
    for secret in ["mail/password", "audit/key.pem"] {
        let path = secrets.join(secret);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, "hunter2\n").expect("written");
    }
    let key = secrets.join("audit/key.pem");
    let mut openssl = Command::new("openssl");
    openssl.args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&key);
    assert_eq!(run(openssl).code, Some(0));
    let certificate = Certificate::new();
    fs::create_dir_all(secrets.join("tls")).expect("a folder");
    for (file, from) in [
        ("tls.crt", certificate.path()),
        ("ca.crt", certificate.path()),
        ("tls.key", certificate.folder().join("key.pem")),
    ] {
        fs::copy(from, secrets.join("tls").join(file)).expect("copied");
    }
    for secret in ["mail/password", "audit/key.pem", "tls/tls.key"] {
        // As the kubelet mounts it for the group of the pod.
        fs::set_permissions(secrets.join(secret), fs::Permissions::from_mode(0o440)).expect("a mode");
    }
    for (name, chart) in all() {
        let text = chart.configuration().replace("/etc/sidegate/secrets", secrets.to_str().expect("UTF-8"));
        let file = folder.path().join("sidegate.yaml");
        fs::write(&file, text).expect("written");
        let exited = sidegate(["serve", "--check-config", "--config", file.to_str().expect("UTF-8")]);
        assert_eq!(exited.code, Some(0), "{name}: {exited:?}");
    }
}

#[test]
fn the_worked_example_runs_and_its_policies_change_while_it_does() {
    let chart = example("values.yaml");
    let (mut pod, args) = Pod::of(chart);
    let sidecar = Sidecar::builder().whole(args).start();
    let shop = container(chart.pods()[0].1, "shop");
    let script = shop["args"][0].as_str().expect("a script");
    let question = script.split("--json '").nth(1).and_then(|rest| rest.split('\'').next()).expect("a question");
    let question: Value = serde_json::from_str(question).expect("JSON");
    assert_eq!(sidecar.authorize(&question).1["decision"], "allow");
    assert_eq!(sidecar.ops_get("/status").json()["policies"]["policy_set"], "shop");
    assert!(fs::read_dir(pod.at("/var/lib/sidegate")).expect("the data").count() > 0, "the audit log is in the volume");

    let data = &chart.config_map("-policies").expect("policies")["data"];
    let mut files = BTreeMap::from([(
        "shop.yaml".to_owned(),
        data["shop.yaml"].as_str().expect("a text").replace("orders: edit", "orders: view"),
    )]);
    files.insert(
        "tests/orders.yaml".to_owned(),
        data["tests__orders.yaml"].as_str().expect("a text").replace("expect: allow, reason: granted", "expect: deny"),
    );
    pod.turn("/etc/sidegate/policies", &files);
    wait_for("the change is live", SOON, || sidecar.authorize(&question).1["decision"] == "deny");
    assert_eq!(sidecar.stop().code, Some(0));
}

/// git-sync keeps each commit in a directory of its own and turns one link.
#[test]
fn policies_that_git_sync_brings_are_live_once_its_link_turns() {
    let chart = Chart::scenario("values-production.yaml");
    let configuration: Value = serde_yaml::from_str(chart.configuration()).expect("YAML");
    let directory = configuration["policies"]["directory"].as_str().expect("a directory");
    let below = directory.strip_prefix("/etc/sidegate/policies/current/").expect("below git-sync's link");
    let pod = Pod::new();
    let root = pod.at("/etc/sidegate/policies");
    let sync = |commit: &str, user: &str| {
        let tree = root.join(".worktrees").join(commit).join(below);
        fs::create_dir_all(&tree).expect("a work tree");
        let set = format!(
            "policy_set: synced\nlevels: {{ view: [view] }}\nmodules: {{ orders: {{ name: Orders, resources: [order] }} }}\n\
             roles: {{ reader: {{ name: Reader, grants: {{ orders: view }} }} }}\n\
             users: {{ {user}: {{ name: U, email: u@demo.example, roles: [reader] }} }}\n"
        );
        fs::write(tree.join("set.yaml"), set).expect("written");
        symlink(Path::new(".worktrees").join(commit), root.join("turning")).expect("linked");
        fs::rename(root.join("turning"), root.join("current")).expect("turned");
    };
    sync("c0ffee", "ann");
    let sidecar = Sidecar::builder().policies(pod.moved(directory)).start();
    let may = |user: &str| {
        sidecar.authorize(&json!({ "user": user, "action": "view", "resource": "order:o-1" })).1["decision"] == "allow"
    };
    assert!(may("ann") && !may("ben"));
    sync("decade", "ben");
    wait_for("the commit is live", SOON, || may("ben") && !may("ann"));
}

#[test]
fn helm_test_asks_one_question_and_fails_where_the_answer_is_another() {
    let chart = Chart::scenario("values-demo.yaml");
    let (_pod, args) = Pod::of(&chart);
    // Beyond the loopback address, as in a pod, callers have to be known.
    let sidecar = Sidecar::builder().whole(args).listen("authorize", "0.0.0.0:0").start();
    let asking = container(chart.pods().into_iter().find(|(kind, _)| *kind == "Pod").expect("a pod").1, "ask").clone();
    let ask = |expect: Option<&str>| {
        let words = |list: &str| {
            asking[list]
                .as_array()
                .expect("words")
                .iter()
                .map(|word| word.as_str().expect("a text").to_owned())
                .collect::<Vec<_>>()
        };
        let command = words("command");
        let mut process = Command::new(&command[0]);
        process.args(&command[1..]).args(words("args"));
        for variable in asking["env"].as_array().expect("variables") {
            let reference = &variable["valueFrom"]["secretKeyRef"];
            let secret = chart.all("Secret").find(|secret| secret["metadata"]["name"] == reference["name"]);
            let value =
                variable["value"].as_str().or_else(|| secret?["stringData"][reference["key"].as_str()?].as_str());
            process.env(variable["name"].as_str().expect("a name"), value.expect("a value"));
        }
        process.env("ADDRESS", format!("http://{}", sidecar.authorize_address())).env("NO_PROXY", "127.0.0.1");
        if let Some(expect) = expect {
            process.env("EXPECT", expect);
        }
        run(process)
    };
    let asked = ask(None);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert!(asked.stdout.contains(r#""decision":"allow""#), "{asked:?}");
    assert_eq!(ask(Some("any")).code, Some(0));
    let unknown = sidecar.post("/v1/authorize", &json!({ "user": "bob", "action": "edit", "resource": "order:o-1" }));
    assert_eq!(unknown.status, 401, "whoever shows no token is not heard: {unknown:?}");
    let unlike = ask(Some("deny"));
    assert_eq!((unlike.code, unlike.stderr.trim()), (Some(1), "expected: deny"), "{unlike:?}");
}

#[test]
fn an_installation_without_policies_denies() {
    let starter = repo(CHART).join("files");
    let checked = sidegate(["check", starter.join("starter").to_str().expect("UTF-8")]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let chart = Chart::with("values-demo.yaml", &["--set", "policies.configMap.files=null"]);
    let (_pod, args) = Pod::of(&chart);
    let sidecar = Sidecar::builder().whole(args).start();
    let token = [("authorization", "Bearer only-for-trying-it-out")];
    let question = json!({ "user": "root", "action": "view", "resource": "item:1" });
    let answer = sidecar.post_text("/v1/authorize", &token, &question.to_string());
    assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!("deny")), "{answer:?}");
}
