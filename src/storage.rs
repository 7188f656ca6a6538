//! Files that must outlive a crash: made private, replaced as a whole, handed to the disk; and sled's, opened in spite of what a crash
//! has left of them.

mod counter;
mod database;
pub(crate) mod files;

pub(crate) use counter::Counter;
pub(crate) use database::{Database, OpenError, is_lock, is_snapshot, note_failure, open};
pub(crate) use files::replace;
