//! What a user can come to do, whatever the resource: the candidates of a decision, with their conditions left open where
//! they depend on a resource or a context that nobody has named yet.
//!
//! It asks the same index and the same evaluator as a decision. What is certain here holds for every request; what is
//! not is told as depending on its condition.

mod hidden;
mod leaning;
mod partial;

pub use hidden::Hidden;

use super::{
    BoundUser, Dialect, ModuleIndex, PolicyIndex, PolicyKind, Program, Tenancy, Vocabulary,
    bind::user_fields,
    compile::Condition,
    index::{Keys, Place},
    question::{Fields, Party, Question, Tenant},
    subject::{OwnedAttributes, Standing, USER_TYPE},
    uid::{Uid, UidIndex},
};
use crate::model::Timestamp;
use partial::Partial;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// A part of a module that policies may tell apart from its other parts.
#[derive(Debug)]
pub struct Part {
    /// The module.
    pub module: ModuleIndex,
    /// The place of an area among the module's; `None` for what is in no area.
    pub area: Option<usize>,
    /// The type of its resources; `None` where policies do not tell the module's types apart.
    pub ty: Option<String>,
    /// The id of the one resource that it is, where policies name it.
    pub resource: Option<String>,
    uid: (String, String),
    index: Option<UidIndex>,
    ancestors: Vec<UidIndex>,
    keys: Keys,
}

/// The parts of all modules, to be made once for many questions to one program.
#[derive(Debug)]
pub struct Parts(Vec<Vec<Part>>);

/// What becomes of one action on one part of a module.
#[derive(Debug, Default)]
pub struct Touching {
    /// Permits that apply, or apply where their condition holds.
    pub permits: Vec<Touched>,
    /// Forbids of the same kinds.
    pub forbids: Vec<Touched>,
}

/// A policy whose scope fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touched {
    /// Which one.
    pub policy: PolicyIndex,
    /// Whether it applies whatever the resource and the context are. If not, its condition decides.
    pub certain: bool,
    /// Whether its scope names one resource or the module as such, so that it is about less than the part.
    pub named: bool,
}

/// One user's standing in one tenant, ready to be asked.
#[derive(Debug)]
pub struct Reach<'a> {
    program: &'a Program,
    vocabulary: &'a Vocabulary,
    user: &'a BoundUser,
    standing: &'a Standing,
    attributes: &'a OwnedAttributes,
    tenant: Option<&'a str>,
    anybody: bool,
}

impl Parts {
    /// The parts of a program's modules; none in a policy set of plain Cedar.
    #[must_use]
    pub fn of(program: &Program) -> Self {
        let Dialect::Declared(vocabulary) = program.dialect() else { return Self(Vec::new()) };
        let mut types: FxHashMap<ModuleIndex, Vec<&str>> = FxHashMap::default();
        for ty in &vocabulary.resource_types {
            types.entry(ty.module).or_default().push(&ty.name);
        }
        let mut named = named_resources(program, vocabulary);
        let parts = (0..vocabulary.modules.len()).map(|module| {
            let types = types.get(&module).map_or(&[][..], Vec::as_slice);
            let mut parts = parts_of(program, vocabulary, module, types).unwrap_or_default();
            parts.extend(named.remove(&module).unwrap_or_default());
            parts
        });
        Self(parts.collect())
    }

    /// The parts of one module: first those of the whole, then those of each area, then single resources that policies name.
    #[must_use]
    pub fn module(&self, module: ModuleIndex) -> &[Part] {
        self.0.get(module).map_or(&[], Vec::as_slice)
    }
}

