//! Users: who is who, and who changes it. Holds the in-memory subjects that deciders read.
//!
//! Declared users come with the policy set and are read-only; the others live here, in memory and in a store that has every change before
//! it counts. A change is decided by the loaded policies, committed, published to the deciders and recorded, in this order, before its
//! answer leaves. One change is made at a time; readers never wait for a disk.

mod account;
mod assignments;
mod backup;
mod book;
mod call;
mod custom;
mod event;
mod fields;
mod invitation;
mod invitations;
mod letters;
mod link;
mod list;
mod log;
mod member;
mod review;
mod role;
mod roles;
mod scene;
mod service;
mod session;
mod sessions;
mod store;
mod subjects;
mod transfer;
mod users;

pub use account::{Account, Gender, Given, GivenKind, Place};
pub use assignments::Manner;
pub use backup::{Backup, BackupError, Restored};
pub use book::{Audience, Book, Bound, Logins, Roster};
pub use call::{ACTOR_MISSING, Actor, Call, Denied, Refusal, Seen, is_reserved};
pub use event::{Event, Witness};
pub use invitation::{Invitation, Letter, Outcome};
pub use letters::TOKEN;
pub use list::{Cursor, Key, Listed, Sort, UserPage, UserQuery};
pub use review::{Counted, ReviewForm, ReviewPage, ReviewQuery, ReviewRow, Used, Uses, write_review};
pub use role::{CustomRole, Lens, Roles};
pub use roles::{ListedRole, PutRole};
pub use service::{Directory, FOLDER, Options, Policies};
pub use session::{Ended, Session};
pub use sessions::{Login, SessionPage, SessionQuery};
pub use store::StoreError;
pub use subjects::Subjects;
pub use transfer::{ExportError, Form, Imported, Incoming, read as read_users};
pub use users::Found;

#[cfg(test)]
mod tests;
