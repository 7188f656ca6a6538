//! The templates that come with the product.

use super::read::Files;
use crate::document::{Diagnostics, Text};

/// Where messages say that they are from.
const PLACE: &str = "built-in";

macro_rules! files {
    ($($name:literal)*) => {
        /// Name and text of each.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("text/", $name))),)*];
    };
}

files! {
    "_layout.html"
    "invitation.de.html" "invitation.de.subject.txt" "invitation.de.txt"
    "invitation.en.html" "invitation.en.subject.txt" "invitation.en.txt"
    "invitation.es.html" "invitation.es.subject.txt" "invitation.es.txt"
    "invitation.fr.html" "invitation.fr.subject.txt" "invitation.fr.txt"
    "invitation-existing.de.html" "invitation-existing.de.subject.txt" "invitation-existing.de.txt"
    "invitation-existing.en.html" "invitation-existing.en.subject.txt" "invitation-existing.en.txt"
    "invitation-existing.es.html" "invitation-existing.es.subject.txt" "invitation-existing.es.txt"
    "invitation-existing.fr.html" "invitation-existing.fr.subject.txt" "invitation-existing.fr.txt"
}

/// All of them. What is wrong with one is told with the others' problems; a test says that nothing is.
pub(super) fn files(problems: &mut Diagnostics) -> Files {
    let mut files = Files::default();
    for (name, content) in FILES {
        files.add(name, &Text::new(format!("{PLACE}/{name}"), *content), problems);
    }
    files
}
