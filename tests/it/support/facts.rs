//! The facts about a back office, read from their neutral form: who may do what, as an oracle beside the product.
//!
//! This is on purpose not the product's policy format, and shares no code with it.

use serde_yaml::Value;
use std::{collections::BTreeSet, fs};

/// One back office.
#[derive(Debug)]
pub struct Facts {
    root: Value,
}

/// What one role may do in one module.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    actions: BTreeSet<String>,
    /// `None`: all areas.
    areas: Option<Vec<String>>,
    /// Only where the condition holds.
    conditional: bool,
}

/// A sample user.
#[derive(Debug)]
pub struct User {
    pub id: String,
    pub status: String,
    /// Tenant and role; the tenant is empty where there are none.
    pub roles: Vec<(String, String)>,
}

/// What must be answered: decision and reason code.
pub type Expected = (&'static str, &'static str);

impl Facts {
    /// Reads `../shared/domain/<system>.yaml`; `None` where the machine does not have it.
    pub fn read(system: &str) -> Option<Self> {
        let path = super::shared(&format!("domain/{system}.yaml"))?;
        let text = fs::read_to_string(path).expect("the facts are readable");
        Some(Self { root: serde_yaml::from_str(&text).expect("the facts are YAML") })
    }

    /// All of it.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// Module ids.
    pub fn modules(&self) -> Vec<String> {
        keys(&self.root["modules"])
    }

    /// The first resource type of a module.
    pub fn resource(&self, module: &str) -> String {
        text(&self.root["modules"][module]["resources"][0])
    }

    /// Areas of a module.
    pub fn areas(&self, module: &str) -> Vec<String> {
        texts(&self.root["modules"][module]["areas"])
    }

    /// Actions of a module; where the module lists none, those of the levels.
    pub fn actions(&self, module: &str) -> Vec<String> {
        let listed = texts(&self.root["modules"][module]["actions"]);
        if !listed.is_empty() {
            return listed;
        }
        let levels = self.root["levels"].as_mapping().expect("levels");
        levels.values().flat_map(texts).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Tenant ids.
    pub fn tenants(&self) -> Vec<String> {
        texts(&self.root["tenants"])
    }

    /// The sample users.
    pub fn users(&self) -> Vec<User> {
        let users = self.root["users"].as_mapping().expect("users");
        users.iter().map(|(id, user)| User::read(&text(id), user)).collect()
    }

    /// What a role may do in a module.
    pub fn grants(&self, role: &str, module: &str) -> Vec<Grant> {
        let cell = &self.root["cells"][role][module];
        if cell.is_null() {
            return Vec::new();
        }
        if let Some(level) = cell.as_str() {
            return vec![self.grant(module, level, None, false)];
        }
        if let Some(level) = cell["level"].as_str() {
            let areas = (!cell["areas"].is_null()).then(|| texts(&cell["areas"]));
            return vec![self.grant(module, level, areas, !cell["when"].is_null())];
        }
        if !cell["actions"].is_null() {
            let actions = texts(&cell["actions"]).into_iter().collect();
            return vec![Grant { actions, areas: None, conditional: false }];
        }
        // An assumed cell: each action with the areas where it is allowed.
        let actions = self.actions(module).into_iter().filter(|action| !cell[action.as_str()].is_null());
        let grants = actions.map(|action| {
            let areas = (cell[action.as_str()] != "all areas").then(|| texts(&cell[action.as_str()]));
            Grant { actions: BTreeSet::from([action]), areas, conditional: false }
        });
        grants.collect()
    }

    fn grant(&self, module: &str, level: &str, areas: Option<Vec<String>>, conditional: bool) -> Grant {
        // "full" is every action of the module, the ones beyond the levels included.
        let actions = if level == "full" { self.actions(module) } else { texts(&self.root["levels"][level]) };
        Grant { actions: actions.into_iter().collect(), areas, conditional }
    }
}

impl User {
    fn read(id: &str, user: &Value) -> Self {
        let status = user["status"].as_str().unwrap_or("active").to_owned();
        let mut roles = Vec::new();
        if let Some(role) = user["role"].as_str() {
            roles.push((String::new(), role.to_owned()));
        }
        for tenant in keys(&user["roles"]) {
            roles.extend(texts(&user["roles"][tenant.as_str()]).into_iter().map(|role| (tenant.clone(), role)));
        }
        Self { id: id.to_owned(), status, roles }
    }

    /// Tenants in which the user has a role.
    pub fn tenants(&self) -> BTreeSet<&str> {
        self.roles.iter().map(|(tenant, _)| tenant.as_str()).collect()
    }

    /// Everything that the user's roles in a tenant grant in a module.
    pub fn grants(&self, facts: &Facts, tenant: &str, module: &str) -> Vec<Grant> {
        let roles = self.roles.iter().filter(|(in_tenant, _)| in_tenant == tenant);
        roles.flat_map(|(_, role)| facts.grants(role, module)).collect()
    }

    /// What a user of this status is answered whatever is asked.
    pub fn refused_for_status(&self) -> Option<Expected> {
        match self.status.as_str() {
            "suspended" => Some(("deny", "user_suspended")),
            "invited" => Some(("deny", "user_invited")),
            _ => None,
        }
    }
}

/// What these grants say to one action, in one area, where the condition does or does not hold.
pub fn expected(grants: &[Grant], action: &str, area: Option<&str>, condition_holds: bool) -> Expected {
    let covers_area = |grant: &Grant| match (&grant.areas, area) {
        (None, _) => true,
        (Some(areas), Some(area)) => areas.iter().any(|granted| granted == area),
        (Some(_), None) => false,
    };
    let matching: Vec<_> = grants.iter().filter(|grant| grant.actions.contains(action) && covers_area(grant)).collect();
    if matching.iter().any(|grant| !grant.conditional || condition_holds) {
        ("allow", "granted")
    } else if matching.is_empty() {
        ("deny", "not_granted")
    } else {
        ("deny", "condition_not_met")
    }
}

/// The keys of a mapping.
pub fn keys(value: &Value) -> Vec<String> {
    value.as_mapping().map_or_else(Vec::new, |mapping| mapping.keys().map(text).collect())
}

/// The items of a list.
pub fn texts(value: &Value) -> Vec<String> {
    value.as_sequence().map_or_else(Vec::new, |sequence| sequence.iter().map(text).collect())
}

/// A text.
pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
