//! Ports that are handed on: of this host to a member, and of this node in a network to this host.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};
use zt_wire::NetworkId;

use super::refused::Refusal;
use super::serve::Service;
use super::target::{Host, Target};
use super::{CLIENTS, accept_clients};
use crate::own_end::is_own_end;
use crate::userspace::{self, Port};

/// A flow of datagrams that nobody used for so long is forgotten.
const IDLE: Duration = Duration::from_secs(120);
/// Flows of one forward.
const FLOWS: usize = 128;
const LONGEST: usize = 65_536;

/// What is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// From where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An address and port of this host.
    Local(SocketAddr),
    /// A port of this node in a network.
    Network(NetworkId, u16),
}

/// A forward, as `settings.userspace.forwards` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// What.
    pub protocol: Protocol,
    /// From where.
    pub source: Source,
    /// To where: an address or name with a port.
    pub to: String,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

impl Forward {
    /// What tells it from others: `tcp/127.0.0.1:8080`, `udp/8056c2e21c000001:53`.
    #[must_use]
    pub fn id(&self) -> String {
        let protocol = self.protocol.name();
        match &self.source {
            Source::Local(at) => format!("{protocol}/{at}"),
            Source::Network(network, port) => format!("{protocol}/{network}:{port}"),
        }
    }

    /// Reads an object such as `{"local": "127.0.0.1:8080", "to": "10.9.8.2:80"}`.
    ///
    /// # Errors
    /// What is wrong, and how to write it.
    pub fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(entries) = value else {
            return Err("must be an object such as {\"local\": \"127.0.0.1:8080\", \"to\": \"10.9.8.2:80\"}".to_owned());
        };
        let known = ["protocol", "local", "network", "port", "to", "state"];
        if let Some(key) = entries.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("{key}: unknown; known are protocol, local, network, port and to"));
        }
        let text = |key: &str| entries.get(key).and_then(Value::as_str);
        let protocol = match entries.get("protocol").map(Value::as_str) {
            None | Some(Some("tcp")) => Protocol::Tcp,
            Some(Some("udp")) => Protocol::Udp,
            Some(_) => return Err("protocol: write \"tcp\" or \"udp\"".to_owned()),
        };
        let to = text("to").ok_or("to: missing; write an address with its port such as \"10.9.8.2:80\"")?;
        if Target::parse(to, None).is_none() {
            return Err(format!("to: \"{to}\" is no address with a port, such as \"10.9.8.2:80\""));
        }
        let port = entries.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let source = match (text("local"), text("network"), port.filter(|port| *port != 0)) {
            (Some(local), None, None) => {
                let at = local.parse::<SocketAddr>().ok().filter(|at| at.port() != 0);
                Source::Local(
                    at.ok_or(format!("local: \"{local}\" is no address with a port, such as \"127.0.0.1:8080\""))?,
                )
            }
            (None, Some(network), Some(port)) => {
                let id =
                    network.parse().map_err(|_| format!("network: \"{network}\" is no network ID of 16 digits"))?;
                Source::Network(id, port)
            }
            _ => return Err("write either local, or network and port (1 to 65535)".to_owned()),
        };
        if matches!(source, Source::Network(..))
            && !matches!(Target::parse(to, None), Some(Target { host: Host::Ip(_), .. }))
        {
            return Err(format!(
                "to: \"{to}\" must be an address of this host with a port, such as \"127.0.0.1:8000\""
            ));
        }
        Ok(Self { protocol, source, to: to.to_owned() })
    }

    /// As it stands in `local.conf`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.source {
            Source::Local(at) => json!({"protocol": self.protocol.name(), "local": at.to_string(), "to": self.to}),
            Source::Network(network, port) => {
                json!({"protocol": self.protocol.name(), "network": network.to_string(), "port": port, "to": self.to})
            }
        }
    }

    pub(super) fn target(&self) -> Target {
        Target::parse(&self.to, None).expect("read by Forward::read")
    }
}

/// Connections to an address of this host go to a member.
pub(super) async fn from_host_tcp(service: Service, listener: TcpListener, target: Target) {
    accept_clients(listener, &service.refused.clone(), move |client| {
        let (service, target) = (service.clone(), target.clone());
        async move {
            match service.connect(&target).await {
                Ok(net) => {
                    let _ = client.set_nodelay(true);
                    let _ = net.join(client).await;
                }
                Err(refusal) => {
                    // The client's connection was taken before the member was asked: it learns by a reset.
                    let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
                    service.refused.count(refusal);
                }
            }
        }
    })
    .await;
}

