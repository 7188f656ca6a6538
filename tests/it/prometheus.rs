//! Alerts and dashboard: what they name exists, what they say can be read up, and a real Prometheus fires them.

/// Things are broken on purpose, and the alerts fire.
mod fires;
/// What expressions ask for.
mod selectors;

use crate::support::{Exited, Sidecar, repo, run, shared, tool};
use selectors::{Selector, selectors};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

const RULES: &str = "helm/sidegate/files/prometheus-rules.yaml";
const DASHBOARD: &str = "helm/sidegate/files/grafana-dashboard.json";
const RUNBOOKS: &str = "docs/runbooks.md";

/// Every rule, alerts and recorded series.
fn rules() -> Vec<Value> {
    let text = fs::read_to_string(repo(RULES)).expect("the rules");
    let file: Value = serde_yaml::from_str(&text).expect("YAML");
    let groups = file["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(repo(DASHBOARD)).expect("the dashboard")).expect("JSON")
}

/// Every expression with where it stands.
fn expressions() -> Vec<(String, String)> {
    let of_rules = rules().into_iter().map(|rule| {
        let name = rule["alert"].as_str().or_else(|| rule["record"].as_str()).expect("a name").to_owned();
        (name, rule["expr"].as_str().expect("an expression").to_owned())
    });
    let board = dashboard();
    let panels = board["panels"].as_array().expect("panels").iter();
    let of_panels = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(|target| {
            (format!("panel {}", panel["title"]), target["expr"].as_str().expect("an expression").to_owned())
        })
    });
    let notes = board["annotations"]["list"].as_array().expect("a list").iter();
    let of_notes =
        notes.map(|note| ("annotation".to_owned(), note["expr"].as_str().expect("an expression").to_owned()));
    let variables = board["templating"]["list"].as_array().expect("a list").iter();
    let of_variables = variables
        .filter_map(|one| Some((format!("variable {}", one["name"]), one["query"]["query"].as_str()?.to_owned())));
    of_rules.chain(of_panels).chain(of_notes).chain(of_variables).collect()
}

/// Metrics of the reference, each with its labels and the values that these can have, as far as they are listed.
fn reference() -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let text = fs::read_to_string(repo("docs/reference/metrics.md")).expect("the reference");
    let mut found: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(metric) = line.strip_prefix("## `") {
            metric.trim_end_matches('`').clone_into(&mut name);
            found.insert(name.clone(), BTreeMap::new());
        } else if let Some(row) = line.strip_prefix("| `") {
            // Examples and names of settings are no list of values.
            let listed = row.split(" such as ").next().unwrap_or_default();
            let mut ticked = listed.split('`').step_by(2).map(str::to_owned);
            let label = ticked.next().expect("a label");
            let values = ticked.filter(|value| !value.contains('.')).collect();
            found.get_mut(&name).expect("a metric").insert(label, values);
        }
    }
    found
}

/// The reference's metric of a series: `x_bucket` is of the histogram `x`.
fn metric_of<'m, T>(series: &str, known: &'m BTreeMap<String, T>) -> Option<&'m T> {
    let ends = ["", "_bucket", "_count", "_sum"].into_iter();
    ends.filter_map(|end| series.strip_suffix(end)).find_map(|name| known.get(name))
}

