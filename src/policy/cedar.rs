//! Rules become Cedar: a schema, policies, entities; and what Cedar says about them leads back to the files.
//!
//! Policies are built as expression trees and printed as text from the same draft. A test holds that the text, parsed, gives the
//! same trees.

mod check;
mod conditions;
mod draft;
mod entities;
mod report;
mod schema;
mod template;

pub(super) use check::{Compiled, check};
pub(super) use conditions::{Condition, parse as conditions};
pub(super) use draft::{Draft, Drafts};
pub(super) use entities::{build as entities, to_json as entities_json};
pub(super) use report::{chain, parse_errors, part, plain_message, too_deep, too_deep_problem};
pub(super) use schema::{parse as parse_schema, text as schema_text, type_name};
pub(super) use template::{Template, literal};

use cedar_policy::{Context, RestrictedExpression};
use cedar_policy_core::ast::{Eid, EntityType, EntityUID};

/// An entity of one of the types that every compiled set has.
fn entity(ty: &EntityType, id: &str) -> EntityUID {
    EntityUID::from_components(ty.clone(), Eid::new(id), None)
}

/// The name of a resource's area in Cedar: `settings/billing`.
fn area_id(module: &str, area: &str) -> String {
    format!("{module}/{area}")
}

/// Whether an extension function (`ip`, `decimal`, `datetime`, `duration`) takes this text.
pub(super) fn is_extension_value(function: &str, value: &str) -> bool {
    let expression = match function {
        "ip" => RestrictedExpression::new_ip(value),
        "decimal" => RestrictedExpression::new_decimal(value),
        "datetime" => RestrictedExpression::new_datetime(value),
        "duration" => RestrictedExpression::new_duration(value),
        _ => return false,
    };
    // A context evaluates what it is made of.
    Context::from_pairs([("value".to_owned(), expression)]).is_ok()
}
