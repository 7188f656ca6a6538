//! Policy sets drawn at random: modules, gates, conditions, roles with ranks and families, hand-written Cedar, and a delegation.

use fastrand::Rng;
use std::{fmt::Write as _, fs, path::Path};

const MODULES: [&str; 4] = ["m0", "m1", "m2", "m3"];
const LEVELS: [&str; 3] = ["view", "edit", "full"];

/// Writes a set into an empty directory, with one of the rules switched off where that is wanted: then the set has what the rule is about.
pub fn write(directory: &Path, off: Option<&str>, random: &mut Rng) {
    // An administrator is hardly ever the last among many users, nor where ranks, families and tenants keep others from it.
    let few = off == Some("last_administrator");
    let [tenants, ranks, families] =
        ["tenant", "rank", "family"].map(|rule| random.bool() && !few || off == Some(rule));
    let mut out = String::from("policy_set: random\n");
    if tenants {
        out += "tenancy: required\ntenants: [north, south]\n";
    }
    if families {
        out += "families: { office: {}, shop: {} }\n";
    }
    out += "levels: { view: [view], edit: { includes: [view], actions: [edit] }, full: { includes: [edit], actions: [create, delete] } }\n\
        gates: { g0: {}, g1: {} }\nvalues: { channel: [c0, c1, c2] }\nuser_attributes: { channels: Set<channel> }\nmodules:\n";
    for module in MODULES {
        let gates = *random.choice(&["", ", gates: [g0]", ", gates: [g0, g1]"]).unwrap();
        let areas = if random.u8(..3) == 0 { ", areas: [a0, a1]" } else { "" };
        writeln!(
            out,
            "  {module}: {{ resources: {{ t{module}: {{ owner: User, size: Long, channel: channel }} }}{gates}{areas} }}"
        ).unwrap();
    }
    out += "  people: { resources: { person: { family: String, rank: Long, status: String } } }\n";
    out += "conditions:\n  own: { cedar: resource has owner && resource.owner == principal }\n  \
        small: { parameters: { limit: Long }, cedar: resource has size && resource.size <= ?limit }\n  \
        channels: { cedar: resource has channel && principal has channels && principal.channels.contains(resource.channel) }\n";
    roles(&mut out, random, ranks, families);
    if few {
        out += "users:\n  u0: { roles: [r0] }\n  u1: { roles: [r0] }\n  u2: { roles: [r2] }\n  u3: { roles: [r4] }\n";
    } else {
        users(&mut out, random, tenants, families);
    }
    delegation(&mut out, off, families);
    fs::write(directory.join("set.yaml"), out).unwrap();
    fs::write(directory.join("extra.cedar"), cedar(random)).unwrap();
}

fn delegation(out: &mut String, off: Option<&str>, families: bool) {
    const OF: &str = "user: person, actions: { view: view, create: create, change: edit, delete: delete }";
    let families =
        if families { format!("families: {{ office: {{ {OF} }}, shop: {{ {OF} }} }}") } else { OF.to_owned() };
    let rules = off.map(|off| format!(", rules: {{ {off}: false }}")).unwrap_or_default();
    writeln!(out, "delegation: {{ administrators: [r0, r1, people/full], {families}{rules} }}").unwrap();
}

fn roles(out: &mut String, random: &mut Rng, ranks: bool, families: bool) {
    *out += "roles:\n";
    for number in 0..8 {
        write!(out, "  r{number}: {{ ").unwrap();
        if ranks {
            write!(out, "rank: {}, ", number / 2).unwrap();
        }
        if families {
            write!(out, "family: {}, ", if number % 2 == 0 { "office" } else { "shop" }).unwrap();
        }
        // The first two may do everything, the next two something about people.
        if number < 2 {
            *out += "grants: { \"*\": full } }\n";
            continue;
        }
        *out += "grants: { ";
        if number < 4 {
            write!(out, "people: {}, ", random.choice(&["edit", "full"]).unwrap()).unwrap();
        }
        let mut given = 0;
        for module in MODULES {
            if given == 0 || random.bool() {
                given += 1;
                let level = random.choice(&LEVELS).unwrap();
                let when = match random.u8(..6) {
                    0 => ", when: own",
                    1 => ", when: { small: { limit: 10 } }",
                    2 => ", when: { small: { limit: 100 } }",
                    3 => ", when: [channels, own]",
                    4 => ", when: channels",
                    _ => "",
                };
                write!(out, "{module}: {{ level: {level}{when} }}, ").unwrap();
            }
        }
        *out += "} }\n";
    }
}

fn users(out: &mut String, random: &mut Rng, tenants: bool, families: bool) {
    *out += "users:\n";
    for number in 0..10 {
        // A user has roles of one family.
        let role = |random: &mut Rng| {
            let drawn = random.usize(..8);
            if families { drawn / 2 * 2 + number % 2 } else { drawn }
        };
        let first = if number < 4 { number } else { role(random) };
        let second = role(random);
        let roles = if second == first { format!("[r{first}]") } else { format!("[r{first}, r{second}]") };
        let gates = *random.choice(&["[]", "[g0]", "[g0, g1]"]).unwrap();
        let given = if tenants {
            let tenant = if number % 2 == 0 { "north" } else { "south" };
            let more = if random.u8(..3) == 0 {
                let other = if tenant == "north" { "south" } else { "north" };
                format!(", {other}: [r{}]", role(random))
            } else {
                String::new()
            };
            format!("roles: {{ {tenant}: {roles}{more} }}, gates: {{ {tenant}: {gates} }}")
        } else {
            format!("roles: {roles}, gates: {gates}")
        };
        let channels = *random.choice(&["[]", "[c0]", "[c0, c1]", "all"]).unwrap();
        writeln!(out, "  u{number}: {{ {given}, attributes: {{ channels: {channels} }} }}").unwrap();
    }
}

/// Policies that make things together mean more, or less, than each by itself.
fn cedar(random: &mut Rng) -> String {
    const ALL: [&str; 9] = [
        "@id(\"both\") permit (principal, action == Action::\"delete\", resource in Module::\"m0\") when { principal in Role::\"r4\" && principal in Role::\"r5\" };",
        "@id(\"either\") permit (principal, action == Action::\"edit\", resource in Module::\"m1\") when { principal in Role::\"r6\" && resource has tm || resource has owner && resource.owner == principal };",
        "@id(\"one\") permit (principal in Role::\"r6\", action, resource == tm2::\"x-1\");",
        "@id(\"not-one\") forbid (principal in Role::\"r2\", action, resource == tm3::\"x-1\");",
        "@id(\"not-this-role\") forbid (principal in Role::\"r7\", action in [Action::\"delete\", Action::\"edit\"], resource in Module::\"m2\");",
        "@id(\"only-with\") forbid (principal, action == Action::\"delete\", resource in Module::\"m3\") unless { principal in Role::\"r0\" };",
        "@id(\"no-big-ones\") forbid (principal, action == Action::\"edit\", resource is tm0) when { resource has size && resource.size > 100 };",
        "@id(\"module\") permit (principal in Role::\"r5\", action == Action::\"create\", resource == Module::\"m1\");",
        "@id(\"typed\") permit (principal in Grant::\"m0/view\", action == Action::\"edit\", resource is tm1) when { resource has channel && principal has channels && principal.channels.contains(resource.channel) };",
    ];
    let chosen =
        ALL.iter().filter(|_| random.bool()).map(|text| text.replace("resource has tm ||", "resource has size ||"));
    chosen.map(|text| text + "\n").collect()
}
