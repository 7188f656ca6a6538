//! Invitations: the letter, the link, what becomes of it.

use super::desk::{Desk, sidecar, with};
use serde_json::{Value, json};

const ANN: &str = "ann@example.com";

fn invitation(role: &str) -> Value {
    json!({ "email": ANN, "user": "ann", "assignments": { "roles": [role] } })
}

fn acceptance(token: &str) -> Value {
    json!({ "token": token, "first_name": "Ann", "last_name": "Lee" })
}

/// Rule `8move-invite`: an invitation names an email and a role; the user is listed as invited; the mail carries a one-time link;
/// accepting it makes the user active.
#[test]
fn whoever_accepts_an_invitation_becomes_active_and_does_so_once() {
    let sidecar = sidecar("8move");
    let ada = Desk::of(&sidecar, "ada").at("north");
    let made = ada.send("POST", "/v1/invitations", Some(&invitation("sales-rep")));
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""), "{made:?}");
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(made.header("location"), format!("/v1/invitations/{id}"));
    assert_eq!(ada.ids("/v1/users?status=invited&search=ann"), ["ann"]);
    assert_eq!(ada.asks("ann", Some("north"), "product", "view"), ("deny".to_owned(), "user_invited".to_owned()));
    assert_eq!(ada.refused("POST", "/v1/invitations", &invitation("sales-rep")).0, 409);

    let token = ada.tokens(ANN, 1).remove(0);
    assert!(!made.body.contains(token.split_once('.').expect("two parts").1), "the link is in the letter alone");
    let user = ada.ok("POST", "/v1/invitations/accept", &acceptance(&token));
    assert_eq!((&user["id"], &user["status"], &user["name"]), (&json!("ann"), &json!("active"), &json!("Ann Lee")));
    assert_eq!(ada.asks("ann", Some("north"), "product", "view").0, "allow");
    assert_eq!(ada.refused("POST", "/v1/invitations/accept", &acceptance(&token)), (410, "invitation_used".to_owned()));
    assert_eq!(ada.get("/v1/invitations?state=accepted").json()["items"][0]["id"], *id);
}

/// The link shows that somebody has the letter. Who is named as acting has to be who is invited, or somebody who could have sent it.
#[test]
fn nobody_accepts_in_anothers_name_without_being_allowed_to_invite() {
    let sidecar = sidecar("8move");
    let ada = Desk::of(&sidecar, "ada").at("north");
    let id = ada.ok("POST", "/v1/invitations", &invitation("sales-rep"))["id"].as_str().expect("an id").to_owned();
    let token = ada.tokens(ANN, 1).remove(0);
    let accept =
        |actor: &str| Desk::of(&sidecar, actor).send("POST", "/v1/invitations/accept", Some(&acceptance(&token)));
    for (actor, code) in [("wes", "not_granted"), ("nobody", "actor_unknown")] {
        let refused = accept(actor);
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!(code)), "{actor}: {refused:?}");
    }
    assert_eq!(ada.get("/v1/invitations?state=open").json()["items"][0]["id"], *id, "it is open still");
    let operator = Desk::operator(&sidecar);
    let refused = operator.records("action=accept_invitation&decision=deny&user=ann", |records| records.len() == 1);
    for (name, value) in [("actor", "wes"), ("reason", "not_granted"), ("resource_id", &*id)] {
        assert_eq!(refused[0][name], value, "{name}");
    }
    assert_eq!(accept("ann").json()["status"], "active");
    operator.records("action=accept_invitation&decision=allow&user=ann&actor=ann", |records| records.len() == 1);
}

/// Rule `8move-invite-manage`: an open invitation can be sent again (the old link dies), have its role changed, or be revoked.
#[test]
fn an_open_invitation_is_sent_again_changed_and_revoked() {
    let sidecar = sidecar("8move");
    let ada = Desk::of(&sidecar, "ada").at("north");
    let id = ada.ok("POST", "/v1/invitations", &invitation("sales-rep"))["id"].as_str().expect("an id").to_owned();
    let first = ada.tokens(ANN, 1).remove(0);
    let at = |what: &str| format!("/v1/invitations/{id}{what}");
    let stale = ada.and("if-match", "\"1\"");
    ada.ok("POST", &at("/resend"), &Value::Null);
    assert_eq!(stale.refused("POST", &at("/resend"), &Value::Null), (412, "version_mismatch".to_owned()));
    let tokens = ada.tokens(ANN, 2);
    let second = tokens.iter().find(|token| **token != first).expect("a new link").clone();
    let refused = ada.refused("POST", "/v1/invitations/accept", &acceptance(&first));
    assert_eq!(refused, (410, "invitation_replaced".to_owned()));

    ada.ok("PATCH", &at(""), &json!({ "assignments": { "roles": ["warehouse"] } }));
    assert_eq!(
        ada.problems("PATCH", &at(""), &json!({ "assignments": { "roles": ["none"] } }))[0].0,
        "/assignments/roles/0"
    );
    assert_eq!(
        ada.ok("POST", "/v1/invitations/accept", &acceptance(&second))["assignments"][0]["roles"][0]["role"],
        "warehouse"
    );

    let ben = json!({ "email": "ben@example.com", "user": "ben", "assignments": { "roles": ["finance"] } });
    let id = ada.ok("POST", "/v1/invitations", &ben)["id"].as_str().expect("an id").to_owned();
    let token = ada.tokens("ben@example.com", 1).remove(0);
    assert_eq!(ada.ok("POST", &format!("/v1/invitations/{id}/revoke"), &Value::Null)["state"], "revoked");
    assert_eq!(
        ada.refused("POST", "/v1/invitations/accept", &acceptance(&token)),
        (410, "invitation_revoked".to_owned())
    );
    assert_eq!(ada.refused("POST", &format!("/v1/invitations/{id}/resend"), &Value::Null).0, 409);
    // The user went with it, so no delegated administrator has anything to do with it any more.
    let revoked = Desk::operator(&sidecar).ids("/v1/invitations?state=revoked");
    assert_eq!(revoked, [id]);
    assert_eq!(ada.refused("POST", "/v1/invitations/nothing/revoke", &Value::Null), (404, "not_found".to_owned()));
}

