//! The node from outside: engines by hand, drivers over loopback.

#[cfg(feature = "driver")]
mod dns;
#[cfg(feature = "driver")]
mod driver;
mod engine;
#[cfg(feature = "driver")]
mod links;
#[cfg(feature = "driver")]
mod nodes;
mod rig;
mod shared_store;
#[cfg(feature = "driver")]
mod stream;
