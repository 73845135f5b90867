//! The local HTTP interface (06 §4): listeners, connections, and the way from a request to its answer.

mod app;
pub mod auth;
mod body;
mod bond;
mod config;
mod connection;
mod controller;
mod forward;
mod health;
mod listen;
mod local;
mod log;
pub mod metrics;
mod moon;
mod network;
mod peer;
mod ping;
mod places;
mod planet;
mod range;
mod refused;
mod reply;
mod request;
mod seat;
mod status;
mod stream;
mod trace;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use zt_peer::BondMtuError;
use zt_wire::{Address, IpPrefix, NetworkId};

use super::proxy::Forward;
use crate::api;

use places::Origin;
use refused::{Refusal, Refused};
use reply::{JSON, Reply};

pub use auth::{Access, Right};
pub use connection::serve_connection;
pub use listen::{ListenError, Server};
pub use local::{LocalSocket, NAME as SOCKET_NAME};
pub use request::{Caller, Request, Way};

/// What the interface shows and commands: a running node.
///
/// Every call may wait for the node's task, never for the network.
pub trait Backend: Send + Sync + 'static {
    /// State of the node, with `config` filled in.
    fn status(&self) -> impl Future<Output = Answer<api::Status>> + Send;
    /// Joined networks, in ascending order of ID.
    fn networks(&self) -> impl Future<Output = Answer<Vec<api::Network>>> + Send;
    /// Joins a network if it is not joined, then applies settings; the network afterwards, if it could be joined.
    fn join(
        &self,
        network: NetworkId,
        settings: NetworkSettings,
    ) -> impl Future<Output = Answer<Option<api::Network>>> + Send;
    /// Leaves a network; false if it is not joined.
    fn leave(&self, network: NetworkId) -> impl Future<Output = Answer<bool>> + Send;
    /// What would become of a frame now; `None` if the network is not joined.
    fn why(
        &self,
        network: NetworkId,
        question: zt_netconf::Question,
    ) -> impl Future<Output = Answer<Option<api::Why>>> + Send;
    /// Known peers, in ascending order of address.
    fn peers(&self) -> impl Future<Output = Answer<Vec<api::Peer>>> + Send;
    /// Asks a peer to answer, and waits for that.
    fn ping(&self, peer: Address, patience: Duration) -> impl Future<Output = Answer<api::Pong>> + Send;
    /// Makes the next path of an active-backup bond the active one; false without such a bond, or another path.
    fn rotate_bond(&self, peer: Address) -> impl Future<Output = Answer<bool>> + Send;
    /// Sets the largest datagram for a link of a bond.
    fn set_bond_mtu(
        &self,
        interface: String,
        ip: Option<IpAddr>,
        mtu: u32,
    ) -> impl Future<Output = Answer<Result<(), BondMtuError>>> + Send;
    /// Moons held and waited for, in ascending order of ID.
    fn moons(&self) -> impl Future<Output = Answer<Vec<api::Moon>>> + Send;
    /// Starts to orbit a moon, asking a root with the seed's address for it.
    fn orbit(&self, moon: u64, seed: Address) -> impl Future<Output = Answer<()>> + Send;
    /// Stops orbiting a moon.
    fn deorbit(&self, moon: u64) -> impl Future<Output = Answer<()>> + Send;
    /// Planets in use, in ascending order of ID.
    fn planets(&self) -> impl Future<Output = Answer<Vec<api::Planet>>> + Send;
    /// Adds or updates a planet from its signed form; its world ID.
    fn add_planet(&self, world: Vec<u8>) -> impl Future<Output = Answer<u64>> + Send;
    /// Stops using a planet; false if it is not in use.
    fn remove_planet(&self, planet: u64) -> impl Future<Output = Answer<bool>> + Send;
    /// Reasons for drops, with counts.
    fn drops(&self) -> impl Future<Output = Answer<Vec<api::Drops>>> + Send;
    /// Traces of members that came after a number; waits so long for one.
    fn traces(&self, after: u64, wait: Duration) -> impl Future<Output = Answer<api::Traces>> + Send;
    /// Passes a request below `/controller` or `/unstable/controller` to the controller.
    fn controller(&self, request: ControllerRequest) -> impl Future<Output = Answer<ControllerReply>> + Send;
    /// `local.conf` as read last.
    fn config(&self) -> impl Future<Output = Answer<Value>> + Send;
    /// Replaces members of `settings` in `local.conf`.
    fn change_settings(&self, changes: Map<String, Value>) -> impl Future<Output = Answer<()>> + Send;
    /// Forwards of a node without devices, with how they do.
    fn forwards(&self) -> impl Future<Output = Answer<Value>> + Send {
        std::future::ready(Err(no_ways()))
    }
    /// Adds a forward, or replaces that of the same source; how it does then.
    fn add_forward(&self, forward: Forward) -> impl Future<Output = Answer<String>> + Send {
        let _ = forward;
        std::future::ready(Err(no_ways()))
    }
    /// Removes a forward by its ID; false if there is none.
    fn remove_forward(&self, id: String) -> impl Future<Output = Answer<bool>> + Send {
        let _ = id;
        std::future::ready(Err(no_ways()))
    }
    /// The text of `/metrics`, under these names.
    fn metrics(&self, names: metrics::Names) -> impl Future<Output = Answer<String>> + Send;
}

