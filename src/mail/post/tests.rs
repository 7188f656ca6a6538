use super::*;
use crate::{
    config::Mail,
    mail::{Kind, Link, Values},
};

fn letter() -> Letter {
    Letter {
        id: "01JDAY".to_owned(),
        kind: Kind::Invitation,
        recipient: "ada".to_owned(),
        address: "ada@example.com".parse().unwrap(),
        name: Some("Ada Lovelace".to_owned()),
        language: Some("de".to_owned()),
        values: Values {
            link: Link::new("https://app.example.com/accept/1".to_owned()).unwrap(),
            expires: Timestamp::parse("2027-01-31T08:15:00Z").unwrap(),
            tenant: "Nørth".to_owned(),
            inviter: None,
            roles: Vec::new(),
        },
    }
}

fn written(settings: &Mail, letter: &Letter) -> String {
    let post = Post::open(settings, Path::new("")).unwrap();
    let bytes = post.writer.write(letter, Timestamp::parse("2027-01-24T08:15:00Z").unwrap()).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The names of the headers, without lines that continue one.
fn header_names(message: &str) -> Vec<&str> {
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split_once(':').unwrap().0).collect()
}

#[test]
fn a_message_has_its_headers_and_both_forms_in_plain_ascii() {
    let settings = Mail {
        from: Some("Büro <office@example.com>".parse().unwrap()),
        reply_to: Some("help@example.com".parse().unwrap()),
        ..Mail::default()
    };
    let message = written(&settings, &letter());
    assert!(message.is_ascii());
    for line in [
        "From: =?utf-8?b?QsO8cm8=?= <office@example.com>\r\n",
        "Reply-To: help@example.com\r\n",
        "To: \"Ada Lovelace\" <ada@example.com>\r\n",
        "Message-ID: <01JDAY@example.com>\r\n",
        "Date: Sun, 24 Jan 2027 08:15:00 +0000\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Content-Language: de\r\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
    ] {
        assert!(message.contains(line), "no `{line}` in {message}");
    }
}

#[test]
fn no_value_makes_a_header_of_its_own() {
    let plain = letter();
    let wanted = written(&Mail::default(), &plain);
    let wanted = header_names(&wanted);
    for ending in ["\r\n", "\n", "\r", "\u{2028}", "\u{85}", "\u{b}", "\0"] {
        let evil = format!("x{ending}Bcc: eve@example.com{ending}{ending}body");
        let mut letter = plain.clone();
        letter.id.clone_from(&evil);
        letter.name = Some(evil.clone());
        letter.language = Some(evil.clone());
        letter.values.tenant.clone_from(&evil);
        letter.values.inviter = Some(evil.clone());
        letter.values.roles = vec![evil.clone()];
        let message = written(&Mail::default(), &letter);
        assert_eq!(header_names(&message), wanted, "{ending:?}: {message}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let settings = Mail {
        transport: MailTransport::Smtp,
        templates: Some("no/such/folder".into()),
        smtp: config::Smtp {
            host: Some("localhost".to_owned()),
            ca_file: Some("no/such/file.pem".into()),
            ..Mail::default().smtp
        },
        ..Mail::default()
    };
    let told: Vec<String> = check(&settings).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|line| line.contains("no/such/folder")), "{told:?}");
    assert!(told.iter().any(|line| line.contains("no/such/file.pem")), "{told:?}");
}
