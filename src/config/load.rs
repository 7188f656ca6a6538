//! Puts file, environment and flags together.

use super::{
    Settings, check,
    file::{self},
    keys::{self, KEYS, Key},
    otel,
};
use crate::document::{self, Diagnostic, Diagnostics, Span, Text, yaml};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// What all environment names begin with.
const PREFIX: &str = "SIDEGATE_";

/// Variables with the prefix that are not settings: the command line reads them.
const OF_THE_COMMAND_LINE: &[&str] = &["SIDEGATE_CONFIG", "SIDEGATE_TOKEN"];

/// Where settings come from, the weakest first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file, if any.
    pub file: Option<PathBuf>,
    /// Variables; those that are neither settings nor `OTEL_*` are ignored.
    pub environment: Vec<(String, String)>,
    /// Flags that were given.
    pub flags: Vec<Flag>,
}

/// A flag of the command line that stands for a setting.
#[derive(Debug, Clone)]
pub struct Flag {
    /// Its name, `--policies`.
    pub name: &'static str,
    /// What was given.
    pub value: String,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the configuration file `{}` cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What was given is wrong.
    #[error("the configuration has errors")]
    Invalid(Diagnostics),
}

impl From<Error> for Diagnostics {
    fn from(error: Error) -> Self {
        match error {
            Error::Read { path, source } => {
                let message = format!("the configuration file cannot be read: {source}");
                Diagnostic::whole("unreadable", &Text::absent(path.to_string_lossy()), message).into()
            }
            Error::Invalid(problems) => problems,
        }
    }
}

/// The variables of the process that are meant for it.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (lossy(name), lossy(value)))
        .filter(|(name, _)| name.starts_with(PREFIX) || name.starts_with(otel::PREFIX))
        .collect()
}

/// Reads and checks everything.
///
/// # Errors
/// Fails with all problems at once.
pub fn load(sources: &Sources) -> Result<Settings, Error> {
    let text = sources.file.as_deref().map(read).transpose()?;
    settle(sources, text.as_ref())
}

/// Reads the file.
///
/// # Errors
/// Fails where it cannot be read, is no text, or is larger than a configuration can be.
pub fn read(path: &Path) -> Result<Text, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let bytes = document::read_file(path, yaml::MAX_BYTES).map_err(failed)?;
    if bytes.len() > yaml::MAX_BYTES {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "larger than a YAML file may be")));
    }
    let content = String::from_utf8(bytes).map_err(|_| failed(io::ErrorKind::InvalidData.into()))?;
    Ok(Text::new(path.to_string_lossy(), content))
}

/// Checks everything, with the file's text as it was read.
///
/// # Errors
/// Fails with all problems at once.
pub fn settle(sources: &Sources, text: Option<&Text>) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    let mut given = Given::default();
    let mut problems = Diagnostics::default();
    if let Some(text) = text {
        file::read(text, &mut settings, &mut given, &mut problems);
    }
    for (name, value) in &sources.environment {
        match variable(name) {
            Variable::Setting(key) => assign(key, name, value, &mut settings, &mut given, &mut problems),
            Variable::Unknown => problems.push(unknown_variable(name)),
            Variable::Foreign => {}
        }
    }
    for Flag { name, value } in &sources.flags {
        if let Some(key) = KEYS.iter().find(|key| key.flag == Some(name)) {
            assign(key, name, value, &mut settings, &mut given, &mut problems);
        }
    }
    settings.telemetry.spans = otel::read(&sources.environment, &mut problems);
    check::check(&mut settings, &given, &mut problems);
    match problems.finish() {
        Ok(_) => Ok(settings),
        Err(problems) => Err(Error::Invalid(problems)),
    }
}

/// Where the values that were given stand.
#[derive(Debug, Default)]
pub(super) struct Given(BTreeMap<&'static str, (Text, Option<Span>)>);

impl Given {
    /// Notes where the value of a key stands. A stronger source replaces the note of a weaker one.
    pub(super) fn note(&mut self, key: &Key, text: &Text, span: Option<Span>) {
        self.0.insert(key.path, (text.clone(), span));
    }

    /// An error at the first of these keys that was given.
    pub(super) fn problem(&self, paths: &[&'static str], code: &'static str, message: String) -> Diagnostic {
        match paths.iter().find_map(|path| self.0.get(path)) {
            Some((text, Some(span))) => Diagnostic::error(code, text, span.clone(), message),
            Some((text, None)) => Diagnostic::whole(code, text, message),
            None => Diagnostic::whole(code, &Text::absent("defaults"), message),
        }
    }
}

/// A value from the environment or from a flag: its name is its place.
fn assign(
    key: &'static Key,
    name: &str,
    value: &str,
    settings: &mut Settings,
    given: &mut Given,
    problems: &mut Diagnostics,
) {
    let place = Text::absent(name);
    given.note(key, &place, None);
    if !(key.set)(settings, value) {
        let message = key.refusal(value);
        problems.push(Diagnostic::whole("invalid-value", &place, message));
    }
}

/// What a variable with the prefix is.
enum Variable {
    Setting(&'static Key),
    /// Somebody else's, though it begins the same.
    Foreign,
    Unknown,
}

fn variable(name: &str) -> Variable {
    let Some(rest) = name.strip_prefix(PREFIX) else { return Variable::Foreign };
    if let Some(key) = keys::find(&rest.replace("__", ".").to_lowercase()) {
        return Variable::Setting(key);
    }
    if OF_THE_COMMAND_LINE.contains(&name) || is_from_kubernetes(rest) { Variable::Foreign } else { Variable::Unknown }
}

/// Whether Kubernetes made it for a Service whose name begins with `sidegate`: `SIDEGATE_SERVICE_HOST`,
/// `SIDEGATE_PORT_8480_TCP_ADDR`, `SIDEGATE_ADMIN_SERVICE_PORT_HTTP`.
fn is_from_kubernetes(rest: &str) -> bool {
    let rest = format!("_{rest}");
    let port_of_a_protocol = |tail: &str| {
        let mut parts = tail.split('_');
        let port = parts.next().is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        port && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
    };
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_PORT")
        || rest.contains("_SERVICE_PORT_")
        || rest.match_indices("_PORT_").any(|(at, found)| rest.get(at + found.len()..).is_some_and(port_of_a_protocol))
}

fn unknown_variable(name: &str) -> Diagnostic {
    // Single underscores are the usual slip, so they count as little as possible in the comparison.
    let flat = |name: &str| name.replace("__", "_");
    let names: Vec<String> = KEYS.iter().map(Key::environment_name).collect();
    let slip = names.iter().find(|known| flat(known) == flat(name)).map(String::as_str);
    let nearest = slip.or_else(|| document::nearest(name, names.iter().map(String::as_str)));
    Diagnostic::whole("unknown-variable", &Text::absent(name), format!("there is no setting for the variable `{name}`"))
        .with_help(nearest.map(|known| format!("did you mean `{known}`?")))
}
