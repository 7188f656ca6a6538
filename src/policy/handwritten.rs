//! Policies written in Cedar: parsed file by file, numbered, linked, checked.

use super::{
    cedar,
    resolve::Resolved,
    section::{Named, Section, Spot},
};
use crate::{
    document::{Diagnostics, Node, Span, Text, hint, yaml},
    engine::{PolicyFacts, PolicyKind},
};
use cedar_policy::{
    Effect, EntityUid, Policy, PolicyId, PolicySet, Schema, SlotId, ValidationError, ValidationMode, ValidationWarning,
    Validator,
};
use cedar_policy_core::ast::{EntityUID, ExprKind, Literal};
use rustc_hash::FxHashMap;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

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
    pub(super) policies: PolicySet,
    /// What is known of each static or linked policy, in the order of the set, with its text.
    pub(super) facts: Vec<(PolicyFacts, String)>,
    /// Where each policy or template stands.
    places: FxHashMap<String, Spot>,
}

/// Parses all files. Ids that are taken are reported with both places; `taken` are those of compiled policies.
pub(super) fn read(
    files: &[Text],
    numbering: Numbering,
    taken: &FxHashMap<Arc<str>, Spot>,
    problems: &mut Diagnostics,
) -> Handwritten {
    let mut list = Section::new("policy", "unknown-policy");
    let mut result = Handwritten { policies: PolicySet::new(), facts: Vec::new(), places: FxHashMap::default() };
    let mut count = 0;
    for text in files {
        let Some(parsed) = parse(text, problems) else { continue };
        let total = parsed.num_of_policies() + parsed.num_of_templates();
        // Cedar numbers static policies and templates alike, in the order of the file.
        let name = |annotated: Option<&str>, id: &PolicyId| {
            annotated.filter(|id| !id.is_empty()).map_or_else(|| numbered(text, numbering, count, id), str::to_owned)
        };
        let mut add = |name: String, span: Span, problems: &mut Diagnostics| {
            let named = Named { name, at: Spot::of(text, &span) };
            if let Some(first) = taken.get(named.name.as_str()) {
                let problem = named.at.error("duplicate-policy", format!("the policy `{}` is there twice", named.name));
                problems.push(problem.with_related("first made", &first.text, first.span.clone()));
                return false;
            }
            let known = list.len();
            list.add(named, (), problems);
            list.len() > known
        };
        for template in parsed.templates() {
            let span = template.as_ref().loc().map_or(0..0, |loc| loc.start()..loc.end());
            let id = name(template.annotation("id"), template.id());
            if add(id.clone(), span.clone(), problems) {
                result.places.insert(id.clone(), Spot::of(text, &span));
                let _added = result.policies.add_template(template.new_id(PolicyId::new(id)));
            }
        }
        for policy in parsed.policies() {
            let span = policy.as_ref().loc().map_or(0..0, |loc| loc.start()..loc.end());
            let id = name(policy.annotation("id"), policy.id());
            if add(id.clone(), span.clone(), problems) {
                result.add(policy, id, &Spot::of(text, &span));
            }
        }
        count += total;
    }
    result
}

/// One file. What Cedar cannot parse is reported.
fn parse(text: &Text, problems: &mut Diagnostics) -> Option<PolicySet> {
    if let Some((part, what)) = cedar::too_deep(text.content()) {
        problems.push(cedar::too_deep_problem(&Spot::of(text, &part), what));
        return None;
    }
    match text.content().parse::<PolicySet>() {
        Ok(parsed) => Some(parsed),
        Err(errors) => {
            let place = |part: &Span| Spot::of(text, part);
            cedar::parse_errors("cedar-syntax", "", errors.iter(), place, problems);
            None
        }
    }
}