/// Rule `8move-invite-expiry`: a link older than 7 days is refused with its own reason.
#[test]
fn a_link_that_is_too_old_or_of_nobody_is_refused_with_its_own_reason() {
    let usual = sidecar("8move");
    let ada = Desk::of(&usual, "ada").at("north");
    let made = ada.ok("POST", "/v1/invitations", &invitation("sales-rep"));
    let time = |name: &str| made[name].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    assert_eq!(time("expires").as_second() - time("created").as_second(), 7 * 24 * 3600);
    let token = ada.tokens(ANN, 1).remove(0);
    let (id, secret) = token.split_once('.').expect("two parts");
    for forged in
        ["", ".", "x", id, &format!("{id}."), &format!("{id}.{}", "0".repeat(secret.len())), &format!("x.{secret}")]
    {
        let refused = ada.refused("POST", "/v1/invitations/accept", &acceptance(forged));
        assert_eq!(refused, (404, "invitation_unknown".to_owned()), "{forged}");
    }
    assert_eq!(ada.problems("POST", "/v1/invitations/accept", &json!({}))[0].0, "/token");
    let names = ada.problems("POST", "/v1/invitations/accept", &json!({ "token": token }));
    assert_eq!(names.iter().map(|(place, _)| place.as_str()).collect::<Vec<_>>(), ["/first_name", "/last_name"]);

    let hasty = with("8move", "directory: { invitations: { expiry: 2s } }");
    let ada = Desk::of(&hasty, "ada").at("north");
    ada.ok("POST", "/v1/invitations", &invitation("sales-rep"));
    let token = ada.tokens(ANN, 1).remove(0);
    crate::support::wait_for("the link is too old", std::time::Duration::from_secs(20), || {
        !ada.ids("/v1/invitations?state=expired").is_empty()
    });
    assert_eq!(
        ada.refused("POST", "/v1/invitations/accept", &acceptance(&token)),
        (410, "invitation_expired".to_owned())
    );
}

/// Rule `backbone-invite`: an invitation goes to an email address; whoever has no account yet creates one through the link and joins
/// the organization; whoever has one just joins.
#[test]
fn whoever_has_an_account_just_joins() {
    let sidecar = sidecar("backbone");
    let (bea, bix) = (Desk::of(&sidecar, "bea"), Desk::of(&sidecar, "bix"));
    let body = json!({ "email": ANN, "user": "ann", "assignments": { "roles": ["member"] } });
    bea.ok("POST", "/v1/invitations?tenant=acme", &body);
    bea.ok("POST", "/v1/invitations/accept", &acceptance(&bea.tokens(ANN, 1)[0]));
    let again = json!({ "email": ANN, "assignments": { "roles": ["member"] } });
    let joins = bix.ok("POST", "/v1/invitations?tenant=bolt", &again);
    assert_eq!((&joins["joins"], &joins["user"]), (&json!(true), &json!("ann")));
    let places = |desk: &Desk<'_>| -> Vec<String> {
        let found = desk.get("/v1/users/ann/assignments").json();
        let items = found["items"].as_array().expect("items").clone();
        items.iter().map(|place| place["tenant"].as_str().expect("a tenant").to_owned()).collect()
    };
    let operator = Desk::operator(&sidecar);
    assert_eq!(places(&operator), ["acme"]);
    let token = bix.tokens(ANN, 2).into_iter().find(|token| token.starts_with(joins["id"].as_str().expect("an id")));
    bix.ok("POST", "/v1/invitations/accept", &json!({ "token": token.expect("a link") }));
    assert_eq!(places(&operator), ["acme", "bolt"]);
}

/// Rule `propeller-activation`: a new user gets a mail with an activation link.
#[test]
fn a_new_user_gets_a_mail_with_an_activation_link() {
    let sidecar = sidecar("propeller");
    let olga = Desk::of(&sidecar, "olga");
    let user =
        olga.ok("POST", "/v1/users", &json!({ "id": "ann", "email": ANN, "first_name": "Ann", "last_name": "Lee" }));
    assert_eq!(user["status"], "invited");
    let user = olga.ok("POST", "/v1/invitations/accept", &acceptance(&olga.tokens(ANN, 1)[0]));
    assert_eq!(user["status"], "active");
}
