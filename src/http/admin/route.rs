//! What a path of the admin listener is, as data: who may call it, what it takes, what it answers, and who does the work.
//!
//! Routing, access, metrics, `openapi.json` and the reference all come from here, so that none of them can say something else.

use super::access::{self, Door, Gate};
use crate::{config::Scope, http::ErrorCode};
use axum::{
    Router, middleware,
    routing::{MethodFilter, MethodRouter},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::sync::Arc;

/// A route: what it is, and who does the work.
pub(super) struct Route<S: 'static> {
    /// What it is.
    pub(super) facts: Facts,
    /// The work, for the method of the facts.
    pub(super) serve: fn(MethodFilter) -> MethodRouter<S>,
}

/// What a route is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// The method.
    pub(super) verb: Verb,
    /// The path, with its parameters in braces; it also labels the route's metrics.
    pub(super) path: &'static str,
    /// Its name in generated clients.
    pub(super) name: &'static str,
    /// What it is for, in a few words.
    pub(super) summary: &'static str,
    /// What else is to be known.
    pub(super) description: &'static str,
    /// One of these is enough; where there is none, no token is wanted.
    pub(super) scopes: &'static [Scope],
    /// Whether it is decided by the loaded policies for whoever is named in `Sidegate-Actor`.
    pub(super) acts: bool,
    /// What the address and the headers may hold, in groups that routes share.
    pub(super) parameters: &'static [&'static [Parameter]],
    /// What the body may be; none where there is no body.
    pub(super) body: &'static [Content],
    /// What is answered where all is well.
    pub(super) answers: &'static [Answer],
    /// What is answered otherwise, beside what every route may answer.
    pub(super) errors: &'static [ErrorCode],
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// A part of the address, or a header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// Where it stands.
    pub(super) place: Place,
    /// Whether it must be there.
    pub(super) required: bool,
    /// What it means.
    pub(super) about: &'static str,
    /// What it may be.
    pub(super) shape: Shape,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number within these bounds.
    Whole(u64, u64),
    /// A time by RFC 3339.
    Time,
    /// A text by this pattern.
    Like(&'static str),
}

/// The content of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    /// Its media type.
    pub(super) media: &'static str,
    /// What it looks like.
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: u16,
    /// What it tells.
    pub(super) about: &'static str,
    /// Its body; none where there is no body.
    pub(super) content: &'static [Content],
    /// Headers, each with what it tells.
    pub(super) headers: &'static [(&'static str, &'static str)],
}

impl Facts {
    /// A `GET` of nothing by nobody, for the fields that a route leaves out.
    pub(super) const BLANK: Self = Self {
        verb: Verb::Get,
        path: "",
        name: "",
        summary: "",
        description: "",
        scopes: &[],
        acts: false,
        parameters: &[],
        body: &[],
        answers: &[],
        errors: &[],
    };

    /// Every error that the route may answer with, without repeats.
    pub(super) fn all_errors(&self) -> Vec<ErrorCode> {
        let mut all = Vec::new();
        if !self.scopes.is_empty() {
            all.extend([ErrorCode::Unauthorized, ErrorCode::ScopeMissing, ErrorCode::TooManyFailures]);
        }
        if self.acts {
            all.extend([ErrorCode::ActorMissing, ErrorCode::MalformedRequest]);
        }
        if !self.parameters.is_empty() {
            all.push(ErrorCode::MalformedRequest);
        }
        if !self.body.is_empty() {
            all.extend([
                ErrorCode::MalformedRequest,
                ErrorCode::UnsupportedContentType,
                ErrorCode::RequestTimeout,
                ErrorCode::BodyTooLarge,
            ]);
        }
        all.extend([ErrorCode::Forbidden, ErrorCode::Internal]);
        all.extend(self.errors);
        all.sort_unstable_by_key(|code| (code.status(), code.as_str()));
        all.dedup();
        all
    }

    /// Every status that the route may answer with.
    pub(super) fn statuses(&self) -> Vec<u16> {
        let answers = self.answers.iter().map(|answer| answer.status);
        let mut all: Vec<u16> = answers.chain(self.all_errors().into_iter().map(ErrorCode::status)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Verb {
    /// The method's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

impl Parameter {
    /// One of the address's query, which may be left out.
    pub(super) const fn query(name: &'static str, about: &'static str, shape: Shape) -> Self {
        Self { name, place: Place::Query, required: false, about, shape }
    }

    /// A part of the path.
    pub(super) const fn path(name: &'static str, about: &'static str) -> Self {
        Self { name, place: Place::Path, required: true, about, shape: Shape::Text }
    }

    /// A header, which may be left out.
    pub(super) const fn header(name: &'static str, about: &'static str, shape: Shape) -> Self {
        Self { name, place: Place::Header, required: false, about, shape }
    }
}

impl Content {
    /// JSON of a type.
    pub(super) const fn json<T: JsonSchema>() -> Self {
        Self { media: "application/json", schema: SchemaGenerator::subschema_for::<T> }
    }

    /// Data in another notation than JSON.
    pub(super) const fn data(media: &'static str) -> Self {
        Self { media, schema: SchemaGenerator::subschema_for::<serde_json::Value> }
    }

    /// Text of another media type.
    pub(super) const fn text(media: &'static str) -> Self {
        Self { media, schema: SchemaGenerator::subschema_for::<String> }
    }
}

impl Answer {
    /// An answer without headers of its own.
    pub(super) const fn new(status: u16, about: &'static str, content: &'static [Content]) -> Self {
        Self { status, about, content, headers: &[] }
    }
}

/// Serves routes. Without a door, whoever reaches them may call them.
pub(super) fn mount<S>(routes: &'static [Route<S>], state: S, door: Option<&Arc<Door>>) -> Router
where
    S: Clone + Send + Sync + 'static,
{
    let mut whole = Router::new();
    for Route { facts, serve } in routes {
        let mut served = serve(facts.verb.filter());
        if let Some(door) = door {
            let gate = Gate { door: Arc::clone(door), scopes: facts.scopes };
            served = served.route_layer(middleware::from_fn_with_state(gate, access::check));
        }
        whole = whole.route(facts.path, served);
    }
    whole.with_state(state)
}

/// The paths with all statuses that are to be expected, for the metrics.
pub(super) fn expected<'f>(facts: impl Iterator<Item = &'f Facts>) -> Vec<(&'static str, Vec<u16>)> {
    let mut paths: Vec<(&'static str, Vec<u16>)> = Vec::new();
    for route in facts {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, statuses)) => statuses.extend(route.statuses()),
            None => paths.push((route.path, route.statuses())),
        }
    }
    for (_, statuses) in &mut paths {
        // Every path has methods that it does not know.
        statuses.push(ErrorCode::MethodNotAllowed.status());
        statuses.sort_unstable();
        statuses.dedup();
    }
    paths
}