/// What a node with devices says about forwards.
pub(super) fn no_ways() -> Failure {
    Failure::Refused(
        "forwards are for nodes without a device (`zt service --userspace`); here the host hands ports on".to_owned(),
    )
}

/// Result of a call of a [`Backend`].
pub type Answer<T> = Result<T, Failure>;

/// Why a backend cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// What was asked for is refused, with the reason for the operator.
    #[error("{0}")]
    Refused(String),
    /// Something inside failed, with the reason for the operator.
    #[error("{0}")]
    Internal(String),
}

/// Settings of a network in a request; absent ones stay as they are (06 §4.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSettings {
    /// `allowManaged`.
    pub allow_managed: Option<bool>,
    /// `allowManagedList`, our own addition: only what is within these prefixes; empty lifts the restriction.
    pub allow_managed_list: Option<Vec<IpPrefix>>,
    /// `allowGlobal`.
    pub allow_global: Option<bool>,
    /// `allowDefault`.
    pub allow_default: Option<bool>,
    /// `allowDNS`.
    pub allow_dns: Option<bool>,
    /// `clampMss`, our own addition.
    pub clamp_mss: Option<bool>,
}

/// A request for the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRequest {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: String,
    /// Path, percent-decoded.
    pub path: String,
    /// Body as received.
    pub body: Vec<u8>,
    /// Our own addition: fields that would not be taken as written are refused (header `X-ZT-Strict: 1`).
    pub strict: bool,
}

/// The controller's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerReply {
    /// HTTP status.
    pub status: u16,
    /// JSON text; empty for answers without a body.
    pub body: String,
}

/// Bytes which long request bodies take together; who sends more waits.
const BODIES: usize = 8 << 20;

/// A body up to here takes no part in [`BODIES`]: the number of connections bounds those.
const SMALL_BODY: usize = 16 << 10;

/// What every connection shares.
#[derive(Debug)]
pub struct Shared<B> {
    /// The node.
    pub backend: B,
    /// Who may ask; replaced when `local.conf` changes.
    pub access: watch::Receiver<Access>,
    /// Room for bodies, in bytes.
    bodies: Semaphore,
    refused: Refused,
}

impl<B> Shared<B> {
    /// Puts both together.
    pub fn new(backend: B, access: watch::Receiver<Access>) -> Arc<Self> {
        Arc::new(Self { backend, access, bodies: Semaphore::new(BODIES), refused: Refused::default() })
    }

    fn origin(&self, caller: &Caller) -> Origin {
        self.access.borrow().origin(caller)
    }

