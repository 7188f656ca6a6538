//! The table of values in the chart's README: made from `values.yaml` and its comments, and up to date.
//!
//! A comment that begins with `# --` says what the key below it means, and that everything below the key belongs to it.

use crate::support::repo;
use std::{fmt::Write as _, fs};

const VALUES: &str = "helm/sidegate/values.yaml";
const README: &str = "helm/sidegate/README.md";
const BEGIN: &str = "<!-- table: values -->";
const END: &str = "<!-- end of table -->";

/// Longer defaults are read in the file.
const SHOWN: usize = 60;

/// A key with its meaning.
#[derive(Debug)]
struct Row {
    path: Vec<String>,
    meaning: String,
}

/// The keys that are explained, in order.
fn rows(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let (mut above, mut meaning): (Vec<(usize, String)>, Option<String>) = (Vec::new(), None);
    let mut inside = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        if let Some(comment) = trimmed.strip_prefix('#') {
            if let Some(begin) = comment.trim_start().strip_prefix("-- ") {
                meaning = Some(begin.to_owned());
            } else if let Some(meaning) = &mut meaning {
                write!(meaning, " {}", comment.trim()).expect("a string");
            }
            continue;
        }
        if trimmed.is_empty() || inside.is_some_and(|explained| indent > explained) {
            continue;
        }
        let (key, value) = trimmed.split_once(':').unwrap_or_else(|| panic!("{VALUES}: no key in `{line}`"));
        above.retain(|(outer, _)| *outer < indent);
        above.push((indent, key.to_owned()));
        inside = meaning.is_some().then_some(indent);
        match meaning.take() {
            Some(meaning) => rows.push(Row { path: above.iter().map(|(_, key)| key.clone()).collect(), meaning }),
            None => assert!(value.trim().is_empty(), "{VALUES}: `{key}` is not explained by a comment `# --`"),
        }
    }
    rows
}

fn table() -> String {
    let text = fs::read_to_string(repo(VALUES)).expect("the values");
    let values: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
    let mut out = "| value | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for Row { path, meaning } in rows(&text) {
        let default = path.iter().fold(&values, |value, key| &value[key]).to_string();
        let shown = if default.len() > SHOWN { "see `values.yaml`".to_owned() } else { format!("`{default}`") };
        writeln!(out, "| `{}` | {shown} | {} |", path.join("."), meaning.replace('|', "\\|")).expect("a string");
    }
    out
}

#[test]
fn the_values_of_the_chart_are_in_its_readme() {
    let text = fs::read_to_string(repo(README)).expect("a README");
    let (before, rest) = text.split_once(BEGIN).expect("the begin of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    let wanted = format!("{before}{BEGIN}\n\n{}\n{END}{after}", table());
    if text != wanted {
        assert!(
            std::env::var_os(super::WRITE).is_some(),
            "{README} is not what {VALUES} says, `make reference` writes it anew"
        );
        fs::write(repo(README), wanted).expect("written");
    }
}

#[test]
fn every_value_is_in_the_schema_and_every_key_of_the_schema_has_a_value() {
    let text = fs::read_to_string(repo(VALUES)).expect("the values");
    let values: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
    let schema = fs::read_to_string(repo("helm/sidegate/values.schema.json")).expect("the schema");
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    let mut unlike = Vec::new();
    compare("", &values, &schema, &schema["definitions"], &mut unlike);
    assert!(unlike.is_empty(), "{unlike:#?}");
}

/// Looks at closed objects: those that take no key which they do not name.
fn compare(
    path: &str,
    value: &serde_json::Value,
    schema: &serde_json::Value,
    definitions: &serde_json::Value,
    unlike: &mut Vec<String>,
) {
    let named = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/definitions/"));
    let schema = named.map_or(schema, |name| &definitions[name]);
    let (Some(keys), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else { return };
    assert_eq!(schema["additionalProperties"], false, "{path} is open although it names its keys");
    for (key, property) in properties {
        // What Kubernetes knows of probes, resources and the like is more than has a default, and so is the configuration.
        let is_foreign = ["Probe", "resources", "updateStrategy", "/config"].iter().any(|end| path.ends_with(end));
        match keys.get(key) {
            Some(value) => compare(&format!("{path}/{key}"), value, property, definitions, unlike),
            None if is_foreign => {}
            None => unlike.push(format!("{path}/{key} is in the schema alone")),
        }
    }
    unlike.extend(
        keys.keys().filter(|key| !properties.contains_key(*key)).map(|key| format!("{path}/{key} is no value")),
    );
}

/// What the chart takes below `config` is what the process takes.
#[test]
fn the_configuration_within_the_values_has_the_schema_of_its_keys() {
    const BEGIN: &str = "\n    \"config\": {\n";
    const END: &str = "\n    },\n";
    let path = repo("helm/sidegate/values.schema.json");
    let text = fs::read_to_string(&path).expect("the schema");
    let (before, rest) = text.split_once(BEGIN).expect("the schema of `config`");
    let (_, after) = rest.split_once(END).expect("its end");
    let schema = format!("{:#}", sidegate::config::schema()).replace('\n', "\n    ");
    let wanted = format!("{before}\n    \"config\": {schema},\n{after}");
    if text != wanted {
        assert!(std::env::var_os(super::WRITE).is_some(), "the schema is stale, `make reference` writes it anew");
        fs::write(path, wanted).expect("written");
    }
}
