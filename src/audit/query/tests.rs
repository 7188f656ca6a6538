//! Parameters: what is accepted, and what is said of the rest.

use super::*;

fn error(parameters: &[(&str, &str)]) -> String {
    Query::parse(parameters.iter().copied()).and_then(Query::for_page).unwrap_err().to_string()
}

#[test]
fn every_parameter_is_accepted() {
    let values = [
        "sam",
        "mona",
        "north",
        "orders",
        "edit",
        "order",
        "o-1",
        "deny",
        "decision",
        "role/x",
        "3f9c01d2a7b4",
        "0af7651916cd43dd8448eb211c80319c",
        "2027-01-01T00:00:00Z",
        "2027-01-02T00:00:00+01:00",
        "asc",
        "1000",
        "17",
    ];
    let query = Query::parse(PARAMETERS.into_iter().zip(values)).unwrap().for_page().unwrap();
    assert_eq!((query.texts.len(), query.limit, query.cursor), (9, Some(1000), Some(17)));
    assert_eq!(
        (query.decision, query.kind, query.order),
        (Some(Decision::Deny), Some(Kind::Decision), Order::Ascending)
    );
    assert_eq!(Query::parse([]).unwrap(), Query::all(Order::Descending));
}

#[test]
fn what_is_not_accepted_is_said() {
    let cases: [(&[(&str, &str)], &str); 14] = [
        (&[("usr", "sam")], "unknown parameter `usr`; did you mean `user`?"),
        (&[("colour", "x")], "unknown parameter `colour`"),
        (&[("", "x")], "unknown parameter ``"),
        (&[("user", "a"), ("user", "b")], "parameter `user` is given more than once"),
        (&[("user", "")], "parameter `user` has no value"),
        (&[("decision", "maybe")], "`maybe` is no value of `decision`: `allow` or `deny`"),
        (
            &[("kind", "decisions")],
            "`decisions` is no value of `kind`: `decision`, `activity`, `directory`, `session`, `policy` or `system`",
        ),
        (&[("from", "2027-01-01")], "`2027-01-01` is no value of `from`: a time such as `2027-01-31T08:00:00Z`"),
        (
            &[("to", "2027-01-01T00:00:00 01:00")],
            "`2027-01-01T00:00:00 01:00` is no value of `to`: a time such as `2027-01-31T08:00:00Z`; in an address, `+` is written \
             `%2B`",
        ),
        (&[("trace_id", "0af7")], "`0af7` is no value of `trace_id`: 32 hexadecimal digits, not all of them zero"),
        (&[("order", "up")], "`up` is no value of `order`: `asc` or `desc`"),
        (&[("limit", "0")], "`0` is no value of `limit`: a number from 1 on"),
        (
            &[("limit", "1001")],
            "`1001` is no value of `limit`: a page has at most 1000 records; an export has no bound",
        ),
        (&[("cursor", "x")], "`x` is no value of `cursor`: a `next_cursor` of an earlier answer"),
    ];
    for (parameters, expected) in cases {
        assert_eq!(error(parameters), expected);
    }
    let times = [("from", "2027-01-02T00:00:00Z"), ("to", "2027-01-02T00:00:00Z")];
    assert_eq!(error(&times), "`from` is not before `to`, so no record can be between them");
}
