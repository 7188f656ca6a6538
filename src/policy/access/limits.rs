//! To which parts of a module a policy is limited.

use crate::{engine::Part, policy::catalog::Module};

/// To what a policy is limited; an empty list is no limit.
#[derive(Debug, Default)]
pub(super) struct Limits<'s> {
    pub(super) areas: Vec<&'s str>,
    pub(super) types: Vec<&'s str>,
    pub(super) resources: Vec<String>,
}

impl<'s> Limits<'s> {
    /// To what a policy is limited that covers these parts of a module. Where the parts are no product of areas and types, the
    /// limits are wider than they are.
    pub(super) fn of(module: &'s Module, parts: &[Part], covered: &[&Part]) -> Self {
        let whole: Vec<&Part> = covered.iter().copied().filter(|part| part.resource.is_none()).collect();
        if whole.is_empty() {
            return Self { resources: covered.iter().copied().filter_map(name).collect(), ..Self::default() };
        }
        if whole.len() == parts.iter().filter(|part| part.resource.is_none()).count() {
            return Self::default();
        }
        let mut areas = Vec::new();
        if whole.iter().all(|part| part.area.is_some()) {
            let names = whole.iter().filter_map(|part| module.areas.get(part.area?)).map(String::as_str);
            areas = names.fold(areas, |mut areas, area| {
                if !areas.contains(&area) {
                    areas.push(area);
                }
                areas
            });
        }
        let is_covered = |ty: &&String| whole.iter().any(|part| part.ty.as_ref() == Some(*ty));
        let typed: Vec<_> = module.resource_types.iter().filter(is_covered).map(String::as_str).collect();
        let all = typed.len() == module.resource_types.len();
        Self { areas, types: if all { Vec::new() } else { typed }, resources: Vec::new() }
    }
}

/// The one resource that a part is, as `type:id`.
pub(super) fn name(part: &Part) -> Option<String> {
    Some(format!("{}:{}", part.ty.as_ref()?, part.resource.as_ref()?))
}
