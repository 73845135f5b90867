//! The gateway of the host, and how it is asked: always from the address that is to be mapped, over its interface, so
//! that no route leads questions into a network of ours, and with an end in time and bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol as IpProtocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};
use zt_tap::linux::netlink::Netlink;
use zt_wire::Scope;

use super::soap::{self, Place, Service};
use super::{Granted, Refused, Wanted, http, nat_pmp, pcp};

/// Port of PCP and NAT-PMP.
const PORT: u16 = 5351;
/// Where gateways announce themselves, and the second byte of that in both protocols.
const ANNOUNCE_PORT: u16 = 5350;
const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ANNOUNCE: u8 = 0x80;
/// Port of the search for UPnP, and the group that listens there.
const SEARCH_PORT: u16 = 1900;
const SEARCH_GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
/// How long each try waits for its answer. Answers take a moment; who is silent for long has none.
const TRIES: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(1000)];
const SEARCH: Duration = Duration::from_secs(3);
const CONNECT: Duration = Duration::from_secs(2);
/// An address that is reached through whoever leads to the internet.
const FAR: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);

/// Where to ask, and for which address of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gateway {
    pub(super) inside: SocketAddrV4,
    pub(super) address: Ipv4Addr,
    interface: String,
}

impl Gateway {
    /// The gateways that lead to the internet from these addresses. Only private addresses need a mapping.
    pub(super) fn all(locals: &[SocketAddr]) -> io::Result<Vec<Self>> {
        let mut netlink = Netlink::open()?;
        let mut all = Vec::new();
        for local in locals {
            let SocketAddr::V4(inside) = *local else { continue };
            if Scope::of(IpAddr::V4(*inside.ip())) != Scope::Private {
                continue;
            }
            let Some(route) = netlink.route_from(IpAddr::V4(*inside.ip()), FAR.into())? else { continue };
            if let Some(IpAddr::V4(address)) = route.gateway {
                all.push(Self { inside, address, interface: netlink.link_at(route.index)?.name });
            }
        }
        Ok(all)
    }

