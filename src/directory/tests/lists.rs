//! Lists of users against what was put there.

use super::*;

#[test]
fn users_are_found_filtered_and_sorted_page_by_page() {
    // Names the rules 8move-directory, omc-search and propeller-columns.
    let world = World::of("8move");
    let north = Call { tenant: Some("north"), ..operator() };
    for (n, (first, role)) in [("Zoe", "warehouse"), ("adam", "finance"), ("Bea", "warehouse")].into_iter().enumerate()
    {
        let body = json!({ "id": format!("u{n}"), "email": format!("{first}@8move.example"), "first_name": first,
            "last_name": "Test", "activation": "none" });
        let now = at(i64::try_from(n).unwrap() * 1_000_000);
        world.directory.create_user(&Call { now, ..operator() }, &body).unwrap();
        world
            .directory
            .assign(&Call { now, ..north }, &format!("u{n}"), Manner::Give, &json!({ "roles": [role] }))
            .unwrap();
    }
    let all = |query: UserQuery| {
        let (mut ids, mut query) = (Vec::new(), UserQuery { limit: 2, ..query });
        loop {
            let page = world.directory.list_users(&operator(), &query).unwrap();
            ids.extend(page.users.iter().map(|listed| listed.cursor.id.clone()));
            let Some(next) = page.next else { return ids };
            query.after = Some(next);
        }
    };
    let own = || UserQuery { declared: Some(false), ..UserQuery::default() };
    let by = |sort, descending| all(UserQuery { sort, descending, ..own() });
    assert_eq!(by(Sort::Name, false), ["u1", "u2", "u0"]);
    assert_eq!(by(Sort::Name, true), ["u0", "u2", "u1"]);
    assert_eq!(by(Sort::Created, true), ["u2", "u1", "u0"]);
    let search = |text: &str| all(UserQuery { search: Some(text.to_owned()), ..UserQuery::default() });
    assert_eq!(search("TEST bea"), ["u2"]);
    assert_eq!(search("haddad"), ["mona"], "declared users stand in the same list");
    let of_role = |role: &str| {
        all(UserQuery { role: Some(role.to_owned()), tenant: Some("north".to_owned()), ..UserQuery::default() })
    };
    assert_eq!(of_role("warehouse"), ["u0", "u2", "wes"]);
    let suspended = all(UserQuery { status: Some(crate::model::Status::Suspended), ..UserQuery::default() });
    assert_eq!(suspended, ["sue"]);
    let module = all(UserQuery {
        module: Some("settings".to_owned()),
        tenant: Some("south".to_owned()),
        ..UserQuery::default()
    });
    assert_eq!(module, ["ada"]);
    assert_eq!(all(UserQuery::default()).len(), 12);
}

