//! The Cedar schema of a compiled set.

use super::{draft::quoted, report};
use crate::{
    document::{Diagnostics, Span, Text},
    engine::{AttributeType, Tenancy, Vocabulary},
    policy::{catalog::Catalog, section::Spot},
};
use cedar_policy::{Schema, SchemaFragment};
use rustc_hash::FxHashMap;
use std::fmt::Write as _;

/// The types that every compiled set has, apart from the user's attributes. Roles include others; users hold roles and grants, and
/// gates are open for them; resources are members of their module, or of the area whose id they carry.
const FIXED: &str = "entity Role in [Role];
entity Grant;
entity Gate;
entity Module;
entity Area in [Module];
";

/// The schema as text: an action applies to the resource types of the modules that have it.
pub(in crate::policy) fn text(catalog: &Catalog, vocabulary: &Vocabulary) -> String {
    let mut out = String::from(FIXED);
    // Writing to a string cannot fail.
    let user = record(&vocabulary.user_attributes);
    let _written = writeln!(out, "entity User in [Role, Grant, Gate] {user};");
    for ty in &catalog.values {
        let values: Vec<_> = ty.values.iter().map(|value| quoted(value)).collect();
        let _written = writeln!(out, "entity {} enum [{}];", ty.name, values.join(", "));
    }
    for ty in &vocabulary.resource_types {
        let _written = writeln!(out, "entity {} in [Module, Area] {};", ty.name, record(&ty.attributes));
    }
    let mut context = vocabulary.context.clone();
    if vocabulary.tenancy == Tenancy::Required && !context.iter().any(|(name, _)| name == "tenant") {
        context.push(("tenant".to_owned(), AttributeType::String));
    }
    let context = record(&context);
    for (action, resources) in actions(catalog) {
        let resources = [&resources[..], &["Module", "Area"]].concat().join(", ");
        let _written = write!(
            out,
            "\naction {} appliesTo {{\n  principal: [User],\n  resource: [{resources}],\n  context: {context}\n}};\n",
            quoted(action)
        );
    }
    out
}

/// Actions in the order of the modules, each with the resource types it applies to.
fn actions(catalog: &Catalog) -> Vec<(&str, Vec<&str>)> {
    let mut list: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut index: FxHashMap<&str, usize> = FxHashMap::default();
    for module in catalog.compiled_modules() {
        for action in &module.actions {
            let at = *index.entry(action).or_insert_with(|| {
                list.push((action, Vec::new()));
                list.len() - 1
            });
            if let Some((_, resources)) = list.get_mut(at) {
                resources.extend(module.resource_types.iter().map(String::as_str));
            }
        }
    }
    list
}

fn record(attributes: &[(String, AttributeType)]) -> String {
    let fields = attributes.iter().map(|(name, ty)| format!("{}?: {}", quoted(name), type_name(ty)));
    let fields: Vec<_> = fields.collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// A type as Cedar writes it.
pub(in crate::policy) fn type_name(ty: &AttributeType) -> String {
    match ty {
        AttributeType::Bool => "Bool".to_owned(),
        AttributeType::Long => "Long".to_owned(),
        AttributeType::String => "String".to_owned(),
        AttributeType::Entity(name) => name.clone(),
        AttributeType::Set(inner) => format!("Set<{}>", type_name(inner)),
        AttributeType::Record(fields) => record(fields),
        AttributeType::Extension(name) => (*name).to_owned(),
    }
}

/// Parses the schema files of a set, put together. What Cedar refuses is reported.
pub(in crate::policy) fn parse(cedar: &[Text], json: &[Text], problems: &mut Diagnostics) -> Option<Schema> {
    let mut fragments = Vec::new();
    for text in cedar {
        match SchemaFragment::from_cedarschema_str(text.content()) {
            Ok((fragment, _warnings)) => fragments.push(fragment),
            Err(error) => {
                let place = |part: &Span| Spot::of(text, part);
                let errors = miette::Diagnostic::related(&error).into_iter().flatten();
                let all: Vec<_> = std::iter::once(&error as &dyn miette::Diagnostic).chain(errors).collect();
                for error in all {
                    let (span, label) = report::part(error).unwrap_or_default();
                    let problem = place(&span).error("schema-syntax", report::plain_message(&error.to_string()));
                    let problem = if let Some(label) = label { problem.with_label(label) } else { problem };
                    problems.push(problem.with_help(error.help().map(|help| help.to_string())));
                }
            }
        }
    }
    for text in json {
        match SchemaFragment::from_json_str(text.content()) {
            Ok(fragment) => fragments.push(fragment),
            Err(error) => problems.push(Spot::of(text, &(0..0)).error("schema-syntax", report::chain(&error))),
        }
    }
    let first = cedar.iter().chain(json).next()?;
    if problems.has_errors() {
        return None;
    }
    match Schema::from_schema_fragments(fragments) {
        Ok(schema) => Some(schema),
        Err(error) => {
            let (span, _) = report::part(&error).unwrap_or_default();
            problems.push(Spot::of(first, &span).error("schema-invalid", report::chain(&error)));
            None
        }
    }
}
