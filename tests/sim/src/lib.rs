//! Test suite: sim.
