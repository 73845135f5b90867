//! The node from outside: engines by hand, drivers over loopback.

#[cfg(feature = "driver")]
mod driver;
mod engine;
#[cfg(feature = "driver")]
mod links;
#[cfg(feature = "driver")]
mod nodes;
mod rig;
#[cfg(feature = "driver")]
mod stream;
