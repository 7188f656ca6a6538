//! A client that nobody here wrote, `authzen-rs`: over TLS, with discovery, and strict about every answer.

use super::{METADATA, certification};
use crate::support::{Certificate, PolicyDir, Sidecar, Signal, wait_for};
use authzen_rs::prelude::*;
use serde_json::json;
use std::{fs, future::Future, net::SocketAddr, time::Duration};

const SOON: Duration = Duration::from_secs(20);

/// A sidecar whose certificate is for `localhost`, and the address that its metadata names.
fn started(policies: &PolicyDir, certificate: &Certificate) -> (Sidecar, String) {
    let tls = format!(
        "server: {{ authorize: {{ tls: {{ certificate: {}, key: {} }} }} }}",
        certificate.path().display(),
        certificate.key().display()
    );
    let sidecar = Sidecar::builder().policies(policies.path()).config(&tls).start();
    // The port is known once it is bound, and the address counts at once.
    let url = format!("https://localhost:{}", sidecar.authorize_address().port());
    sidecar.configure(&format!("server: {{ authorize: {{ public_url: {url:?} }} }}"));
    sidecar.signal(Signal::HUP);
    let metadata = format!("{url}{METADATA}");
    let answers = async || http(sidecar.authorize_address(), certificate).get(&metadata).send().await;
    wait_for("the metadata", SOON, || run(answers()).is_ok_and(|answer| answer.status() == 200));
    (sidecar, url)
}

