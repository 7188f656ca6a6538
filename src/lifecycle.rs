//! The process's life: the one clock, named tasks, signals, and the deadline that a stop is held to.
//!
//! Knows nothing of what it starts and stops, and logs nothing: `app` gives the parts their order and their words.

mod clock;
mod deadline;
mod pace;
mod priority;
mod readiness;
mod signals;
mod start_pages;
mod stop;
mod synchronised;
mod tasks;

pub use clock::Clock;
pub use deadline::{Deadline, Expired};
pub use pace::{DOUBT, Jump, Pace};
pub use priority::give_way;
pub use readiness::Readiness;
pub use signals::{Signal, Signals};
pub use start_pages::give_back_start_pages;
pub use stop::{Stop, Stopper};
pub use synchronised::is_clock_synchronised;
pub use tasks::{Task, Tasks};
