//! The HTTP interface of the controller (05 §1 to §3): what its JSON says, and how it is spelled.

mod api;
pub(crate) mod coerce;
mod error;
mod member;
mod network;
mod strict;

pub use api::ApiOutcome;

use serde_json::{Map, Value};

use super::member::Member;
use super::network::Network;
use super::record::{Key, Record};

impl Record {
    /// Reads the object of a store that keeps text; see [`Network::from_json`] and [`Member::from_json`].
    #[must_use]
    pub fn from_json(key: Key, object: Map<String, Value>) -> Self {
        match key {
            Key::Network(id) => Network::from_json(id, object, 0).into(),
            Key::Member(id, address) => Member::from_json(id, address, object, 0).into(),
        }
    }

    /// The object in the form that the API prints.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        match self {
            Self::Network(network) => network.to_json(),
            Self::Member(member) => member.to_json(),
        }
    }
}
