//! Tests of the C library from outside: headers, layout and C programs.

mod bad_input;
mod calls;
mod compiler;
mod fixtures;
mod headers;
mod layout;
mod programs;
mod readme;
mod rules;
mod threads;
