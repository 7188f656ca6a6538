//! What the checks say.

use crate::cli::ExitCode;

/// How bad something is, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// It is well.
    Ok,
    /// It is worth knowing, and may be as it should be.
    Note,
    /// It does harm later, or in part.
    Warning,
    /// It does harm now, or stops the next start.
    Error,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// The name of the check.
    pub(super) check: &'static str,
    /// What is so.
    pub(super) what: String,
    /// What to do about it; empty where there is nothing to do.
    pub(super) mend: String,
}

/// What all checks have found, in their order.
#[derive(Debug, Default)]
pub(super) struct Findings {
    check: &'static str,
    checks: usize,
    not_made: Vec<&'static str>,
    list: Vec<Finding>,
    codes: Vec<ExitCode>,
}

impl Level {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Findings {
    /// What is said from now on is said by this check.
    pub(super) const fn begin(&mut self, check: &'static str) {
        self.check = check;
        self.checks += 1;
    }

    /// There is nobody to ask, so that this check says nothing.
    pub(super) fn not_made(&mut self) {
        self.not_made.push(self.check);
    }

    /// The checks that could not look.
    pub(super) fn unmade(&self) -> &[&'static str] {
        &self.not_made
    }

    /// It is well.
    pub(super) fn ok(&mut self, what: impl Into<String>) {
        self.push(Level::Ok, what.into(), String::new());
    }

    /// Worth knowing.
    pub(super) fn note(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.push(Level::Note, what.into(), mend.into());
    }

    /// Worth knowing, and found by several checks together: told under the name of one of them.
    pub(super) fn note_of(&mut self, check: &'static str, what: impl Into<String>, mend: impl Into<String>) {
        self.check = check;
        self.note(what, mend);
    }

    /// It does harm later, or in part.
    pub(super) fn warning(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.codes.push(ExitCode::Failed);
        self.push(Level::Warning, what.into(), mend.into());
    }

    /// It does harm now, or stops the next start.
    pub(super) fn error(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.error_as(ExitCode::Failed, what, mend);
    }

    /// The same, where the exit code says which harm.
    pub(super) fn error_as(&mut self, code: ExitCode, what: impl Into<String>, mend: impl Into<String>) {
        self.codes.push(code);
        self.push(Level::Error, what.into(), mend.into());
    }

    /// Whether the present check has found nothing that is wrong.
    pub(super) fn is_well(&self) -> bool {
        self.list
            .iter()
            .rev()
            .take_while(|finding| finding.check == self.check)
            .all(|finding| finding.level <= Level::Note)
    }

    fn push(&mut self, level: Level, what: String, mend: String) {
        // A finding is a line.
        let line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.list.push(Finding { level, check: self.check, what: line(what), mend: line(mend) });
    }

    /// How many checks have looked.
    pub(super) const fn checks(&self) -> usize {
        self.checks - self.not_made.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }

    /// The worst first, those of a kind in the order of the checks.
    pub(super) fn worst_first(&self) -> impl Iterator<Item = &Finding> {
        let levels = [Level::Error, Level::Warning, Level::Note, Level::Ok];
        levels.into_iter().flat_map(|level| self.iter().filter(move |finding| finding.level == level))
    }

    pub(super) fn worst(&self) -> Level {
        self.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// The exit code: that of the harm which keeps most others from being mended.
    pub(super) fn code(&self) -> ExitCode {
        let order = [ExitCode::Usage, ExitCode::PolicyErrors, ExitCode::TestsFailed, ExitCode::Failed];
        order.into_iter().find(|code| self.codes.contains(code)).unwrap_or(ExitCode::Done)
    }
}

/// A size for people.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let (mut whole, mut rest) = (number, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        (whole, rest, unit) = (whole / 1024, whole % 1024, unit + 1);
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit > 0 && whole < 10 { format!("{whole}.{} {name}", rest * 10 / 1024) } else { format!("{whole} {name}") }
}

/// A stretch of time for people, from seconds.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A number of things.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_that_of_what_has_to_be_mended_first() {
        let code = |say: fn(&mut Findings)| {
            let mut findings = Findings::default();
            findings.begin("a");
            say(&mut findings);
            findings.code()
        };
        assert_eq!(code(|findings| findings.note("x", "y")), ExitCode::Done);
        assert_eq!(code(|findings| findings.warning("x", "y")), ExitCode::Failed);
        assert_eq!(
            code(|findings| {
                findings.warning("x", "y");
                findings.error_as(ExitCode::TestsFailed, "x", "y");
                findings.error_as(ExitCode::PolicyErrors, "x", "y");
            }),
            ExitCode::PolicyErrors
        );
    }

    #[test]
    fn sizes_and_stretches_of_time_are_told_in_few_digits() {
        for (number, text) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (20 << 20, "20 MiB"), (3 << 30, "3.0 GiB")]
        {
            assert_eq!(bytes(number), text);
        }
        for (seconds, text) in [(-5, "5 s"), (600, "10 min"), (10_000, "2 h"), (1_000_000, "11 days")] {
            assert_eq!(span(seconds), text);
        }
    }
}
