//! The tables in the READMEs of the policy sets: made from the sets, and up to date.
//!
//! A table stands between `<!-- table: roles -->` and `<!-- end of table -->`.

use crate::{domain::load, support::repo};
use sidegate::{
    engine::BoundUser,
    model::{AssignmentKind, Timestamp},
    policy::{Access, Catalog, Matrix, Snapshot},
};
use std::{collections::BTreeSet, fmt::Write as _, fs};

const BEGIN: &str = "<!-- table: ";
const END: &str = "<!-- end of table -->";

/// The text of one sort of table.
fn table(snapshot: &Snapshot, sort: &str) -> String {
    let catalog = &snapshot.catalog;
    match sort {
        "roles" => roles(snapshot).markdown(),
        "users" => users(snapshot),
        "access" => access(snapshot),
        "rights" => rights(catalog),
        "ranks" => ranks(catalog),
        "presets" => presets(catalog),
        "menu" => menu(catalog),
        other => panic!("no table `{other}`"),
    }
}

/// When nothing has run out yet.
const ANY_TIME: Timestamp = Timestamp::from_micros(0);

fn roles(snapshot: &Snapshot) -> Matrix {
    Matrix::of_roles(snapshot, None, ANY_TIME).expect("a set with modules")
}

/// What users may do, with the gates that are open for them.
fn users(snapshot: &Snapshot) -> String {
    let bound: Vec<_> = snapshot.users.iter().map(|user| BoundUser::new(&snapshot.program, user)).collect();
    let table = Matrix::of_users(snapshot, &bound, None, ANY_TIME).expect("a set with modules").markdown();
    let gates = snapshot.users.iter().map(|user| {
        let given = user.assignments(None, ANY_TIME).filter(|given| given.kind == AssignmentKind::Gate);
        let open: Vec<_> = given.map(|given| given.name.as_str()).collect();
        if open.is_empty() { "-".to_owned() } else { open.join(", ") }
    });
    let column = ["open gates".to_owned(), "---".to_owned()].into_iter().chain(gates);
    table.lines().zip(column).map(|(line, cell)| format!("{line} {cell} |\n")).collect()
}

/// Whether each role has a module in full or read-only.
fn access(snapshot: &Snapshot) -> String {
    let mut matrix = roles(snapshot);
    for cell in matrix.rows.iter_mut().flat_map(|row| &mut row.cells) {
        let actions = cell.always.iter().chain(&cell.depends).map(String::as_str);
        let access = snapshot.catalog.access(actions).expect("a set that tells which actions only look");
        cell.summary = if access == Access::None { String::new() } else { access.as_str().to_owned() };
    }
    matrix.markdown()
}

/// Rights and the roles that hold them.
fn rights(catalog: &Catalog) -> String {
    let named = |right: &(String, String, String)| right.0.clone();
    let mut rows: Vec<(String, String, String)> = catalog
        .rights
        .iter()
        .map(|right| (format!("`{}`", right.name), right.module.clone(), right.action.clone()))
        .collect();
    let known: BTreeSet<(String, String)> = rows.iter().map(|row| (row.1.clone(), row.2.clone())).collect();
    for cell in catalog.roles.iter().flat_map(|role| &role.cells) {
        for action in &cell.actions {
            let row = (String::new(), cell.module.clone(), action.clone());
            if !known.contains(&(row.1.clone(), row.2.clone())) && !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    let families: Vec<&str> = catalog.families.iter().map(|family| family.id.as_str()).collect();
    let of_family = |family: &str| {
        catalog.roles.iter().filter(move |role| role.family.as_deref() == Some(family)).collect::<Vec<_>>()
    };
    let roles: Vec<_> = families.iter().flat_map(|family| of_family(family)).collect();
    let heads: Vec<_> = roles.iter().map(|role| format!("`{}`", role.id)).collect();
    let mut out = format!("| right | of | {} |\n| --- | --- |{}\n", heads.join(" | "), " --- |".repeat(roles.len()));
    for row in &rows {
        let holds = |role: &&&sidegate::policy::Role| {
            role.cells.iter().any(|cell| cell.module == row.1 && cell.actions.contains(&row.2))
        };
        let marks: String = roles.iter().map(|role| if holds(&role) { " x |" } else { " - |" }).collect();
        let name = named(row);
        let name = if name.is_empty() { "-" } else { &name };
        writeln!(out, "| {name} | {}:{} |{marks}", row.1, row.2).expect("a string");
    }
    out
}

fn ranks(catalog: &Catalog) -> String {
    let mut out = "| role | name | family | rank |\n| --- | --- | --- | --- |\n".to_owned();
    for role in &catalog.roles {
        let (name, family) = (role.label.name.as_deref().unwrap_or(""), role.family.as_deref().unwrap_or(""));
        let rank = role.rank.map_or_else(String::new, |rank| rank.to_string());
        writeln!(out, "| `{}` | {name} | {family} | {rank} |", role.id).expect("a string");
    }
    out
}

fn presets(catalog: &Catalog) -> String {
    let mut out = format!(
        "| preset | gates | {} |\n| --- | --- |{}\n",
        catalog.modules.iter().map(|module| module.id.as_str()).collect::<Vec<_>>().join(" | "),
        " --- |".repeat(catalog.modules.len())
    );
    for preset in &catalog.presets {
        let cells = catalog.modules.iter().map(|module| {
            let level = preset.levels.iter().find(|(known, _)| *known == module.id);
            level.map_or_else(|| " - |".to_owned(), |(_, level)| format!(" {level} |"))
        });
        writeln!(out, "| `{}` | {} |{}", preset.id, preset.gates.join(", "), cells.collect::<String>())
            .expect("a string");
    }
    out
}

fn menu(catalog: &Catalog) -> String {
    let mut out = "| item | name | gate | modules |\n| --- | --- | --- | --- |\n".to_owned();
    for item in &catalog.menu {
        let (name, gate) = (item.label.name.as_deref().unwrap_or(""), item.gate.as_deref().unwrap_or(""));
        writeln!(out, "| `{}` | {name} | {gate} | {} |", item.id, item.modules.join(", ")).expect("a string");
    }
    out
}

/// A README with its tables written anew, and how many there are.
fn with_tables(snapshot: &Snapshot, text: &str) -> (String, usize) {
    let (mut out, mut rest, mut count) = (String::new(), text, 0);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (sort, after) = after.split_once(" -->").expect("the end of a mark");
        let (_, after) = after.split_once(END).unwrap_or_else(|| panic!("{}: a table without an end", snapshot.name));
        write!(out, "{before}{BEGIN}{sort} -->\n\n{}\n{END}", table(snapshot, sort)).expect("a string");
        rest = after;
        count += 1;
    }
    (out + rest, count)
}

#[test]
fn the_tables_of_the_policy_sets_are_what_the_sets_say() {
    let mut stale = Vec::new();
    for set in ["demo", "8move", "propeller", "omc", "backbone"] {
        let path = repo(&format!("policies/{set}/README.md"));
        let text = fs::read_to_string(&path).expect("a README");
        let (wanted, count) = with_tables(&load(set), &text);
        assert!(count > 0, "{set}: a README without a table");
        if text != wanted {
            if std::env::var_os(super::WRITE).is_some() {
                fs::write(&path, wanted).expect("a file can be written");
            } else {
                stale.push(set);
            }
        }
    }
    assert!(
        stale.is_empty(),
        "these READMEs are not what their sets say, `make reference` writes them anew: {stale:?}"
    );
}
