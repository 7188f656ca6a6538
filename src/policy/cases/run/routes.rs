//! Tests of routes: the request becomes a question as it would for a proxy, and the question is decided.

use super::{Runner, Verdict};
use crate::{
    engine::Explanation,
    model::{Decision, ReasonCode, Request, Resource},
    policy::{
        HttpRequest, Miss, Taken,
        cases::{PolicyTest, RouteTest},
    },
};
use std::fmt::Write as _;

/// What became of a request.
struct Answered {
    decision: Decision,
    code: ReasonCode,
    /// The code with more than it says.
    told: String,
    route: Option<String>,
    /// Action, resource and tenant.
    asked: Option<(String, String, Option<String>)>,
}

impl Runner<'_> {
    pub(super) fn route(&mut self, test: &PolicyTest, wanted: &RouteTest) -> Verdict {
        let answered = self.answered(test, wanted);
        let asked = answered.asked.as_ref();
        let of =
            |expected: &Option<String>, found: Option<&str>| expected.as_deref().is_none_or(|text| Some(text) == found);
        let passed = answered.decision == wanted.expect
            && wanted.reason.is_none_or(|reason| reason == answered.code)
            && of(&wanted.route, answered.route.as_deref())
            && of(&wanted.action, asked.map(|(action, ..)| action.as_str()))
            && of(&wanted.resource, asked.map(|(_, resource, _)| resource.as_str()))
            && of(&wanted.tenant, asked.and_then(|(.., tenant)| tenant.as_deref()));
        let mut expected = wanted.expect.to_string();
        if let Some(reason) = wanted.reason {
            expected = format!("{expected} ({reason})");
        }
        let mut got = format!("{} ({})", answered.decision, answered.told);
        let (action, resource, tenant) = asked.map_or((None, None, None), |(action, resource, tenant)| {
            (Some(action.as_str()), Some(resource.as_str()), tenant.as_deref())
        });
        for (what, wanted, found) in [
            ("route", &wanted.route, answered.route.as_deref()),
            ("action", &wanted.action, action),
            ("resource", &wanted.resource, resource),
            ("tenant", &wanted.tenant, tenant),
        ] {
            if let Some(wanted) = wanted {
                // Writing to a text does not fail.
                let _written = write!(expected, ", {what} `{wanted}`");
                let _written = match found {
                    Some(found) => write!(got, ", {what} `{found}`"),
                    None => write!(got, ", no {what}"),
                };
            }
        }
        (expected, got, passed)
    }

    fn answered(&mut self, test: &PolicyTest, wanted: &RouteTest) -> Answered {
        let request = HttpRequest {
            method: &wanted.method,
            scheme: wanted.scheme.as_deref(),
            host: wanted.host.as_deref(),
            target: wanted.target.as_bytes(),
            headers: &wanted.headers,
            client: wanted.client,
        };
        let snapshot = self.snapshot;
        let found = match snapshot.routes.find(&request) {
            Ok(found) => found,
            Err(miss) => return Answered::missed(&miss, None),
        };
        self.touched.note_route(found.place);
        let route = Some(found.route.name.clone());
        if found.route.is_public() {
            let told = ReasonCode::Public.to_string();
            return Answered { decision: Decision::Allow, code: ReasonCode::Public, told, route, asked: None };
        }
        if !wanted.has_user {
            let told = ReasonCode::SubjectMissing.to_string();
            return Answered { decision: Decision::Deny, code: ReasonCode::SubjectMissing, told, route, asked: None };
        }
        let taken = match found.question(&request, Some(&wanted.claims)) {
            Ok(Some(taken)) => taken,
            // The route is not public, so there is a question.
            Ok(None) => return Answered::missed(&Miss { code: ReasonCode::Public, why: String::new() }, route),
            Err(miss) => return Answered::missed(&miss, route),
        };
        self.decided(test, &taken, route)
    }

    fn decided(&mut self, test: &PolicyTest, taken: &Taken<'_>, route: Option<String>) -> Answered {
        let request = Request {
            action: taken.action,
            resource: Resource { ty: taken.resource_type, id: &taken.resource_id, attributes: &taken.attributes },
            tenant: taken.tenant.as_deref(),
            context: &taken.context,
            subject_attributes: &[],
            time: test.at,
        };
        let resource = match taken.resource_id.as_str() {
            "" => taken.resource_type.to_owned(),
            id => format!("{}:{id}", taken.resource_type),
        };
        let asked = Some((taken.action.to_owned(), resource, taken.tenant.clone()));
        let program = &self.snapshot.program;
        self.explained(test, &request, |explanation: &Explanation<'_>| {
            let outcome = &explanation.outcome;
            Answered {
                decision: outcome.decision,
                code: outcome.code,
                told: format!("{}: {}", outcome.code, outcome.message(program)),
                route,
                asked,
            }
        })
    }
}

impl Answered {
    fn missed(miss: &Miss, route: Option<String>) -> Self {
        let told = format!("{}: {}", miss.code, miss.why);
        Self { decision: Decision::Deny, code: miss.code, told, route, asked: None }
    }
}
