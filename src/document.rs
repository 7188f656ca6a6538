//! Documents: texts with positions, the problems found in them, and YAML read with a place on every value.
//!
//! Whatever a person wrote and a machine must read comes through here: policy files and the configuration. The module promises
//! that no input makes it run away (size and nesting are capped before a parser sees the text), that a value is never guessed,
//! and that every problem names file, line and column. It alone names the YAML crates.

mod align;
mod bytes;
mod cells;
mod decode;
mod diagnostic;
mod fields;
mod json_schema;
mod node;
mod once;
mod render;
mod text;
pub mod yaml;

pub use bytes::read_file;
pub use cells::{defused, undefused};
pub use decode::Reader;
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
pub use fields::{Field, Kind, Shape, Table};
pub use json_schema::json_schema;
pub use node::{Entry, Map, Node, Value};
pub use once::json_once;
pub use text::{Span, Text};

/// The known name that is nearest to `name`, if one is near enough to have been meant.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let wanted = name.to_lowercase();
    // A third of the letters may differ: `ordes` finds `orders`, `x` finds nothing.
    let allowed = wanted.chars().count().max(3) / 3;
    // Comparing costs as much as both are long together, in memory too, and a name may be as long as a body.
    let may_be = |candidate: &&str| candidate.chars().count().abs_diff(wanted.chars().count()) <= allowed;
    known
        .into_iter()
        .filter(may_be)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= allowed && candidate != name)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The hint that goes with an unknown name: the nearest known one, or else all of them where they are few.
pub fn hint<'k>(name: &str, known: impl IntoIterator<Item = &'k str, IntoIter: Clone>) -> Option<String> {
    let known = known.into_iter();
    if let Some(found) = nearest(name, known.clone()) {
        return Some(format!("did you mean `{found}`?"));
    }
    let all: Vec<String> = known.take(9).map(|candidate| format!("`{candidate}`")).collect();
    (1..9).contains(&all.len()).then(|| format!("known: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_what_was_meant_and_nothing_far_away() {
        let known = ["orders", "catalog", "clients"];
        assert_eq!(nearest("order", known), Some("orders"));
        assert_eq!(nearest("Orders", known), Some("orders"));
        assert_eq!(nearest("catalgo", known), Some("catalog"));
        assert_eq!(nearest("invoicing", known), None);
        assert_eq!(nearest("x", known), None);
    }

    #[test]
    fn a_hint_lists_few_names_and_stays_silent_on_many() {
        assert_eq!(hint("xyz", ["view", "edit"]).as_deref(), Some("known: `view`, `edit`"));
        assert_eq!(hint("veiw", ["view", "edit"]).as_deref(), Some("did you mean `view`?"));
        let many: Vec<String> = (0..20).map(|n| format!("name-{n}-long")).collect();
        assert_eq!(hint("xyz", many.iter().map(String::as_str)), None);
        assert_eq!(hint("xyz", []), None);
    }
}