#[test]
fn every_metric_and_label_of_alerts_and_dashboard_is_in_the_reference() {
    let reference = reference();
    let recorded: BTreeSet<_> = rules().iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)).collect();
    let mut unknown = Vec::new();
    let mut seen = BTreeSet::new();
    for (place, expression) in expressions() {
        for Selector { metric, labels } in selectors(&expression) {
            if recorded.contains(&metric) || metric.starts_with("process_") {
                continue;
            }
            let Some(known) = metric_of(&metric, &reference) else {
                unknown.push(format!("{place}: no metric `{metric}`"));
                continue;
            };
            for (label, _) in labels {
                let of_target = ["namespace", "job", "instance"].contains(&label.as_str());
                let of_buckets = label == "le" && metric.ends_with("_bucket");
                if !of_target && !of_buckets && !known.contains_key(&label) {
                    unknown.push(format!("{place}: `{metric}` has no label `{label}`"));
                }
            }
            seen.insert(metric);
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(seen.len() > 30, "{seen:?}");
}

/// A selector that fits nothing is an alert that never fires.
#[test]
fn what_alerts_select_is_there_from_the_start() {
    let sidecar = Sidecar::builder().start();
    let exposition = sidecar.ops_get("/metrics").body;
    let mut absent = Vec::new();
    for (place, expression) in expressions() {
        for Selector { metric, labels } in selectors(&expression) {
            let is_series = |line: &&str| line.strip_prefix(&*metric).is_some_and(|rest| rest.starts_with(['{', ' ']));
            for (label, value) in labels {
                // What dashboards fill in, and patterns over codes.
                for one in value.split('|').filter(|one| !one.contains('$') && !one.contains("..")) {
                    let wanted = format!("{label}=\"{one}\"");
                    if !exposition.lines().filter(is_series).any(|line| line.contains(&wanted)) {
                        absent.push(format!("{place}: no series of `{metric}` has {wanted}"));
                    }
                }
            }
        }
    }
    assert!(absent.is_empty(), "{absent:#?}");
}

#[test]
fn every_value_that_a_label_can_have_is_there_from_the_start() {
    let sidecar = Sidecar::builder().start();
    let exposition = sidecar.ops_get("/metrics").body;
    let mut absent = Vec::new();
    for (metric, labels) in reference() {
        let series = exposition.lines().filter(|line| line.starts_with(&metric));
        for (label, values) in labels {
            // What names the build, and modules beyond those that are counted by name, cannot be there.
            for value in values.iter().filter(|value| !["unknown", "other"].contains(&value.as_str())) {
                let wanted = format!("{label}=\"{value}\"");
                if !series.clone().any(|line| line.contains(&wanted)) {
                    absent.push(format!("{metric}{{{wanted}}}"));
                }
            }
        }
    }
    assert!(absent.is_empty(), "series that come up only later: {absent:#?}");
}

#[test]
fn the_metrics_of_the_contract_are_in_the_reference_with_their_labels() {
    let Some(contract) = shared("CONTRACT.md") else { return };
    let text = fs::read_to_string(contract).expect("the contract");
    let (_, section) = text.split_once("\n## Metrics\n").expect("a section about metrics");
    let reference = reference();
    let mut count = 0;
    for named in section.split('`').skip(1).step_by(2).filter(|text| text.starts_with("sidegate_")) {
        let (name, labels) = named.split_once('{').unwrap_or((named, "}"));
        let wanted: BTreeSet<_> = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
        let known = reference.get(name).unwrap_or_else(|| panic!("no `{name}` in the reference"));
        assert_eq!(known.keys().map(String::as_str).collect::<BTreeSet<_>>(), wanted, "{name}");
        count += 1;
    }
    assert!(count > 15, "{count} metrics in the contract");
}

#[test]
fn every_alert_says_how_bad_it_is_and_has_a_runbook_and_every_runbook_an_alert() {
    let text = fs::read_to_string(repo(RUNBOOKS)).expect("the runbooks");
    let headings: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("## ")).filter(|line| line.starts_with("Sidegate")).collect();
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|alert| alert["alert"].as_str().expect("a name")).collect();
    assert_eq!(names, headings);
    for alert in &alerts {
        let name = alert["alert"].as_str().expect("a name");
        let severity = alert["labels"]["severity"].as_str().expect("a severity");
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        let notes = &alert["annotations"];
        assert!(notes["summary"].is_string() && notes["description"].is_string(), "{name}");
        assert_eq!(notes["runbook_url"], format!("{RUNBOOKS}#{}", name.to_lowercase()), "{name}");
    }
    for section in text.split("\n## ").skip(1).filter(|section| section.starts_with("Sidegate")) {
        for part in ["**What it means.**", "**How to look.**", "**What to do.**"] {
            assert!(section.contains(part), "no `{part}` in {section}");
        }
    }
}

#[test]
fn the_log_lines_that_runbooks_look_for_are_written() {
    let text = fs::read_to_string(repo(RUNBOOKS)).expect("the runbooks");
    let named: BTreeSet<_> = text.split("log line `").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    assert!(named.len() > 4, "{named:?}");
    let sources = ["src/telemetry", "src/audit"].into_iter().flat_map(|folder| rust_below(&repo(folder)));
    let written: String = sources.map(|path| fs::read_to_string(path).expect("UTF-8")).collect();
    let unknown: Vec<_> = named.iter().filter(|event| !written.contains(&format!("event = \"{event}\""))).collect();
    assert!(unknown.is_empty(), "no such event: {unknown:?}");
}