fn parts_of(program: &Program, vocabulary: &Vocabulary, module: ModuleIndex, types: &[&str]) -> Option<Vec<Part>> {
    let (store, declared) = (program.store(), vocabulary.modules.get(module)?);
    let target = program.names().target(&declared.id).filter(|target| target.module == module);
    // A module that a type of the same name hides is asked about through its types alone.
    let target = target.or_else(|| types.first().and_then(|ty| program.names().target(ty)))?;
    let (mut of_modules, mut of_all_types, mut are_alike) = (Vec::new(), Vec::new(), true);
    for area in std::iter::once(None).chain((0..declared.areas.len()).map(Some)) {
        let name = area.and_then(|area| declared.areas.get(area)).map(String::as_str);
        let itself = match name {
            None => ("Module".to_owned(), declared.id.clone()),
            Some(area) => ("Area".to_owned(), format!("{}/{area}", declared.id)),
        };
        let own = store.uids.find(Uid { ty: &itself.0, id: &itself.1 });
        let above = target.above(name);
        let ancestors = above.iter().copied().filter(|&above| Some(above) != own).collect();
        let of_module = part(program, module, area, None, itself, own, ancestors);
        let of_types = types.iter().map(|ty| {
            let uid = ((*ty).to_owned(), String::new());
            part(program, module, area, Some((*ty).to_owned()), uid, None, above.to_vec())
        });
        for part in of_types {
            are_alike &= part.keys == of_module.keys;
            of_all_types.push(part);
        }
        of_modules.push(of_module);
    }
    // Mostly policies look at the module alone: then one part stands for all of its types. Where they tell types apart in one
    // area, they are told apart in all, so that limits to types mean the same everywhere.
    Some(if are_alike { of_modules } else { of_all_types })
}

fn part(
    program: &Program,
    module: ModuleIndex,
    area: Option<usize>,
    ty: Option<String>,
    uid: (String, String),
    index: Option<UidIndex>,
    ancestors: Vec<UidIndex>,
) -> Part {
    let place = Place { ty: program.store().uids.find_type(&uid.0), own: index, ancestors: &ancestors };
    let keys = program.index().resources.keys_of(place);
    Part { module, area, ty, resource: None, uid, index, ancestors, keys }
}

/// The single resources that the scopes of policies name, by module, in order of type and id.
fn named_resources(program: &Program, vocabulary: &Vocabulary) -> FxHashMap<ModuleIndex, Vec<Part>> {
    let (store, index) = (program.store(), program.index());
    let types: FxHashMap<&str, ModuleIndex> =
        vocabulary.resource_types.iter().map(|ty| (ty.name.as_str(), ty.module)).collect();
    let uids = index.resources.named().filter_map(|uid| store.uids.get(uid)).map(|uid| {
        let id: &str = uid.eid().as_ref();
        (uid.entity_type().to_string(), id.to_owned())
    });
    let uids: BTreeSet<(String, String)> = uids.filter(|(ty, _)| types.contains_key(ty.as_str())).collect();
    let mut named: FxHashMap<ModuleIndex, Vec<Part>> = FxHashMap::default();
    for (ty, id) in uids {
        let (Some(&module), Some(target)) = (types.get(ty.as_str()), program.names().target(&ty)) else { continue };
        let located = target.locate(&ty, &id, store, index);
        let (own, ancestors) = (located.index, located.ancestors.to_vec());
        let resource = Some(id.clone());
        let part = part(program, module, None, Some(ty.clone()), (ty, id), own, ancestors);
        named.entry(module).or_default().push(Part { resource, ..part });
    }
    named
}

impl<'a> Reach<'a> {
    /// What the user was given in a tenant, as it counts at a time. `None` in a policy set of plain Cedar.
    ///
    /// Whether the user may act at all is not asked here: a decision tells that.
    #[must_use]
    pub fn of(program: &'a Program, user: &'a BoundUser, tenant: Option<&'a str>, time: Timestamp) -> Option<Self> {
        let Dialect::Declared(vocabulary) = program.dialect() else { return None };
        let (standing, attributes) = user.placed(tenant, time);
        Some(Self { program, vocabulary, user, standing, attributes, tenant, anybody: false })
    }