/// Connections of members to a port of this node go to this host.
pub(super) async fn from_network_tcp(service: Service, listener: userspace::TcpListener, to: SocketAddr) {
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        let Ok((mut net, _)) = listener.accept().await else { return };
        if clients.len() >= CLIENTS {
            net.reset();
            service.refused.count(Refusal::NoPlace);
            continue;
        }
        let refused = service.refused.clone();
        clients.spawn(async move {
            match TcpStream::connect(to).await {
                Ok(host) if !is_own_end(&host) => {
                    let _ = host.set_nodelay(true);
                    let _ = net.join(host).await;
                }
                _ => {
                    net.reset();
                    refused.count(Refusal::NoAnswer);
                }
            }
        });
    }
}

/// A flow of datagrams: where they go on, and what carries the answers back.
struct Flow<S> {
    socket: Arc<S>,
    answers: AbortHandle,
    used: tokio::time::Instant,
}

/// Flows by who sends.
struct Flows<S> {
    flows: BTreeMap<SocketAddr, Flow<S>>,
    tasks: JoinSet<()>,
}

impl<S> Flows<S> {
    fn new() -> Self {
        Self { flows: BTreeMap::new(), tasks: JoinSet::new() }
    }

    fn find(&mut self, from: SocketAddr) -> Option<Arc<S>> {
        let flow = self.flows.get_mut(&from)?;
        flow.used = tokio::time::Instant::now();
        Some(Arc::clone(&flow.socket))
    }

    /// Room for one more: those that are at rest go, else the one that was used least lately.
    fn make_room(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.flows.retain(|_, flow| {
            let is_used = flow.used.elapsed() < IDLE;
            if !is_used {
                flow.answers.abort();
            }
            is_used
        });
        if self.flows.len() >= FLOWS
            && let Some(oldest) = self.flows.iter().min_by_key(|(_, flow)| flow.used).map(|(from, _)| *from)
            && let Some(flow) = self.flows.remove(&oldest)
        {
            flow.answers.abort();
        }
    }

    fn add(&mut self, from: SocketAddr, socket: Arc<S>, answers: impl Future<Output = ()> + Send + 'static) {
        let answers = self.tasks.spawn(answers);
        self.flows.insert(from, Flow { socket, answers, used: tokio::time::Instant::now() });
    }
}

/// Datagrams to an address of this host go to a member.
pub(super) async fn from_host_udp(service: Service, socket: UdpSocket, target: Target) {
    let (socket, mut flows) = (Arc::new(socket), Flows::<userspace::UdpSocket>::new());
    let mut room = vec![0; LONGEST];
    loop {
        let Ok((count, from)) = socket.recv_from(&mut room).await else { continue };
        let Some(ip) = super::names::look_up(&service.ports, &target.host).await else {
            service.refused.count(Refusal::NoName);
            continue;
        };
        let net = match flows.find(from) {
            Some(net) if !net.is_closed() => net,
            _ => {
                flows.make_room();
                let Some(port) = service.ports.to(ip) else {
                    service.refused.count(Refusal::NoNetwork);
                    continue;
                };
                let Ok(net) = port.bind_udp(None).map(Arc::new) else {
                    service.refused.count(Refusal::NoPlace);
                    continue;
                };
                let (back, answers) = (Arc::clone(&socket), Arc::clone(&net));
                flows.add(from, Arc::clone(&net), async move {
                    let mut room = vec![0; LONGEST];
                    loop {
                        let (count, _) = answers.recv_from(&mut room).await;
                        let _ = back.send_to(&room[..count], from).await;
                    }
                });
                net
            }
        };
        net.send_to(&room[..count], SocketAddr::new(ip, target.port));
    }
}

/// Datagrams of members to a port of this node go to this host.
pub(super) async fn from_network_udp(service: Service, socket: userspace::UdpSocket, to: SocketAddr) {
    let (socket, mut flows) = (Arc::new(socket), Flows::<UdpSocket>::new());
    let mut room = vec![0; LONGEST];
    loop {
        let (count, from) = socket.recv_from(&mut room).await;
        let host = match flows.find(from) {
            Some(host) => host,
            None => {
                flows.make_room();
                let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let opened = async {
                    let host = UdpSocket::bind(any).await?;
                    host.connect(to).await?;
                    std::io::Result::Ok(Arc::new(host))
                };
                let Ok(host) = opened.await else {
                    service.refused.count(Refusal::NoPlace);
                    continue;
                };
                let (back, answers) = (Arc::clone(&socket), Arc::clone(&host));
                flows.add(from, Arc::clone(&host), async move {
                    let mut room = vec![0; LONGEST];
                    loop {
                        match answers.recv(&mut room).await {
                            Ok(count) => back.send_to(&room[..count], from),
                            // Nobody listens there (yet): told again with each datagram.
                            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                        }
                    }
                });
                host
            }
        };
        let _ = host.send(&room[..count]).await;
    }
}

/// The port of a network, by the name that its device would have.
pub(super) fn port_of(service: &Service, device: Option<&str>) -> Option<Port> {
    service.ports.named(device?)
}
