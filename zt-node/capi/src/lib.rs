#![doc = include_str!("../README.md")]

mod clock;
mod lock;
mod machine;
mod master;
mod planet;
mod registry;
mod shared;
mod store;
pub mod sys;
mod zt;
mod zt1;
