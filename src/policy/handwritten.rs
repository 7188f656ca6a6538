//! Policies written in Cedar: parsed file by file, numbered, linked, checked.

mod check;
mod parse;
mod shape;

pub(super) use parse::Parsed;

use super::{
    cache::Cache,
    cedar,
    compile::Ready,
    section::{Named, Spot},
};
use crate::{
    document::{Diagnostics, Node, Text, hint, yaml},
    engine::{PolicyFacts, PolicyKind},
};
use cedar_policy::{Effect, EntityUid, Policy, PolicyId, PolicySet, SlotId};
use parse::Static;
use rustc_hash::FxHashMap;
use std::{collections::HashMap, sync::Arc};

/// How policies without `@id` are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbering {
    /// As Cedar does: `policy0` and so on, over all files.
    Cedar,
    /// By their file: `extra.cedar#0`.
    ByFile,
}

/// The hand-written policies of a set.
#[derive(Debug)]
pub(super) struct Handwritten {
    /// Static policies, in the order of the files.
    statics: Vec<Static>,
    /// Templates, and the policies that links make of them.
    linked: PolicySet,
    /// What was linked, in the order of the files.
    links: Vec<Ready>,
    /// Where each policy or template stands.
    places: FxHashMap<Arc<str>, Spot>,
    /// Whether every file could be read.
    pub(super) is_whole: bool,
}

/// Parses all files. Ids that are taken are reported with both places; `taken` are those of compiled policies.
pub(super) fn read(
    files: &[Text],
    numbering: Numbering,
    taken: &FxHashMap<Arc<str>, Spot>,
    cache: &mut Cache,
    problems: &mut Diagnostics,
) -> Handwritten {
    let mut result = Handwritten {
        statics: Vec::new(),
        linked: PolicySet::new(),
        links: Vec::new(),
        places: FxHashMap::default(),
        is_whole: true,
    };
    let mut count = 0;
    for text in files {
        let Some(parsed) = cache.parsed(text, numbering, count, problems) else {
            result.is_whole = false;
            continue;
        };
        for (id, template, span) in &parsed.templates {
            if result.take(id, &Spot::of(text, span), taken, problems) {
                let _added = result.linked.add_template(template.clone());
            }
        }
        for policy in &parsed.statics {
            if result.take(&policy.ready.facts.id, &Spot::of(text, &policy.span), taken, problems) {
                result.statics.push(policy.clone());
            }
        }
        count += parsed.templates.len() + parsed.statics.len();
    }
    cache.keep_files(files);
    result
}

impl Handwritten {
    /// Every policy, in the order of the set.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Ready> {
        self.statics.iter().map(|policy| &policy.ready).chain(&self.links)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.statics.len() + self.links.len()
    }

    /// Notes where an id stands, unless it is taken.
    fn take(
        &mut self,
        id: &Arc<str>,
        at: &Spot,
        taken: &FxHashMap<Arc<str>, Spot>,
        problems: &mut Diagnostics,
    ) -> bool {
        if let Some(first) = taken.get(id) {
            let problem = at.error("duplicate-policy", format!("the policy `{id}` is there twice"));
            problems.push(problem.with_related("first made", &first.text, first.span.clone()));
            return false;
        }
        if let Some(first) = self.places.get(id) {
            let problem = at.error("duplicate-name", format!("the policy `{id}` is defined twice"));
            problems.push(problem.with_related("first defined", &first.text, first.span.clone()));
            return false;
        }
        self.places.insert(Arc::clone(id), at.clone());
        true
    }

    /// Links templates as the files say: `[{ "template_id": ..., "link_id": ..., "values": { "?principal": "User::\"a\"" } }]`.
    pub(super) fn link(&mut self, files: &[Text], taken: &FxHashMap<Arc<str>, Spot>, problems: &mut Diagnostics) {
        for text in files {
            // JSON is YAML, so that every value has a place.
            let root = match yaml::read(text) {
                Ok(root) => root,
                Err(found) => {
                    problems.append(found);
                    continue;
                }
            };
            let Some(links) = root.as_list() else {
                problems.push(Spot::of(text, &root.span).error("bad-link", "must be a list of template links"));
                continue;
            };
            for link in links {
                self.link_one(text, link, taken, problems);
            }
        }
    }

    fn link_one(&mut self, text: &Text, link: &Node, taken: &FxHashMap<Arc<str>, Spot>, problems: &mut Diagnostics) {
        let field = |names: &[&str]| names.iter().find_map(|name| link.get(name));
        let template = field(&["template_id", "templateId"]).and_then(|node| Named::value(text, node));
        let id = field(&["link_id", "new_id", "newId"]).and_then(|node| Named::value(text, node));
        let values = field(&["values", "args"]).and_then(Node::as_map);
        let (Some(template), Some(id), Some(values)) = (template, id, values) else {
            let message = "a template link needs `template_id`, `link_id` and `values`";
            problems.push(Spot::of(text, &link.span).error("bad-link", message));
            return;
        };
        if let Some(first) = self.places.get(id.name.as_str()).or_else(|| taken.get(id.name.as_str())) {
            let problem = id.at.error("duplicate-policy", format!("the policy `{}` is there twice", id.name));
            problems.push(problem.with_related("first", &first.text, first.span.clone()));
            return;
        }
        let mut slots = HashMap::new();
        for entry in values {
            let at = Spot::of(text, &entry.node.span);
            let slot = match entry.key.as_str() {
                "?principal" => SlotId::principal(),
                "?resource" => SlotId::resource(),
                _ => {
                    let message = format!("no slot `{}`; there are `?principal` and `?resource`", entry.key);
                    problems.push(Spot::of(text, &entry.key_span).error("bad-link", message));
                    continue;
                }
            };
            match entry.node.as_text().and_then(|uid| uid.parse::<EntityUid>().ok()) {
                Some(uid) => drop(slots.insert(slot, uid)),
                None => problems.push(at.error("bad-link", "must be an entity such as User::\"ada\"")),
            }
        }
        let (from, to) = (PolicyId::new(&template.name), PolicyId::new(&id.name));
        if self.linked.template(&from).is_none() {
            if !self.is_whole {
                // It may stand in the file that could not be read.
                return;
            }
            let templates: Vec<String> = self.linked.templates().map(|t| t.id().to_string()).collect();
            let help = hint(&template.name, templates.iter().map(String::as_str));
            let message = format!("no template `{}`", template.name);
            problems.push(template.at.error("unknown-template", message).with_help(help));
        } else if let Err(error) = self.linked.link(from, to.clone(), slots) {
            problems.push(id.at.error("bad-link", cedar::chain(&error)));
        } else if let Some(policy) = self.linked.policy(&to) {
            // The template's own id would stand there.
            let text = policy.to_string();
            let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("@id(")).collect();
            let ready = Ready::by_hand(facts(&id.name, policy, &id.at), policy.clone(), &lines.join("\n"));
            self.links.push(ready);
            self.places.insert(id.name.into(), id.at);
        }
    }
}

fn facts(id: &str, policy: &Policy, at: &Spot) -> PolicyFacts {
    let verb = if policy.effect() == Effect::Permit { "permits" } else { "forbids" };
    let described = policy.annotation("description").filter(|text| !text.is_empty());
    let summary = described.map_or_else(|| format!("policy `{id}` {verb}"), str::to_owned);
    PolicyFacts { id: id.into(), summary: summary.into(), kind: PolicyKind::Ordinary, location: Some(at.location()) }
}
