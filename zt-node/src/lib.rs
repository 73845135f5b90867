#![doc = include_str!("../README.md")]

pub mod engine;
pub mod status;

#[cfg(feature = "tokio")]
pub mod driver;

pub use engine::{Engine, EngineConfig, Input, Outbox, Output};

#[cfg(feature = "tokio")]
pub use driver::{ControllerStore, Driver, FileState, Handle, MemoryState, NodeConfig, StateStore};
