//! Calls of the admin listener on somebody's behalf.

use crate::support::{Answer, Sidecar, repo, wait_for};
use serde_json::{Value, json};
use std::{fs, time::Duration};

/// The address of an invitation's link, as the tests configure it.
pub const LINK: &str = "https://app.example.com/accept#";

/// Calls on behalf of one user, or of the operator.
pub struct Desk<'s> {
    pub sidecar: &'s Sidecar,
    headers: Vec<(&'static str, String)>,
    tenant: Option<&'static str>,
}

/// A sidecar on one of the shipped sets.
pub fn sidecar(set: &str) -> Sidecar {
    with(set, "{}")
}

/// The same with more settings.
pub fn with(set: &str, settings: &str) -> Sidecar {
    let link = format!("directory: {{ invitations: {{ link: '{LINK}{{token}}' }} }}");
    Sidecar::builder().policies(repo(&format!("policies/{set}"))).config(&link).config(settings).start()
}

impl<'s> Desk<'s> {
    /// The operator: nobody is named.
    pub fn operator(sidecar: &'s Sidecar) -> Self {
        Self { sidecar, headers: Vec::new(), tenant: None }
    }

    /// A user, bound by the delegation.
    pub fn of(sidecar: &'s Sidecar, user: &str) -> Self {
        Self { sidecar, headers: vec![("sidegate-actor", user.to_owned())], tenant: None }
    }

    /// With one header more.
    pub fn and(&self, name: &'static str, value: &str) -> Self {
        let headers = self.headers.iter().cloned().chain([(name, value.to_owned())]).collect();
        Self { sidecar: self.sidecar, headers, tenant: self.tenant }
    }

    /// In a tenant, wherever the path names none and can.
    pub fn at(self, tenant: &'static str) -> Self {
        Self { tenant: Some(tenant), ..self }
    }

    fn path(&self, path: &str) -> String {
        let takes_one =
            !path.contains("tenant=") && !["/accept", "/heartbeat", "/v1/audit"].iter().any(|part| path.contains(part));
        match self.tenant.filter(|_| takes_one) {
            Some(tenant) => format!("{path}{}tenant={tenant}", if path.contains('?') { '&' } else { '?' }),
            None => path.to_owned(),
        }
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = body.map(ToString::to_string);
        let sent = self.sidecar.client().send(
            method,
            self.sidecar.admin_address(),
            &self.path(path),
            &headers,
            body.as_deref(),
        );
        sent.expect("the admin listener answers")
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    /// A call that must do; its answer.
    #[track_caller]
    pub fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, Some(body).filter(|body| !body.is_null()));
        assert!((200..300).contains(&answer.status), "{method} {path} {body}: {answer:?}");
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// A call that must not do: status and code.
    #[track_caller]
    pub fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let answer = self.send(method, path, Some(body).filter(|body| !body.is_null()));
        assert!(answer.status >= 400, "{method} {path} {body}: {answer:?}");
        (answer.status, answer.json()["error"]["code"].as_str().expect("a code").to_owned())
    }

    /// What is wrong with a body, by place.
    #[track_caller]
    pub fn problems(&self, method: &str, path: &str, body: &Value) -> Vec<(String, String)> {
        let answer = self.send(method, path, Some(body));
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].as_str()),
            (422, Some("invalid")),
            "{body}: {answer:?}"
        );
        let problems = answer.json()["error"]["problems"].as_array().expect("problems").clone();
        let text = |problem: &Value, name: &str| problem[name].as_str().expect("a text").to_owned();
        problems.iter().map(|problem| (text(problem, "pointer"), text(problem, "message"))).collect()
    }

    /// A new user who is active at once.
    #[track_caller]
    pub fn user(&self, id: &str) -> Value {
        self.ok("POST", "/v1/users", &active(id))
    }

    /// The ids of a list.
    #[track_caller]
    pub fn ids(&self, path: &str) -> Vec<String> {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let items = answer.json()["items"].as_array().expect("items").clone();
        items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Decision and reason of a question in a tenant.
    #[track_caller]
    pub fn asks(&self, user: &str, tenant: Option<&str>, resource: &str, action: &str) -> (String, String) {
        let mut question = json!({ "user": user, "action": action, "resource": { "type": resource } });
        if let Some(tenant) = tenant {
            question["tenant"] = tenant.into();
        }
        let (status, answer) = self.sidecar.authorize(&question);
        assert_eq!(status, 200, "{question}: {answer}");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&answer["decision"]), text(&answer["reason"]["code"]))
    }

    /// The records of a query, once there are any that `accept` takes.
    #[track_caller]
    pub fn records(&self, query: &str, accept: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut found = Vec::new();
        wait_for("the records are there", Duration::from_secs(20), || {
            found = self.get(&format!("/v1/audit?{query}")).json()["items"].as_array().expect("records").clone();
            accept(&found)
        });
        found
    }

    /// The tokens of the letters to an address, the first letter first. Waits until there are so many.
    #[track_caller]
    pub fn tokens(&self, address: &str, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        wait_for("the letter is written", Duration::from_secs(20), || {
            found = letters(self.sidecar, address);
            found.len() >= count
        });
        found.iter().map(|letter| token(letter)).collect()
    }
}

/// What creates a user who is active at once.
pub fn active(id: &str) -> Value {
    json!({
        "id": id, "email": format!("{id}@example.com"), "first_name": id, "last_name": "Doe", "activation": "none",
    })
}

/// The letters to an address, the first first.
fn letters(sidecar: &Sidecar, address: &str) -> Vec<String> {
    let Ok(folder) = fs::read_dir(sidecar.data().join("mail")) else { return Vec::new() };
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).collect();
    paths.sort_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).expect("a time"));
    let texts = paths.iter().map(|path| fs::read_to_string(path).expect("a letter"));
    texts.filter(|text| text.contains(address)).collect()
}

/// The token in a letter; lines of quoted-printable text are joined first.
fn token(letter: &str) -> String {
    let joined = letter.replace("=\r\n", "").replace("=\n", "");
    let (_, rest) = joined.split_once(LINK).unwrap_or_else(|| panic!("no link in {letter}"));
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect()
}
