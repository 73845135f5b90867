#![doc = include_str!("../README.md")]

mod clock;
mod entropy;
mod lock;
mod machine;
mod master;
mod modern;
mod planet;
mod registry;
mod seed;
mod shared;
mod store;
pub mod sys;