    fn udp(&self) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(IpProtocol::UDP))?;
        // Not permitted everywhere; the address alone leads the right way there.
        let _ = socket.bind_device(Some(self.interface.as_bytes()));
        socket.set_multicast_ttl_v4(2)?;
        socket.set_multicast_if_v4(self.inside.ip())?;
        socket.bind(&SocketAddr::from(SocketAddrV4::new(*self.inside.ip(), 0)).into())?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket.into())
    }

    fn listen(&self) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(IpProtocol::UDP))?;
        let _ = socket.bind_device(Some(self.interface.as_bytes()));
        // Whoever else maps ports on this host listens there too.
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((ALL_HOSTS, ANNOUNCE_PORT)).into())?;
        // The kernel is a member of this group everywhere; that it says so is no fault.
        let _ = socket.join_multicast_v4(&ALL_HOSTS, self.inside.ip());
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket.into())
    }

    /// Asks the port of PCP and NAT-PMP until something answers that `read` knows.
    async fn ask<T>(&self, request: &[u8], read: impl Fn(&[u8]) -> Option<Result<T, Refused>>) -> Result<T, Refused> {
        let socket = self.udp().map_err(|_| Refused::Silent)?;
        // From there alone: the kernel drops what others send.
        socket.connect((self.address, PORT)).await.map_err(|_| Refused::Silent)?;
        for patience in TRIES {
            // Refused by an ICMP message of the try before: there is nobody.
            socket.send(request).await.map_err(|_| Refused::Silent)?;
            let deadline = Instant::now() + patience;
            let mut buffer = [0; 1100];
            while let Ok(received) = timeout_at(deadline, socket.recv(&mut buffer)).await {
                let Ok(len) = received else { return Err(Refused::Silent) };
                if let Some(answer) = read(&buffer[..len]) {
                    return answer;
                }
            }
        }
        Err(Refused::Silent)
    }

    /// Maps by PCP, or with `seconds` 0 withdraws.
    pub(super) async fn pcp(&self, wanted: &Wanted, nonce: &pcp::Nonce, seconds: u32) -> Result<Granted, Refused> {
        self.ask(&pcp::request(wanted, nonce, seconds), |bytes| pcp::answer(bytes, wanted, nonce)).await
    }

    /// Maps by NAT-PMP, or with `seconds` 0 withdraws.
    pub(super) async fn nat_pmp(&self, wanted: &Wanted, seconds: u32) -> Result<Granted, Refused> {
        let ip = match seconds {
            0 => None,
            _ => Some(self.ask(&nat_pmp::ADDRESS_REQUEST, nat_pmp::address).await?),
        };
        let granted = self.ask(&nat_pmp::request(wanted, seconds), |bytes| nat_pmp::answer(bytes, wanted)).await?;
        Ok(Granted { ip, ..granted })
    }

    /// Looks for the service of UPnP that maps.
    pub(super) async fn search(&self) -> Result<Service, Refused> {
        let at = self.description().await.ok_or(Refused::Silent)?;
        let (good, text) = self.http("GET", &at, None).await.ok_or(Refused::Silent)?;
        let service = soap::service(&text, &at, self.address).filter(|_| good);
        service.ok_or(Refused::Unusable)
    }

    async fn description(&self) -> Option<Place> {
        let socket = self.udp().ok()?;
        let deadline = Instant::now() + SEARCH;
        for target in soap::TARGETS {
            let search = soap::search(target);
            for to in [SEARCH_GROUP, self.address] {
                let _ = socket.send_to(search.as_bytes(), (to, SEARCH_PORT)).await;
            }
        }
        let mut buffer = [0; 2048];
        while let Ok(received) = timeout_at(deadline, socket.recv_from(&mut buffer)).await {
            let Ok((len, from)) = received else { continue };
            if from.ip() == IpAddr::V4(self.address)
                && let Some(place) = soap::found(&buffer[..len], self.address)
            {
                return Some(place);
            }
        }
        None
    }

    /// Maps by UPnP.
    pub(super) async fn upnp(
        &self,
        service: &Service,
        wanted: &Wanted,
        name: &str,
        seconds: u32,
    ) -> Result<Granted, Refused> {
        let told = self.act(service, soap::ask_address(service)).await?;
        let ip = soap::address(&told).ok_or(Refused::Unusable)?;
        self.act(service, soap::ask_mapping(service, wanted, name, seconds)).await?;
        Ok(Granted { ip: Some(ip.into()), port: wanted.outside, seconds })
    }

    /// Withdraws a mapping of UPnP.
    pub(super) async fn end_upnp(&self, service: &Service, outside: u16) -> Result<(), Refused> {
        self.act(service, soap::ask_end(service, outside)).await.map(drop)
    }

    async fn act(&self, service: &Service, (action, body): (String, String)) -> Result<String, Refused> {
        let (good, text) = self.http("POST", &service.place, Some((&action, &body))).await.ok_or(Refused::Silent)?;
        if good { Ok(text) } else { Err(soap::refusal(&text)) }
    }

    async fn http(&self, method: &str, at: &Place, action: Option<(&str, &str)>) -> Option<(bool, String)> {
        let (address, Place { port, path }) = (self.address, at);
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}:{port}\r\nConnection: close\r\n");
        if let Some((action, body)) = action {
            request += &format!(
                "Content-Type: text/xml; charset=\"utf-8\"\r\nContent-Length: {}\r\nSOAPAction: {action}\r\n\r\n{body}",
                body.len()
            );
        } else {
            request += "\r\n";
        }
        let stream = tokio::time::timeout(CONNECT, self.connect(*port)).await.ok()?.ok()?;
        http::exchange(stream, request.as_bytes()).await
    }

    async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        let _ = socket.bind_device(Some(self.interface.as_bytes()));
        socket.bind(SocketAddrV4::new(*self.inside.ip(), 0).into())?;
        socket.connect(SocketAddrV4::new(self.address, port).into()).await
    }
}

/// What a gateway tells everybody: it started anew, or has another address (RFC 6886 §3.2.1, RFC 6887 §14.1).
pub(super) struct Announcements {
    of: Gateway,
    socket: UdpSocket,
}

impl Announcements {
    /// Listens to this gateway from now on, if that is possible.
    pub(super) fn follow(heard: &mut Option<Self>, gateway: Option<&Gateway>) {
        if heard.as_ref().map(|heard| &heard.of) != gateway {
            let open = |gateway: &Gateway| Some(Self { of: gateway.clone(), socket: gateway.listen().ok()? });
            *heard = gateway.and_then(open);
        }
    }

    /// Waits for the next one.
    pub(super) async fn next(&self) {
        let from_gateway = SocketAddr::from((self.of.address, PORT));
        let mut buffer = [0; 64];
        loop {
            match self.socket.recv_from(&mut buffer).await {
                Ok((len, from)) if from == from_gateway && buffer[..len].get(1) == Some(&ANNOUNCE) => return,
                Ok(_) => {}
                Err(_) => std::future::pending().await,
            }
        }
    }
}