fn numbered(text: &Text, numbering: Numbering, before: usize, id: &PolicyId) -> String {
    let written: &str = id.as_ref();
    let number = written.strip_prefix("policy").and_then(|number| number.parse::<usize>().ok()).unwrap_or(0);
    match numbering {
        Numbering::Cedar => format!("policy{}", before + number),
        Numbering::ByFile => format!("{}#{number}", text.path()),
    }
}

impl Handwritten {
    fn add(&mut self, policy: &Policy, id: String, at: &Spot) {
        let source = policy.to_string();
        let policy = policy.new_id(PolicyId::new(&id));
        self.facts.push((facts(&id, &policy, at), source));
        let _added = self.policies.add(policy);
        self.places.insert(id, at.clone());
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
        if let Some(first) = self.places.get(&id.name).or_else(|| taken.get(id.name.as_str())) {
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
        if self.policies.template(&from).is_none() {
            let templates: Vec<String> = self.policies.templates().map(|t| t.id().to_string()).collect();
            let help = hint(&template.name, templates.iter().map(String::as_str));
            let message = format!("no template `{}`", template.name);
            problems.push(template.at.error("unknown-template", message).with_help(help));
        } else if let Err(error) = self.policies.link(from, to.clone(), slots) {
            problems.push(id.at.error("bad-link", cedar::chain(&error)));
        } else if let Some(policy) = self.policies.policy(&to) {
            // The template's own id would stand there.
            let text = policy.to_string();
            let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("@id(")).collect();
            self.facts.push((facts(&id.name, policy, &id.at), lines.join("\n")));
            self.places.insert(id.name, id.at);
        }
    }

    /// Checks everything against a schema, in strict mode.
    pub(super) fn check(&self, schema: Schema, problems: &mut Diagnostics) {
        let result = Validator::new(schema).validate(&self.policies, ValidationMode::Strict);
        for error in result.validation_errors() {
            let code = match error {
                ValidationError::UnrecognizedActionId(_) => "unknown-action",
                ValidationError::UnrecognizedEntityType(_) => "unknown-type",
                _ => "cedar-validation",
            };
            let Some(at) = self.place(error.policy_id(), error) else { continue };
            let label = cedar::part(error).and_then(|(_, label)| label);
            let mut problem = at.error(code, cedar::plain_message(&error.to_string()));
            if let Some(label) = label {
                problem = problem.with_label(label);
            }
            problems.push(problem.with_help(miette::Diagnostic::help(error).map(|help| help.to_string())));
        }
        // Of a policy that never applies, Cedar says so in several ways; of one with an error it is no wonder.
        let mut told: HashSet<&PolicyId> = result.validation_errors().map(ValidationError::policy_id).collect();
        for warning in result.validation_warnings() {
            let code = match warning {
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
                    if !told.insert(warning.policy_id()) {
                        continue;
                    }
                    "policy-never-applies"
                }
                _ => "confusable-text",
            };
            let Some(at) = self.place(warning.policy_id(), warning) else { continue };
            problems.push(at.warning(code, cedar::plain_message(&warning.to_string())));
        }
    }

    /// Where Cedar's message belongs: the part it marks, or the policy. The marks of a link are those of its template.
    fn place(&self, id: &PolicyId, error: &dyn miette::Diagnostic) -> Option<Spot> {
        let key: &str = id.as_ref();
        let own = self.places.get(key)?;
        let template = self.policies.policy(id).and_then(Policy::template_id);
        let at = template.and_then(|id| self.places.get(<PolicyId as AsRef<str>>::as_ref(id))).unwrap_or(own);
        let part = cedar::part(error).map_or_else(|| at.span.clone(), |(part, _)| part);
        Some(Spot::of(&at.text, &part))
    }

    /// Reports roles, gates, modules, areas and grants that the YAML files do not declare. Roles that are named are not idle.
    pub(super) fn check_names(&self, resolved: &mut Resolved, problems: &mut Diagnostics) {
        let policies = self.policies.policies().filter(|policy| policy.is_static());
        let mut mentions: Vec<(EntityUID, Spot)> = Vec::new();
        for policy in policies {
            let ast = policy.as_ref();
            self.mentions(policy.id(), &ast.condition(), &mut mentions);
        }
        for template in self.policies.templates() {
            self.mentions(template.id(), &template.as_ref().condition(), &mut mentions);
        }
        for link in self.policies.policies().filter(|policy| !policy.is_static()) {
            let Some(at) = self.places.get(<PolicyId as AsRef<str>>::as_ref(link.id())) else { continue };
            let values = link.template_links().into_iter().flatten();
            mentions.extend(values.map(|(_, uid)| (uid.into(), at.clone())));
        }
        let known = Known::of(resolved);
        for (uid, at) in &mentions {
            known.check(uid, at, problems);
        }
        let role = |uid: &EntityUID| uid.entity_type().to_string() == "Role";
        let named: HashSet<String> = mentions
            .iter()
            .filter(|(uid, _)| role(uid))
            .map(|(uid, _)| AsRef::<str>::as_ref(uid.eid()).to_owned())
            .collect();
        resolved.idle_roles.retain(|idle| !named.contains(&idle.name));
    }

    fn mentions(&self, id: &PolicyId, condition: &cedar_policy_core::ast::Expr, mentions: &mut Vec<(EntityUID, Spot)>) {
        let Some(at) = self.places.get(<PolicyId as AsRef<str>>::as_ref(id)) else { return };
        for expression in condition.subexpressions() {
            if let ExprKind::Lit(Literal::EntityUID(uid)) = expression.expr_kind() {
                let span = uid.loc().map_or_else(|| at.span.clone(), |loc| loc.start()..loc.end());
                mentions.push(((**uid).clone(), Spot::of(&at.text, &span)));
            }
        }
    }
}

