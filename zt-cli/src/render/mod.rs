//! Turning values into what a person or a script reads.

pub mod json;
mod screen;
pub mod table;

pub use screen::{Screen, wrapped};
