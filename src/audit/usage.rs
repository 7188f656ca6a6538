//! When what users were given was last used: the last allowed decision of each user in each tenant, by each policy that allowed it and in
//! each module.
//!
//! The log is read once, and after that only what is new. What is kept is bounded: one time for each user, tenant and policy or module.

use super::{Kind, Order, Query, ReadError, Reader};
use crate::model::{Decision, Timestamp};
use rustc_hash::FxHashMap;
use std::{collections::HashMap, ops::ControlFlow};

/// Times that are kept at the most.
const MOST: usize = 2_000_000;

/// Last uses, as far as the log has been read.
#[derive(Debug, Default)]
pub struct Usage {
    /// Users, tenants, policies and modules by number.
    names: HashMap<Box<str>, u32>,
    last: FxHashMap<(u32, u32, What), Timestamp>,
    read_to: Option<u64>,
    full: bool,
    sampled: bool,
}

/// What was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Policy(u32),
    Module(u32),
}

impl Usage {
    /// Reads what the log has got since. Only users that `is_known` picks are kept.
    ///
    /// # Errors
    /// Fails where the log cannot be read.
    pub fn catch_up(&mut self, reader: &Reader, is_known: impl Fn(&str) -> bool) -> Result<(), ReadError> {
        let mut query = Query::all(Order::Ascending);
        query.decision = Some(Decision::Allow);
        query.kind = Some(Kind::Decision);
        query.cursor = self.read_to;
        reader.for_each(&query, |record| {
            self.read_to = Some(record.seq);
            self.sampled |= record.kept_one_in > 1;
            if is_known(record.user) {
                let user = self.number(record.user);
                let tenant = self.number(record.tenant);
                for policy in record.policies.iter() {
                    let policy = self.number(policy);
                    self.note((user, tenant, What::Policy(policy)), record.time);
                }
                if !record.module.is_empty() {
                    let module = self.number(record.module);
                    self.note((user, tenant, What::Module(module)), record.time);
                }
            }
            ControlFlow::Continue(())
        })
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.insert(name.into(), number);
        number
    }

    fn note(&mut self, key: (u32, u32, What), time: Timestamp) {
        if self.last.len() >= MOST && !self.last.contains_key(&key) {
            self.full = true;
            return;
        }
        let last = self.last.entry(key).or_insert(time);
        *last = time.max(*last);
    }

    /// When a policy last allowed a user something in a tenant.
    #[must_use]
    pub fn by_policy(&self, user: &str, tenant: &str, policy: &str) -> Option<Timestamp> {
        self.find(user, tenant, What::Policy(*self.names.get(policy)?))
    }

    /// When a user was last allowed something in a module, in a tenant.
    #[must_use]
    pub fn in_module(&self, user: &str, tenant: &str, module: &str) -> Option<Timestamp> {
        self.find(user, tenant, What::Module(*self.names.get(module)?))
    }

    fn find(&self, user: &str, tenant: &str, what: What) -> Option<Timestamp> {
        self.last.get(&(*self.names.get(user)?, *self.names.get(tenant)?, what)).copied()
    }

    /// Whether every use that the log has is known: there was room for all, and the log keeps every decision.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        !self.full && !self.sampled
    }
}
