//! The trace that a thread works for at this moment, so that log lines can name it.

use crate::model::TraceId;
use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<TraceId> = const { Cell::new(TraceId::NONE) };
}

/// Puts back what was there before, also after a panic.
struct Before(TraceId);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Does some work for a trace: log lines that are written meanwhile on this thread name it.
pub fn within<T>(trace: TraceId, work: impl FnOnce() -> T) -> T {
    let _before = Before(CURRENT.replace(trace));
    work()
}

/// The trace that this thread works for.
pub(crate) fn current() -> TraceId {
    CURRENT.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn work_is_for_its_trace_and_what_follows_is_not() {
        let trace = TraceId::parse("0af7651916cd43dd8448eb211c80319c");
        assert_eq!(within(trace, current), trace);
        assert_eq!(within(trace, || within(TraceId::NONE, current)), TraceId::NONE);
        assert!(catch_unwind(|| within(trace, || panic!("on purpose"))).is_err());
        assert_eq!(current(), TraceId::NONE);
    }
}
