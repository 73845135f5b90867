//! Test suite: e2e.
