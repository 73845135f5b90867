//! Why a node does not start.

use super::store::ControllerStoreError;
use std::io;
use std::net::SocketAddr;
use thiserror::Error;

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// No UDP socket can be bound; this is the first that was wanted.
    #[error("cannot bind UDP {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The interfaces of this host cannot be listed, and no address is named.
    #[error("{0}")]
    Interfaces(#[source] io::Error),
    /// The state cannot be read.
    #[error("{0}")]
    State(#[source] io::Error),
    /// The controller's store cannot be read.
    #[error("{0}")]
    Store(#[source] ControllerStoreError),
}

impl StartError {
    /// The kind of the host's error behind it.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Bind { error, .. } | Self::Interfaces(error) | Self::State(error) => error.kind(),
            Self::Store(_) => io::ErrorKind::Other,
        }
    }
}
