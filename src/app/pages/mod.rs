//! The pages. Each is one function from a [`Shell`](super::view::Shell) and its own view struct
//! to a whole HTML document.

pub mod app;
pub mod ask;
pub mod catalog;
pub mod choose;
pub mod message;
pub mod reference;
pub mod result;

pub use app::app;
pub use ask::ask;
pub use catalog::{card, catalog, chips};
pub use choose::choose;
pub use message::message;
pub use reference::reference;
pub use result::result;

#[cfg(test)]
mod tests;
