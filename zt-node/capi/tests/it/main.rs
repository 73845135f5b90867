//! Tests of the C library from outside: headers, layout and C programs.