fn facts(id: &str, policy: &Policy, at: &Spot) -> PolicyFacts {
    let verb = if policy.effect() == Effect::Permit { "permits" } else { "forbids" };
    let described = policy.annotation("description").filter(|text| !text.is_empty());
    let summary = described.map_or_else(|| format!("policy `{id}` {verb}"), str::to_owned);
    PolicyFacts { id: id.into(), summary: summary.into(), kind: PolicyKind::Ordinary, location: Some(at.location()) }
}

/// The names that a hand-written policy may use, by entity type.
struct Known {
    names: [(&'static str, &'static str, &'static str, BTreeSet<String>); 5],
}

impl Known {
    fn of(resolved: &Resolved) -> Self {
        let catalog = &resolved.catalog;
        let areas = catalog.modules.iter().flat_map(|m| m.areas.iter().map(move |area| format!("{}/{area}", m.id)));
        let grants = catalog.modules.iter().flat_map(|module| {
            let levels = catalog.levels.iter().filter(|level| !module.actions_of(level).is_empty());
            levels.map(move |level| format!("{}/{}", module.id, level.name))
        });
        Self {
            names: [
                ("Role", "role", "unknown-role", catalog.roles.iter().map(|role| role.id.clone()).collect()),
                ("Gate", "gate", "unknown-gate", catalog.gates.iter().map(|gate| gate.id.clone()).collect()),
                (
                    "Module",
                    "module",
                    "unknown-module",
                    catalog.modules.iter().map(|module| module.id.clone()).collect(),
                ),
                ("Area", "area", "unknown-area", areas.collect()),
                ("Grant", "grant", "unknown-grant", grants.collect()),
            ],
        }
    }

    fn check(&self, uid: &EntityUID, at: &Spot, problems: &mut Diagnostics) {
        let (ty, id) = (uid.entity_type().to_string(), AsRef::<str>::as_ref(uid.eid()));
        let Some((_, noun, code, names)) = self.names.iter().find(|(known, ..)| *known == ty) else { return };
        if !names.contains(id) {
            let help = hint(id, names.iter().map(String::as_str));
            problems.push(at.error(code, format!("no {noun} `{id}`")).with_help(help));
        }
    }
}
