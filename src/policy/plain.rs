//! Policy sets of plain Cedar: policies, and where they are given, a schema, stored entities, template links and routes.

use super::{
    Catalog, Options,
    cache::Cache,
    cedar,
    compile::{Made, apart, directory_name, is_whole},
    declared::Declared,
    decode,
    files::{Files, Sort},
    handwritten::{self, Numbering},
    resolve,
    section::Spot,
};
use crate::{
    document::{Diagnostic, Diagnostics, Node, Text, yaml},
    engine::{Dialect, Source},
};
use cedar_policy::{Entities, Schema, Validator};
use rustc_hash::FxHashMap;

/// The one YAML file that a set of plain Cedar may have.
const ROUTES: [&str; 2] = ["routes.yaml", "routes.yml"];

/// Whether the YAML of a set with Cedar files is `routes.yaml` alone, with nothing but routes in it.
pub(super) fn has_routes_alone(files: &Files) -> bool {
    let mut texts = files.of(Sort::Yaml);
    let (Some(text), None) = (texts.next(), texts.next()) else { return false };
    let is_routes = |root: &Node| root.as_map().is_some_and(|map| map.iter().all(|entry| entry.key == "routes"));
    // One that cannot be read is told about wherever it is read.
    files.has(Sort::Cedar) && ROUTES.contains(&text.path()) && yaml::read(&text).is_ok_and(|root| is_routes(&root))
}

/// Compiles a set without modules and users. Problems are reported; with an error there is nothing.
pub(super) fn compile(files: &Files, options: &Options, cache: &mut Cache, problems: &mut Diagnostics) -> Option<Made> {
    let policies: Vec<Text> = files.of(Sort::Cedar).collect();
    let mut by_hand = handwritten::read(&policies, Numbering::Cedar, &FxHashMap::default(), cache, problems);
    by_hand.link(&files.of(Sort::Links).collect::<Vec<_>>(), &FxHashMap::default(), problems);
    if options.principal_type.parse::<cedar_policy::EntityTypeName>().is_err() {
        let message = format!("`policies.principal_type` is `{}`, which is no entity type", options.principal_type);
        problems.push(Diagnostic::whole("bad-principal-type", &files.root(), message));
    }
    let mut declared = Declared::default();
    decode::files(&files.of(Sort::Yaml).collect::<Vec<_>>(), &mut declared, problems);
    let routes = resolve::resolve_routes(&declared, None, problems);
    let schemas: Vec<Text> = files.of(Sort::Schema).collect();
    let schemas_json: Vec<Text> = files.of(Sort::SchemaJson).collect();
    let validator = cedar::parse_schema(&schemas, &schemas_json, problems).map(Validator::new);
    if let Some(validator) = &validator {
        let texts: Vec<&str> = schemas.iter().chain(&schemas_json).map(Text::content).collect();
        by_hand.check(validator, &texts.join("\0"), cache, problems);
    }
    // A schema that could not be read would let every entity fail.
    let schema = validator.as_ref().map(Validator::schema);
    let readable = schema.is_some() || schemas.is_empty() && schemas_json.is_empty();
    let entities = if readable { entities(files, schema, problems) } else { None };
    let entities = entities.filter(|_| !problems.has_errors())?;
    let ready: Vec<_> = by_hand.ready().cloned().collect();
    is_whole(&ready, by_hand.len(), files, problems)?;
    let (policies, facts, texts) = apart(ready);
    Some(Made {
        name: directory_name(files),
        description: None,
        source: Source {
            policies,
            entities,
            facts,
            dialect: Dialect::PlainCedar { principal_type: options.principal_type.clone() },
            forbid_errors: options.forbid_errors,
        },
        users: Vec::new(),
        places: super::resolve::Places::default(),
        catalog: Catalog::default(),
        routes,
        schema: schemas.iter().map(Text::content).collect::<Vec<_>>().join("\n"),
        texts,
        declared: None,
    })
}

/// All stored entities, with the actions of the schema.
fn entities(files: &Files, schema: Option<&Schema>, problems: &mut Diagnostics) -> Option<Entities> {
    let mut all = Vec::new();
    let texts: Vec<Text> = files.of(Sort::Entities).collect();
    for text in &texts {
        match serde_json::from_str::<serde_json::Value>(text.content()) {
            Ok(serde_json::Value::Array(list)) => {
                // Each file for itself first, so that a mistake is reported where it is.
                if let Err(error) = Entities::from_json_value(serde_json::Value::Array(list.clone()), schema) {
                    problems.push(Diagnostic::whole("entities-invalid", text, cedar::chain(&error)));
                }
                all.extend(list);
            }
            Ok(_) => problems.push(Diagnostic::whole("entities-invalid", text, "must be a list of entities")),
            Err(error) => {
                let at = text.offset(error.line(), error.column());
                let message = format!("not valid JSON: {error}");
                problems.push(Spot::of(text, &(at..at)).error("entities-syntax", message));
            }
        }
    }
    if problems.has_errors() {
        return None;
    }
    match Entities::from_json_value(serde_json::Value::Array(all), schema) {
        Ok(entities) => Some(entities),
        Err(error) => {
            let place = texts.last().cloned().unwrap_or_else(|| files.root());
            problems.push(Diagnostic::whole("entities-invalid", &place, cedar::chain(&error)));
            None
        }
    }
}
