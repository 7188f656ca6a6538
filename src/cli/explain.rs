//! `sidegate explain DIR`

use super::{
    ExitCode, authorize,
    output::{self, Output},
    question::DecisionArgs,
};
use crate::policy::{self, Explanation, Snapshot};
use serde_json::{Value, json};

pub(super) fn run(args: &DecisionArgs) -> ExitCode {
    args.put(|snapshot, subject, request| {
        let explanation = policy::explain(snapshot, subject, request);
        match args.output {
            Output::Human => {
                let text = format!("{}\nrevision {}\n", explanation.to_text(), snapshot.revision);
                output::finish(&text, ExitCode::Done)
            }
            Output::Json => output::finish_json(&to_json(snapshot, &explanation), ExitCode::Done),
        }
    })
}

fn to_json(snapshot: &Snapshot, explanation: &Explanation) -> Value {
    let Explanation { decision, code, message, policies, .. } = explanation;
    let mut data = authorize::answer(snapshot, *decision, *code, message, policies);
    if let (Some(members), Value::Object(explained)) = (data.as_object_mut(), json!(explanation)) {
        members.extend(explained);
    }
    data
}