/// Every filter, alone and with others, in every order, against what the accounts themselves say.
#[test]
fn pages_hold_what_the_accounts_say_whatever_is_asked_for() {
    let world = World::of("8move");
    let mut random = fastrand::Rng::with_seed(11);
    for n in 0..150 {
        let id = format!("u{n:03}");
        let first = ["Ada", "adele", "Bo", "ZOE"][random.usize(..4)];
        let now = at(i64::from(random.u8(..9)) * 1_000_000);
        let job = ["Clerk", "Driver"][random.usize(..2)];
        let body = json!({ "id": id, "email": format!("{id}@8move.example"), "first_name": first, "last_name": "Test",
            "job": job, "activation": "none" });
        world.directory.create_user(&Call { now, ..operator() }, &body).unwrap();
        for tenant in ["north", "south"] {
            let roles: Vec<_> = ["warehouse", "finance"].into_iter().filter(|_| random.bool()).collect();
            let until = ["2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"][random.usize(..2)];
            let call = Call { tenant: Some(tenant), now, ..operator() };
            world.directory.assign(&call, &id, Manner::Replace, &json!({ "roles": roles, "until": until })).unwrap();
        }
        if random.bool() {
            world.directory.suspend_user(&Call { now, ..operator() }, &id).unwrap();
        }
    }
    let accounts: Vec<_> = world.directory.0.roster.lock().users().cloned().collect();
    let (snapshot, subjects) = world.deciders.current();
    let text = |text: &str| Some(text.to_owned());
    let mut asked = 0;
    for round in 0..300 {
        let mut one_of = |all: &[&'static str]| -> Option<&'static str> {
            Some(all[random.usize(..all.len())]).filter(|one| !one.is_empty())
        };
        let query = UserQuery {
            search: one_of(&["", "ad", "ADA test", "clerk", "u12 8move", "active", "nobody"]).and_then(text),
            role: one_of(&["", "warehouse", "finance", "ware"]).and_then(text),
            tenant: one_of(&["", "north", "south"]).and_then(text),
            module: one_of(&["", "", "invoicing", "catalog"]).and_then(text),
            status: one_of(&["", "active", "suspended"]).map(|word| match word {
                "active" => crate::model::Status::Active,
                _ => crate::model::Status::Suspended,
            }),
            sort: [Sort::Id, Sort::Name, Sort::Created, Sort::Updated, Sort::LastLogin][random.usize(..5)],
            descending: random.bool(),
            declared: Some(false),
            limit: random.usize(1..9),
            ..UserQuery::default()
        };
        let in_tenant = |place: &&Place| query.tenant.is_none() || place.tenant == query.tenant;
        let fits = |account: &&Arc<Account>| {
            let places = || account.places.iter().filter(in_tenant);
            let searched =
                format!("{} {} {} {}", account.id, account.display_name(), account.email, account.job.clone().unwrap());
            let searched = searched.to_lowercase();
            let reaches = |module: &String, place: &Place| {
                let user = subjects.find(&account.id).unwrap();
                let module = snapshot.catalog.modules.iter().find(|known| known.id == *module).unwrap();
                module.actions.iter().any(|action| {
                    let resource = Resource { ty: &module.id, id: "", attributes: &[] };
                    let tenant = place.tenant.as_deref();
                    let request =
                        Request { action, resource, tenant, context: &[], subject_attributes: &[], time: at(0) };
                    let outcome = decide(&snapshot.program, Subject::User(user), &request);
                    outcome.decision.is_allow() || outcome.code.as_str() == "condition_not_met"
                })
            };
            query.status.is_none_or(|status| account.status == status)
                && query
                    .search
                    .iter()
                    .flat_map(|words| words.split(' '))
                    .all(|word| searched.contains(&word.to_lowercase()))
                && (query.tenant.is_none() || places().next().is_some())
                && query.role.as_ref().is_none_or(|role| {
                    places().flat_map(|place| &place.given).any(|given| given.name == *role && given.counts(at(0)))
                })
                && query.module.as_ref().is_none_or(|module| places().any(|place| reaches(module, place)))
        };
        let mut expected: Vec<_> = accounts.iter().filter(fits).collect();
        let time = |account: &Account| match query.sort {
            Sort::Created => Some(account.created),
            Sort::Updated => Some(account.updated),
            Sort::Id | Sort::Name | Sort::LastLogin => None,
        };
        let name = |account: &Account| {
            if query.sort == Sort::Name { account.display_name().to_lowercase() } else { String::new() }
        };
        expected.sort_by_key(|account| (time(account), name(account), account.id.clone()));
        if query.descending {
            expected.reverse();
        }
        let expected: Vec<_> = expected.into_iter().map(|account| account.id.clone()).collect();
        let (mut found, mut query) = (Vec::new(), query);
        loop {
            let page = world.directory.list_users(&operator(), &query).unwrap();
            assert!(page.users.len() <= query.limit);
            found.extend(page.users.iter().map(|listed| listed.cursor.id.clone()));
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
        assert_eq!(found, expected, "round {round}: {query:?}");
        asked += expected.len();
    }
    assert!(asked > 1000, "{asked}");
}
