//! Cedar's own test corpus: as it is, every uid crossed with every other, and policies of many tests merged.

use super::{Ask, World};
use cedar_policy::{Entities, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet, Schema};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
};

#[derive(Deserialize)]
struct Test {
    policies: PathBuf,
    entities: PathBuf,
    schema: PathBuf,
    requests: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    principal: Uid,
    action: Uid,
    resource: Uid,
    context: serde_json::Value,
    decision: String,
    reason: Vec<String>,
    errors: Vec<String>,
}

#[derive(Deserialize, Clone)]
struct Uid {
    r#type: String,
    id: String,
}

impl Uid {
    fn cedar(&self) -> EntityUid {
        let ty: EntityTypeName = self.r#type.parse().expect("an entity type");
        EntityUid::from_type_name_and_id(ty, EntityId::new(&self.id))
    }
}

impl Expected {
    fn ask(&self) -> Ask {
        Ask {
            principal: self.principal.cedar(),
            action: self.action.cedar(),
            resource: self.resource.cedar(),
            context: self.context.clone(),
        }
    }
}

/// The unpacked corpus: the folder named by `CEDAR_CORPUS`, or the archive beside the repository.
fn corpus() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<(PathBuf, Option<tempfile::TempDir>)>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "where the corpus lies is for the test alone")]
        if let Ok(folder) = std::env::var("CEDAR_CORPUS") {
            return Some((folder.into(), None));
        }
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cedar-corpus/corpus.tar.gz");
        let Ok(archive) = fs::File::open(archive) else {
            eprintln!("SKIPPED: Cedar's corpus is not here; name its folder in CEDAR_CORPUS");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(folder.path()).unwrap();
        Some((folder.path().to_owned(), Some(folder)))
    });
    folder.as_ref().map(|(folder, _)| folder.as_path())
}

/// Every test of the corpus, in the order of its names.
fn tests(folder: &Path) -> Vec<PathBuf> {
    let mut tests: Vec<_> = fs::read_dir(folder.join("corpus-tests"))
        .expect("the corpus holds `corpus-tests`")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| path.file_stem().is_some_and(|stem| !stem.to_string_lossy().ends_with(".entities")))
        .collect();
    tests.sort();
    assert!(tests.len() > 1000, "the corpus is all there");
    tests
}

fn read(folder: &Path, test: &Path) -> (Test, PolicySet, Entities) {
    let test: Test = serde_json::from_str(&fs::read_to_string(test).unwrap()).unwrap();
    let policies = fs::read_to_string(folder.join(&test.policies)).unwrap().parse().unwrap();
    let schema = Schema::from_cedarschema_str(&fs::read_to_string(folder.join(&test.schema)).unwrap());
    let schema = schema.ok().map(|(schema, _)| schema);
    let entities = fs::read_to_string(folder.join(&test.entities)).unwrap();
    let entities = Entities::from_json_str(&entities, schema.as_ref()).unwrap();
    (test, policies, entities)
}

/// Runs `check` over the tests in as many threads as there are processors.
fn each(check: impl Fn(&Path, &[PathBuf]) + Sync) {
    let Some(folder) = corpus() else { return };
    let tests = tests(folder);
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let check = &check;
    thread::scope(|scope| {
        for part in tests.chunks(tests.len().div_ceil(threads)) {
            thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, move || check(folder, part)).unwrap();
        }
    });
}

#[test]
fn answers_every_request_of_the_corpus_as_expected() {
    each(|folder, tests| {
        for path in tests {
            let (test, policies, entities) = read(folder, path);
            let world = World::new(policies, entities);
            for expected in &test.requests {
                let answer = world.engine(&expected.ask());
                let mut reason = expected.reason.clone();
                reason.sort();
                let errors: Vec<_> = answer.errors.iter().map(|(id, _)| id.clone()).collect();
                assert_eq!(answer.allowed, expected.decision == "allow", "{}", path.display());
                assert_eq!((answer.determining, errors), (reason, expected.errors.clone()), "{}", path.display());
            }
        }
    });
}

#[test]
fn equals_plain_cedar_on_every_crossing_of_uids() {
    each(|folder, tests| {
        for path in tests {
            let (test, policies, entities) = read(folder, path);
            let world = World::new(policies, entities);
            let uids = |uid: fn(&Expected) -> &Uid, unknown: &str| {
                let uids: BTreeSet<_> = test.requests.iter().map(|request| uid(request).cedar()).collect();
                uids.into_iter().chain([unknown.parse().unwrap()]).collect::<Vec<_>>()
            };
            let principals = uids(|request| &request.principal, "Nowhere::\"nobody\"");
            let actions = uids(|request| &request.action, "Action::\"nothing\"");
            let resources = uids(|request| &request.resource, "Nowhere::\"nothing\"");
            let contexts: Vec<_> = test.requests.iter().map(|request| request.context.clone()).collect();
            let mut contexts = contexts.iter().cycle();
            for principal in &principals {
                for action in &actions {
                    for resource in &resources {
                        let context = contexts.next().unwrap().clone();
                        let (principal, action, resource) = (principal.clone(), action.clone(), resource.clone());
                        world.check(&Ask { principal, action, resource, context }, &path.display().to_string());
                    }
                }
            }
        }
    });
}

/// As many tests share one policy set.
const MERGED: usize = 60;

#[test]
fn equals_plain_cedar_on_merged_policy_sets() {
    each(|folder, tests| {
        for group in tests.chunks(MERGED) {
            let group: Vec<_> = group.iter().map(|path| read(folder, path)).collect();
            let mut merged = PolicySet::new();
            for (number, (_, policies, _)) in group.iter().enumerate() {
                for policy in policies.policies() {
                    let id = PolicyId::new(format!("{number}-{}", policy.id()));
                    merged.add(policy.new_id(id)).unwrap();
                }
            }
            for (test, _, entities) in &group {
                let world = World::new(merged.clone(), entities.clone());
                for expected in &test.requests {
                    world.check(&expected.ask(), "a merged set");
                }
            }
        }
    });
}
