//! `sidegate token`

use super::{ExitCode, output};
use crate::config::{AdminToken, Scope};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Random bytes of a token.
const BYTES: usize = 32;

/// Make a bearer token for the admin listener, and the entry of `server.admin.tokens` that takes it.
///
/// The token itself is printed once and kept nowhere: give it to whoever shall use it, and put the entry into the configuration.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// Who it is for
    #[arg(long, default_value = "ops", value_parser = name)]
    name: String,
    /// What it opens; everything where it is left out
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)))]
    scopes: Vec<String>,
    /// Calls that name no actor are the operator's, whom no rule of delegation binds
    #[arg(long)]
    operator: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: output::Output,
}

fn name(text: &str) -> Result<String, String> {
    if AdminToken::is_name(text) { Ok(text.to_owned()) } else { Err(format!("it is {}", AdminToken::NAME)) }
}

pub(super) fn run(args: &TokenArgs) -> ExitCode {
    let mut random = [0_u8; BYTES];
    if let Err(error) = getrandom::fill(&mut random) {
        return output::fail(ExitCode::Failed, &error);
    }
    let token = hex(&random);
    let mut entry = AdminToken::new(args.name.as_str(), Sha256::digest(&token).into());
    if !args.scopes.is_empty() {
        entry.scopes =
            Scope::ALL.into_iter().filter(|scope| args.scopes.iter().any(|word| word == scope.as_str())).collect();
    }
    entry.operator = args.operator;
    match args.output {
        output::Output::Human => output::finish(&format!("token: {token}\nentry: {entry}\n"), ExitCode::Done),
        output::Output::Json => {
            let scopes: Vec<_> = entry.scopes.iter().map(|scope| scope.as_str()).collect();
            let entry = json!({ "name": entry.name, "sha256": hex(&entry.sha256), "scopes": scopes, "operator": entry.operator });
            output::finish_json(&json!({ "token": token, "entry": entry }), ExitCode::Done)
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}
