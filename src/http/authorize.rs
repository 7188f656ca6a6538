//! `POST /v1/authorize`: the product's own way of asking.
//!
//! A field that does not exist is an error here, with the nearest one that does: a misspelt `context` must not decide.

use super::{
    ApiError,
    claim::{self, Claim, Claimed, Word},
    desk::{self, Asked, Desk, Question},
    json::{self, Members, Text, once, unknown_field},
    peer::Call,
    questions,
    service::Answer,
};
use crate::{
    audit::Origin,
    model::{Assertion, Decision, ReasonCode, Request, Resource, Revision, Timestamp},
    policy,
    reload::Current,
};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::{borrow::Cow, fmt, sync::Arc};
use ulid::Ulid;

const FIELDS: &[&str] = &["user", "subject", "action", "tenant", "resource", "context", "explain"];
const SUBJECT_FIELDS: &[&str] = &["id", "token", "roles"];
const RESOURCE_FIELDS: &[&str] = &["type", "id", "attributes"];

/// The body of a request.
#[derive(Debug)]
pub struct AuthorizeBody<'a> {
    subject: SubjectBody<'a>,
    action: Cow<'a, str>,
    tenant: Option<Cow<'a, str>>,
    resource: ResourceBody<'a>,
    context: Members<'a>,
    explain: bool,
}

/// Who asks: `user`, or `subject` where there is more to say than a name.
#[derive(Debug, Default)]
pub(super) struct SubjectBody<'a> {
    id: Cow<'a, str>,
    token: Option<Cow<'a, str>>,
    roles: Option<Vec<Cow<'a, str>>>,
}

#[derive(Debug)]
struct ResourceBody<'a> {
    ty: Cow<'a, str>,
    id: Cow<'a, str>,
    attributes: Members<'a>,
}

/// Reads the body of a request, for whoever asks in the same words without HTTP.
pub fn read_authorize(body: &[u8]) -> Result<AuthorizeBody<'_>, ApiError> {
    Ok(serde_json::from_str(json::check(body)?)?)
}

/// Answers.
pub(super) async fn answer(desk: &Desk, bytes: &Bytes, call: Call<'_>) -> Result<Answer, ApiError> {
    let room = desk.room().await?;
    // From here to the record nothing waits.
    let (text, revision, id, ticket, explained) = {
        let body = read_authorize(bytes)?;
        let asked = Asked { call, origin: Origin::Native, time: desk.now(), room };
        let current = desk.current();
        let trusts_roles = || desk.claims().trusts_roles(current.snapshot.program.dialect());
        let claimed = body.subject.claimed(body.tenant.as_deref(), trusts_roles)?;
        let claim = desk.claim(&current, &claimed, asked.time);
        let question = body.question(&claim);
        let ruling = desk.decide(&current, &question, &asked);
        let revision = current.snapshot.revision;
        let text =
            write(ruling.decision(), revision, ruling.id, |out| ruling.write_reason(out, &current.snapshot.program));
        // What could not be recorded was not decided by the policies, and neither was what they are too old for.
        let decided = ruling.ticket.is_some() && ruling.code() != ReasonCode::PoliciesStale;
        let told = decided && claim.refusal().is_none();
        let explained = (body.explain && told).then(|| (Arc::clone(&current), claim.clone(), asked.time));
        (text, revision, ruling.id, ruling.ticket, explained)
    };
    let revision_header = desk.revision_header(revision);
    if !desk.committed(ticket).await {
        let body = write(Decision::Deny, revision, id, desk::write_unavailable);
        return Ok(Answer { body, revision: revision_header });
    }
    let body = match explained {
        Some((current, claim, time)) => explain(desk, text, current, claim, bytes.clone(), time).await?,
        None => text,
    };
    Ok(Answer { body, revision: revision_header })
}

