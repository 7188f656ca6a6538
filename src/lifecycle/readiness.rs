//! Whether requests should be sent here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What keeps the process from being ready. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    held: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Readiness {
    /// Nothing keeps it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps it from being ready, under a name of its own, and says why.
    pub fn hold(&self, name: &'static str, why: impl Into<String>) {
        self.lock().insert(name, why.into());
    }

    /// No longer keeps it.
    pub fn release(&self, name: &'static str) {
        self.lock().remove(name);
    }

    /// What keeps it, by name; nothing where it is ready.
    #[must_use]
    pub fn reasons(&self) -> Vec<(&'static str, String)> {
        self.lock().iter().map(|(name, why)| (*name, why.clone())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_once_every_hold_is_released() {
        let readiness = Readiness::new();
        readiness.hold("starting", "the policies are not loaded yet");
        readiness.hold("audit", "the store has failed");
        readiness.release("starting");
        assert_eq!(readiness.reasons(), [("audit", "the store has failed".to_owned())]);
        readiness.release("audit");
        assert!(readiness.reasons().is_empty());
    }
}
