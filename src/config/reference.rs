//! `config/reference.yaml`, made from the table of keys.

use super::{
    Settings,
    keys::{KEYS, Key},
    live,
};

/// Columns of a comment.
const WIDTH: usize = 116;

/// Every key with its default and its meaning. Reading it gives the defaults.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Every setting with its default. Generated from the table in src/config/keys.rs; `make reference` writes it anew.\n\
         #\n\
         # A flag wins over the environment, the environment over the file, the file over the default.\n",
    );
    let defaults = Settings::default();
    let mut open: Vec<&str> = Vec::new();
    for key in KEYS {
        let mut sections: Vec<&str> = key.path.split('.').collect();
        let name = sections.pop().unwrap_or_default();
        let shared = open.iter().zip(&sections).take_while(|(a, b)| a == b).count();
        text.push('\n');
        for (depth, section) in sections.iter().enumerate().skip(shared) {
            line(&mut text, depth, &format!("{section}:"));
        }
        comment(&mut text, sections.len(), key);
        line(&mut text, sections.len(), &format!("{name}: {}", key.in_file((key.show)(&defaults))));
        open = sections;
    }
    text
}

fn comment(text: &mut String, depth: usize, key: &Key) {
    for wrapped in wrap(key.meaning, WIDTH - 2 * depth - 2) {
        line(text, depth, &format!("# {wrapped}"));
    }
    let change = if live::is_live(key.path) { " A change counts at once." } else { "" };
    line(text, depth, &format!("# Wants {}.{change}", key.wanted));
    let flag = key.flag.map(|flag| format!(", flag {flag}")).unwrap_or_default();
    line(text, depth, &format!("# Environment {}{flag}.", key.environment_name()));
}

fn line(text: &mut String, depth: usize, content: &str) {
    text.extend([&"  ".repeat(depth), content, "\n"]);
}

fn wrap(sentence: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