    /// The answer as script, where that was asked for and is allowed.
    fn wrapped(&self, reply: Reply, request: &Request) -> Reply {
        if self.access.borrow().jsonp { reply.wrapped(request) } else { reply }
    }
}

/// Looks at the head of a request: what is answered without its body, as it may not go on.
fn admit<B>(shared: &Shared<B>, request: &mut Request) -> Option<Reply> {
    if !["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"].contains(&&*request.method) {
        shared.refused.count(Refusal::Malformed);
        return Some(Reply::empty(400));
    }
    let judged = shared.access.borrow().judge(request);
    match judged {
        Ok(right) => request.right = right,
        Err(refusal) => {
            shared.refused.count(refusal);
            return Some(shared.wrapped(no_entry(refusal), request));
        }
    }
    if ["TRACE", "CONNECT"].contains(&&*request.method) {
        shared.refused.count(Refusal::Malformed);
        return Some(Reply::empty(400));
    }
    None
}

/// What somebody is told who may not go on. The original has no reasons but the token and the source.
fn no_entry(refusal: Refusal) -> Reply {
    let forbidden = |why: &str| Reply::error(403, why);
    match refusal {
        Refusal::ReadOnly => {
            forbidden("the read-only token shows what holds no secret and changes nothing; authtoken.secret opens this")
        }
        Refusal::ForeignHost => forbidden(
            "the request names a host that is not this one; ask for localhost or an address of this host, or add the name to \
             settings.allowHosts in local.conf",
        ),
        Refusal::ForeignOrigin => forbidden(
            "pages of other sites may not use this interface; add the host of the page to settings.allowHosts in local.conf \
             if it may",
        ),
        _ => Reply::json_with(401, &json!({})),
    }
}

/// Answers a request that was admitted and whose body has been read.
async fn answer<B: Backend>(shared: &Shared<B>, mut request: Request) -> Reply {
    let reply = route(shared, &mut request).await;
    shared.wrapped(reply.unwrap_or_else(Reply::from), &request)
}

/// Finds the endpoint of a path. Paths match as a whole; a trailing slash makes another path.
async fn route<B: Backend>(shared: &Shared<B>, request: &mut Request) -> Answer<Reply> {
    let backend = &shared.backend;
    let path = request.path.clone();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or_default().split('/').collect();
    match segments.as_slice() {
        ["status"] => status::status(backend, request).await,
        ["health"] => health::health(backend, request).await,
        ["network"] => network::list(backend, request).await,
        ["network", id] => network::one(backend, request, id).await,
        ["network", id, "why"] => network::why(backend, request, id).await,
        ["peer"] => peer::list(backend, request).await,
        ["peer", id] => peer::one(backend, request, id).await,
        ["peer", id, "ping"] => ping::ping(backend, request, id).await,
        ["moon"] => moon::list(backend, request).await,
        ["moon", id] => moon::one(backend, request, id).await,
        ["planet"] => planet::all(backend, request).await,
        ["planet", id] => planet::one(backend, request, id).await,
        ["log"] => log::log(request),
        ["forward"] => forward::all(backend, request).await,
        ["forward", id @ ..] => forward::one(backend, request, &id.join("/")).await,
        ["trace"] => trace::traces(backend, request).await,
        ["drops"] => status::drops(backend, request).await,
        ["bond", rest @ ..] => bond::bond(backend, request, rest).await,
        ["config", rest @ ..] => config::config(backend, request, rest).await,
        ["controller", ..] | ["unstable", "controller", ..] => controller::pass(backend, request).await,
        ["metrics"] => metrics::metrics(shared, request).await,
        ["app", ..] => {
            let folder = shared.access.borrow().apps.clone();
            match folder {
                Some(folder) => app::app(&folder, request).await,
                None => Ok(Reply::not_found()),
            }
        }
        _ => Ok(Reply::not_found()),
    }
}

/// `n` hexadecimal digits of either case.
fn hex_id(text: &str, n: usize) -> Option<u64> {
    if text.len() != n || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(text, 16).ok()
}
