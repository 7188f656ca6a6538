//! Asks Sidegate with `ureq`: `ask 'bob edit order o-1' 'bob delete order o-1'`
//!
//! Prints `allow` or `deny` for each question. Whatever is not an explicit yes is a deny: an error, a time-out, an answer of another form.
//!
//! ```toml
//! [dependencies]
//! serde_json = "1"
//! ureq = { version = "3", features = ["json"] }
//! ```

use serde_json::{Value, json};
use std::{env, time::Duration};
use ureq::Agent;

/// Asks one sidecar. Keeps its connections; cheap to clone, and may be shared by threads.
#[derive(Debug, Clone)]
pub struct Sidegate {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl Sidegate {
    /// A client whose questions have a second each.
    pub fn new(url: &str, token: Option<String>) -> Self {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(1))).max_redirects(0).build();
        Self { agent: config.new_agent(), url: format!("{url}/access/v1/evaluation"), token }
    }

    /// Whether the user may do it.
    pub fn may(&self, user: &str, action: &str, resource_type: &str, resource_id: &str) -> bool {
        let question = json!({
            "subject": { "type": "user", "id": user },
            "action": { "name": action },
            "resource": { "type": resource_type, "id": resource_id },
        });
        match self.ask(&question) {
            Ok(answer) => {
                // The id leads to the record in the audit log.
                eprintln!("decision {}: {}", answer["context"]["id"], answer["context"]["reason"]["code"]);
                answer["decision"] == true
            }
            Err(error) => {
                eprintln!("denied, since nobody said yes: {error}");
                false
            }
        }
    }

    /// A status other than 200 is an error of `ureq`, or one of ours.
    fn ask(&self, question: &Value) -> Result<Value, ureq::Error> {
        let mut request = self.agent.post(&self.url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = request.send_json(question)?;
        match response.status().as_u16() {
            200 => response.body_mut().read_json(),
            status => Err(ureq::Error::StatusCode(status)),
        }
    }
}

/// Asks each question, and says what was answered.
pub fn ask_all(sidegate: &Sidegate, questions: &[String]) -> Vec<&'static str> {
    let answer = |asked: &String| match asked.split_whitespace().collect::<Vec<_>>()[..] {
        [user, action, ty, id] if sidegate.may(user, action, ty, id) => "allow",
        _ => "deny",
    };
    questions.iter().map(answer).collect()
}

fn main() {
    let url = env::var("SIDEGATE_URL").unwrap_or_else(|_| "http://127.0.0.1:8480".to_owned());
    let sidegate = Sidegate::new(&url, env::var("SIDEGATE_TOKEN").ok());
    let questions: Vec<String> = env::args().skip(1).collect();
    for answer in ask_all(&sidegate, &questions) {
        println!("{answer}");
    }
}
