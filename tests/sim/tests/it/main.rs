//! Scenarios: many nodes, one virtual clock.
#![allow(clippy::print_stdout, reason = "figures are the point of these tests")]

mod basics;
