//! What an activity looks like, for the documents. [`super::read`] reads it by hand, to tell every problem with its place.

use schemars::JsonSchema;
use serde::Serialize;

/// One activity, or up to 1000.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "tells what `read` takes")]
pub(super) enum Reported {
    /// One.
    One(Box<Activity>),
    /// Several.
    Many(#[schemars(length(min = 1, max = 1000))] Vec<Activity>),
}

/// What an application did.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "tells what `read` takes")]
pub(super) struct Activity {
    /// When it happened; the record's own time is when it was written.
    #[schemars(extend("format" = "date-time"))]
    time: Option<String>,
    /// The tenant.
    #[schemars(length(min = 1, max = 1024))]
    tenant: Option<String>,
    /// Who did it.
    #[schemars(length(min = 1, max = 1024))]
    user: String,
    /// What was done.
    #[schemars(length(min = 1, max = 1024))]
    action: String,
    /// The module.
    #[schemars(length(min = 1, max = 1024))]
    module: Option<String>,
    /// The type of what it was done to.
    #[schemars(length(min = 1, max = 1024))]
    resource_type: Option<String>,
    /// The id of what it was done to.
    #[schemars(length(min = 1, max = 1024))]
    resource_id: Option<String>,
    /// The state before.
    #[schemars(default)]
    before: serde_json::Value,
    /// The state after.
    #[schemars(default)]
    after: serde_json::Value,
    /// What else is worth keeping.
    context: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What was taken.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ids {
    /// The ids of the records.
    pub(super) ids: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_read() {
        let schema = schemars::schema_for!(Activity);
        let told: Vec<&str> =
            schema.get("properties").unwrap().as_object().unwrap().keys().map(String::as_str).collect();
        let mut read = super::super::read::NAMES;
        read.sort_unstable();
        let mut told = told;
        told.sort_unstable();
        assert_eq!(told, read);
    }
}
