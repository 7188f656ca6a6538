//! `sidegate explain DIR`

use super::{
    ExitCode, authorize,
    output::{self, Output},
    question::QuestionArgs,
    set::SetArgs,
};
use crate::{
    engine::{self, ConditionResult, Considered, Explanation, PolicyFacts},
    policy::Snapshot,
};
use clap::Args;
use serde_json::{Value, json};

/// Explain one decision: the reason, and every policy that was considered for it.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &ExplainArgs) -> ExitCode {
    let question = match args.question.read() {
        Ok(question) => question,
        Err(code) => return code,
    };
    let snapshot = match args.set.load_or_show() {
        Ok(snapshot) => snapshot,
        Err(code) => return code,
    };
    question.put(&snapshot, |subject, request| {
        let explanation = engine::explain(&snapshot.program, subject, request);
        match args.output {
            Output::Human => output::finish(&human(&snapshot, &explanation), ExitCode::Done),
            Output::Json => output::finish_json(&to_json(&snapshot, &explanation), ExitCode::Done),
        }
    })
}

fn human(snapshot: &Snapshot, explanation: &Explanation<'_>) -> String {
    let outcome = &explanation.outcome;
    let roles = outcome.roles.join(", ");
    let facts = [
        ("tenant", outcome.tenant.unwrap_or_default()),
        ("roles", &roles),
        ("module", snapshot.program.module_id(outcome.module)),
        ("revision", snapshot.revision.short()),
    ];
    let mut lines = vec![authorize::headline(snapshot, outcome)];
    let told = facts.iter().filter(|(_, value)| !value.is_empty());
    lines.extend(told.map(|(name, value)| format!("  {name:<9} {value}")));
    lines.push(String::new());
    if explanation.considered.is_empty() {
        lines.push("no policy was considered".to_owned());
    } else {
        lines.push("policies considered:".to_owned());
        lines.extend(explanation.considered.iter().flat_map(|considered| policy_lines(snapshot, considered)));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn policy_lines(snapshot: &Snapshot, considered: &Considered) -> Vec<String> {
    let Some(facts) = snapshot.program.policy(considered.policy) else { return Vec::new() };
    let (effect, result, _) = words(considered);
    let mut lines = vec![format!("  {effect} {result:<14} {}", facts.id), format!("         {}", facts.summary)];
    lines.extend(place(facts).map(|place| format!("         at {place}")));
    if let ConditionResult::Errored(message) = &considered.result {
        lines.push(format!("         {message}"));
    }
    lines
}

fn to_json(snapshot: &Snapshot, explanation: &Explanation<'_>) -> Value {
    let outcome = &explanation.outcome;
    let considered = explanation.considered.iter().filter_map(|considered| {
        let facts = snapshot.program.policy(considered.policy)?;
        let (effect, _, result) = words(considered);
        let error = match &considered.result {
            ConditionResult::Errored(message) => Some(message),
            ConditionResult::Satisfied | ConditionResult::Unmet => None,
        };
        Some(json!({
            "id": facts.id,
            "effect": effect,
            "result": result,
            "summary": facts.summary,
            "source": place(facts),
            "error": error,
        }))
    });
    let mut data = authorize::to_json(snapshot, outcome);
    if let Some(members) = data.as_object_mut() {
        let module = Some(snapshot.program.module_id(outcome.module)).filter(|module| !module.is_empty());
        members.insert("tenant".to_owned(), json!(outcome.tenant));
        members.insert("roles".to_owned(), json!(outcome.roles));
        members.insert("module".to_owned(), json!(module));
        members.insert("considered".to_owned(), considered.collect());
    }
    data
}

/// The effect of a policy, and what its condition came to: for people and for programs.
const fn words(considered: &Considered) -> (&'static str, &'static str, &'static str) {
    let effect = if considered.forbids { "forbid" } else { "permit" };
    match considered.result {
        ConditionResult::Satisfied => (effect, "applies", "satisfied"),
        ConditionResult::Unmet => (effect, "does not apply", "unmet"),
        ConditionResult::Errored(_) => (effect, "fails", "errored"),
    }
}

fn place(facts: &PolicyFacts) -> Option<String> {
    facts.location.as_ref().map(ToString::to_string)
}
