//! `/v1/invitations`: who is asked in.

use super::{
    By, CHANGING, Desk, ID, IF_MATCH, KEY, LOOKING, PAGE, TENANT,
    change::{Change, Deed, Report, Shown},
    made, page, shapes, tagged, users,
    views::{InvitationPageView, InvitationView, UserView},
};
use crate::{
    config::Scope,
    directory::{Call, Directory, Invitation},
    http::{
        ErrorCode, address,
        admin::route::{Answer, Content, Facts, Parameter, Route, Shape, Verb},
        management::Error,
    },
    lifecycle::Clock,
};
use axum::{
    Json,
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Response},
    routing::on,
};
use serde_json::Value;
use std::sync::Arc;

const INVITATION: &[Content] = &[Content::json::<InvitationView>()];

const STATES: [&str; 4] = ["open", "accepted", "revoked", "expired"];

/// What the routes that change have in common.
const BASE: Facts = Facts {
    scopes: &[Scope::Directory],
    acts: true,
    parameters: &[ID, TENANT, IF_MATCH, KEY],
    answers: &[tagged(200, "The invitation as it is now", INVITATION)],
    errors: CHANGING,
    ..Facts::BLANK
};

/// The routes.
pub(super) const ROUTES: &[Route<Desk>] = &[
    Route {
        facts: Facts {
            path: "/v1/invitations",
            name: "listInvitations",
            summary: "Invitations with their state, the newest first",
            scopes: &[Scope::Read, Scope::Directory],
            parameters: &[&[Parameter::query("state", "in this state", Shape::Choice(&STATES))], TENANT, PAGE],
            answers: &[Answer::new(200, "A page of invitations", &[Content::json::<InvitationPageView>()])],
            errors: LOOKING,
            ..BASE
        },
        serve: |verb| on(verb, list),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/invitations",
            name: "invite",
            summary: "Invite somebody by mail",
            description: "Whoever is new is listed as invited, and denied until the invitation is accepted. Whoever is there already \
                          gets what is given on accepting.",
            parameters: &[TENANT, KEY],
            body: &[Content::json::<shapes::NewInvitation>()],
            answers: &[made("The invitation", INVITATION)],
            ..BASE
        },
        serve: |verb| on(verb, invite),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/invitations/accept",
            name: "acceptInvitation",
            summary: "Accept an invitation by the token of its link",
            description: "For the application, which has made sure who came: the sidecar keeps no passwords. An actor that is named \
                          is the invited user, or somebody who could send the invitation.",
            acts: false,
            parameters: &[KEY],
            body: &[Content::json::<shapes::Acceptance>()],
            answers: &[tagged(200, "The user, who is active now", &[Content::json::<UserView>()])],
            errors: &[
                ErrorCode::NotAllowed,
                ErrorCode::InvitationUnknown,
                ErrorCode::Conflict,
                ErrorCode::LinkSpent,
                ErrorCode::Invalid,
                ErrorCode::Overloaded,
                ErrorCode::AuditUnavailable,
                ErrorCode::DirectoryUnavailable,
            ],
            ..BASE
        },
        serve: |verb| on(verb, accept),
    },
    Route {
        facts: Facts {
            verb: Verb::Patch,
            path: "/v1/invitations/{id}",
            name: "changeInvitation",
            summary: "Change what an open invitation gives",
            parameters: &[ID, TENANT, IF_MATCH],
            body: &[Content::json::<shapes::InvitationChange>()],
            ..BASE
        },
        serve: |verb| on(verb, change),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/invitations/{id}/resend",
            name: "resendInvitation",
            summary: "Send an invitation again: the old link dies",
            ..BASE
        },
        serve: |verb| on(verb, resend),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/invitations/{id}/revoke",
            name: "revokeInvitation",
            summary: "Take an invitation back",
            ..BASE
        },
        serve: |verb| on(verb, revoke),
    },
];

async fn list(State(desk): State<Desk>, by: By, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let [state, tenant, limit, cursor] = address::parameters(query.as_deref(), ["state", "tenant", "limit", "cursor"])?
        .map(|text| text.map(std::borrow::Cow::into_owned));
    if let Some(given) = state.as_deref().filter(|given| !STATES.contains(given)) {
        return Err(page::wrong("state", given, "`open`, `accepted`, `revoked` or `expired`").into());
    }
    let limit = page::limit(limit.as_deref())?;
    let mut found = desk
        .look(by, tenant, move |directory, call| {
            // One more tells whether anything follows.
            directory.list_invitations(call, state.as_deref(), limit + 1, cursor.as_deref())
        })
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let now = Clock::system().now();
    Ok(Json(InvitationPageView {
        items: found.iter().map(|invitation| InvitationView::new(invitation, now)).collect(),
        next_cursor: found.last().filter(|_| more).map(|last| last.id.clone()),
    })
    .into_response())
}

async fn invite(State(desk): State<Desk>, change: Change) -> Result<Response, Error> {
    let work = |directory: &Directory, call: &Call<'_>, body: &Value| {
        let invitation = directory.invite(call, body)?;
        Ok(shown(&invitation, call).made("/v1/invitations", &invitation.id))
    };
    desk.answer(change, work).await
}

async fn accept(State(desk): State<Desk>, Report(mut change): Report) -> Result<Response, Error> {
    // The invitation says in which tenant.
    change.leave_tenant();
    desk.answer(change, |directory, call, body| Ok(users::shown(&directory.accept_invitation(call, body)?))).await
}

async fn change(State(desk): State<Desk>, Path(id): Path<String>, change: Change) -> Result<Response, Error> {
    desk.answer(change, move |directory, call, body| Ok(shown(&directory.change_invitation(call, &id, body)?, call)))
        .await
}

async fn resend(State(desk): State<Desk>, Path(id): Path<String>, Deed(deed): Deed) -> Result<Response, Error> {
    desk.answer(deed, move |directory, call, _| Ok(shown(&directory.resend_invitation(call, &id)?, call))).await
}

async fn revoke(State(desk): State<Desk>, Path(id): Path<String>, Deed(deed): Deed) -> Result<Response, Error> {
    desk.answer(deed, move |directory, call, _| Ok(shown(&directory.revoke_invitation(call, &id)?, call))).await
}

/// The invitation as it is now.
fn shown(invitation: &Arc<Invitation>, call: &Call<'_>) -> Shown {
    Shown::new(&InvitationView::new(invitation, call.now)).version(invitation.version)
}
