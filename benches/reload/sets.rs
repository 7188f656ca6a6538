//! The policy sets that are reloaded: 10,000 policies in 100 files.

use std::{fmt::Write as _, fs, path::Path};

/// Files that hold policies; one or two more hold what they share.
pub const FILES: usize = 100;

/// Policies of each of them.
pub const EACH: usize = 100;

/// How a set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A role in each file, with a cell on each of a hundred modules.
    Yaml,
    /// Policies in Cedar beside declared modules, a hundred in each file.
    Cedar,
}

impl Form {
    /// Its name in the figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Cedar => "cedar",
        }
    }
}

/// Writes a set into a directory.
pub fn write(directory: &Path, form: Form) {
    fs::create_dir_all(directory).expect("a directory");
    fs::write(directory.join("base.yaml"), base(form)).expect("a file");
    for number in 0..FILES {
        write_file(directory, form, number, 0);
    }
}

/// Writes one of its files as it is in a generation, as careful tools do: beside its place, then moved there.
pub fn write_file(directory: &Path, form: Form, number: usize, generation: usize) {
    let (name, text) = match form {
        Form::Yaml => (format!("role-{number:03}.yaml"), role(number, generation)),
        Form::Cedar => (format!("policies-{number:03}.cedar"), policies(number, generation)),
    };
    place(directory, &name, &text);
}

/// Moves a text into its place.
pub fn place(directory: &Path, name: &str, text: &str) {
    let draft = directory.join(".draft");
    fs::write(&draft, text).expect("a file");
    fs::rename(&draft, directory.join(name)).expect("a move");
}

/// The user whose rights tell which generation decides: `gen-<n>` is known in generation n alone.
fn probe(generation: usize) -> String {
    format!("users: {{ gen-{generation}: {{ name: Probe, email: probe@demo.example, roles: [r1] }} }}\n")
}

fn base(form: Form) -> String {
    let mut text = String::from(
        "policy_set: bench\ntenancy: none\nlevels:\n  view: [view]\n  full: { includes: [view], actions: [create, edit, delete] }\n\
         conditions:\n  own:\n    cedar: resource has account_manager && resource.account_manager == principal\n  open:\n    \
         cedar: resource has status && resource.status == \"open\"\n\
         users:\n  u7: { name: U, email: u7@demo.example, roles: [r7] }\n  u8: { name: U, email: u8@demo.example, roles: [r8, r9] }\n",
    );
    if form == Form::Cedar {
        text.push_str("roles:\n");
        for number in 0..FILES {
            writeln!(text, "  r{number}: {{ name: Role {number} }}").expect("a text");
        }
        text = text.replace("  open:\n    cedar: resource has status && resource.status == \"open\"\n", "");
        text = text.replace(
            "conditions:\n  own:\n    cedar: resource has account_manager && resource.account_manager == principal\n",
            "",
        );
    }
    text.push_str("modules:\n");
    for number in 0..EACH {
        writeln!(
            text,
            "  m{number}:\n    name: Module {number}\n    resources:\n      doc{number}: {{ account_manager: User, status: String }}"
        )
        .expect("a text");
    }
    text
}

fn role(number: usize, generation: usize) -> String {
    let mut text = format!("roles:\n  r{number}:\n    name: Role {number}\n    grants:\n");
    for module in 0..EACH {
        let level = if (module + generation).is_multiple_of(3) { "view" } else { "full" };
        let when = ["", ", when: own", ", when: [own, open]"][module % 3];
        writeln!(text, "      m{module}: {{ level: {level}{when} }}").expect("a text");
    }
    if number == 0 {
        text.push_str(&probe(generation));
    }
    text
}

fn policies(number: usize, generation: usize) -> String {
    let mut text = format!("// Generation {generation}\n");
    for module in 0..EACH {
        let actions = if (module + generation).is_multiple_of(3) {
            "Action::\"view\""
        } else {
            "Action::\"view\", Action::\"edit\""
        };
        writeln!(
            text,
            "@id(\"p-{number}-{module}\")\npermit (principal in Role::\"r{number}\", action in [{actions}], resource in Module::\"m{module}\")\n\
             when {{ resource is doc{module} && resource has account_manager && resource.account_manager == principal }};"
        )
        .expect("a text");
    }
    text
}
