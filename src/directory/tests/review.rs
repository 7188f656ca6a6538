//! The review.

use super::{
    tools::{awkward, olga, somebody, with_deputy},
    *,
};

#[derive(Debug, Default)]
struct Known(Vec<(&'static str, &'static str, &'static str, Timestamp)>);

impl Uses for Known {
    fn last(&self, user: &str, tenant: &str, what: Used<'_>) -> Option<Timestamp> {
        let (Used::Policy(name) | Used::Module(name)) = what;
        let mut found = self.0.iter().filter(|(who, place, by, _)| *who == user && *place == tenant && *by == name);
        found.next().map(|(.., time)| *time)
    }

    fn since(&self) -> Option<Timestamp> {
        Some(at(-200 * DAY))
    }

    fn are_complete(&self) -> bool {
        true
    }
}

#[test]
fn the_review_tells_who_has_what_since_when_by_whom_why_until_when_and_when_it_was_used() {
    // Names the rule propeller-review.
    let world = World::of("propeller");
    with_deputy(&world);
    somebody(&world, "pat");
    world.directory.put_role(&olga(), "prices", &json!({ "grants": { "pricing": "viewer" } })).unwrap();
    let has = json!({ "roles": ["prices"], "gates": ["backoffice"],
                      "grants": { "logistics": { "level": "viewer", "until": "2027-01-20T00:00:00Z", "why": "stocktaking" } } });
    world.directory.assign(&olga(), "pat", Manner::Replace, &has).unwrap();
    let uses = Known(vec![("pat", "", "grant/pricing/viewer", at(DAY)), ("pat", "", "pricing", at(DAY))]);
    let review = |call: &Call<'_>, query: ReviewQuery| {
        world.directory.begin_review(call)?;
        world.directory.review(call, &query, &uses).map(|page| page.items)
    };
    let of = |items: &[ReviewRow]| -> Vec<String> {
        items.iter().map(|row| format!("{}:{}", row.user, row.what.clone().unwrap_or_default())).collect()
    };
    let base = || ReviewQuery { limit: 100, ..ReviewQuery::default() };
    let pat = review(&olga(), ReviewQuery { user: Some("pat".to_owned()), ..base() }).unwrap();
    assert_eq!(of(&pat), ["pat:prices", "pat:logistics/viewer", "pat:backoffice"]);
    let [role, grant, gate] = &pat[..] else { panic!("{pat:?}") };
    assert_eq!((role.role, role.by.as_deref()), (Some("custom"), Some("olga")));
    assert_eq!(role.last_used, Some(at(DAY).to_string()));
    assert_eq!((grant.why.as_deref(), grant.last_used.as_ref()), (Some("stocktaking"), None));
    assert_eq!(
        (grant.until.as_deref(), grant.since.clone()),
        (Some("2027-01-20T00:00:00.000000Z"), Some(at(0).to_string()))
    );
    assert_eq!(gate.last_used, Some(at(DAY).to_string()), "a gate is used with what lies behind it");
    let later = |days: i64| Call { now: at(days * DAY), ..olga() };
    let day = |days: u64| Some(Duration::from_hours(24 * days));
    let only_pat = || ReviewQuery { user: Some("pat".to_owned()), ..base() };
    let filtered = |call: &Call<'_>, query| of(&review(call, query).unwrap());
    assert_eq!(filtered(&later(90), ReviewQuery { unused_for: day(90), ..only_pat() }), ["pat:logistics/viewer"]);
    assert_eq!(filtered(&later(91), ReviewQuery { unused_for: day(90), ..only_pat() }).len(), 3);
    assert_eq!(filtered(&later(3), ReviewQuery { expiring_within: day(30), ..only_pat() }), ["pat:logistics/viewer"]);
    assert_eq!(filtered(&later(40), ReviewQuery { expired: true, ..only_pat() }), ["pat:logistics/viewer"]);
    assert_eq!(filtered(&olga(), ReviewQuery { role: Some("prices".to_owned()), ..base() }), ["pat:prices"]);
    world.directory.login(&operator(), &Login { user: "pat".to_owned(), ..Login::default() }).unwrap();
    let never = review(&olga(), ReviewQuery { never_logged_in: true, ..base() }).unwrap();
    assert!(never.iter().all(|row| row.user != "pat") && never.iter().any(|row| row.user == "dee"));
    let declared = never.iter().find(|row| row.user == "rex").unwrap();
    assert!(declared.declared && declared.by.is_none());
    assert!(never.iter().any(|row| row.user == "ned" && row.kind == "nothing"));
    assert_eq!(filtered(&later(91), ReviewQuery { no_login_for: day(90), ..only_pat() }).len(), 3);
    assert!(review(&user("pia"), base()).is_err(), "the review is not for everybody");
}

#[test]
fn pages_of_the_review_hold_every_entry_once_and_files_hold_them_all() {
    let world = awkward();
    let uses = Known::default();
    let base = ReviewQuery { limit: 3, ..ReviewQuery::default() };
    let mut query = base.clone();
    let (mut paged, mut count) = (Vec::new(), 0);
    loop {
        let page = world.directory.review(&operator(), &query, &uses).unwrap();
        paged.extend(page.items);
        count += 1;
        query.after = page.next_cursor;
        if query.after.is_none() {
            break;
        }
    }
    let whole = world.directory.review(&operator(), &ReviewQuery { limit: 1000, ..base.clone() }, &uses).unwrap();
    assert!(count > 3);
    assert_eq!(paged, whole.items);
    let written = |form| {
        let mut out = Vec::new();
        let next = |query: &ReviewQuery| world.directory.review(&operator(), query, &uses);
        write_review(form, base.clone(), next, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let (table, markdown) = (written(ReviewForm::Csv), written(ReviewForm::Markdown));
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), whole.items.len());
    assert!(records.iter().any(|record| &record[1] == "'=1+1 L"), "{table}");
    assert_eq!(markdown.lines().filter(|line| line.starts_with("| ")).count(), whole.items.len() + 2);
    // An administrator of one tenant sees nothing of another.
    let north = Call { tenant: Some("north"), ..user("ada") };
    let page = world.directory.review(&north, &ReviewQuery { limit: 1000, ..base }, &uses).unwrap();
    assert!(!page.items.is_empty() && page.items.iter().all(|row| row.tenant.as_deref() == Some("north")));
}
