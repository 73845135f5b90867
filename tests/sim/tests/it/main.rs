//! Scenarios: many nodes, one virtual clock.
#![expect(clippy::print_stdout, reason = "figures are the point of these tests")]

mod attacks;
mod bad_input;
mod basics;
mod bonding;
mod chaos;
mod clock_steps;
mod clocks;
mod corpora;
mod crowd;
mod eavesdropper;
mod ethernet;
mod first_contact;
mod healing;
mod herd;
mod idle;
mod nat_table;
mod office;
mod remote_trace;
mod roots;
mod rules;
mod sizes;
mod sleep;
mod speed;
mod steadiness;
mod ways;
