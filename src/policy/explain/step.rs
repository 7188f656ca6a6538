//! Changes that would have allowed a request, and how they are told.

use crate::engine::PolicyFacts;
use serde::Serialize;

/// A change that would have allowed the request. One that ends in a condition tells what does not hold: nobody tries other values, and
/// something else may stand against it then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// In plain words.
    pub text: String,
    /// What has to change; nearly always one thing.
    pub steps: Vec<Step>,
    /// The policy that would then allow it.
    pub policy: Option<String>,
    /// Where that stands in the files.
    pub source: Option<String>,
}

/// One thing that has to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// The user's status.
    Status {
        /// What it should be.
        status: &'static str,
        /// Where the user is declared, where that is a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// The time from which on the user is denied everything.
    Expiry {
        /// When it was.
        until: String,
        /// Where the user is declared, where that is a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// An assignment that has run out.
    Assignment {
        /// The role, grant or gate.
        name: String,
        /// When it ran out.
        until: String,
    },
    /// A session to open: the user has to log in.
    Session,
    /// The tenant of the request.
    Tenant {
        /// The one to name.
        tenant: String,
    },
    /// A role to have.
    Role {
        /// Which one.
        role: String,
        /// In which tenant.
        tenant: Option<String>,
    },
    /// A level to have on a module.
    Level {
        /// The module.
        module: String,
        /// The level.
        level: String,
        /// In which tenant.
        tenant: Option<String>,
    },
    /// A gate to open.
    Gate {
        /// Which one.
        gate: String,
        /// In which tenant.
        tenant: Option<String>,
    },
    /// A condition to meet.
    Condition {
        /// The names of the conditions.
        conditions: Vec<String>,
        /// What they want.
        wants: Vec<Want>,
    },
    /// A name to write otherwise.
    Name {
        /// What there is.
        hint: String,
    },
    /// A policy to become subject to, in a set of plain Cedar.
    Policy {
        /// Its id.
        policy: String,
    },
}

/// What a condition wants of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Want {
    /// Which value: `resource.account_manager`.
    pub attribute: String,
    /// What it is; absent where there is none.
    pub found: Option<String>,
    /// What it should do: ``be `sam` ``.
    pub should: String,
}

impl Change {
    pub(super) fn new(user: &str, steps: Vec<Step>, facts: Option<&PolicyFacts>) -> Self {
        let source = facts.and_then(|facts| facts.location.as_ref()).map(ToString::to_string);
        let parts = |steps: &[Step]| steps.iter().map(|step| step.words(user)).collect::<Vec<_>>().join(" and ");
        let what = match steps.split_last() {
            Some((Step::Condition { conditions, wants }, [])) => unmet(conditions, wants, "does"),
            Some((Step::Condition { conditions, wants }, before)) => {
                format!("even if {}, {}", parts(before), unmet(conditions, wants, "would"))
            }
            _ => format!("would be allowed if {}", parts(&steps)),
        };
        let by = facts.map(|facts| match &source {
            Some(place) => format!(": {} ({place})", facts.summary),
            None => format!(": {}", facts.summary),
        });
        let text = what + &by.unwrap_or_default();
        Self { text, steps, policy: facts.map(|facts| facts.id.to_string()), source }
    }
}

impl Step {
    fn words(&self, user: &str) -> String {
        let within =
            |tenant: &Option<String>| tenant.as_ref().map(|tenant| format!(" in `{tenant}`")).unwrap_or_default();
        let at = |place: &Option<String>| place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        match self {
            Self::Status { status, source } => format!("`{user}` were {status}{}", at(source)),
            Self::Expiry { until, source } => {
                format!("the access of `{user}` had not run out at {until}{}", at(source))
            }
            Self::Assignment { name, until } => format!("`{name}` had not run out at {until}"),
            Self::Session => format!("`{user}` were logged in"),
            Self::Tenant { tenant } => format!("it were asked in the tenant `{tenant}`"),
            Self::Role { role, tenant } => format!("`{user}` had the role `{role}`{}", within(tenant)),
            Self::Level { module, level, tenant } => {
                format!("`{user}` had the level `{level}` on `{module}`{}", within(tenant))
            }
            Self::Gate { gate, tenant } => format!("the gate `{gate}` were open for `{user}`{}", within(tenant)),
            Self::Condition { conditions, wants } => unmet(conditions, wants, "does"),
            Self::Name { hint } => hint.clone(),
            Self::Policy { policy } => format!("the policy `{policy}` were about `{user}`"),
        }
    }
}

/// That conditions do not hold, or would not, and what they want.
fn unmet(conditions: &[String], wants: &[Want], verb: &str) -> String {
    let wants: Vec<_> = wants.iter().map(Want::words).collect();
    let details = if wants.is_empty() { String::new() } else { format!(" ({})", wants.join("; ")) };
    match conditions {
        [one] => format!("the condition `{one}` {verb} not hold{details}"),
        all => {
            let verb = if verb == "does" { "do" } else { verb };
            format!("the conditions `{}` {verb} not all hold{details}", all.join("` and `"))
        }
    }
}

impl Want {
    fn words(&self) -> String {
        match &self.found {
            Some(found) => format!("`{}` is `{found}`, it should {}", self.attribute, self.should),
            None => format!("`{}` should {}", self.attribute, self.should),
        }
    }
}
