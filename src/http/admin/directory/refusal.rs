//! What a refusal of the directory is in HTTP.

use crate::{
    directory::{ACTOR_MISSING, Refusal},
    http::{ApiError, ErrorCode},
    policy::Problem,
    telemetry::events,
};

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::NotFound { .. } => Self::new(ErrorCode::NotFound, message),
            Refusal::Invalid(problems) => {
                let message = match problems.as_slice() {
                    [one] if one.pointer.is_empty() => one.message.clone(),
                    [one] => format!("`{}`: {}", one.pointer, one.message),
                    several => format!("{} problems; nothing was changed", several.len()),
                };
                Self { problems, ..Self::new(ErrorCode::Invalid, message) }
            }
            Refusal::Conflict { code, .. } => Self::named(ErrorCode::Conflict, code, message),
            Refusal::Changed { .. } => Self::new(ErrorCode::VersionMismatch, message),
            Refusal::Forbidden { code, what: Some(denied), .. } => {
                let problem = Problem { pointer: denied.pointer, message: message.clone(), help: None };
                let message = format!("{}: {message}", denied.what);
                Self { problems: vec![problem], ..Self::named(ErrorCode::NotAllowed, code, message) }
            }
            Refusal::Forbidden { code, .. } if code == ACTOR_MISSING => Self::new(ErrorCode::ActorMissing, message),
            Refusal::Forbidden { code, .. } => Self::named(ErrorCode::NotAllowed, code, message),
            // Who has no link at all is not told from who has a wrong one.
            Refusal::Link { code: "invitation_unknown", .. } => Self::new(ErrorCode::InvitationUnknown, message),
            Refusal::Link { code, .. } => Self::named(ErrorCode::LinkSpent, code, message),
            Refusal::Unrecorded | Refusal::Unread => Self::new(ErrorCode::AuditUnavailable, message),
            Refusal::Store(error) => {
                events::directory_failed(&error);
                Self::new(ErrorCode::DirectoryUnavailable, message)
            }
        }
    }
}
