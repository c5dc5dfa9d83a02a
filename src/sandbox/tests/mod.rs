//! The whole provider over its router.

mod account;
mod builtin;
mod consent;
mod stage;
mod token;
