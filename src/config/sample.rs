//! `audit.sample`: which allows are kept as one of many.

use super::{
    file::Reading,
    kinds::{Kind, ReadNode},
};
use crate::document::{Node, Value};

/// One of `audit.sample`. What is absent fits everything; at least one of the texts is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SampleRule {
    /// The user.
    pub user: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The module.
    pub module: Option<String>,
    /// The action.
    pub action: Option<String>,
    /// The resource's type.
    pub resource_type: Option<String>,
    /// One of so many allows that fit is kept; 1 keeps all.
    pub keep_one_in: u32,
}

const RATE: &str = "keep_one_in";
const KEYS: [&str; 6] = ["user", "tenant", "module", "action", "resource_type", RATE];

impl SampleRule {
    /// What it fits, by name.
    pub(super) fn texts(&self) -> [(&'static str, Option<&str>); 5] {
        let Self { user, tenant, module, action, resource_type, .. } = self;
        [
            ("user", user.as_deref()),
            ("tenant", tenant.as_deref()),
            ("module", module.as_deref()),
            ("action", action.as_deref()),
            ("resource_type", resource_type.as_deref()),
        ]
    }

    /// Puts a value in; says what is wrong with it.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let text = || match value {
            "" => Err(format!("`{key}` of a sample is empty")),
            value => Ok(Some(value.to_owned())),
        };
        match key {
            "user" => self.user = text()?,
            "tenant" => self.tenant = text()?,
            "module" => self.module = text()?,
            "action" => self.action = text()?,
            "resource_type" => self.resource_type = text()?,
            _ => {
                let rate = value.parse().ok().filter(|rate| *rate > 0);
                self.keep_one_in =
                    rate.ok_or_else(|| format!("`{value}` does not fit `{RATE}`: it is a whole number from 1"))?;
            }
        }
        Ok(())
    }

    /// A rule without a rate, or one that fits everything, is more likely a slip than meant.
    fn checked(self) -> Result<Self, String> {
        if self.keep_one_in == 0 {
            return Err(format!("a sample needs `{RATE}`"));
        }
        if self.texts().iter().all(|(_, text)| text.is_none()) {
            return Err(
                "a sample names at least one of `user`, `tenant`, `module`, `action`, `resource_type`".to_owned()
            );
        }
        Ok(self)
    }
}

/// `audit.sample`: a list of mappings in the file, `module=catalog action=view keep_one_in=100, ...` in the environment.
pub(super) struct Samples;

impl Kind for Samples {
    type Value = Vec<SampleRule>;
    const WANTED: &'static str = "a list of `{ module, action, keep_one_in }`";
    const NODE: Option<ReadNode<Self::Value>> = Some(read_list);

    fn read(text: &str) -> Option<Self::Value> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items
            .map(|item| {
                let mut rule = SampleRule::default();
                for pair in item.split_whitespace() {
                    let (key, value) = pair.split_once('=').filter(|(key, _)| KEYS.contains(key))?;
                    rule.set(key, value).ok()?;
                }
                rule.checked().ok()
            })
            .collect()
    }

    fn show(value: &Self::Value) -> String {
        let rules = value.iter().map(|rule| {
            let texts = rule.texts().into_iter().filter_map(|(name, text)| Some(format!("{name}: {}, ", text?)));
            format!("{{ {}{RATE}: {} }}", texts.collect::<String>(), rule.keep_one_in)
        });
        format!("[{}]", rules.collect::<Vec<_>>().join(", "))
    }
}

fn read_list(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<SampleRule>> {
    let items = node.as_list()?;
    Some(items.iter().filter_map(|item| read_item(item, reading)).collect())
}

fn read_item(node: &Node, reading: &mut Reading<'_>) -> Option<SampleRule> {
    let Some(map) = node.as_map() else {
        let message =
            format!("a sample is a mapping such as `{{ module: catalog, {RATE}: 100 }}`, not {}", node.kind());
        reading.problem("invalid-value", &node.span, message, None);
        return None;
    };
    let mut rule = SampleRule::default();
    let mut whole = true;
    for entry in map {
        if !KEYS.contains(&entry.key.as_str()) {
            reading.unknown(&entry.key, &entry.key_span, "audit.sample", &KEYS);
            whole = false;
            continue;
        }
        let written = match &entry.node.value {
            Value::Text(text) => text.clone(),
            _ => reading.written(&entry.node.span).to_owned(),
        };
        if let Err(message) = rule.set(&entry.key, &written) {
            reading.problem("invalid-value", &entry.node.span, message, None);
            whole = false;
        }
    }
    if !whole {
        return None;
    }
    rule.checked().map_err(|message| reading.problem("missing-key", &node.span, message, None)).ok()
}
