//! The way into a running node from other tasks and threads.

use super::pings::{Asked, Pong};
use super::store::Unwritten;
use crate::engine::Engine;
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use zt_netconf::Settings;
use zt_netconf::controller::{Answer, ApiOutcome, Command, CommandError};
use zt_peer::SendError;
use zt_wire::time::Now;
use zt_wire::{Address, NetworkId};

/// How often a ping waits for a peer's gate before it leaves all the same: what closes it meanwhile are probes of our own.
const MOST_WAITS: usize = 3;

/// A call executed on the driver's task between two packets.
pub(super) type Call = Box<dyn FnOnce(&mut super::Control<'_>) + Send>;

/// The node has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// Why the controller of a node did not do what it was told. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ControllerError {
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// It has no store for a controller.
    #[error("this node is no controller; give it a store in NodeConfig::controller")]
    NoController,
    /// The command cannot be executed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The store did not take the change.
    #[error("not stored: the store cannot be written; see the log")]
    NotStored,
    /// The store is shared, and somebody else changed the same record first.
    #[error("not stored: somebody else changed it meanwhile; look at it and try again")]
    Conflict,
}

/// A handle on a running node; cheap to clone. The node stops when [`Handle::stop`] is called.
#[derive(Clone)]
pub struct Handle {
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) collided: watch::Receiver<bool>,
    pub(super) traced: watch::Receiver<u64>,
    pub(super) resumed: watch::Receiver<u64>,
}