fn rust_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of = |path: PathBuf| if path.is_dir() { rust_below(&path) } else { vec![path] };
    entries.flat_map(of).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

#[test]
fn every_panel_of_the_dashboard_says_what_it_shows_and_has_a_place_of_its_own() {
    let board = dashboard();
    let panels = board["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "{panel}");
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(x < 24 && taken.insert((x, y)), "{} lies over another", panel["title"]);
        }
        if panel["type"] != "row" {
            assert!(panel["description"].as_str().is_some_and(|text| text.len() > 10), "{}", panel["title"]);
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{}", panel["title"]);
        }
    }
    assert!(panels.len() > 30);
}

/// Whoever looks at one number is not to miss what somebody is woken for.
#[test]
fn what_needs_a_look_is_every_condition_of_a_critical_alert() {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let board = dashboard();
    let panels = board["panels"].as_array().expect("panels");
    let look = panels.iter().find(|panel| panel["title"] == "Needs a look").expect("the panel");
    let shown = look["targets"][0]["expr"].as_str().expect("an expression");
    let chosen = r#"namespace=~"$namespace", job=~"$job", instance=~"$instance""#;
    let shown = squeezed(&shown.replace(&format!("{{{chosen}}}"), "").replace(&format!("{chosen}, "), ""));
    for alert in alerts().iter().filter(|alert| alert["labels"]["severity"] == "critical") {
        let condition = squeezed(alert["expr"].as_str().expect("an expression"));
        assert!(shown.contains(&format!("({condition})")), "{}: no `{condition}` in {shown}", alert["alert"]);
    }
}

/// Every metric of whose value an alert speaks can be seen.
#[test]
fn what_alerts_speak_of_is_on_the_dashboard() {
    let own = |place: &str| place.starts_with("panel ") && place != "panel \"Needs a look\"";
    let metrics = |wanted: bool| -> BTreeSet<String> {
        let expressions = expressions().into_iter().filter(|(place, _)| own(place) == wanted);
        let found = expressions.flat_map(|(_, expression)| selectors(&expression)).map(|selector| selector.metric);
        found.filter(|metric| metric.starts_with("sidegate_")).collect()
    };
    let unseen: Vec<_> = metrics(false).difference(&metrics(true)).cloned().collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

fn promtool(args: &[&str]) -> Exited {
    let mut command = tool("prometheus/usr/bin/promtool");
    command.args(args).current_dir(repo(""));
    run(command)
}

#[test]
fn promtool_finds_no_fault_with_the_rules() {
    let exited = promtool(&["check", "rules", RULES]);
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(exited.stdout.contains(&format!("SUCCESS: {} rules found", rules().len())), "{exited:?}");
}

#[test]
fn the_rules_do_what_their_tests_say() {
    let files: Vec<_> =
        fs::read_dir(repo("tests/prometheus")).expect("tests").map(|file| file.expect("an entry").path()).collect();
    let mut args = vec!["test", "rules"];
    args.extend(files.iter().map(|file| file.to_str().expect("UTF-8")));
    let exited = promtool(&args);
    assert_eq!(exited.code, Some(0), "{exited:?}");
    let tests: String = files.iter().map(|file| fs::read_to_string(file).expect("a test")).collect();
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("a name");
        let is_tested =
            [format!("alertname=\"{name}\""), format!("alertname: {name}\n")].iter().any(|text| tests.contains(text));
        assert!(is_tested, "no test lets {name} fire");
    }
}

#[test]
fn promtool_finds_no_fault_with_the_exposition() {
    let sidecar = Sidecar::builder().start();
    let exposition = sidecar.ops_get("/metrics").body;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("metrics");
    fs::File::create(&path).and_then(|mut file| file.write_all(exposition.as_bytes())).expect("written");
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" check metrics < \"$1\""]).arg(repo(".tools/prometheus/usr/bin/promtool")).arg(&path);
    let exited = run(shell);
    assert_eq!((exited.code, exited.stdout.as_str(), exited.stderr.as_str()), (Some(0), "", ""), "{exited:?}");
}
