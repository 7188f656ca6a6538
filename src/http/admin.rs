//! The admin listener's routes.

pub mod audit;
