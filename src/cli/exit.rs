//! Exit codes: one table, from which the process ends and the reference is made.

use std::process::Termination;

macro_rules! exit_codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        /// How the process ends. The numbers are part of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ExitCode { $(#[doc = $meaning] $name,)* }

        impl ExitCode {
            /// Every code, in the order of the reference.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

exit_codes! {
    Done = 0, "done; for `authorize`: allowed";
    Failed = 1, "failed";
    Denied = 2, "`authorize`: denied";
    PolicyErrors = 3, "the policy set has errors";
    TestsFailed = 4, "policy tests failed, or coverage under `--min-coverage`";
    LogNotIntact = 5, "`audit verify`: the log is not intact";
    AccessChanged = 6, "reserved; no command of this version ends with it";
    Usage = 64, "usage or configuration error";
    Internal = 70, "internal error";
    Forced = 75, "shutdown had to be forced";
}

impl Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        self.number().into()
    }
}

/// `docs/reference/exit-codes.md`.
#[must_use]
pub fn reference() -> String {
    let head = "# Exit codes\n\n<!-- generated from the table in src/cli/exit.rs; `make reference` writes it anew -->\n\n\
                | code | meaning |\n| --- | --- |\n";
    let rows = ExitCode::ALL.iter().map(|code| format!("| {} | {} |\n", code.number(), code.meaning()));
    std::iter::once(head.to_owned()).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::CommandFactory as _;

    #[test]
    fn meanings_name_only_commands_that_there_are() {
        let program = Arguments::command();
        for meaning in ExitCode::ALL.iter().map(|code| code.meaning()) {
            let named = meaning.split('`').skip(1).step_by(2).filter(|word| !word.starts_with('-'));
            for word in named.filter_map(|words| words.split(' ').next()) {
                assert!(program.find_subcommand(word).is_some(), "there is no `sidegate {word}`: {meaning}");
            }
        }
    }
}
