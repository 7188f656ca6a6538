//! The files of a policy set: read as a whole, in one order, with one digest.
//!
//! Links are followed, since a ConfigMap or git-sync serves its files through them; names that begin with a dot are left out, since
//! that is where they keep their own. Nothing that could block or grow without bound is opened.

use crate::{
    document::{Diagnostic, Diagnostics, Text, read_file, yaml},
    model::Revision,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// The most bytes of one Cedar or JSON file, and of all files of a set together.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The most bytes of all YAML files of a set together: some hundred thousand users.
const MAX_YAML_BYTES: usize = 32 * 1024 * 1024;

/// How deep directories may be nested.
const MAX_DEPTH: usize = 16;

/// Directories that are gone through, each as often as links lead to it. As many are watched.
pub const MAX_DIRECTORIES: usize = 4096;

/// What a file is for, which its path tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Declares tenants, modules, roles, users ...
    Yaml,
    /// Policy tests: YAML under `tests/`.
    Tests,
    /// Policies in Cedar.
    Cedar,
    /// A schema in Cedar's own syntax.
    Schema,
    /// A schema in JSON.
    SchemaJson,
    /// Stored entities: `entities.json`, or anything under `entities/`.
    Entities,
    /// Links of templates: `links.json` or `linked.json`.
    Links,
}

/// The policy-relevant files of a directory, sorted by path: one generation of a policy set.
#[derive(Debug, Clone)]
pub struct Files {
    root: Arc<str>,
    list: Vec<File>,
    revision: Revision,
}

#[derive(Debug, Clone)]
struct File {
    sort: Sort,
    path: String,
    content: Arc<str>,
    // Made when it is first asked for, and taken over by the next generation where the file has not changed.
    text: OnceLock<Text>,
}

/// Why a directory cannot be read: everything that was found wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("the policy set cannot be read: {problems}")]
pub struct ReadError {
    problems: Diagnostics,
}

impl From<ReadError> for Diagnostics {
    fn from(error: ReadError) -> Self {
        error.problems
    }
}

/// Reads all policy-relevant files of a directory.
///
/// # Errors
/// Fails where the directory or a policy-relevant file in it is missing, not readable, not a file, not UTF-8 or too large,
/// where links lead in a circle or turn all the time, or where there are too many directories.
pub fn read(directory: &Path) -> Result<Files, ReadError> {
    read_until(directory, || {})
}

/// The same; what is done between a reading and the look at the links is for tests to say.
fn read_until(directory: &Path, mut between: impl FnMut()) -> Result<Files, ReadError> {
    /// Generations that may pass by while one is read; a set that turns faster is left to the next look.
    const MOST_TURNS: usize = 8;
    let mut walk = Walk::default();
    for _ in 0..MOST_TURNS {
        walk = Walk::default();
        walk.link(directory);
        walk.directory(directory, "");
        between();
        // A Kubernetes volume and git-sync replace everything by turning one link. What was read while a link turned may be
        // half of one generation and half of another, so it is thrown away.
        if !walk.is_turned() {
            return walk.done(directory);
        }
    }
    walk.problems = Diagnostics::default();
    let message =
        "links turn faster than the set can be read: what was read may be half of one set and half of another";
    walk.refuse("restless", &directory.display().to_string(), message.to_owned());
    walk.done(directory)
}

