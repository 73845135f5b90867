//! The node from outside: engines by hand, drivers over loopback.

#[cfg(feature = "tokio")]
mod driver;
mod engine;
mod rig;
