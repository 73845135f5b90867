#![doc = include_str!("../README.md")]

mod decoders;
mod engine;
mod input;
mod json;
mod judged;
mod raw_ethernet;
mod relay;
mod signed;
mod stage;
mod sys;
mod tunnel;

pub use decoders::{config, controller, credentials, dictionary, identity, inet, lz4, message, packet, rules, world};
pub use engine::engine;
pub use judged::{rules_eval, rules_script};
pub use raw_ethernet::raw_ethernet;
pub use relay::relay;
pub use sys::capi;
pub use tunnel::tunnel;

/// A target: takes any bytes and must come back.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 18] = [
    ("packet", packet),
    ("message", message),
    ("dictionary", dictionary),
    ("config", config),
    ("world", world),
    ("identity", identity),
    ("inet", inet),
    ("credentials", credentials),
    ("lz4", lz4),
    ("rules", rules),
    ("rules_eval", rules_eval),
    ("rules_script", rules_script),
    ("controller", controller),
    ("raw_ethernet", raw_ethernet),
    ("relay", relay),
    ("tunnel", tunnel),
    ("engine", engine),
    ("capi", capi),
];
