//! `sidegate token`

use super::{ExitCode, output};
use crate::{
    config::{AdminToken, Caller, CallerScope, Scope},
    model::to_hex,
};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Random bytes of a token.
const BYTES: usize = 32;

/// Make a bearer token for the admin listener, and the entry of `server.admin.tokens` that takes it; or for a caller of the authorize
/// listener (`--caller`), and the entry of `server.authorize.callers`.
///
/// The token itself is printed once and kept nowhere: give it to whoever shall use it, and put the entry into the configuration.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// Who it is for; where it is left out, `application` with `--caller`, otherwise `ops`
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// For a caller of the authorize listener
    #[arg(long, conflicts_with = "operator")]
    caller: bool,
    /// What it opens. Of a caller: `decide`, `search`, `access`, and `decide` alone where it is left out; otherwise the other
    /// four, and all of them where it is left out
    #[arg(long, value_delimiter = ',', value_parser = scope_words())]
    scopes: Vec<String>,
    /// Calls that name no actor are the operator's, whom no rule of delegation binds
    #[arg(long)]
    operator: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: output::Output,
}

fn scope_words() -> PossibleValuesParser {
    let words = Scope::ALL.map(Scope::as_str).into_iter().chain(CallerScope::ALL.map(CallerScope::as_str));
    PossibleValuesParser::new(words.collect::<Vec<_>>())
}

fn name(text: &str) -> Result<String, String> {
    if AdminToken::is_name(text) { Ok(text.to_owned()) } else { Err(format!("it is {}", AdminToken::NAME)) }
}

pub(super) fn run(args: &TokenArgs) -> ExitCode {
    let mut random = [0_u8; BYTES];
    if let Err(error) = getrandom::fill(&mut random) {
        return output::fail(ExitCode::Failed, &error);
    }
    let token = to_hex(&random);
    let (entry, as_json) = match entry(args, Sha256::digest(&token).into()) {
        Ok(entry) => entry,
        Err(error) => return output::fail(ExitCode::Usage, &error),
    };
    match args.output {
        output::Output::Human => output::finish(&format!("token: {token}\nentry: {entry}\n"), ExitCode::Done),
        output::Output::Json => output::finish_json(&json!({ "token": token, "entry": as_json }), ExitCode::Done),
    }
}

/// A scope that the other listener has.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` is no scope of {what}")]
struct NoScope {
    word: String,
    what: &'static str,
}

/// The entry as the configuration has it, and as JSON.
fn entry(args: &TokenArgs, sha256: [u8; 32]) -> Result<(String, Value), NoScope> {
    let name = args.name.as_deref().unwrap_or(if args.caller { "application" } else { "ops" });
    if args.caller {
        let least = [CallerScope::Decide.as_str().to_owned()];
        let named = if args.scopes.is_empty() { &least[..] } else { &args.scopes };
        let scopes = chosen(named, &CallerScope::ALL, CallerScope::as_str, "a caller")?;
        let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let as_json = json!({ "name": name, "sha256": to_hex(&sha256), "scopes": words });
        return Ok((Caller { scopes, ..Caller::new(name, sha256) }.to_string(), as_json));
    }
    let scopes = chosen(&args.scopes, &Scope::ALL, Scope::as_str, "the admin listener")?;
    let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    let as_json = json!({ "name": name, "sha256": to_hex(&sha256), "scopes": words, "operator": args.operator });
    let token = AdminToken { scopes, operator: args.operator, ..AdminToken::new(name, sha256) };
    Ok((token.to_string(), as_json))
}

/// The scopes that were named, in their order; all where none was.
fn chosen<S: Copy>(
    named: &[String],
    all: &[S],
    word: fn(S) -> &'static str,
    what: &'static str,
) -> Result<Vec<S>, NoScope> {
    if let Some(other) = named.iter().find(|name| all.iter().all(|scope| word(*scope) != name.as_str())) {
        return Err(NoScope { word: other.clone(), what });
    }
    let is_named = |scope: &S| named.is_empty() || named.iter().any(|name| name == word(*scope));
    Ok(all.iter().copied().filter(is_named).collect())
}