impl Files {
    fn new(root: Arc<str>, mut files: Vec<File>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut digest = Sha256::new();
        for file in &files {
            for part in [file.path.as_bytes(), file.content.as_bytes()] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
        Self { root, list: files, revision: Revision::new(digest.finalize().into()) }
    }

    /// Names the content: SHA-256 over the sorted paths and contents, each with its length in front.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The directory, and all files as they were read, so that the set can be kept elsewhere.
    #[must_use]
    pub fn parts(&self) -> (&str, Vec<(&str, &str)>) {
        (&self.root, self.list.iter().map(|file| (file.path.as_str(), &*file.content)).collect())
    }

    /// Files that were kept. `None` where one of them does not belong to a policy set.
    #[must_use]
    pub fn from_parts(root: &str, files: Vec<(String, String)>) -> Option<Self> {
        let files = files.into_iter().map(|(path, content)| Some(File::new(Sort::of(&path)?, path, content)));
        Some(Self::new(Arc::from(root), files.collect::<Option<_>>()?))
    }

    /// One file, by its path.
    pub(super) fn text(&self, path: &str) -> Option<Text> {
        self.list.iter().find(|file| file.path == path).map(File::text)
    }

    /// Forgets what is known about YAML files beyond so many bytes of them: a parsed text takes many times its length.
    pub(super) fn forget_beyond(&mut self, bytes: usize) {
        let mut left = bytes;
        for file in self.list.iter_mut().filter(|file| file.sort.is_yaml()) {
            match left.checked_sub(file.content.len()) {
                Some(rest) => left = rest,
                None => file.text = OnceLock::new(),
            }
        }
    }

    /// Takes over the texts of files that have not changed since an earlier generation, with all that is known about them.
    pub(super) fn adopt(&mut self, earlier: &Self) {
        let mut known = earlier.list.iter().peekable();
        for file in &mut self.list {
            // Both lists are sorted by path.
            while known.next_if(|known| known.path < file.path).is_some() {}
            if let Some(same) = known.next_if(|known| known.path == file.path && known.content == file.content) {
                *file = same.clone();
            }
        }
    }

    /// Whether there is no policy-relevant file.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many files there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// The paths, relative to the directory, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|file| file.path.as_str())
    }

    /// The files of one sort.
    pub(super) fn of(&self, sort: Sort) -> impl Iterator<Item = Text> {
        self.list.iter().filter(move |file| file.sort == sort).map(File::text)
    }

    pub(super) fn has(&self, sort: Sort) -> bool {
        self.list.iter().any(|file| file.sort == sort)
    }

    /// The directory, for problems that concern no single file.
    pub(super) fn root(&self) -> Text {
        Text::absent(Arc::clone(&self.root))
    }
}

impl File {
    fn new(sort: Sort, path: String, content: String) -> Self {
        Self { sort, path, content: Arc::from(content), text: OnceLock::new() }
    }

    fn text(&self) -> Text {
        self.text.get_or_init(|| Text::new(self.path.as_str(), Arc::clone(&self.content))).clone()
    }
}

impl Sort {
    /// What a path within a policy set is for; `None` where it has nothing to do with it.
    fn of(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let top = folder.split('/').next().unwrap_or_default();
        if ends(&[".yaml", ".yml"]) {
            Some(if top == "tests" { Self::Tests } else { Self::Yaml })
        } else if ends(&[".cedar"]) {
            Some(Self::Cedar)
        } else if ends(&[".cedarschema"]) {
            Some(Self::Schema)
        } else if ends(&[".cedarschema.json"]) {
            Some(Self::SchemaJson)
        } else if path == "links.json" || path == "linked.json" {
            Some(Self::Links)
        } else if ends(&[".json"]) && (path == "entities.json" || top == "entities" && !folder.is_empty()) {
            Some(Self::Entities)
        } else {
            None
        }
    }

    const fn is_yaml(self) -> bool {
        matches!(self, Self::Yaml | Self::Tests)
    }
}

#[derive(Default)]
struct Walk {
    files: Vec<File>,
    // Ways through links, and where each led to.
    links: BTreeMap<PathBuf, Option<PathBuf>>,
    problems: Diagnostics,
    // Where links lead to: the true paths of the directories that are open.
    trail: Vec<PathBuf>,
    // Directories that are not entered, each of which is told once however many ways lead to it.
    closed: BTreeSet<PathBuf>,
    directories: usize,
    bytes: usize,
    yaml_bytes: usize,
}