fn http(address: SocketAddr, certificate: &Certificate) -> reqwest::Client {
    let pem = fs::read(certificate.path()).expect("a certificate");
    reqwest::Client::builder()
        .no_proxy()
        .https_only(true)
        .tls_built_in_root_certs(false)
        .add_root_certificate(reqwest::Certificate::from_pem(&pem).expect("a certificate"))
        .resolve("localhost", address)
        .build()
        .expect("a client")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

fn alice() -> Subject {
    Subject::new("user", "alice")
}

fn record(id: &str) -> Resource {
    Resource::new("record", id)
}

fn ask(subject: Subject, action: &str, resource: Resource) -> EvaluationRequest {
    EvaluationRequest::new(subject, Action::new(action), resource)
}

#[test]
fn a_client_that_nobody_here_wrote_discovers_asks_and_searches_over_tls() {
    let (policies, certificate) = (certification(), Certificate::new());
    let (sidecar, url) = started(&policies, &certificate);
    let address = sidecar.authorize_address();
    run(async {
        let builder = AuthZenClient::builder(url).discover().timeout(SOON).http_client(http(address, &certificate));
        let client = builder.build().await.expect("the metadata");
        evaluations(&client).await;
        batches(&client).await;
        searches(&client).await;
        pages(&client).await;
    });
}

async fn evaluations(client: &AuthZenClient) {
    for (request, allowed) in [
        (ask(alice(), "read", record("record-1")), true),
        (ask(alice(), "write", record("record-1").with_property("status", "archived")), false),
        (ask(alice().with_property("role", "admin"), "write", record("record-2")), true),
        (ask(Subject::new("user", "nobody"), "read", record("record-1")), false),
    ] {
        let decision = client.evaluate(request.clone()).await.expect("an answer");
        assert_eq!(decision.allowed(), allowed, "{request:?}");
        assert!(decision.context().is_some_and(|context| context.contains_key("id")), "{decision:?}");
    }
}

async fn batches(client: &AuthZenClient) {
    let items = || -> Vec<EvaluationRequest> {
        // Such as no constructor makes: the rest comes from the defaults.
        let to = |id: &str| serde_json::from_value(json!({ "resource": record(id) })).expect("a part of a request");
        vec![to("record-1"), to("record-9"), to("record-2")]
    };
    for (semantic, expected) in [
        (EvaluationsSemantic::ExecuteAll, vec![true, false, true]),
        (EvaluationsSemantic::DenyOnFirstDeny, vec![true, false]),
        (EvaluationsSemantic::PermitOnFirstPermit, vec![true]),
    ] {
        let request = EvaluationsRequest::new(items())
            .with_defaults(Some(alice()), Some(Action::new("read")), None, None)
            .with_options(EvaluationOptions::new(semantic));
        let answer = client.evaluations(request).await.expect("an answer");
        let decisions: Vec<bool> = answer.evaluations().iter().map(Decision::allowed).collect();
        assert_eq!(decisions, expected, "{semantic:?}");
    }
    // Without items it is one question.
    let single = EvaluationsRequest::new(Vec::new()).with_defaults(
        Some(alice()),
        Some(Action::new("read")),
        Some(record("record-1")),
        None,
    );
    assert_eq!(client.evaluations(single).await.expect("an answer").decision(), Some(true));
}

async fn searches(client: &AuthZenClient) {
    let subjects = SubjectSearchRequest::new(Subject::query("user"), Action::new("read"), record("record-1"));
    let found = client.search_subjects(subjects).await.expect("subjects");
    assert_eq!(found.results().iter().filter_map(Subject::id).collect::<Vec<_>>(), ["alice", "bob"]);
    let resources = ResourceSearchRequest::new(alice(), Action::new("write"), Resource::query("record"));
    let found = client.search_resources(resources).await.expect("resources");
    assert_eq!(found.results().iter().filter_map(Resource::id).collect::<Vec<_>>(), ["record-1"]);
    let actions = ActionSearchRequest::new(alice(), record("record-1"));
    let found = client.search_actions(actions).await.expect("actions");
    assert_eq!(found.results().iter().filter_map(Action::name).collect::<Vec<_>>(), ["read", "write"]);
}

async fn pages(client: &AuthZenClient) {
    let one = || PageRequest::new().with_limit(1);
    let request = SubjectSearchRequest::new(Subject::query("user"), Action::new("read"), record("record-1"));
    let mut paginator = client.paginate_subjects(request.with_page(one())).expect("a request");
    let mut subjects = Vec::new();
    while let Some(page) = paginator.next_page().await.expect("a page") {
        assert!(page.results().len() <= 1, "{page:?}");
        subjects.extend(page.results().iter().filter_map(Subject::id).map(str::to_owned));
    }
    assert_eq!(subjects, ["alice", "bob"]);

    let request = ResourceSearchRequest::new(alice(), Action::new("read"), Resource::query("record"));
    let mut paginator = client.paginate_resources(request.with_page(one())).expect("a request");
    let mut resources = Vec::new();
    while let Some(page) = paginator.next_page().await.expect("a page") {
        resources.extend(page.results().iter().filter_map(Resource::id).map(str::to_owned));
    }
    assert_eq!(resources, ["record-1", "record-2"]);

    let request = ActionSearchRequest::new(alice(), record("record-1"));
    let mut paginator = client.paginate_actions(request.with_page(one())).expect("a request");
    let mut actions = Vec::new();
    while let Some(page) = paginator.next_page().await.expect("a page") {
        actions.extend(page.results().iter().filter_map(Action::name).map(str::to_owned));
    }
    assert_eq!(actions, ["read", "write"]);
}

#[test]
fn that_client_does_not_talk_to_a_server_whose_certificate_it_does_not_know() {
    let (policies, certificate, other) = (certification(), Certificate::new(), Certificate::new());
    let (sidecar, url) = started(&policies, &certificate);
    let address = sidecar.authorize_address();
    run(async {
        let stranger = AuthZenClient::builder(url).discover().timeout(SOON).http_client(http(address, &other));
        assert!(matches!(stranger.build().await, Err(AuthZenError::Discovery(_))));
    });
}

#[test]
fn that_client_refuses_metadata_of_another_identifier() {
    let (policies, certificate) = (certification(), Certificate::new());
    let (sidecar, url) = started(&policies, &certificate);
    let address = sidecar.authorize_address();
    run(async {
        let elsewhere = AuthZenClient::builder(format!("{url}/tenant")).discover().timeout(SOON);
        let refused = elsewhere.http_client(http(address, &certificate)).build().await;
        assert!(
            matches!(refused, Err(AuthZenError::Discovery(ref message)) if message.contains("404")),
            "no tenants here"
        );
    });
}
