//! The matrix of a policy set: who has what on which module, as the files say it.
//!
//! Cells come from the catalogue, so what is written by hand in Cedar is not in them.

use super::{Catalog, Cell};
use crate::model::{AssignmentKind, Timestamp, User};
use std::fmt::{self, Write as _};

/// Roles or users, and what each has on each module.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The modules' ids, a column each.
    pub modules: Vec<String>,
    /// The rows.
    pub rows: Vec<MatrixRow>,
}

/// One role or user.
#[derive(Debug, Clone)]
pub struct MatrixRow {
    /// Its id.
    pub id: String,
    /// The gates that are open; none for a role.
    pub gates: Vec<String>,
    /// What it has, a list for each module.
    pub cells: Vec<Vec<Granted>>,
}

/// One thing that is granted on a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The level, where the files name one.
    pub level: Option<String>,
    /// The actions.
    pub actions: Vec<String>,
    /// The areas it is limited to; none means the whole module.
    pub areas: Vec<String>,
    /// The conditions that must all hold.
    pub when: Vec<String>,
    /// The policy that grants it.
    pub policy: String,
}

impl Matrix {
    /// Roles and modules. What a role includes is part of its row.
    #[must_use]
    pub fn of_roles(catalog: &Catalog) -> Self {
        let rows = catalog.roles.iter().map(|role| MatrixRow {
            id: role.id.clone(),
            gates: Vec::new(),
            cells: catalog.modules.iter().map(|module| Self::of_role(catalog, &role.id, &module.id)).collect(),
        });
        Self { modules: modules(catalog), rows: rows.collect() }
    }

    /// Users and modules, in a tenant where there are any, as it counts at a time. Whether the users may act is not looked at.
    #[must_use]
    pub fn of_users<'u>(
        catalog: &Catalog,
        users: impl IntoIterator<Item = &'u User>,
        tenant: Option<&str>,
        at: Timestamp,
    ) -> Self {
        let rows = users.into_iter().map(|user| {
            let of_kind = |kind| {
                let given = user.assignments(tenant, at).filter(move |given| given.kind == kind);
                given.map(|given| given.name.clone()).collect::<Vec<_>>()
            };
            let (roles, grants) = (of_kind(AssignmentKind::Role), of_kind(AssignmentKind::Grant));
            let cells = catalog.modules.iter().map(|module| {
                let mut cell: Vec<Granted> = Vec::new();
                let direct = catalog.levels.iter().filter(|level| grants.contains(&format!("{}/{}", module.id, level.name)));
                cell.extend(direct.map(|level| Granted {
                    level: Some(level.name.clone()),
                    actions: module.actions_of(level),
                    areas: Vec::new(),
                    when: Vec::new(),
                    policy: format!("grant/{}/{}", module.id, level.name),
                }));
                for granted in roles.iter().flat_map(|role| Self::of_role(catalog, role, &module.id)) {
                    if !cell.contains(&granted) {
                        cell.push(granted);
                    }
                }
                cell
            });
            MatrixRow { id: user.id.clone(), cells: cells.collect(), gates: of_kind(AssignmentKind::Gate) }
        });
        Self { modules: modules(catalog), rows: rows.collect() }
    }

    /// What a role, and all that it includes, grants on a module.
    fn of_role(catalog: &Catalog, role: &str, module: &str) -> Vec<Granted> {
        let roles = catalog.role_with_included(role).into_iter();
        roles.flat_map(|role| &role.cells).filter(|cell| cell.module == module).map(Granted::from).collect()
    }

    /// The matrix as a Markdown table, with `head` above the rows' ids. Open gates have a column of their own, where there are any.
    #[must_use]
    pub fn to_markdown(&self, head: &str) -> String {
        let mut out = String::new();
        let with_gates = self.rows.iter().any(|row| !row.gates.is_empty());
        let gates = with_gates.then_some("gates");
        let columns: Vec<&str> = gates.into_iter().chain(self.modules.iter().map(String::as_str)).collect();
        // Writing to a string cannot fail.
        let _written = writeln!(out, "| {head} | {} |\n| --- |{}", columns.join(" | "), " --- |".repeat(columns.len()));
        for row in &self.rows {
            let gates = with_gates.then(|| row.gates.join(", "));
            let cells = row.cells.iter().map(|cell| {
                let parts: Vec<_> = cell.iter().map(ToString::to_string).collect();
                parts.join("; ")
            });
            let _written = write!(out, "| `{}` |", row.id);
            for cell in gates.into_iter().chain(cells) {
                let _written = if cell.is_empty() { write!(out, " |") } else { write!(out, " {} |", escaped(&cell)) };
            }
            out.push('\n');
        }
        out
    }
}

impl From<&Cell> for Granted {
    fn from(cell: &Cell) -> Self {
        Self {
            level: cell.level.clone(),
            actions: cell.actions.clone(),
            areas: cell.areas.clone(),
            when: cell.when.clone(),
            policy: cell.policy.clone(),
        }
    }
}

/// `full (billing) when own-clients`.
impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.level {
            Some(level) => f.write_str(level)?,
            None => f.write_str(&self.actions.join(", "))?,
        }
        if !self.areas.is_empty() {
            write!(f, " ({})", self.areas.join(", "))?;
        }
        if self.when.is_empty() { Ok(()) } else { write!(f, " when {}", self.when.join(" and ")) }
    }
}

fn modules(catalog: &Catalog) -> Vec<String> {
    catalog.modules.iter().map(|module| module.id.clone()).collect()
}

/// A text that cannot end a cell of a Markdown table.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|")
}
