use super::*;
use crate::{
    mail::{Address, Link, Values},
    model::Timestamp,
};
use std::fs;
use tempfile::TempDir;

const LINK: &str = "https://app.example.com/accept?a=1&b=2";

fn letter(kind: Kind, language: Option<&str>) -> Letter {
    Letter {
        id: "01J".to_owned(),
        kind,
        recipient: "ada".to_owned(),
        address: "ada@example.com".parse::<Address>().unwrap(),
        name: Some("Ada".to_owned()),
        language: language.map(str::to_owned),
        values: Values {
            link: Link::new(LINK.to_owned()).unwrap(),
            expires: Timestamp::parse("2027-01-31T08:15:59.5Z").unwrap(),
            tenant: "North".to_owned(),
            inviter: Some("Grace".to_owned()),
            roles: vec!["Sales".to_owned(), "Finance".to_owned()],
        },
    }
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

#[test]
fn every_kind_is_built_in_in_four_languages_and_says_what_it_must() {
    let templates = Templates::load(None, "en").unwrap();
    for kind in Kind::ALL {
        for language in ["en", "de", "fr", "es"] {
            let words = templates.render(&letter(kind, Some(language)), "Office").unwrap();
            let html = words.html.unwrap();
            assert_eq!(words.language, language);
            assert!(words.subject.contains("North"), "{}", words.subject);
            for needed in ["Ada", "North", "Grace", "Sales, Finance", "2027-01-31 08:15 UTC", "Office"] {
                assert!(words.text.contains(needed), "{language}: no `{needed}` in {}", words.text);
                assert!(html.contains(needed), "{language}: no `{needed}` in {html}");
            }
            assert!(words.text.contains(LINK));
            assert!(html.contains(r#"href="https://app.example.com/accept?a=1&amp;b=2""#), "{html}");
            assert!(html.contains(&format!(r#"<html lang="{language}">"#)), "{html}");
        }
    }
    let subject = |kind| templates.render(&letter(kind, None), "").unwrap().subject;
    assert_ne!(subject(Kind::Invitation), subject(Kind::InvitationExisting));
}

#[test]
fn a_language_falls_back_to_a_wider_one_then_to_the_default_then_to_english() {
    let swiss = folder(&[("invitation.de-CH.subject.txt", "Grüezi"), ("invitation.de-CH.txt", "{{ link }}")]);
    for (default, wanted, found) in [
        ("en", Some("de"), "de"),
        ("en", Some("de-AT"), "de"),
        ("en", Some("de_AT"), "de"),
        ("en", Some("DE-at-1996"), "de"),
        ("en", Some("de-ch-1996"), "de-ch"),
        ("en", Some("it"), "en"),
        ("fr", Some("it"), "fr"),
        ("fr-CA", Some("it"), "fr"),
        ("de-CH", None, "de-ch"),
        ("it", Some("pt-BR"), "en"),
        ("en", Some(""), "en"),
        ("en", Some("../../x"), "en"),
    ] {
        let templates = Templates::load(Some(swiss.path()), default).unwrap();
        let words = templates.render(&letter(Kind::Invitation, wanted), "").unwrap();
        assert_eq!(words.language, found, "{wanted:?} with {default}");
    }
}

#[test]
fn what_comes_from_outside_stays_text() {
    let templates = Templates::load(None, "en").unwrap();
    let mut letter = letter(Kind::Invitation, None);
    letter.name = Some("Ada\r\nBcc: eve@example.com".to_owned());
    letter.values.tenant = "N<b>\u{2028}o\u{85}rth\n\n\"&'</b>".to_owned();
    letter.values.inviter = Some("<script>alert(1)</script>".to_owned());
    letter.values.roles = vec!["<i>\r\nx".to_owned()];
    let words = templates.render(&letter, "Office\n").unwrap();
    assert_eq!(words.subject, "You are invited to join N<b> o rth \"&'</b>");
    assert!(words.text.starts_with("Hello Ada Bcc: eve@example.com,\n"), "{}", words.text);
    let html = words.html.unwrap();
    for never in ["<script", "<b>", "<i>", "\r"] {
        assert!(!html.contains(never), "`{never}` in {html}");
    }
    assert!(html.contains("&lt;script&gt;"), "{html}");
}

#[test]
fn a_team_replaces_a_letter_or_only_what_surrounds_it() {
    let own = folder(&[
        ("invitation.en.subject.txt", "Welcome to {{ tenant }}\n"),
        ("invitation.en.txt", "{% for role in roles %}{{ loop.index }}. {{ role }}\n{% endfor %}{{ link }}\n"),
        ("_layout.html", "<main>{% block body %}{% endblock %}<a href=\"{{ link }}\">8Move</a></main>"),
        ("README.md", "not a template"),
        (".hidden.txt", "{{"),
    ]);
    let templates = Templates::load(Some(own.path()), "en").unwrap();
    let words = templates.render(&letter(Kind::Invitation, None), "").unwrap();
    assert_eq!(words.subject, "Welcome to North");
    assert_eq!(words.text, format!("1. Sales\n2. Finance\n{LINK}"));
    assert_eq!(words.html, None, "no built-in page beside a team's text");

    let words = templates.render(&letter(Kind::Invitation, Some("de")), "").unwrap();
    let html = words.html.unwrap();
    assert!(html.starts_with("<main>") && html.contains("lädt Sie zu"), "{html}");
}

#[test]
fn every_slip_is_told_with_its_file_and_line() {
    let good = [("invitation.en.subject.txt", "Hello"), ("invitation.en.txt", "{{ link }}")];
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("invitation.en.txt", "Hello\n{{ tennant }}\n{{ link }}")],
            "invitation.en.txt:2:4: error[unknown-value]: there is no value `tennant`; did you mean `tenant`?",
        ),
        (
            &[("invitation.en.txt", "{{ link }}\n{% if name == 'x' %}{{ surname }}{% endif %}")],
            "invitation.en.txt:2:24: error[unknown-value]: there is no value `surname`",
        ),
        (&[("invitation.en.txt", "{{ link }}\n\n{% if name %}")], "invitation.en.txt:3:"),
        (&[("invitation.en.txt", "{{ link }}\n{{ name|shout }}")], "invitation.en.txt:2:"),
        (&[("invitation.en.txt", "{{ link }}\n{% include '_foot.txt' %}")], "_foot.txt"),
        (&[("invitation.en.txt", "{% include '_foot.txt' %}"), ("_foot.txt", "{{ link }}\n{{ x }}")], "_foot.txt:2:"),
        (&[("invitation.en.txt", "{{ link }}{{ roles[0].x.y }}")], "invitation.en.txt:1:"),
        (&[("invitation.en.txt", "Hello")], "invitation.en.txt: error[template-without-link]"),
        (&[("invitation.en.html", "Hello")], "invitation.en.html: error[template-without-link]"),
        (&[("invitation.en.subject.txt", " {{ inviter }} ")], "invitation.en.subject.txt: error[empty-template]"),
        (
            &[("invitaton.en.txt", "x")],
            "invitaton.en.txt: error[unknown-template]: there is no mail `invitaton`; did you mean `invitation`?",
        ),
        (&[("invitation.txt", "x")], "invitation.txt: error[unknown-template]"),
        (&[("invitation.en.plain.txt", "x")], "invitation.en.plain.txt: error[unknown-template]"),
        (
            &[("invitation.it.html", "{{ link }}")],
            "invitation.it.html: error[missing-template]: `invitation.it.subject.txt` is missing beside it",
        ),
        (&[("_layout.html", "no link here")], "template-without-link"),
    ];
    for (files, wanted) in cases {
        let folder = folder(&good);
        for (name, content) in *files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let Err(problems) = Templates::load(Some(folder.path()), "en") else { panic!("{files:?} passed") };
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains(wanted)), "no `{wanted}` in {told:#?}");
    }
    let nowhere = Templates::load(Some(Path::new("no/such/folder")), "en").err().unwrap();
    assert!(nowhere.iter().any(|problem| problem.to_string().contains("no/such/folder")), "{nowhere:?}");
}
