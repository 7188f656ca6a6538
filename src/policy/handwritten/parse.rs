//! One Cedar file: parsed, its policies named, and all noted that its text alone tells.

use super::{Numbering, facts};
use crate::{
    document::{Diagnostics, Span, Text},
    policy::{cedar, compile::Ready, section::Spot},
};
use cedar_policy::{Policy, PolicyId, PolicySet, Template};
use cedar_policy_core::ast::{EntityUID, Expr, ExprKind, Literal};
use std::sync::Arc;

/// A Cedar file, parsed.
#[derive(Debug)]
pub(in crate::policy) struct Parsed {
    raw: PolicySet,
    numbering: Numbering,
    /// How many policies the files before it hold: names may depend on it.
    before: usize,
    /// Templates with their ids and places.
    pub(super) templates: Vec<(Arc<str>, Template, Span)>,
    /// Static policies.
    pub(super) statics: Vec<Static>,
}

/// A static policy.
#[derive(Debug, Clone)]
pub(super) struct Static {
    pub(super) ready: Ready,
    /// As it was written.
    pub(super) source: Arc<str>,
    pub(super) span: Span,
    /// The entities that it names, each with its place where it has one.
    pub(super) mentions: Arc<[(EntityUID, Option<Span>)]>,
}

impl Parsed {
    /// Parses a file. What Cedar cannot parse is reported.
    pub(in crate::policy) fn read(
        text: &Text,
        numbering: Numbering,
        before: usize,
        problems: &mut Diagnostics,
    ) -> Option<Self> {
        if let Some((part, what)) = cedar::too_deep(text.content()) {
            problems.push(cedar::too_deep_problem(&Spot::of(text, &part), what));
            return None;
        }
        match text.content().parse::<PolicySet>() {
            Ok(raw) => Some(Self::named(text, raw, numbering, before)),
            Err(errors) => {
                let place = |part: &Span| Spot::of(text, part);
                cedar::parse_errors("cedar-syntax", "", errors.iter(), place, problems);
                None
            }
        }
    }

    /// Whether its policies are called what they would be called there.
    pub(in crate::policy) fn is_named_for(&self, numbering: Numbering, before: usize) -> bool {
        self.numbering == numbering && (numbering == Numbering::ByFile || self.before == before)
    }

    /// The same file with its policies named anew.
    pub(in crate::policy) fn renamed(&self, text: &Text, numbering: Numbering, before: usize) -> Self {
        Self::named(text, self.raw.clone(), numbering, before)
    }

    fn named(text: &Text, raw: PolicySet, numbering: Numbering, before: usize) -> Self {
        // Cedar numbers static policies and templates alike, in the order of the file.
        let name = |annotated: Option<&str>, id: &PolicyId| -> Arc<str> {
            let annotated = annotated.filter(|id| !id.is_empty());
            annotated.map_or_else(|| numbered(text, numbering, before, id), str::to_owned).into()
        };
        let templates = raw.templates().map(|template| {
            let span = template.as_ref().loc().map_or(0..0, |loc| loc.start()..loc.end());
            let id = name(template.annotation("id"), template.id());
            let template = template.new_id(PolicyId::new(&id));
            (id, template, span)
        });
        let statics = raw.policies().map(|policy| {
            let span = policy.as_ref().loc().map_or(0..0, |loc| loc.start()..loc.end());
            Static::new(policy, &name(policy.annotation("id"), policy.id()), &Spot::of(text, &span))
        });
        let (templates, statics) = (templates.collect(), statics.collect());
        Self { raw, numbering, before, templates, statics }
    }
}

impl Static {
    fn new(policy: &Policy, id: &str, at: &Spot) -> Self {
        let source: Arc<str> = policy.to_string().into();
        let policy = policy.new_id(PolicyId::new(id));
        let mentions = mentions(&policy.as_ref().condition());
        let ready = Ready::by_hand(facts(id, &policy, at), policy, &source);
        Self { ready, source, span: at.span.clone(), mentions: mentions.into() }
    }
}

/// The entities that an expression names.
pub(super) fn mentions(condition: &Expr) -> Vec<(EntityUID, Option<Span>)> {
    let named = condition.subexpressions().filter_map(|expression| match expression.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(((**uid).clone(), uid.loc().map(|loc| loc.start()..loc.end()))),
        _ => None,
    });
    named.collect()
}

fn numbered(text: &Text, numbering: Numbering, before: usize, id: &PolicyId) -> String {
    let written: &str = id.as_ref();
    let number = written.strip_prefix("policy").and_then(|number| number.parse::<usize>().ok()).unwrap_or(0);
    match numbering {
        Numbering::Cedar => format!("policy{}", before + number),
        Numbering::ByFile => format!("{}#{number}", text.path()),
    }
}