impl Handle {
    /// Runs a closure on the engine and returns its result. The closure must be short: packets wait meanwhile.
    ///
    /// # Errors
    /// [`Stopped`] when the node does not run any more.
    pub async fn engine<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Engine, Now) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        self.control(move |control| {
            let now = control.now;
            call(control.engine(), now)
        })
        .await
    }

    /// Runs a closure on the driver's controls (networks, worlds, settings) and returns its result.
    ///
    /// # Errors
    /// [`Stopped`] when the node does not run any more.
    pub async fn control<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut super::Control<'_>) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let (sender, receiver) = oneshot::channel();
        let call: Call = Box::new(move |control| {
            let _ = sender.send(call(control));
        });
        self.calls.send(call).await.map_err(|_| Stopped)?;
        receiver.await.map_err(|_| Stopped)
    }

    /// Joins a network and remembers it: it is joined when its membership is on the disk.
    ///
    /// # Errors
    /// [`Stopped`] when the node does not run any more. Inside: the state cannot be read or written; the network is not
    /// joined then.
    pub async fn join(&self, network: NetworkId) -> Result<io::Result<()>, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.control(move |control| control.join(network, sender)).await?;
        receiver.await.map_err(|_| Stopped)
    }

    /// Asks a peer to answer at once, by the way that its traffic takes; `None`: no answer came within `patience`.
    ///
    /// # Errors
    /// [`Stopped`] when the node does not run any more. Inside: the address is the node's own or reserved.
    pub async fn ping(&self, peer: Address, patience: Duration) -> Result<Result<Option<Pong>, SendError>, Stopped> {
        let mut waits = 0;
        let answer = loop {
            match self.control(move |control| control.ping(peer, waits < MOST_WAITS)).await? {
                Ok(Asked::Now(answer)) => break answer,
                Ok(Asked::Later(wait)) => tokio::time::sleep(wait).await,
                Err(error) => return Ok(Err(error)),
            }
            waits += 1;
        };
        let answered = tokio::time::timeout(patience, answer).await;
        Ok(Ok(answered.ok().and_then(Result::ok)))
    }

    /// Changes what the operator allows a network, once that is on the disk; false when it is not joined.
    ///
    /// # Errors
    /// [`Stopped`] when the node does not run any more. Inside: the settings cannot be kept; those of before stay in
    /// force then.
    pub async fn set_network_settings(
        &self,
        network: NetworkId,
        settings: Settings,
    ) -> Result<io::Result<bool>, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.control(move |control| control.set_network_settings(network, settings, sender)).await?;
        receiver.await.map_err(|_| Stopped)
    }

    /// Runs a closure as [`Handle::control`] does, and waits until all that must outlive the process because of it is on
    /// the disk.
    ///
    /// # Errors
    /// [`Stopped`] when the node does not run any more. Inside, beside the result: something is in force but was not
    /// written, as on a full disk; it is tried again until it is, and ends with the process.
    pub async fn keep<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut super::Control<'_>) -> R + Send + 'static,
    ) -> Result<(R, io::Result<()>), Stopped> {
        let (sender, receiver) = oneshot::channel();
        let result = self.control(move |control| control.keep(call, sender)).await?;
        Ok((result, receiver.await.map_err(|_| Stopped)?))
    }

    /// Tells the controller of this node what to do, or asks it, and waits until what that changed is durable.
    ///
    /// # Errors
    /// See [`ControllerError`].
    pub async fn controller(&self, command: Command) -> Result<Answer, ControllerError> {
        let call = |control: &mut super::Control<'_>| control.controller_command(command);
        let (answered, written) = self.committed(call, |answered| answered.as_ref()?.as_ref().ok()?.commit).await?;
        let answered = answered.ok_or(ControllerError::NoController)??;
        match written {
            Ok(()) => Ok(answered.answer),
            Err(Unwritten::Failed) => Err(ControllerError::NotStored),
            Err(Unwritten::Conflict) => Err(ControllerError::Conflict),
        }
    }

    /// Runs a closure that may change the controller's records, and waits for the commit that its result names, if any.
    async fn committed<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut super::Control<'_>) -> R + Send + 'static,
        commit: impl FnOnce(&R) -> Option<u64> + Send + 'static,
    ) -> Result<(R, Result<(), Unwritten>), Stopped> {
        let (result, waiting) = self
            .control(move |control| {
                let result = call(control);
                let waiting = commit(&result).map(|seq| control.when_committed(seq));
                (result, waiting)
            })
            .await?;
        let written = match waiting {
            Some(waiting) => waiting.await.map_err(|_| Stopped)?,
            None => Ok(()),
        };
        Ok((result, written))
    }

    /// Executes a call of the controller's HTTP interface (05 §1) and waits until what it changed is durable;
    /// `None` when this node is no controller.
    ///
    /// # Errors
    /// [`Stopped`] when the node does not run any more.
    pub async fn controller_api(
        &self,
        method: String,
        path: String,
        body: Vec<u8>,
    ) -> Result<Option<ApiOutcome>, Stopped> {
        self.controller_call(false, method, path, body).await
    }

    /// As [`Handle::controller_api`], but a field that would not be taken as it is written is refused by name, and nothing
    /// changes.
    ///
    /// # Errors
    /// [`Stopped`] when the node does not run any more.
    pub async fn controller_api_strict(
        &self,
        method: String,
        path: String,
        body: Vec<u8>,
    ) -> Result<Option<ApiOutcome>, Stopped> {
        self.controller_call(true, method, path, body).await
    }

    async fn controller_call(
        &self,
        strict: bool,
        method: String,
        path: String,
        body: Vec<u8>,
    ) -> Result<Option<ApiOutcome>, Stopped> {
        let call = move |control: &mut super::Control<'_>| control.controller_api(strict, &method, &path, &body);
        let (outcome, written) = self.committed(call, |outcome| outcome.as_ref()?.commit).await?;
        Ok(match written {
            Ok(()) => outcome,
            Err(Unwritten::Failed) => Some(ApiOutcome::not_stored("the store cannot be written; see the log")),
            Err(Unwritten::Conflict) => {
                Some(ApiOutcome::not_stored("somebody else changed it meanwhile; look at it and try again"))
            }
        })
    }

    /// Waits until a root says that another identity owns the address of this node (03 §11), which then needs a new one. Never
    /// returns otherwise.
    pub async fn identity_collision(&self) {
        let mut collided = self.collided.clone();
        if collided.wait_for(|collided| *collided).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// How often the node went on after the host slept or the process was stopped.
    #[must_use]
    pub fn resumes(&self) -> u64 {
        *self.resumed.borrow()
    }

    /// Waits until the node went on more often than so many times: what was agreed with others before may hold no more. Never
    /// returns when it will not any more.
    pub async fn resumed(&self, after: u64) {
        if self.resumed.clone().wait_for(|count| *count > after).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Number of the newest trace, 0 when there was none.
    #[must_use]
    pub fn newest_trace(&self) -> u64 {
        *self.traced.borrow()
    }

    /// Waits until there are traces after a number, for [`Control::traces`](super::Control::traces); never returns when there
    /// will be none any more.
    pub async fn traced(&self, after: u64) {
        let mut newest = self.traced.clone();
        if newest.wait_for(|newest| *newest > after).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Asks the node to stop: taps, routes and addresses are removed, peers are written to the cache.
    pub async fn stop(&self) {
        let _ = self.control(|control| control.stop()).await;
    }
}
