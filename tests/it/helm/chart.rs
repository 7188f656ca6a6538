//! Helm as a process, and what it has rendered.

use crate::support::{Exited, repo, run, tool};
use serde::Deserialize as _;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use tempfile::TempDir;

/// The chart.
pub const CHART: &str = "helm/sidegate";
/// The application that has it as a sidecar.
pub const EXAMPLE: &str = "helm/examples/shop";

/// The release of the tests.
const RELEASE: &str = "demo";

/// Runs Helm to its end, with nothing of the user's own Helm.
pub fn helm<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Exited {
    let mut command = of_its_own(tool("bin/helm"));
    command.args(args);
    run(command)
}

fn of_its_own(mut command: Command) -> Command {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    let home = HOME.get_or_init(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm"));
    for (name, folder) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
        command.env(format!("HELM_{name}_HOME"), home.join(folder));
    }
    command.env_remove("KUBECONFIG").current_dir(repo(""));
    command
}

/// The files of values, in order.
pub fn scenarios() -> Vec<String> {
    let entries = fs::read_dir(repo(CHART).join("ci")).expect("the scenarios");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert!(names.len() > 5, "{names:?}");
    names
}

/// Every scenario, and the worked example with each of its files of values.
pub fn all() -> &'static [(String, Chart)] {
    static ALL: OnceLock<Vec<(String, Chart)>> = OnceLock::new();
    ALL.get_or_init(|| {
        scenarios().into_iter().map(|name| (name.clone(), Chart::scenario(&name))).chain(examples()).collect()
    })
}

/// The worked example with one of its files of values.
#[track_caller]
pub fn example(values: &str) -> &'static Chart {
    let (_, chart) = all().iter().find(|(name, _)| *name == format!("{SHOP}{values}")).expect("an example");
    chart
}

/// What the names of examples begin with.
const SHOP: &str = "shop with ";

fn examples() -> Vec<(String, Chart)> {
    let named = |name: &str| {
        let values = repo(EXAMPLE).join(name);
        let chart = Chart::render(&[RELEASE, built_example(), "--values", values.to_str().expect("UTF-8")]);
        (format!("{SHOP}{name}"), chart)
    };
    ["values.yaml", "values-git.yaml", "values-image.yaml", "values-plain.yaml"].map(named).into()
}

/// A copy of the example with the chart that it depends on.
pub fn built_example() -> &'static str {
    static BUILT: OnceLock<(TempDir, String)> = OnceLock::new();
    let (_, path) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for chart in [CHART, EXAMPLE] {
            copy(&repo(chart), &folder.path().join(chart));
        }
        let example = folder.path().join(EXAMPLE).to_str().expect("UTF-8").to_owned();
        let exited = helm(["dependency", "update", "--skip-refresh", &example]);
        assert_eq!(exited.code, Some(0), "{exited:?}");
        (folder, example)
    });
    path
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder of the chart") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// The notes of a scenario. Helm shows them after an installation alone, so that a copy of the chart renders them as an object.
pub fn notes(scenario: &str) -> String {
    let values = repo(CHART).join("ci").join(scenario);
    Chart::notes_of(&["--values", values.to_str().expect("UTF-8")])
}

/// What a chart has been rendered into.
#[derive(Debug)]
pub struct Chart {
    /// All objects.
    pub objects: Vec<Value>,
    /// The text, as Helm printed it.
    pub text: String,
}

impl Chart {
    /// `helm template` with these arguments.
    #[track_caller]
    pub fn render(args: &[&str]) -> Self {
        let exited = helm([&["template"], args, &["--namespace", "gates"]].concat());
        assert_eq!(exited.code, Some(0), "{args:?}: {exited:?}");
        let objects = serde_yaml::Deserializer::from_str(&exited.stdout)
            .map(|document| Value::deserialize(document).expect("YAML that is JSON"))
            .filter(|object| !object.is_null());
        Self { objects: objects.collect(), text: exited.stdout }
    }

    /// The chart with the values of a scenario.
    #[track_caller]
    pub fn scenario(name: &str) -> Self {
        Self::with(name, &[])
    }

    /// The same with more arguments of `helm template`.
    #[track_caller]
    pub fn with(scenario: &str, more: &[&str]) -> Self {
        let values = format!("{CHART}/ci/{scenario}");
        Self::render(&[&[RELEASE, CHART, "--values", values.as_str()], more].concat())
    }

    /// The notes with these arguments of `helm template`.
    #[track_caller]
    pub fn notes_of(args: &[&str]) -> String {
        static NOTES: OnceLock<(TempDir, String)> = OnceLock::new();
        let (_, path) = NOTES.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let chart = folder.path().join("sidegate");
            copy(&repo(CHART), &chart);
            let shown = "kind: Notes\ntext: {{ include (print $.Template.BasePath \"/NOTES.txt\") . | toJson }}\n";
            fs::write(chart.join("templates/notes.yaml"), shown).expect("written");
            (folder, chart.to_str().expect("UTF-8").to_owned())
        });
        let chart = Self::render(&[&[RELEASE, path.as_str(), "--show-only", "templates/notes.yaml"], args].concat());
        chart.one("Notes")["text"].as_str().expect("a text").to_owned()
    }

    /// The only object of a kind.
    #[track_caller]
    pub fn one(&self, kind: &str) -> &Value {
        let mut found = self.all(kind);
        let one = found.next().unwrap_or_else(|| panic!("no {kind} in\n{}", self.text));
        assert!(found.next().is_none(), "several of kind {kind}");
        one
    }

    /// All objects of a kind.
    pub fn all<'c>(&'c self, kind: &str) -> impl Iterator<Item = &'c Value> + use<'c> {
        let kind = kind.to_owned();
        self.objects.iter().filter(move |object| object["kind"] == kind.as_str())
    }

    /// A ConfigMap by the end of its name.
    pub fn config_map(&self, suffix: &str) -> Option<&Value> {
        self.all("ConfigMap")
            .find(|object| object["metadata"]["name"].as_str().is_some_and(|name| name.ends_with(suffix)))
    }

    /// The text of the configuration.
    #[track_caller]
    pub fn configuration(&self) -> &str {
        let found = self.config_map("-config").unwrap_or_else(|| panic!("no configuration in\n{}", self.text));
        found["data"]["sidegate.yaml"].as_str().expect("a text")
    }

    /// Every pod with the kind of what makes it: those of workloads, and the one of `helm test`.
    pub fn pods(&self) -> Vec<(&str, &Value)> {
        self.objects.iter().filter_map(pod_of).collect()
    }
}

fn pod_of(object: &Value) -> Option<(&str, &Value)> {
    let kind = object["kind"].as_str()?;
    let pod = if kind == "Pod" { &object["spec"] } else { object["spec"].get("template")?.get("spec")? };
    Some((kind, pod))
}

/// The containers of a pod, those that run first among them.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_array());
    lists.flatten()
}

/// A container by its name.
#[track_caller]
pub fn container<'p>(pod: &'p Value, name: &str) -> &'p Value {
    containers(pod).find(|container| container["name"] == name).unwrap_or_else(|| panic!("no {name} in {pod}"))
}
