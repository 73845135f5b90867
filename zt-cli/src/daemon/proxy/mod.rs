//! Ways through a node that has no device: SOCKS5 and HTTP proxies, and ports that are handed on (docs/userspace.md).
//!
//! `socks5`, `http_proxy` and `target` are bytes in, values out. The rest are loops around connections.

mod associate;
mod forward;
mod http_proxy;
mod names;
mod refused;
mod serve;
mod socks5;
mod target;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use zt_node::Handle;

pub use forward::{Forward, Protocol, Source};
pub(crate) use refused::Refused;

use crate::userspace::Ports;
use refused::Refusal;
use serve::Service;

/// Clients of one listener at a time.
const CLIENTS: usize = 256;
/// How often it is tried again to listen, and looked for networks.
const RETRY: Duration = Duration::from_secs(1);

/// What `settings.userspace` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserspaceSettings {
    /// Where the SOCKS5 proxy listens.
    pub socks5: Option<SocketAddr>,
    /// Where the HTTP proxy listens.
    pub http_proxy: Option<SocketAddr>,
    /// User and password of the proxies.
    pub access: Option<(String, String)>,
    /// Ports that are handed on.
    pub forwards: Vec<Forward>,
}

/// What the command line asks for, in place of what the settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    /// Where the SOCKS5 proxy listens.
    pub socks5: Option<SocketAddr>,
    /// Where the HTTP proxy listens.
    pub http_proxy: Option<SocketAddr>,
}

impl Requested {
    /// Both together.
    pub(super) fn over(&self, settings: &UserspaceSettings) -> UserspaceSettings {
        UserspaceSettings {
            socks5: self.socks5.or(settings.socks5),
            http_proxy: self.http_proxy.or(settings.http_proxy),
            ..settings.clone()
        }
    }
}

/// A thing that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Socks5(SocketAddr),
    Http(SocketAddr),
    Forward(Forward),
}

impl Way {
    fn id(&self) -> String {
        match self {
            Self::Socks5(at) => format!("socks5/{at}"),
            Self::Http(at) => format!("http/{at}"),
            Self::Forward(forward) => forward.id(),
        }
    }
}

/// All that settings name.
fn ways_of(settings: &UserspaceSettings) -> Vec<Way> {
    let proxies = settings.socks5.map(Way::Socks5).into_iter().chain(settings.http_proxy.map(Way::Http));
    proxies.chain(settings.forwards.iter().cloned().map(Way::Forward)).collect()
}

/// How the ways do.
#[derive(Debug, Default)]
struct State {
    /// The settings that they follow: those of before are closed.
    followed: Option<UserspaceSettings>,
    /// How each does, by ID.
    ways: BTreeMap<String, String>,
}

/// That, as it is shown and waited for.
type States = watch::Sender<State>;

/// The ways of a node, as they are shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    settings: watch::Receiver<UserspaceSettings>,
    states: States,
    pub(crate) refused: Refused,
}

impl Shown {
    /// The forwards with how they do.
    pub(crate) fn told(&self) -> Value {
        let state = self.states.borrow();
        let told = |forward: &Forward| {
            let mut value = forward.to_json();
            value["id"] = json!(forward.id());
            value["state"] = json!(state.ways.get(&forward.id()).map_or("starting", String::as_str));
            value
        };
        self.settings.borrow().forwards.iter().map(told).collect()
    }

    /// How one of the settings' forwards does; `None` if there is none of this ID.
    pub(crate) fn state(&self, id: &str) -> Option<String> {
        let settings = self.settings.borrow();
        settings.forwards.iter().find(|forward| forward.id() == id)?;
        Some(self.states.borrow().ways.get(id).map_or("starting", String::as_str).to_owned())
    }

    /// Until all that the settings name has been opened, or could not be, and what they name no longer is closed.
    pub(crate) async fn settled(&self) {
        let mut states = self.states.subscribe();
        let is_settled = |state: &State| {
            let settings = self.settings.borrow();
            state.followed.as_ref() == Some(&*settings)
                && ways_of(&settings).iter().all(|way| state.ways.contains_key(&way.id()))
        };
        // The sender lives as long as this.
        let _ = states.wait_for(is_settled).await;
    }
}

/// Runs what the settings name, and follows them.
pub(crate) struct Ways {
    service: Service,
    handle: Handle,
    settings: watch::Receiver<UserspaceSettings>,
    states: States,
}

impl Ways {
    pub(crate) fn new(ports: Ports, handle: Handle, settings: watch::Receiver<UserspaceSettings>) -> (Self, Shown) {
        let (refused, states) = (Refused::default(), States::default());
        let shown = Shown { settings: settings.clone(), states: states.clone(), refused: refused.clone() };
        (Self { service: Service { ports, refused, access: None }, handle, settings, states }, shown)
    }

