#![doc = include_str!("../README.md")]

pub mod engine;
pub mod state;
pub mod status;

#[cfg(feature = "driver")]
pub mod driver;
mod drop_reason;
mod entropy;
mod file_state;
mod files;
#[cfg(feature = "large-pages")]
mod sys;

#[doc(inline)]
pub use engine::{Engine, EngineConfig, Input, Outbox, Output};

#[cfg(feature = "driver")]
#[doc(inline)]
pub use driver::{ControllerError, ControllerStore, ControllerStoreError, Driver, Forgetful, Handle, News, NodeConfig};
#[doc(inline)]
pub use entropy::OsEntropy;
#[doc(inline)]
pub use state::{FileState, MemoryState, StateKey, StateStore};
#[cfg(feature = "large-pages")]
#[doc(inline)]
pub use sys::LargePages;

/// The planet of the public ZeroTier service (01 §10.6), in binary form: what a node uses that is told of no other.
pub const PUBLIC_PLANET: &[u8] = include_bytes!("public-planet.bin");
