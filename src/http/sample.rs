//! A question that owns all its parts, so that another thread can ask it.

use super::{
    claim::Claim,
    desk::{self, Question},
};
use crate::{
    engine::Subject,
    model::{Assertion, Attributes, ReasonCode, Request, Resource, Timestamp, Value},
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

    /// Puts the question, with its subject as a snapshot knows it, and with the reason for which whatever that subject asks is refused
    /// there: who counts in one set may count for nobody in another.
    pub(super) fn ask<T>(
        &self,
        current: &Current,
        put: impl FnOnce(Subject<'_>, &Request<'_>, Option<ReasonCode>) -> T,
    ) -> T {
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
        put(desk::subject(current, &question), &question.request(self.time), question.claim.refusal())
    }
}

fn owned(attributes: &Attributes<'_>) -> Owned {
    attributes.iter().map(|(name, value)| (Cow::Owned(name.to_string()), value.clone().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Limits,
        engine::Dialect,
        http::{claim::Asserted, testing::services},
    };

    /// Who is known where it was asked, and not in the set that is asked beside it, is refused there as it would be live.
    #[test]
    fn a_claim_that_is_refused_in_another_set_is_refused_when_that_is_asked() {
        let services = services(Dialect::PlainCedar { principal_type: "User".to_owned() }, Limits::default());
        let current = services.reader.load();
        for (known_users_only, wanted) in [(true, Some(ReasonCode::UserUnknown)), (false, None)] {
            let assertion = Arc::new(Assertion { user: "sam".to_owned(), known_users_only, ..Assertion::default() });
            let claim = Claim::Asserted(Arc::new(Asserted { assertion, user: None, claims: None }));
            let resource = Resource { ty: "order", id: "o-1", attributes: &[] };
            let question = Question {
                subject_type: None,
                subject: "sam",
                subject_attributes: &[],
                claim: &claim,
                action: "view",
                resource,
                tenant: None,
                context: &[],
            };
            let sample = Sample::new(&question, Timestamp::from_micros(0));
            assert_eq!(sample.ask(&current, |_, _, refused| refused), wanted);
        }
    }
}
