//! Who may call what: every route has a row, and somebody who may not see a thing cannot tell it from one
//! that is not there.

mod database;
mod malformed;
mod operations;
mod rows;
mod stage;
mod sweep;
