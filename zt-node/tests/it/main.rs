//! The node from outside: engines by hand, drivers over loopback.

#[cfg(feature = "driver")]
mod driver;
mod engine;
mod rig;
