//! The matrix of a set: what roles, or users, may do in every module.

use super::{
    Role, Snapshot,
    access::{ActionAccess, ModuleAccess, Overview, Unknown},
};
use crate::{
    document::defused,
    engine::{BoundUser, Tenancy},
    model::{Assignment, AssignmentKind, Timestamp, User},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// Who is in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rows {
    /// Roles, each with what it includes, as if every gate were open.
    Roles,
    /// Users, with all that they were given and as their gates stand.
    Users,
}

/// A matrix.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Matrix {
    /// The policy set.
    pub policy_set: String,
    /// Its revision.
    pub revision: String,
    /// Who is in the rows.
    pub of: Rows,
    /// The tenant that was asked about.
    pub tenant: Option<String>,
    /// The modules, in the order of the files.
    pub modules: Vec<String>,
    /// The rows: roles in the order of the files, users in that of their ids.
    pub rows: Vec<MatrixRow>,
    /// Where the next page begins, where this is one of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What one role or user may do.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MatrixRow {
    /// Its id.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// The code of the reason why nothing is allowed, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<&'static str>,
    /// One for each module.
    pub cells: Vec<MatrixCell>,
}

/// What is allowed in one module.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MatrixCell {
    /// The module.
    pub module: String,
    /// In a few words; empty for nothing.
    pub summary: String,
    /// Actions that are always allowed.
    pub always: Vec<String>,
    /// Actions that depend on the resource or the context.
    pub depends: Vec<String>,
}

impl Matrix {
    /// What every role of a set may do, were it the only one that somebody has in the tenant.
    ///
    /// # Errors
    /// Fails where the set has no modules or does not know the tenant.
    pub fn of_roles(snapshot: &Snapshot, tenant: Option<&str>, time: Timestamp) -> Result<Self, Unknown> {
        Self::of_these_roles(snapshot, &snapshot.catalog.roles, tenant, time)
    }

    /// What some of a set's roles may do, as in [`Matrix::of_roles`].
    ///
    /// # Errors
    /// Fails where the set has no modules or does not know the tenant.
    pub fn of_these_roles<'r>(
        snapshot: &Snapshot,
        roles: impl IntoIterator<Item = &'r Role>,
        tenant: Option<&str>,
        time: Timestamp,
    ) -> Result<Self, Unknown> {
        let overview = Overview::new(snapshot);
        let gates = snapshot.catalog.gates.iter().map(|gate| assignment(AssignmentKind::Gate, &gate.id));
        let gates: Vec<_> = gates.collect();
        let mut matrix = Self::new(snapshot, Rows::Roles, tenant)?;
        for role in roles {
            let given = gates.iter().cloned().chain([assignment(AssignmentKind::Role, &role.id)]);
            let holder = BoundUser::new(&snapshot.program, &Arc::new(User::new("").given(tenant, given.collect())));
            let cells = overview.modules_of_anybody_like(&holder, tenant, time).iter().map(MatrixCell::of).collect();
            matrix.rows.push(MatrixRow { id: role.id.clone(), name: role.label.name.clone(), refused: None, cells });
        }
        Ok(matrix)
    }

    /// What users may do in a tenant.
    ///
    /// # Errors
    /// Fails where the set has no modules or does not know the tenant.
    pub fn of_users<'u>(
        snapshot: &Snapshot,
        users: impl IntoIterator<Item = &'u BoundUser>,
        tenant: Option<&str>,
        time: Timestamp,
    ) -> Result<Self, Unknown> {
        let overview = Overview::new(snapshot);
        let mut matrix = Self::new(snapshot, Rows::Users, tenant)?;
        for user in users {
            let (resolved, refused) = overview.standing(user, tenant, time)?;
            let modules = if refused.is_some() { overview.nothing() } else { overview.modules(user, resolved, time) };
            matrix.rows.push(MatrixRow {
                id: user.id().to_owned(),
                name: user.user().name.clone(),
                refused: refused.map(|refused| refused.code.as_str()),
                cells: modules.iter().map(MatrixCell::of).collect(),
            });
        }
        Ok(matrix)
    }

    fn new(snapshot: &Snapshot, of: Rows, tenant: Option<&str>) -> Result<Self, Unknown> {
        snapshot.check_tenant(tenant)?;
        Ok(Self {
            policy_set: snapshot.name.clone(),
            revision: snapshot.revision.to_string(),
            of,
            tenant: tenant.map(str::to_owned),
            modules: snapshot.catalog.modules.iter().map(|module| module.id.clone()).collect(),
            rows: Vec::new(),
            next_cursor: None,
        })
    }

    /// The matrix as rows of texts, the first of them the heads of the columns.
    #[must_use]
    pub fn table(&self) -> Vec<Vec<String>> {
        let corner = match self.of {
            Rows::Roles => "role",
            Rows::Users => "user",
        };
        let head = std::iter::once(corner).chain(self.modules.iter().map(String::as_str)).map(str::to_owned).collect();
        let row = |row: &MatrixRow| {
            let cells = row.cells.iter().map(|cell| cell.summary.clone());
            std::iter::once(row.id.clone()).chain(cells).collect()
        };
        std::iter::once(head).chain(self.rows.iter().map(row)).collect()
    }

    /// The matrix as a table for people.
    #[must_use]
    pub fn text(&self) -> String {
        let table = self.table();
        let column = |at: usize| table.iter().filter_map(move |row| row.get(at)).map(|cell| cell.chars().count()).max();
        let widths: Vec<_> = (0..=self.modules.len()).map(|at| column(at).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| {
                let cell = if cell.is_empty() { "-" } else { cell };
                format!("{cell:<width$}")
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        table.iter().map(line).collect()
    }

    /// The matrix as CSV by RFC 4180.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut writer = csv::WriterBuilder::new()
            .quote_style(csv::QuoteStyle::Always)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        for row in self.table() {
            // Writing to memory does not fail, and every row is as long as the first.
            let _written = writer.write_record(row.iter().map(|cell| defused(cell).into_owned()));
        }
        writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The matrix as a table in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut rows = self.table().into_iter().map(|row| {
            let shown = |cell: &String| if cell.is_empty() { "-".to_owned() } else { cell.replace('|', "\\|") };
            format!("| {} |\n", row.iter().map(shown).collect::<Vec<_>>().join(" | "))
        });
        let head = rows.next().unwrap_or_default();
        let rule = format!("| {} |\n", vec!["---"; self.modules.len() + 1].join(" | "));
        std::iter::once(head).chain([rule]).chain(rows).collect()
    }
}

