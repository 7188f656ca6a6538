//! A small policy set in memory, for the tests of this module.

use super::{
    authorize_listener::Services,
    callers::Admitted,
    peer::{Call, Peer, PeerAddress},
};
use crate::{
    audit::{Log, Options, Recorder},
    config::{Limits, Live, Settings},
    directory::Subjects,
    engine::{AttributeType, Dialect, ForbidErrors, Module, PolicyFacts, PolicyKind, Program, ResourceType, Source},
    engine::{Tenancy, Vocabulary},
    identity::Verifier,
    model::{Assignment, AssignmentKind, Revision, Timestamp, User},
    policy::Snapshot,
    reload::{Current, Reader},
    telemetry::Metrics,
};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tempfile::TempDir;

/// Readers may view orders, and edit them where the action is a soft one.
const POLICIES: &str = r#"
    permit (principal in Role::"reader", action == Action::"view", resource is order);
    permit (principal in Role::"reader", action == Action::"edit", resource is order)
        when { context has action_properties && context.action_properties has soft && context.action_properties.soft };
"#;

/// What decides in these tests, with a clock that stands still.
#[expect(clippy::default_trait_access, reason = "only the engine names Cedar's types")]
pub(super) fn services(dialect: Dialect, limits: Limits) -> Services {
    let metrics = Metrics::new();
    let facts = ["role/reader/view", "role/reader/edit"].map(|id| PolicyFacts {
        id: id.into(),
        summary: "reader grants \"view\"".into(),
        kind: PolicyKind::Ordinary,
        location: None,
    });
    let program = Program::build(Source {
        policies: Source::list(&POLICIES.parse().unwrap()),
        entities: Default::default(),
        facts: facts.into(),
        dialect,
        forbid_errors: ForbidErrors::Deny,
    })
    .unwrap();
    let subjects = Subjects::bind(&program, &[Arc::new(sam())]);
    let counters = metrics.decision_counters(&["orders"]);
    let snapshot = Snapshot::of_program(Revision::new([0x3f; 32]), program);
    let current = Arc::new(ArcSwap::from_pointee(Current {
        snapshot: Arc::new(snapshot),
        subjects: Arc::new(subjects),
        counters: Arc::new(counters),
    }));
    let now = || Timestamp::from_micros(1_800_000_000_000_000);
    let mut settings = Settings::default();
    settings.server.authorize.limits = limits;
    let settings = Live::new(settings);
    let verifier = Verifier::open(settings.clone(), Arc::clone(&metrics), now()).unwrap();
    Services {
        reader: Reader::new(current),
        metrics,
        now,
        settings,
        verifier,
        verify_one_in: 0,
        comparer: None,
        acceptor: None,
    }
}

thread_local! {
    /// The audit log of one test. The log goes before its directory does.
    static LOG: (Log, TempDir) = {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { ring_bytes: 256 * 1024, ..Options::new(directory.path()) };
        (Log::open(options).unwrap(), directory)
    };
}

/// A producer of records.
pub(super) fn recorder() -> Recorder {
    LOG.with(|(log, _)| log.recorder().unwrap())
}

/// A request of somebody on this machine.
pub(super) fn call() -> Call<'static> {
    static PEER: Peer = Peer::at(PeerAddress::Unix);
    static NOBODY: Admitted = Admitted::nobody();
    Call { request_id: "r-1", peer: &PEER, admitted: &NOBODY, trace: Box::leak(Box::default()) }
}

/// One module with one resource type, no tenants.
pub(super) fn declared() -> Dialect {
    Dialect::Declared(Arc::new(Vocabulary {
        tenancy: Tenancy::None,
        modules: vec![Module { id: "orders".to_owned(), areas: Vec::new() }],
        resource_types: vec![ResourceType {
            name: "order".to_owned(),
            module: 0,
            attributes: vec![("status".to_owned(), AttributeType::String)],
        }],
        actions: vec!["view".to_owned(), "edit".to_owned()],
        context: vec![(
            "action_properties".to_owned(),
            AttributeType::Record(vec![("soft".to_owned(), AttributeType::Bool)]),
        )],
        ..Vocabulary::default()
    }))
}

fn sam() -> User {
    let reader = Assignment { kind: AssignmentKind::Role, name: "reader".to_owned(), until: None, why: None };
    User::new("sam").given(None, vec![reader])
}
