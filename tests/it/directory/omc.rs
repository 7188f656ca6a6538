//! Families, ranks and channels of the order management centre.

use super::desk::{Desk, sidecar};
use serde_json::json;

/// Rule `omc-family`: a user id that exists in one family cannot be created in the other.
#[test]
fn an_id_of_one_family_is_not_taken_by_the_other() {
    let sidecar = sidecar("omc");
    let (cleo, mia) = (Desk::of(&sidecar, "cleo"), Desk::of(&sidecar, "vmia"));
    let user = |family: &str| {
        json!({
            "id": "otto", "email": "otto@example.com", "first_name": "Otto", "last_name": "Berg", "family": family,
            "activation": "none",
        })
    };
    cleo.ok("POST", "/v1/users", &user("backoffice"));
    assert_eq!(mia.refused("POST", "/v1/users", &user("store-app")), (409, "user_exists".to_owned()));
    // Nor is one that the files declare.
    let declared =
        json!({ "id": "hugo", "email": "h@example.com", "first_name": "H", "last_name": "H", "family": "store-app" });
    assert_eq!(mia.refused("POST", "/v1/users", &declared), (409, "user_exists".to_owned()));
}

/// Rule `omc-search`: the users list can be searched and filtered.
#[test]
fn the_users_list_is_searched_and_filtered() {
    let sidecar = sidecar("omc");
    let cleo = Desk::of(&sidecar, "cleo");
    for (filter, expected) in [
        ("search=hugo", &["hugo"][..]),
        ("role=client_admin", &["cleo"]),
        ("family=backoffice&search=c&role=conf_manager", &["conor"]),
        ("search=no-such-user", &[]),
    ] {
        assert_eq!(cleo.ids(&format!("/v1/users?{filter}")), expected, "{filter}");
    }
}

/// Rule `omc-channel-grant`: channels are given to and taken from a user at any time, by users who reach the users module, and count
/// for the very next request. Beside that nobody gives a channel that they do not have.
#[test]
fn channels_count_for_the_very_next_request() {
    let sidecar = sidecar("omc");
    let cleo = Desk::of(&sidecar, "cleo");
    let mut otto = super::desk::active("otto");
    otto["family"] = "backoffice".into();
    cleo.ok("POST", "/v1/users", &otto);
    let (give, take) = ("/v1/users/otto/assignments/give", "/v1/users/otto/assignments/take");
    cleo.ok("POST", give, &json!({ "roles": ["customer_service"] }));
    let reads = |channel: &str| {
        let order = json!({ "type": "order", "id": "o-1", "attributes": { "channel": channel } });
        let (_, answer) = sidecar.authorize(&json!({ "user": "otto", "action": "read", "resource": order }));
        answer["decision"] == "allow"
    };
    assert!(!reads("web-fr"));
    let channel = json!({ "attributes": { "channels": ["web-fr"] } });
    cleo.ok("POST", give, &channel);
    assert!(reads("web-fr") && !reads("web-uk"));
    cleo.ok("POST", take, &channel);
    assert!(!reads("web-fr"));
    // Who does not reach the users module gives none.
    assert_eq!(Desk::of(&sidecar, "cara").refused("POST", give, &channel).0, 403);
    // Nor does who reaches it give one that is not their own.
    let rita = Desk::of(&sidecar, "rita");
    assert_eq!(rita.refused("POST", give, &json!({ "attributes": { "channels": ["web-uk"] } })).0, 403);
    assert!(!reads("web-uk"));
    rita.ok("POST", give, &json!({ "attributes": { "channels": ["store-paris"] } }));
    assert!(reads("store-paris"));
    let unknown = json!({ "attributes": { "channels": ["web-xx"] } });
    assert_eq!(cleo.problems("POST", give, &unknown)[0].0, "/attributes/channels/0");
}
