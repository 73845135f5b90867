//! Tests of the C library from outside: headers, layout and C programs.

mod compiler;
mod headers;
mod layout;
