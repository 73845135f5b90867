//! Turning values into what a person or a script reads.

pub mod json;
pub mod table;
