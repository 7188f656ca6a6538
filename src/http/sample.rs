//! A question that owns all its parts, so that another thread can ask it.

use super::{
    claim::Claim,
    desk::{self, Question},
};
use crate::{
    engine::Subject,
    model::{Assertion, Attributes, Request, Resource, Timestamp, Value},
    reload::Current,
};
use std::{borrow::Cow, sync::Arc};

/// A copy of a question.
#[derive(Debug)]
pub(super) struct Sample {
    subject_type: Option<String>,
    pub(super) subject: String,
    subject_attributes: Owned,
    assertion: Option<Arc<Assertion>>,
    pub(super) action: String,
    pub(super) resource_type: String,
    pub(super) resource_id: String,
    resource_attributes: Owned,
    pub(super) tenant: Option<String>,
    context: Owned,
    pub(super) time: Timestamp,
}

type Owned = Vec<(Cow<'static, str>, Value<'static>)>;

impl Sample {
    /// Copies a question that was asked at a time.
    pub(super) fn new(question: &Question<'_>, time: Timestamp) -> Self {
        Self {
            subject_type: question.subject_type.map(str::to_owned),
            subject: question.subject.to_owned(),
            subject_attributes: owned(question.subject_attributes),
            assertion: question.claim.assertion().map(Arc::clone),
            action: question.action.to_owned(),
            resource_type: question.resource.ty.to_owned(),
            resource_id: question.resource.id.to_owned(),
            resource_attributes: owned(question.resource.attributes),
            tenant: question.tenant.map(str::to_owned),
            context: owned(question.context),
            time,
        }
    }

    /// Puts the question, with its subject as a snapshot knows it.
    pub(super) fn ask<T>(&self, current: &Current, put: impl FnOnce(Subject<'_>, &Request<'_>) -> T) -> T {
        let claim = self.assertion.as_ref().map(|assertion| Claim::asserted(current, Arc::clone(assertion), None).0);
        let question = Question {
            subject_type: self.subject_type.as_deref(),
            subject: &self.subject,
            subject_attributes: &self.subject_attributes,
            claim: claim.as_ref().unwrap_or(&Claim::Nothing),
            action: &self.action,
            resource: Resource {
                ty: &self.resource_type,
                id: &self.resource_id,
                attributes: &self.resource_attributes,
            },
            tenant: self.tenant.as_deref(),
            context: &self.context,
        };
        put(desk::subject(current, &question), &question.request(self.time))
    }
}

fn owned(attributes: &Attributes<'_>) -> Owned {
    attributes.iter().map(|(name, value)| (Cow::Owned(name.to_string()), value.clone().into_owned())).collect()
}