/// Adds the explanation to an answer: why it was allowed, or what is missing. The decision has been made and recorded.
async fn explain(
    desk: &Desk,
    mut answer: String,
    current: Arc<Current>,
    claim: Claim,
    bytes: Bytes,
    time: Timestamp,
) -> Result<String, ApiError> {
    let explained = desk.aside().run(move || {
        let body = read_authorize(&bytes)?;
        let question = body.question(&claim);
        let subject = desk::subject(&current, &question);
        questions::to_json(&policy::explain(&current.snapshot, subject, &question.request(time)))
    });
    let explained = explained.await?;
    if answer.pop() == Some('}') {
        answer.push_str(r#","explanation":"#);
        answer.push_str(&explained);
        answer.push('}');
    }
    Ok(answer)
}

fn write(decision: Decision, revision: Revision, id: Ulid, reason: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(256);
    out.push_str(r#"{"decision":""#);
    out.push_str(decision.as_str());
    out.push_str(r#"","reason":"#);
    reason(&mut out);
    out.push_str(r#","revision":""#);
    out.push_str(revision.short());
    out.push_str(r#"","id":""#);
    out.push_str(id.array_to_str(&mut [0; ulid::ULID_LEN]));
    out.push_str(r#""}"#);
    out
}

impl AuthorizeBody<'_> {
    /// Who asks, where the question names somebody.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.subject.id
    }

    /// Whether a token says who asks.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.subject.token.is_some()
    }

    /// What the question asserts of the user, as it would count for a caller who is believed.
    ///
    /// # Errors
    /// Fails where there can be no such user.
    pub fn assertion(&self) -> Result<Option<Assertion>, ApiError> {
        let Some(roles) = &self.subject.roles else { return Ok(None) };
        claim::check_named(self.user())?;
        let roles = roles.iter().map(ToString::to_string).collect();
        Ok(Some(claim::vouched(self.user(), roles, self.tenant.as_deref())))
    }

    /// The question as the engine takes it, asked at `time`.
    #[must_use]
    pub fn request(&self, time: Timestamp) -> Request<'_> {
        self.question(&Claim::Nothing).request(time)
    }

    fn question<'q>(&'q self, claim: &'q Claim) -> Question<'q> {
        Question {
            subject_type: None,
            subject: claim.user(self.user()),
            subject_attributes: &[],
            claim,
            action: &self.action,
            resource: Resource {
                ty: &self.resource.ty,
                id: &self.resource.id,
                attributes: &self.resource.attributes.0,
            },
            tenant: self.tenant.as_deref(),
            context: &self.context.0,
        }
    }
}

impl<'de> Deserialize<'de> for AuthorizeBody<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = AuthorizeBody<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AuthorizeBody<'de>, A::Error> {
                let (mut user, mut action, mut tenant, mut resource, mut context) = (None, None, None, None, None);
                let (mut subject, mut explain) = (None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "user" => once(&mut user, "user", map.next_value::<Text<'_>>()?.0)?,
                        "subject" => once(&mut subject, "subject", map.next_value::<SubjectBody<'_>>()?)?,
                        "action" => once(&mut action, "action", map.next_value::<Text<'_>>()?.0)?,
                        "tenant" => once(&mut tenant, "tenant", map.next_value::<Option<Text<'_>>>()?)?,
                        "resource" => once(&mut resource, "resource", map.next_value()?)?,
                        "context" => once(&mut context, "context", map.next_value::<Option<Members<'_>>>()?)?,
                        "explain" => once(&mut explain, "explain", map.next_value::<Option<bool>>()?)?,
                        other => return Err(unknown_field(other, FIELDS)),
                    }
                }
                let subject = match (user, subject) {
                    (Some(id), None) => SubjectBody { id, ..SubjectBody::default() },
                    (None, Some(subject)) => subject,
                    (None, None) => return Err(A::Error::missing_field("user")),
                    (Some(_), Some(_)) => return Err(A::Error::custom("a question has `user` or `subject`, not both")),
                };
                Ok(AuthorizeBody {
                    subject,
                    action: action.ok_or_else(|| A::Error::missing_field("action"))?,
                    tenant: tenant.flatten().map(|Text(tenant)| tenant),
                    resource: resource.ok_or_else(|| A::Error::missing_field("resource"))?,
                    context: context.flatten().unwrap_or_default(),
                    explain: explain.flatten().unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl SubjectBody<'_> {
    /// What a question asked in a tenant says of its subject, to a sidecar that believes callers about roles or does not.
    pub(super) fn claimed<'s>(
        &'s self,
        tenant: Option<&'s str>,
        trusts_roles: impl FnOnce() -> bool,
    ) -> Result<Claimed<'s>, ApiError> {
        let Self { id, token, roles } = self;
        let word = match (token, roles) {
            (None, None) => Word::Nothing,
            (Some(token), None) => Word::Token(Cow::Borrowed(token)),
            (None, Some(roles)) if trusts_roles() => {
                claim::roles_of(id, roles.iter().map(ToString::to_string).collect(), tenant)?
            }
            (None, Some(_)) => {
                let message =
                    "`subject.roles` counts with `subjects.trust_asserted_roles`, in a policy set that has roles";
                return Err(ApiError::malformed(message));
            }
            (Some(_), Some(_)) => return Err(claim::both()),
        };
        Ok(Claimed { named: id, word })
    }
}

impl<'de> Deserialize<'de> for SubjectBody<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = SubjectBody<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SubjectBody<'de>, A::Error> {
                let (mut id, mut token, mut roles) = (None, None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "id" => once(&mut id, "id", map.next_value::<Option<Text<'_>>>()?)?,
                        "token" => once(&mut token, "token", map.next_value::<Option<Text<'_>>>()?)?,
                        "roles" => once(&mut roles, "roles", map.next_value::<Option<Vec<Text<'_>>>>()?)?,
                        other => return Err(unknown_field(other, SUBJECT_FIELDS)),
                    }
                }
                let id = id.flatten().map(|Text(id)| id);
                let token = token.flatten().map(|Text(token)| token);
                if token.is_none() && id.is_none() {
                    return Err(A::Error::custom("a subject needs `id` or `token`"));
                }
                let roles =
                    roles.flatten().map(|roles: Vec<Text<'_>>| roles.into_iter().map(|Text(role)| role).collect());
                Ok(SubjectBody { id: id.unwrap_or_default(), token, roles })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for ResourceBody<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ResourceBody<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or a string")
            }

            fn visit_borrowed_str<E>(self, short: &'de str) -> Result<ResourceBody<'de>, E> {
                let (ty, id) = policy::split_resource(short);
                Ok(ResourceBody { ty: Cow::Borrowed(ty), id: Cow::Borrowed(id), attributes: Members::default() })
            }

            fn visit_str<E>(self, short: &str) -> Result<ResourceBody<'de>, E> {
                let (ty, id) = policy::split_resource(short);
                let (ty, id) = (Cow::Owned(ty.to_owned()), Cow::Owned(id.to_owned()));
                Ok(ResourceBody { ty, id, attributes: Members::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ResourceBody<'de>, A::Error> {
                let (mut ty, mut id, mut attributes) = (None, None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "type" => once(&mut ty, "type", map.next_value::<Text<'_>>()?.0)?,
                        "id" => once(&mut id, "id", map.next_value::<Option<Text<'_>>>()?)?,
                        "attributes" => once(&mut attributes, "attributes", map.next_value::<Option<Members<'_>>>()?)?,
                        other => return Err(unknown_field(other, RESOURCE_FIELDS)),
                    }
                }
                Ok(ResourceBody {
                    ty: ty.ok_or_else(|| A::Error::missing_field("type"))?,
                    id: id.flatten().map_or(Cow::Borrowed(""), |Text(id)| id),
                    attributes: attributes.flatten().unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests;
