//! UDP ASSOCIATE of SOCKS5: datagrams of a client, as long as its connection is open.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::names::look_up;
use super::refused::Refusal;
use super::serve::Service;
use super::socks5::{self, Answer};
use super::target::Host;
use crate::userspace;

/// Longest datagram of a client.
const LONGEST: usize = 65_536;
/// Names that an association remembers.
const NAMES: usize = 64;

/// Serves an association until its connection ends.
pub(super) async fn associate(service: &Service, mut client: TcpStream) -> Result<(), Refusal> {
    let gone = |_| Refusal::BadRequest;
    let (from, here) = (client.peer_addr().map_err(gone)?, client.local_addr().map_err(gone)?);
    let socket = Arc::new(UdpSocket::bind((here.ip(), 0)).await.map_err(|_| Refusal::NoPlace)?);
    let bound = socket.local_addr().map_err(gone)?;
    client.write_all(&socks5::answer(Answer::Granted, bound)).await.map_err(gone)?;
    let mut association = Association {
        service,
        socket,
        owner: from.ip(),
        client: None,
        networks: BTreeMap::new(),
        answers: JoinSet::new(),
        names: BTreeMap::new(),
    };
    let mut rest = [0; 64];
    tokio::select! {
        () = association.carry() => {}
        // Nothing is said on the connection any more: it ends, or it is none of SOCKS5.
        _ = client.read(&mut rest) => {}
    }
    Ok(())
}

struct Association<'a> {
    service: &'a Service,
    socket: Arc<UdpSocket>,
    /// Who may send.
    owner: IpAddr,
    client: Option<SocketAddr>,
    /// Where datagrams leave, by the name of the network's port.
    networks: BTreeMap<String, Arc<userspace::UdpSocket>>,
    answers: JoinSet<()>,
    names: BTreeMap<String, IpAddr>,
}

impl Association<'_> {
    async fn carry(&mut self) {
        let mut room = vec![0; LONGEST];
        loop {
            let Ok((count, from)) = self.socket.recv_from(&mut room).await else { continue };
            let is_client = from.ip() == self.owner && self.client.is_none_or(|client| client == from);
            let sent = match is_client {
                true => self.send(from, &room[..count]).await,
                false => Err(Refusal::BadDatagram),
            };
            if let Err(refusal) = sent {
                self.service.refused.count(refusal);
            }
        }
    }

    async fn send(&mut self, from: SocketAddr, bytes: &[u8]) -> Result<(), Refusal> {
        let (target, payload) = socks5::datagram(bytes).ok_or(Refusal::BadDatagram)?;
        // Answers go to the place from which the first good datagram came.
        self.client = Some(from);
        let ip = self.address(&target.host).await.ok_or(Refusal::NoName)?;
        let port = self.service.ports.to(ip).ok_or(Refusal::NoNetwork)?;
        if !self.networks.contains_key(port.name()) {
            let net = Arc::new(port.bind_udp(None).map_err(|_| Refusal::NoPlace)?);
            self.answers.spawn(give_back(Arc::clone(&net), Arc::clone(&self.socket), from));
            self.networks.insert(port.name().to_owned(), net);
        }
        self.networks[port.name()].send_to(payload, SocketAddr::new(ip, target.port));
        Ok(())
    }

    async fn address(&mut self, host: &Host) -> Option<IpAddr> {
        if let Host::Name(name) = host
            && let Some(ip) = self.names.get(name)
        {
            return Some(*ip);
        }
        let ip = look_up(&self.service.ports, host).await?;
        if let Host::Name(name) = host {
            if self.names.len() == NAMES {
                self.names.pop_first();
            }
            self.names.insert(name.clone(), ip);
        }
        Some(ip)
    }
}

async fn give_back(net: Arc<userspace::UdpSocket>, socket: Arc<UdpSocket>, client: SocketAddr) {
    let mut room = vec![0; LONGEST];
    loop {
        let (count, from) = net.recv_from(&mut room).await;
        let _ = socket.send_to(&socks5::wrapped(from, &room[..count]), client).await;
    }
}