impl MatrixCell {
    fn of(access: &ModuleAccess<'_>) -> Self {
        let names = |always: bool| {
            let actions = access.actions.iter().filter(move |action| action.always == always);
            actions.map(|ActionAccess { action, .. }| (*action).to_owned()).collect()
        };
        Self {
            module: access.id.to_owned(),
            summary: access.summary.clone(),
            always: names(true),
            depends: names(false),
        }
    }
}

impl Snapshot {
    /// Whether questions in a tenant make sense.
    ///
    /// # Errors
    /// Fails where the set has no modules or does not know the tenant.
    pub fn check_tenant(&self, tenant: Option<&str>) -> Result<(), Unknown> {
        let crate::engine::Dialect::Declared(vocabulary) = self.program.dialect() else {
            return Err(Unknown::Modules(self.name.clone()));
        };
        let is_known = |tenant: &str| match (vocabulary.tenancy, &vocabulary.tenants) {
            (Tenancy::None, _) => false,
            (Tenancy::Required, Some(known)) => known.iter().any(|known| known == tenant),
            (Tenancy::Required, None) => true,
        };
        match tenant {
            Some(tenant) if !is_known(tenant) => Err(Unknown::Tenant(tenant.to_owned())),
            _ => Ok(()),
        }
    }
}

fn assignment(kind: AssignmentKind, name: &str) -> Assignment {
    Assignment { kind, name: name.to_owned(), until: None, why: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_wherever_a_spreadsheet_splits_the_line() {
        let matrix = Matrix {
            policy_set: String::new(),
            revision: String::new(),
            of: Rows::Users,
            tenant: None,
            modules: vec!["orders".to_owned()],
            rows: vec![MatrixRow {
                id: "=HYPERLINK(1)".to_owned(),
                name: None,
                refused: None,
                cells: vec![MatrixCell {
                    module: "orders".to_owned(),
                    summary: "a;=1".to_owned(),
                    always: Vec::new(),
                    depends: Vec::new(),
                }],
            }],
            next_cursor: None,
        };
        assert_eq!(matrix.csv(), "\"user\",\"orders\"\r\n\"'=HYPERLINK(1)\",\"a;=1\"\r\n");
    }
}
