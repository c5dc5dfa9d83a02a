//! The whole provider over its router.

mod account;
mod builtin;
mod consent;
mod discover;
mod machine;
mod oauth1;
mod player;
mod quirks;
mod signed;
mod stage;
mod token;
