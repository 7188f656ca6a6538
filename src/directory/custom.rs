//! Roles that were put together here, in a list of roles: policies do not know them, so they are taken apart before policies read it.

use super::{
    account::{Given, GivenKind},
    fields::pointer,
    role::Lens,
    scene::Scene,
};
use crate::policy::{How, Problem};
use serde_json::{Map, Value};

/// What was taken apart.
#[derive(Debug, Default)]
pub(super) struct Custom {
    /// The roles.
    pub(super) roles: Vec<CustomItem>,
    /// Where each role that is left has stood.
    left: Vec<usize>,
}

/// A role as a call gives it.
#[derive(Debug)]
pub(super) struct CustomItem {
    at: String,
    name: String,
    given: Value,
}

impl Custom {
    /// Takes the roles that were put together here out of `roles`.
    pub(super) fn take(lens: Lens<'_>, configuration: &mut Map<String, Value>) -> Self {
        let mut custom = Self::default();
        let Some(Value::Array(items)) = configuration.get_mut("roles") else { return custom };
        for (index, given) in std::mem::take(items).into_iter().enumerate() {
            let name = given.get("role").unwrap_or(&given).as_str();
            if let Some(role) = name.and_then(|name| lens.custom_role(name)) {
                let at = pointer("/roles", &index.to_string());
                custom.roles.push(CustomItem { at, name: role.id.clone(), given });
            } else {
                custom.left.push(index);
                items.push(given);
            }
        }
        custom
    }

    /// A problem with what was left, at the place where it stands in the whole list.
    pub(super) fn place(&self, problem: Problem) -> Problem {
        let Some(rest) = problem.pointer.strip_prefix("/roles/") else { return problem };
        let (index, rest) =
            rest.split_once('/').map_or((rest, String::new()), |(index, rest)| (index, format!("/{rest}")));
        match index.parse().ok().and_then(|index: usize| self.left.get(index)) {
            Some(index) => Problem { pointer: format!("/roles/{index}{rest}"), ..problem },
            None => problem,
        }
    }
}

impl CustomItem {
    /// The role as it is given.
    pub(super) fn read(&self, scene: &Scene<'_>) -> Result<Given, Vec<Problem>> {
        let How { until, why } = How::read(&self.at, "role", &self.given)?;
        Ok(Given {
            kind: GivenKind::Role,
            name: self.name.clone(),
            value: None,
            until,
            why,
            by: scene.giver(),
            at: scene.now(),
        })
    }
}
