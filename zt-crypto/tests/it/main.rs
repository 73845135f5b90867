//! Tests of the public interface.

mod armor;
mod identity;
mod primitives;
mod signed;
mod support;
mod vector_units;