    /// Until dropped.
    pub(crate) async fn run(mut self) {
        let mut running: Vec<(Way, AbortHandle)> = Vec::new();
        let mut tasks = JoinSet::new();
        let mut access = None;
        loop {
            let settings = self.settings.borrow_and_update().clone();
            let wanted = ways_of(&settings);
            let has_new_access = access != settings.access;
            access = settings.access.clone();
            self.service.access = access.clone().map(Arc::new);
            let mut closing = Vec::new();
            running.retain(|(way, task)| {
                let is_proxy = !matches!(way, Way::Forward(_));
                let stays = wanted.contains(way) && !(is_proxy && has_new_access);
                if !stays {
                    task.abort();
                    closing.push((way.id(), task.clone()));
                }
                stays
            });
            // Their ports are free, and nobody is let in any more, before others are opened.
            while closing.iter().any(|(_, task)| !task.is_finished()) && tasks.join_next().await.is_some() {}
            self.states.send_modify(|state| {
                closing.iter().for_each(|(id, _)| _ = state.ways.remove(id));
                state.followed = Some(settings);
            });
            for way in wanted {
                if running.iter().all(|(other, _)| *other != way) {
                    let keeper = Keeper {
                        service: self.service.clone(),
                        handle: self.handle.clone(),
                        states: self.states.clone(),
                    };
                    running.push((way.clone(), tasks.spawn(keeper.keep(way))));
                }
            }
            while tasks.try_join_next().is_some() {}
            if self.settings.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// Keeps one way open.
struct Keeper {
    service: Service,
    handle: Handle,
    states: States,
}

impl Keeper {
    async fn keep(self, way: Way) {
        loop {
            if let Err(error) = self.open(&way).await {
                self.tell(&way, &error.to_string());
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// How it does, told once.
    fn tell(&self, way: &Way, state: &str) {
        let is_news =
            self.states.send_if_modified(|all| all.ways.insert(way.id(), state.to_owned()).as_deref() != Some(state));
        if is_news {
            match state {
                "ready" => tracing::info!(way = way.id(), "ready"),
                _ => tracing::warn!(way = way.id(), state, "not ready; it is tried again"),
            }
        }
    }

    /// Serves until it cannot any more.
    async fn open(&self, way: &Way) -> io::Result<()> {
        let service = self.service.clone();
        let refused = service.refused.clone();
        match way {
            Way::Socks5(at) => {
                let listener = TcpListener::bind(at).await?;
                self.tell(way, "ready");
                accept_clients(listener, &refused, move |client| service.clone().socks5(client)).await;
            }
            Way::Http(at) => {
                let listener = TcpListener::bind(at).await?;
                self.tell(way, "ready");
                accept_clients(listener, &refused, move |client| service.clone().http(client)).await;
            }
            Way::Forward(forward) => self.hand_on(way, forward, service).await?,
        }
        Ok(())
    }

    async fn hand_on(&self, way: &Way, forward: &Forward, service: Service) -> io::Result<()> {
        let target = forward.target();
        match (&forward.source, forward.protocol) {
            (Source::Local(at), Protocol::Tcp) => {
                let listener = TcpListener::bind(at).await?;
                self.tell(way, "ready");
                forward::from_host_tcp(service, listener, target).await;
            }
            (Source::Local(at), Protocol::Udp) => {
                let socket = UdpSocket::bind(at).await?;
                self.tell(way, "ready");
                forward::from_host_udp(service, socket, target).await;
            }
            (Source::Network(network, number), protocol) => {
                let id = *network;
                let networks = self.handle.control(|control| control.networks()).await.map_err(io::Error::other)?;
                let device = networks.iter().find(|network| network.id == id).map(|network| network.device.clone());
                let port = forward::port_of(&service, device.as_deref());
                let port = port.ok_or_else(|| io::Error::other(format!("network {id} is not joined, or not up")))?;
                let target::Host::Ip(ip) = target.host else { return Err(io::ErrorKind::InvalidInput.into()) };
                let to = SocketAddr::new(ip, target.port);
                match protocol {
                    Protocol::Tcp => {
                        let listener = port.listen(*number)?;
                        self.tell(way, "ready");
                        forward::from_network_tcp(service, listener, to).await;
                    }
                    Protocol::Udp => {
                        let socket = port.bind_udp(Some(*number))?;
                        self.tell(way, "ready");
                        tokio::select! {
                            () = forward::from_network_udp(service, socket, to) => {}
                            () = port.closed() => {}
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Gives each client of a listener a task, up to as many as there are places. All end with the listener.
async fn accept_clients<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    refused: &Refused,
    serve: impl Fn(TcpStream) -> F,
) {
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((client, _)) if clients.len() < CLIENTS => drop(clients.spawn(serve(client))),
            Ok(_) => refused.count(Refusal::NoPlace),
            // Out of descriptors or the like: do not spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