impl Walk {
    fn directory(&mut self, directory: &Path, prefix: &str) {
        let shown = if prefix.is_empty() { directory.display().to_string() } else { prefix.to_owned() };
        let real = match directory.canonicalize() {
            Ok(real) => real,
            Err(error) => return self.unreadable(&shown, "the directory cannot be read", &error),
        };
        if self.trail.contains(&real) {
            return self.refuse_once(directory, "link-loop", &shown, "links lead in a circle".to_owned());
        }
        if self.trail.len() >= MAX_DEPTH {
            let message = format!("directories are nested deeper than {MAX_DEPTH} levels");
            return self.refuse_once(directory, "too-deep", &shown, message);
        }
        self.directories += 1;
        if self.directories == MAX_DIRECTORIES + 1 {
            let message = format!("with this one there are more than {MAX_DIRECTORIES} directories");
            self.refuse("too-many", &shown, message);
        }
        if self.is_full() {
            return;
        }
        let entries = fs::read_dir(&real).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return self.no_directory(directory, &shown),
            Err(error) => return self.unreadable(&shown, "the directory cannot be read", &error),
        };
        self.trail.push(real);
        for entry in entries {
            // Links in a circle make ways without number of a few directories.
            if self.is_full() {
                break;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with('.') {
                if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                    self.link(&entry.path());
                }
                self.entry(&entry.path(), &name, prefix);
            }
        }
        self.trail.pop();
    }

    /// Notes a way through links, to see later whether it leads elsewhere.
    fn link(&mut self, path: &Path) {
        self.links.entry(path.to_owned()).or_insert_with(|| path.canonicalize().ok());
    }

    /// Whether a link leads elsewhere by now.
    fn is_turned(&self) -> bool {
        self.links.iter().any(|(path, end)| path.canonicalize().ok() != *end)
    }

    const fn is_full(&self) -> bool {
        self.directories > MAX_DIRECTORIES
    }

    fn done(mut self, directory: &Path) -> Result<Files, ReadError> {
        if self.problems.is_empty() {
            return Ok(Files::new(Arc::from(directory.display().to_string()), self.files));
        }
        self.problems.sort();
        Err(ReadError { problems: self.problems })
    }

    fn entry(&mut self, path: &Path, name: &str, prefix: &str) {
        let relative = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let sort = Sort::of(&relative);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.directory(path, &relative),
            Ok(metadata) => {
                if let Some(sort) = sort {
                    if metadata.is_file() {
                        self.file(path, relative, sort);
                    } else {
                        self.refuse("not-a-file", &relative, "not a regular file".to_owned());
                    }
                }
            }
            Err(error) if sort.is_some() || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                self.unreadable(&relative, "the file cannot be read", &error);
            }
            // A dangling link that is none of a policy set's business.
            Err(_) => {}
        }
    }

    fn file(&mut self, path: &Path, relative: String, sort: Sort) {
        let limit = if sort.is_yaml() { yaml::MAX_BYTES } else { MAX_BYTES };
        let bytes = match read_file(path, limit) {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable(&relative, "the file cannot be read", &error),
        };
        if bytes.len() > limit {
            let message = format!("the file is larger than {limit} bytes");
            return self.refuse("too-large", &relative, message);
        }
        self.bytes += bytes.len();
        self.yaml_bytes += if sort.is_yaml() { bytes.len() } else { 0 };
        if self.bytes > MAX_BYTES || self.yaml_bytes > MAX_YAML_BYTES {
            let limit = if self.bytes > MAX_BYTES { MAX_BYTES } else { MAX_YAML_BYTES };
            return self.refuse("too-large", &relative, format!("with this file the set is larger than {limit} bytes"));
        }
        match String::from_utf8(bytes) {
            Ok(content) => self.files.push(File::new(sort, relative, content)),
            Err(error) => self.not_utf8(relative, &error),
        }
    }

    fn not_utf8(&mut self, relative: String, error: &std::string::FromUtf8Error) {
        let at = error.utf8_error().valid_up_to();
        let text = Text::new(relative, String::from_utf8_lossy(error.as_bytes()).as_ref());
        let problem = Diagnostic::error("not-utf8", &text, at..at, "the file is not UTF-8 text");
        self.problems.push(problem.with_help("save it as UTF-8".to_owned()));
    }

    /// A file of the set was named in its place.
    fn no_directory(&mut self, path: &Path, shown: &str) {
        let problem =
            Diagnostic::whole("unreadable", &Text::absent(shown), "this is a file, and a policy set is a directory");
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        self.problems.push(problem.with_help(format!("name the directory of the set, such as `{}`", parent.display())));
    }

    fn unreadable(&mut self, path: &str, what: &str, error: &io::Error) {
        self.refuse("unreadable", path, format!("{what}: {error}"));
    }

    fn refuse_once(&mut self, directory: &Path, code: &'static str, path: &str, message: String) {
        if self.closed.insert(directory.to_owned()) {
            self.refuse(code, path, message);
        }
    }

    fn refuse(&mut self, code: &'static str, path: &str, message: String) {
        self.problems.push(Diagnostic::whole(code, &Text::absent(path), message));
    }
}

#[cfg(test)]
mod tests;
