//! Where the controller of a node keeps its networks and members.

use super::WorkResult;
use std::collections::BTreeSet;
use thiserror::Error;
use tokio::sync::mpsc;
use zt_netconf::controller::{Change, Record};

/// Commits after which a refused one is forgotten: more than can wait for the store at one time.
const LONG_AGO: u64 = 4096;

/// Where the controller of a node keeps its networks and members. Runs on a thread of its own.
///
/// A store is one node's, or several nodes with the same identity share it: then it tells each what the others write
/// ([`watch`](Self::watch)), and refuses changes that were made from a record of before ([`Change::replaces`]).
pub trait ControllerStore: Send {
    /// Called once, before [`load`](Self::load), with the way to tell of changes that others make. A store of one node has
    /// nothing to tell.
    fn watch(&mut self, news: News) {
        drop(news);
    }

    /// All records, at start, networks before their members.
    ///
    /// # Errors
    /// The node does not start then.
    fn load(&mut self) -> Result<Vec<Record>, ControllerStoreError>;

    /// Makes changes durable, all or none.
    ///
    /// # Errors
    /// Nothing was written: the changes are taken back, and the answers that depend on them are not given.
    fn commit(&mut self, changes: &[Change]) -> Result<(), ControllerStoreError>;
}

/// Why a store did not do what it should.
#[derive(Debug, Error)]
pub enum ControllerStoreError {
    /// Somebody else changed one of the records first. What he made of it comes, or came, by [`News`].
    #[error("somebody else changed the record meanwhile; look at it and try again")]
    Conflict,
    /// It cannot be read or written; the text is for the operator.
    #[error(transparent)]
    Failed(#[from] Box<dyn std::error::Error + Send + Sync>),
}

impl ControllerStoreError {
    /// A failure in words.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into().into())
    }
}

/// The way on which a store tells its node what others changed. Of any thread or task.
#[derive(Clone, Debug)]
pub struct News(pub(super) mpsc::UnboundedSender<WorkResult>);

impl News {
    /// Tells of changes, in the order in which the store made them; those that this node committed are not told. A store that
    /// may have missed some tells all its records: what is known already has no effect. False: the node has ended.
    pub fn tell(&self, changes: Vec<Change>) -> bool {
        self.0.send(WorkResult::Changed(changes)).is_ok()
    }
}

/// A store for controllers whose records live as long as the node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl ControllerStore for Forgetful {
    fn load(&mut self) -> Result<Vec<Record>, ControllerStoreError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _changes: &[Change]) -> Result<(), ControllerStoreError> {
        Ok(())
    }
}

/// Why a commit was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// Somebody else was first.
    Conflict,
    /// The store cannot be written.
    Failed,
}

/// Hands commits to a store, in order.
pub(super) struct Writer {
    store: Box<dyn ControllerStore>,
    /// The last commit could not be written, which was told.
    fails: bool,
    /// Commits that lost a conflict, with those that were built on them: the controller may not know of it yet.
    refused: BTreeSet<u64>,
}

impl Writer {
    pub(super) fn new(store: Box<dyn ControllerStore>) -> Self {
        Self { store, fails: false, refused: BTreeSet::new() }
    }

    pub(super) fn write(&mut self, seq: u64, changes: &[Change]) -> Result<(), Unwritten> {
        // No commit is built on one of so long ago: far fewer are under way.
        self.refused = self.refused.split_off(&seq.saturating_sub(LONG_AGO));
        if changes.iter().filter_map(Change::built_on).any(|base| self.refused.contains(&base)) {
            self.refused.insert(seq);
            return Err(Unwritten::Conflict);
        }
        match self.store.commit(changes) {
            Ok(()) => {
                if std::mem::take(&mut self.fails) {
                    tracing::info!("the controller's store is written again");
                }
                Ok(())
            }
            Err(ControllerStoreError::Conflict) => {
                tracing::info!("a change of the controller was refused: somebody else changed the record first");
                self.refused.insert(seq);
                Err(Unwritten::Conflict)
            }
            Err(ControllerStoreError::Failed(error)) => {
                // Members ask again and again.
                if std::mem::replace(&mut self.fails, true) {
                    tracing::debug!(%error, "the controller's store cannot be written yet");
                } else {
                    tracing::error!(%error, "the controller's store cannot be written; answers are held back");
                }
                Err(Unwritten::Failed)
            }
        }
    }
}
