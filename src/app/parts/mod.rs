//! The pieces that pages are made of. Each is a pure function from data to a view.

pub mod badge;
pub mod connection;
pub mod field;
pub mod form;
pub mod icon;
pub mod link;
pub mod logo;
pub mod notice;
pub mod reference;
pub mod words;
