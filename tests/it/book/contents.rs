//! The order of the book: `docs/README.md` names every page once, and each page leads to the one before and the one behind it.

use super::{documents, read};
use crate::support::repo;
use std::fs;

/// The book's contents.
const CONTENTS: &str = "docs/README.md";

/// Set by `make reference`.
const WRITE: &str = "SIDEGATE_UPDATE";

/// The pages that the contents link to, in order, each with its title there.
fn order() -> Vec<(String, String)> {
    let text = read(CONTENTS);
    let items = text.lines().filter_map(|line| line.trim_start().strip_prefix("- ["));
    let links = items.filter_map(|item| {
        let (title, rest) = item.split_once("](")?;
        Some((rest.split_once(')')?.0.to_owned(), title.to_owned()))
    });
    links.collect()
}

/// The pages that are written by hand: they lead to one another.
fn chapters() -> Vec<(String, String)> {
    order().into_iter().filter(|(page, _)| is_chapter(page)).collect()
}

fn is_chapter(page: &str) -> bool {
    !page.contains('/') && std::path::Path::new(page).extension().is_some_and(|extension| extension == "md")
}

#[test]
fn the_contents_name_every_page_once() {
    let mut named: Vec<_> = order().into_iter().map(|(page, _)| page).collect();
    let mut there: Vec<_> =
        documents().iter().filter_map(|path| path.strip_prefix("docs/").map(str::to_owned)).collect();
    let references = fs::read_dir(repo("docs/reference")).expect("the references");
    there.extend(references.map(|entry| format!("reference/{}", entry.expect("an entry").file_name().display())));
    there.retain(|page| page != "README.md");
    // What lies elsewhere may be named as well.
    named.retain(|page| !page.starts_with("../"));
    named.sort();
    there.sort();
    assert_eq!(named, there, "{CONTENTS} and the pages that there are");
}

/// The last line of a page: where it leads.
fn footer(chapters: &[(String, String)], index: usize) -> String {
    let leads =
        |word: &str, to: Option<&(String, String)>| to.map(|(page, title)| format!(" · {word}: [{title}]({page})"));
    let before = index.checked_sub(1).and_then(|before| leads("before", chapters.get(before))).unwrap_or_default();
    let next = leads("next", chapters.get(index + 1)).unwrap_or_default();
    format!("[Contents](README.md){before}{next}")
}

#[test]
fn every_page_leads_to_the_one_before_and_the_one_behind_it() {
    let (chapters, mut stale) = (chapters(), Vec::new());
    for (index, (page, _)) in chapters.iter().enumerate() {
        let path = format!("docs/{page}");
        let text = read(&path);
        let wanted = footer(&chapters, index);
        let (body, last) = text.trim_end().rsplit_once("\n\n---\n\n").unwrap_or((text.trim_end(), ""));
        if last == wanted {
            continue;
        }
        if std::env::var_os(WRITE).is_some() {
            fs::write(repo(&path), format!("{body}\n\n---\n\n{wanted}\n")).expect("a file can be written");
        } else {
            stale.push(path);
        }
    }
    assert!(
        stale.is_empty(),
        "pages that do not lead on as {CONTENTS} orders them, `make reference` mends it: {stale:#?}"
    );
}
