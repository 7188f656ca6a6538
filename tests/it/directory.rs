//! The directory over HTTP: users, what they were given, invitations, sessions.

mod desk;
mod every_call;
mod invitations;
mod omc;
mod outage;
mod records;
mod repeats;
mod roles;
mod sessions;
mod shown;
mod tools;
mod users;
