//! The Rust files of the repository, with comments and literals blanked out.

use crate::support::repo;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// Folders that hold nothing written by hand.
const SKIPPED: &[&str] = &[".git", "target", "data", ".tools", "node_modules"];

/// One Rust file.
#[derive(Debug)]
pub struct SourceFile {
    /// Path in the repository, with `/`.
    pub path: String,
    /// `audit::store` for `src/audit/store.rs`; `main` for `src/main.rs`; empty for the library's root and outside `src`.
    pub module: String,
    /// The text as it stands.
    pub text: String,
    /// The text with comments and the inside of literals replaced by spaces; lines are kept.
    pub code: String,
}

/// Every Rust file under `src`, `tests`, `benches` and `examples`.
pub fn all() -> &'static [SourceFile] {
    static FILES: LazyLock<Vec<SourceFile>> = LazyLock::new(|| {
        let folders = ["src", "tests", "benches", "examples"];
        let rust = walk().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        let in_folders = rust.filter(|path| folders.iter().any(|folder| path.starts_with(folder)));
        in_folders.map(|path| SourceFile::read(&path)).collect()
    });
    &FILES
}

/// Every file of the repository, relative to its root, in order.
pub fn walk() -> Vec<PathBuf> {
    let root = repo("");
    let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("entries have names").to_string_lossy().into_owned();
            if path.is_symlink() || SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(&root).expect("below the root").to_owned());
            }
        }
    }
    files.sort();
    files
}

impl SourceFile {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(repo("").join(path)).expect("Rust files are UTF-8");
        let path = path.to_string_lossy().into_owned();
        let module = match path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")) {
            Some("lib") | None => String::new(),
            Some(module) => module.replace('/', "::"),
        };
        Self { code: blank(&text), module, path, text }
    }

    /// The module directly under the crate's root that this file belongs to.
    pub fn top_module(&self) -> &str {
        self.module.split("::").next().unwrap_or_default()
    }

    /// Whether the whole file is test code.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Lines up to the trailing test module, without those that are blank or hold only a comment.
    pub fn lines_of_code(&self) -> usize {
        let code = self.test_module().map_or(&*self.code, |start| &self.code[..start]);
        code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// The part of the code that is tests.
    pub fn test_code(&self) -> &str {
        if self.is_test() { &self.code } else { self.test_module().map_or("", |start| &self.code[start..]) }
    }

    pub fn has_word(&self, word: &str) -> bool {
        has_word(&self.code, word)
    }

    fn test_module(&self) -> Option<usize> {
        let (start, _) = self.code.match_indices("#[cfg(test)]").find(|(at, found)| {
            let before_is_line_start = *at == 0 || self.code[..*at].ends_with('\n');
            let inline = self.code[at + found.len()..].trim_start().strip_prefix("mod tests");
            before_is_line_start && inline.is_some_and(|rest| rest.trim_start().starts_with('{'))
        })?;
        Some(start)
    }
}

/// Whether `word` stands in the code as a word of its own.
pub fn has_word(code: &str, word: &str) -> bool {
    words(code, word).next().is_some()
}

/// Where `word` stands in the code as a word of its own.
pub fn words<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> + 'c {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !is_part(code[..*at].chars().next_back()) && !is_part(code[at + word.len()..].chars().next()))
}

/// Replaces comments and the inside of literals by spaces.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, keep) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (string(rest), false),
            'r' if !ends_with_word(&out) && raw_string(rest).is_some() => {
                (raw_string(rest).expect("just found"), false)
            }
            '\'' => (character(rest).unwrap_or(1), false),
            _ => (first.len_utf8(), true),
        };
        let (token, after) = rest.split_at(length);
        if keep {
            out.push_str(token);
        } else {
            out.extend(token.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    out
}

fn ends_with_word(out: &str) -> bool {
    // `br"..."` is a raw string too, an identifier that ends in `r` is not.
    let word = out.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    !word.is_empty() && word != "b"
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let body = rest[1..].trim_start_matches('#');
    let hashes = rest.len() - 1 - body.len();
    let inside = body.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let at = inside.find(&end)?;
    Some(1 + hashes + 1 + at + end.len())
}

/// The length of a character literal; `None` where the quote begins a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        let end = rest[3..].find('\'')?;
        return Some(3 + end + 1);
    }
    let (at, close) = chars.next()?;
    (close == '\'').then_some(at + 1)
}

#[test]
fn comments_and_literals_are_blanked_and_lines_kept() {
    let cases = [
        ("a // sled::open\nb", "a              \nb"),
        ("a /* x /* y */ z */ b", "a                   b"),
        (r#"a "unsafe \" x" b"#, r"a               b"),
        ("r#\"un\nsafe\"# b", "     \n        b".trim_end_matches(' ')),
        ("'a' 'b: x '\\n' y", "    b: x      y"),
    ];
    for (text, want) in cases {
        let got = blank(text);
        assert_eq!(got.lines().count(), text.lines().count(), "{text}");
        assert_eq!(got.replace(' ', ""), want.replace(' ', ""), "{text}");
    }
}
