//! Tests of the public interface.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod armor;
mod identity;
mod primitives;
mod signed;
mod support;