    /// The same for anybody who was given what this user was given: conditions on who the user is, and on the user's attributes,
    /// are left open.
    #[must_use]
    pub fn of_anybody_like(
        program: &'a Program,
        user: &'a BoundUser,
        tenant: Option<&'a str>,
        time: Timestamp,
    ) -> Option<Self> {
        Self::of(program, user, tenant, time).map(|reach| Self { anybody: true, ..reach })
    }

    /// The policies that can decide about an action on a part of a module.
    #[must_use]
    pub fn on(&self, part: &Part, action: &str) -> Touching {
        let mut touching = Touching::default();
        let Ok(action_index) = self.program.names().action(action) else { return touching };
        let question = self.question(part, action, action_index);
        let partial = Partial::new(self.program, &question, part.ty.is_some(), self.anybody);
        for entry in self.program.index().candidates(&self.standing.keys, action_index, &part.keys) {
            let forbids = entry.rule.forbids;
            let truth = match self.program.condition(entry.rule.condition) {
                Some(Condition::Holds) => Some(true),
                Some(Condition::Quick(node)) => partial.truth(node, forbids),
                Some(Condition::Cedar) | None => None,
            };
            let touched = |certain| Touched { policy: entry.policy, certain, named: false };
            let list = if forbids { &mut touching.forbids } else { &mut touching.permits };
            match truth {
                Some(false) => {}
                Some(true) => list.push(touched(true)),
                None => list.push(touched(false)),
            }
        }
        touching
    }

    /// The same with the policies that name one resource, or the module as such. They count as depending on the resource.
    #[must_use]
    pub fn on_with_hidden(&self, part: &Part, action: &str, hidden: &Hidden) -> Touching {
        let mut touching = self.on(part, action);
        let standing = (self.user.id(), self.standing);
        for (policy, forbids) in hidden.fitting(self.program, part.module, action, standing) {
            let list = if forbids { &mut touching.forbids } else { &mut touching.permits };
            if list.iter().all(|touched| touched.policy != policy) {
                list.push(Touched { policy, certain: false, named: true });
            }
        }
        touching
    }

    fn question<'q>(&'q self, part: &'q Part, action: &'q str, action_index: Option<UidIndex>) -> Question<'q> {
        let tenant = match self.vocabulary.tenancy {
            Tenancy::Required => Tenant::Fixed(self.tenant),
            Tenancy::None => Tenant::Ordinary,
        };
        Question {
            principal: Party {
                uid: Uid { ty: USER_TYPE, id: self.user.id() },
                index: self.user.own,
                ancestors: &self.standing.ancestors,
                overlay: user_fields(self.attributes, &self.vocabulary.user_attributes),
                declared: true,
            },
            action: Uid { ty: "Action", id: action },
            action_index,
            resource: Party {
                uid: Uid { ty: &part.uid.0, id: &part.uid.1 },
                index: part.index,
                ancestors: &part.ancestors,
                overlay: Fields::EMPTY,
                declared: true,
            },
            context: Fields { given: &[], declared: Some(&self.vocabulary.context), tenant },
        }
    }
}

impl Touching {
    /// Whether a gate keeps everybody with this standing out.
    #[must_use]
    pub fn gate_is_closed(&self, program: &Program) -> bool {
        self.forbids.iter().any(|touched| touched.certain && is_gate(program, touched.policy))
    }

    /// Policies other than gates that forbid it for certain.
    pub fn certain_forbids(&self, program: &Program) -> impl Iterator<Item = PolicyIndex> {
        let forbids = self.forbids.iter().filter(|touched| touched.certain && !is_gate(program, touched.policy));
        forbids.map(|touched| touched.policy)
    }

    /// Whether a policy other than a gate forbids it whatever the resource.
    #[must_use]
    pub fn is_forbidden(&self, program: &Program) -> bool {
        self.certain_forbids(program).next().is_some()
    }
}

fn is_gate(program: &Program, policy: PolicyIndex) -> bool {
    program.policy(policy).is_some_and(|facts| facts.kind == PolicyKind::Gate)
}
