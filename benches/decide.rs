//! What one decision costs, by the size of the policy set, beside plain Cedar on the same set.
//!
//! Sizes take turns within each round, so that what disturbs the machine disturbs all of them; the figures are medians
//! over rounds, the ratios are what counts. `cargo bench --bench decide`.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints and stops where its set-up is wrong"
)]

use cedar_policy::{Authorizer, Context, Entities, PolicySet, Request as CedarRequest};
use sidegate::{
    engine::{
        AttributeType, BoundUser, Dialect, ForbidErrors, Module, PolicyFacts, PolicyKind, Program, ResourceType,
        Source, Subject, Vocabulary, decide,
    },
    model::{Assignment, AssignmentKind, Request, Resource, Timestamp, User, Value},
};
use std::{borrow::Cow, fmt::Write as _, hint::black_box, sync::Arc, time::Instant};

const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];
const ROUNDS: usize = 41;
const DECISIONS: u32 = 4_000;

/// As many different requests take turns, in every set alike.
const REQUESTS: usize = 256;

/// A policy set of `size` permits, one for each role on each module, with a condition; and one `forbid` that is a
/// candidate for every request. Users have two roles, so that every request has three candidates.
struct Set {
    size: usize,
    program: Program,
    policies: PolicySet,
    entities: Entities,
    users: Vec<BoundUser>,
    modules: usize,
}

impl Set {
    fn new(size: usize) -> Self {
        let modules = (size / 100).clamp(5, 100);
        let roles = size.div_ceil(modules);
        let mut text = String::from(
            "@id(\"curfew\") forbid(principal, action, resource) when { context has reason && context.reason like \"*curfew*\" };\n",
        );
        for index in 0..size {
            let (role, module) = (index / modules, index % modules);
            writeln!(
                text,
                "permit(principal in Role::\"r{role}\", action in [Action::\"view\", Action::\"edit\"], resource in Module::\"m{module}\") when {{ resource has owner && resource.owner == principal }};"
            )
            .expect("writing to a text");
        }
        let policies: PolicySet = text.parse().expect("valid policies");
        let named =
            |ty: &str, id: String| serde_json::json!({ "uid": { "type": ty, "id": id }, "attrs": {}, "parents": [] });
        let mut entities: Vec<_> = (0..roles).map(|role| named("Role", format!("r{role}"))).collect();
        entities.extend((0..modules).map(|module| named("Module", format!("m{module}"))));
        let entities = Entities::from_json_value(entities.into(), None).expect("valid entities");
        let facts = policies.policies().map(|policy| facts(policy.id().as_ref())).collect();
        let source = Source {
            policies: Source::list(&policies),
            entities: entities.clone(),
            facts,
            dialect: Dialect::Declared(Arc::new(vocabulary(modules))),
            forbid_errors: ForbidErrors::Deny,
        };
        let program = Program::build(source).expect("the parts fit together");
        let users = (0..64).map(|number| BoundUser::new(&program, &Arc::new(user(number, roles)))).collect();
        Self { size, program, policies, entities, users, modules }
    }

    /// Nanoseconds a decision, over requests that differ in user and module.
    fn round(&self) -> f64 {
        let types: Vec<_> = (0..self.modules).map(|module| format!("doc{module}")).collect();
        let owners: Vec<_> = (0..64).map(|number| format!("u{number}")).collect();
        let start = Instant::now();
        for number in (0..REQUESTS).cycle().take(DECISIONS as usize) {
            let (user, owner) = (&self.users[number % 64], &owners[number % 64]);
            let attributes = [(Cow::Borrowed("owner"), Value::text(owner))];
            let context = [(Cow::Borrowed("reason"), Value::text("routine"))];
            let resource = Resource { ty: &types[number * 7 % self.modules], id: "d-1", attributes: &attributes };
            let request = Request {
                action: "edit",
                resource,
                tenant: None,
                context: &context,
                subject_attributes: &[],
                time: Timestamp::from_micros(0),
            };
            let outcome = decide(&self.program, Subject::User(user), black_box(&request));
            black_box(outcome.decision);
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS)
    }

    /// Nanoseconds that plain Cedar takes for the same kind of request.
    fn plain_round(&self) -> f64 {
        let entities = self.entities.clone();
        let uid = |text: &str| text.parse().expect("a uid");
        let context = Context::from_json_value(serde_json::json!({ "reason": "routine" }), None).expect("a context");
        let request =
            CedarRequest::new(uid("User::\"u0\""), uid("Action::\"edit\""), uid("doc0::\"d-1\""), context, None)
                .expect("a request");
        let authorizer = Authorizer::new();
        let repeats = u32::try_from((20_000 / self.size).max(1)).unwrap_or(1);
        let start = Instant::now();
        for _ in 0..repeats {
            black_box(authorizer.is_authorized(black_box(&request), &self.policies, &entities).decision());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(repeats)
    }
}

fn facts(id: &str) -> PolicyFacts {
    PolicyFacts { id: id.into(), summary: id.into(), kind: PolicyKind::Ordinary, location: None }
}

fn vocabulary(modules: usize) -> Vocabulary {
    Vocabulary {
        modules: (0..modules).map(|module| Module { id: format!("m{module}"), areas: Vec::new() }).collect(),
        resource_types: (0..modules)
            .map(|module| ResourceType {
                name: format!("doc{module}"),
                module,
                attributes: vec![("owner".to_owned(), AttributeType::Entity("User".to_owned()))],
            })
            .collect(),
        actions: vec!["view".to_owned(), "edit".to_owned()],
        context: vec![("reason".to_owned(), AttributeType::String)],
        ..Vocabulary::default()
    }
}

fn user(number: usize, roles: usize) -> User {
    let roles = [number % roles, (number + 1) % roles];
    let role =
        |role: &usize| Assignment { kind: AssignmentKind::Role, name: format!("r{role}"), until: None, why: None };
    User::new(format!("u{number}")).given(None, roles.iter().map(role).collect())
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// That of the binary.
#[global_allocator]
static ALLOCATOR: sidegate::Allocator = sidegate::Allocator;

fn main() {
    let sets: Vec<_> = SIZES.into_iter().map(Set::new).collect();
    let mut samples = vec![Vec::new(); sets.len()];
    for _ in 0..ROUNDS {
        for (set, samples) in sets.iter().zip(&mut samples) {
            samples.push(set.round());
        }
    }
    let medians: Vec<_> = samples.into_iter().map(median).collect();
    let smallest = medians.first().copied().unwrap_or(1.0);
    println!("policies   decide (ns)   against 10   plain Cedar (ns)   plain / decide");
    for (set, decide) in sets.iter().zip(&medians) {
        let plain = median((0..5).map(|_| set.plain_round()).collect());
        println!("{:>8} {decide:>13.0} {:>12.2} {plain:>18.0} {:>16.0}", set.size, decide / smallest, plain / decide);
    }
}
