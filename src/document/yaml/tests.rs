use super::*;
use crate::document::Value;
use std::time::{Duration, Instant};

fn codes(document: &str) -> Vec<String> {
    let text = Text::new("a.yaml", document);
    match read(&text) {
        Ok(node) => panic!("was read: {node:?}"),
        Err(problems) => {
            problems.iter().map(|p| format!("{} {:?}:{:?}", p.code(), p.line().unwrap(), p.column().unwrap())).collect()
        }
    }
}

#[test]
fn values_have_the_types_of_yaml_1_2_and_their_places() {
    let text = Text::new(
        "a.yaml",
        "\u{feff}# ä comment\r\nno: no\r\nn: 0o17\r\nf: 1.5\r\nt: true\r\nz:\r\nq: '7'\r\nl: [é, b]\r\n1: x\r\n",
    );
    let root = read(&text).unwrap();
    let value = |key: &str| root.get(key).unwrap().value.clone();
    assert_eq!(value("no"), Value::Text("no".to_owned()));
    assert_eq!(value("n"), Value::Int(15));
    assert_eq!(value("f"), Value::Float(1.5));
    assert_eq!(value("t"), Value::Bool(true));
    assert_eq!(value("z"), Value::Null);
    assert_eq!(value("q"), Value::Text("7".to_owned()));
    assert_eq!(value("1"), Value::Text("x".to_owned()));
    let b = &root.get("l").unwrap().as_list().unwrap()[1];
    assert_eq!((text.slice(&b.span), text.position(b.span.start)), ("b", (8, 8)));
    let quoted = root.get("q").unwrap();
    assert_eq!((text.slice(&quoted.span), text.position(quoted.span.start)), ("'7'", (7, 4)));
}

#[test]
fn nothing_and_comments_alone_are_nothing() {
    for document in ["", "# only\n", "---\n", "\u{feff}"] {
        assert!(read(&Text::new("a.yaml", document)).unwrap().is_null(), "{document:?}");
    }
}

#[test]
fn what_is_indirect_is_refused_at_its_place() {
    assert_eq!(codes("a: &x 1\nb: *x\n"), ["yaml-anchor 1:4", "yaml-anchor 2:4"]);
    assert_eq!(codes("a: !!str 1\n"), ["yaml-tag 1:4"]);
    assert_eq!(codes("a: 1\n<<: { b: 2 }\n"), ["yaml-merge 2:1"]);
    assert_eq!(codes("a: 1\n---\nb: 2\n"), ["yaml-documents 2:1"]);
    assert_eq!(codes("[a]: 1\n"), ["yaml-key 1:1"]);
    assert_eq!(codes("a: 1\nb: 2\na: 3\nb: 4\n"), ["duplicate-key 3:1", "duplicate-key 4:1"]);
    assert_eq!(codes("a: 99999999999999999999\n"), ["yaml-number 1:4"]);
}

#[test]
fn syntax_errors_have_a_place() {
    assert_eq!(codes("a: [1, 2\nb: 3\n")[0].split(' ').next(), Some("yaml-syntax"));
    assert_eq!(codes("a:\n\tb: 1\n"), ["yaml-syntax 2:2"]);
}

#[test]
fn deep_nesting_is_refused_at_once_in_every_style() {
    let depth = 100_000;
    let flow_map = "{a: ".repeat(depth);
    let block = (0..1_000).map(|n| " ".repeat(n)).collect::<Vec<_>>().join("- \n");
    let compact = "- ".repeat(depth);
    for document in ["[".repeat(depth), flow_map, block, compact] {
        let started = Instant::now();
        let found = codes(&document);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("yaml-too-deep") || found[0].starts_with("yaml-syntax"), "{found:?}");
        assert!(started.elapsed() < Duration::from_secs(1), "took {:?}", started.elapsed());
    }
    assert!(read(&Text::new("a.yaml", "[".repeat(64) + &"]".repeat(64))).is_ok());
}

#[test]
fn a_text_beyond_the_cap_is_refused() {
    let text = Text::new("a.yaml", "#".repeat(MAX_BYTES + 1));
    assert_eq!(read(&text).unwrap_err().iter().next().unwrap().code(), "too-large");
}

#[test]
fn a_large_text_on_one_line_is_read_in_linear_time() {
    let items: Vec<String> = (0..60_000).map(|n| format!("ä{n}")).collect();
    let text = Text::new("a.yaml", format!("[{}]", items.join(", ")));
    let started = Instant::now();
    assert_eq!(read(&text).unwrap().as_list().unwrap().len(), items.len());
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(document in "[ -~äé\t\r\n\u{feff}:\\-\\[\\]{},&*!|>'\"#%?]{0,80}") {
        let _outcome = read(&Text::new("a.yaml", document));
    }
}
