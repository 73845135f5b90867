//! Mapped ports: a gateway with a NAT is asked to hand on what comes to one of its ports (06 §6), so that a node behind
//! it is reached directly even from behind a NAT that draws ports.
//!
//! PCP is tried first, then NAT-PMP, then UPnP; what worked is renewed at half of its time and withdrawn at the end. The
//! packets of PCP and NAT-PMP are a few bytes, written and read here: the libraries for them open their sockets
//! themselves, and ours must be tied to an interface, or a default route through one of our networks would lead the
//! questions there. For the same reason, and because a library for it brings 35 others with it, the few elements of UPnP
//! are looked for in the text.
//!
//! Nothing that a gateway says is trusted: what is offered to peers is a global address that a root has seen us at as
//! well, and the port that was granted, not the one that was asked for. A silent gateway costs a few packets now and then.

mod gateway;
mod http;
mod nat_pmp;
mod pcp;
mod soap;

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use zt_crypto::Entropy as _;
use zt_node::{Handle, OsEntropy};
use zt_wire::Scope;

use crate::api::PortMapping;

use gateway::Gateway;
use soap::Service;

/// Time asked for. At half of it the mapping is renewed; a gateway that started anew has forgotten it until then.
const LEASE: u32 = 1200;
/// Bounds for what a gateway grants.
const LEAST_LEASE: Duration = Duration::from_secs(120);
const MOST_LEASE: Duration = Duration::from_secs(7200);
/// The addresses and routes of the host are looked at so often; that costs no packet.
const LOOK: Duration = Duration::from_secs(30);
/// The same while a mapping waits for a root to see its address.
const LOOK_SOON: Duration = Duration::from_secs(5);
/// After a failure, doubled up to the last.
const RETRY: Duration = Duration::from_secs(60);
const RETRY_LAST: Duration = Duration::from_secs(3600);
/// External ports that are tried by UPnP, which gives none that is in use.
const PORTS: u16 = 8;
/// For the end of a mapping when the program ends.
const GOODBYE: Duration = Duration::from_millis(1500);
/// Answers of UPnP that mean: not this port, and: only for good.
const CONFLICTS: [u16; 3] = [718, 501, 729];
const ONLY_PERMANENT: u16 = 725;

/// What is to be mapped: an address of ours, and the port outside that is liked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    inside: SocketAddrV4,
    outside: u16,
}

/// What a gateway granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Granted {
    /// The external address, as far as the answer tells.
    ip: Option<IpAddr>,
    port: u16,
    seconds: u32,
}

/// Why a gateway did not map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// It does not speak the protocol.
    Version,
    /// It says no, by a number of the protocol.
    Code(u16),
    /// Nobody answers.
    Silent,
    /// What it answers cannot be used.
    Unusable,
}

/// By which protocol a port is mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Protocol {
    Pcp(pcp::Nonce),
    NatPmp,
    Upnp(Service),
}

/// What the settings ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// `portMappingEnabled`.
    pub(super) enabled: bool,
    /// The UDP port to be mapped, 0 = whichever is bound first.
    pub(super) port: u16,
}

/// The mapping for the status.
pub(super) type Shown = Arc<Mutex<Option<PortMapping>>>;

#[derive(Clone, Debug)]
struct Mapping {
    gateway: Gateway,
    protocol: Protocol,
    wanted: Wanted,
    outside: SocketAddr,
    renew: Instant,
    ends: Instant,
    offered: bool,
}

/// Keeps one port mapped while it is polled.
pub(super) struct PortMapper {
    handle: Handle,
    wish: watch::Receiver<Wish>,
    name: String,
    shown: Shown,
    mapping: Option<Mapping>,
    /// The gateway that did not map, when it is asked again, and after which time then.
    failed: Option<(Gateway, Instant, Duration)>,
}

impl PortMapper {
    pub(super) fn new(handle: Handle, wish: watch::Receiver<Wish>, name: String) -> Self {
        Self { handle, wish, name, shown: Shown::default(), mapping: None, failed: None }
    }

    /// The mapping for the status.
    pub(super) fn shown(&self) -> Shown {
        Arc::clone(&self.shown)
    }

    /// Maps, renews and follows the host and the settings, as long as the node lives.
    pub(super) async fn run(&mut self) {
        loop {
            let wish = *self.wish.borrow_and_update();
            let gateway = if wish.enabled { self.gateway(wish.port).await } else { None };
            if self.mapping.as_ref().is_some_and(|mapping| gateway.as_ref() != Some(&mapping.gateway)) {
                self.withdraw().await;
            }
            if let Some(gateway) = gateway
                && self.is_due(&gateway)
            {
                self.map(gateway).await;
            }
            self.offer().await;
            let waits = self.mapping.as_ref().is_some_and(|mapping| !mapping.offered);
            let look = Instant::now() + if waits { LOOK_SOON } else { LOOK };
            let until = self.mapping.as_ref().map_or(look, |mapping| look.min(mapping.renew));
            tokio::select! {
                () = sleep_until(until) => {}
                changed = self.wish.changed() => if changed.is_err() { std::future::pending::<()>().await },
            }
        }
    }

    /// Takes the mapping back, and the word of it.
    pub(super) async fn withdraw(&mut self) {
        let Some(mapping) = self.mapping.take() else { return };
        let _ = timeout(GOODBYE, mapping.end()).await;
        tracing::info!(external = %mapping.outside, "the mapped port is given back");
        self.offer().await;
    }

    /// The gateway of a bound address with this port.
    async fn gateway(&self, port: u16) -> Option<Gateway> {
        let status = self.handle.control(|control| control.status()).await.ok()?;
        let bound = status.listening_on.iter().filter_map(|address| address.socket_addr());
        let locals: Vec<SocketAddr> = bound.filter(|local| port == 0 || local.port() == port).collect();
        let found = Gateway::find(&locals);
        found.inspect_err(|error| tracing::debug!(%error, "cannot look for a gateway")).ok()?
    }

    fn is_due(&self, gateway: &Gateway) -> bool {
        let now = Instant::now();
        match (&self.mapping, &self.failed) {
            (Some(mapping), _) => now >= mapping.renew,
            (None, Some((failed, again, _))) => failed != gateway || now >= *again,
            (None, None) => true,
        }
    }

    /// Maps, or renews.
    async fn map(&mut self, gateway: Gateway) {
        let before = self.mapping.take();
        let mut made = None;
        if let Some(before) = &before {
            made = Mapping::make(&gateway, before.protocol.clone(), before.wanted, &self.name).await.ok();
        }
        let made = match made {
            None => self.map_anew(&gateway).await,
            made => made,
        };
        match (made, before) {
            (Some(made), before) => {
                let offered = before.as_ref().is_some_and(|before| before.offered && before.outside == made.outside);
                if before.is_none_or(|before| before.outside != made.outside) {
                    let (protocol, external) = (made.protocol.name(), made.outside);
                    tracing::info!(protocol, %external, internal = %made.wanted.inside, "a port of the gateway is mapped");
                }
                (self.mapping, self.failed) = (Some(Mapping { offered, ..made }), None);
            }
            // It holds for a while yet: soon again.
            (None, Some(before)) if before.ends > Instant::now() + RETRY => {
                self.mapping = Some(Mapping { renew: Instant::now() + RETRY, ..before });
            }
            (None, _) => {
                let pause = self.failed.take().filter(|(failed, ..)| *failed == gateway);
                let pause = pause.map_or(RETRY, |(.., pause)| (pause * 2).min(RETRY_LAST));
                tracing::debug!(?pause, "the gateway maps no port");
                self.failed = Some((gateway, Instant::now() + pause, pause));
            }
        }
    }

    async fn map_anew(&self, gateway: &Gateway) -> Option<Mapping> {
        let wanted = Wanted { inside: gateway.inside, outside: gateway.inside.port() };
        let mut nonce = pcp::Nonce::default();
        OsEntropy.fill(&mut nonce);
        for protocol in [Protocol::Pcp(nonce), Protocol::NatPmp] {
            match Mapping::make(gateway, protocol.clone(), wanted, &self.name).await {
                Ok(mapping) => return Some(mapping),
                Err(why) => tracing::debug!(protocol = protocol.name(), ?why, "not mapped"),
            }
        }
        let service = gateway.search().await.inspect_err(|why| tracing::debug!(?why, "no UPnP")).ok()?;
        for step in 0..PORTS {
            let outside = wanted.outside.checked_add(step).unwrap_or(1025 + step);
            let wanted = Wanted { outside, ..wanted };
            match Mapping::make(gateway, Protocol::Upnp(service.clone()), wanted, &self.name).await {
                Ok(mapping) => return Some(mapping),
                Err(Refused::Code(code)) if CONFLICTS.contains(&code) => {}
                Err(why) => {
                    tracing::debug!(protocol = "upnp", ?why, "not mapped");
                    return None;
                }
            }
        }
        None
    }

    /// Tells the node what may be offered, and the status what there is.
    async fn offer(&mut self) {
        let outside = self.mapping.as_ref().map(|mapping| mapping.outside);
        let offered = self.mapping.as_ref().is_some_and(|mapping| mapping.offered);
        let told = self.handle.engine(move |engine, now| {
            let vl1 = engine.vl1_mut();
            let may = |a: &SocketAddr| offered || vl1.is_seen_at(now, a.ip());
            let good = outside.filter(|a| Scope::of(a.ip()) == Scope::Global && a.port() != 0 && may(a));
            vl1.set_mappings(good.into_iter().collect());
            good.is_some()
        });
        let offered = told.await.unwrap_or(false);
        if let Some(mapping) = &mut self.mapping {
            mapping.offered = offered;
        }
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = self.mapping.as_ref().map(Mapping::show);
    }
}

impl Protocol {
    const fn name(&self) -> &'static str {
        match self {
            Self::Pcp(_) => "pcp",
            Self::NatPmp => "nat-pmp",
            Self::Upnp(_) => "upnp",
        }
    }
}

impl Mapping {
    async fn make(gateway: &Gateway, protocol: Protocol, wanted: Wanted, name: &str) -> Result<Self, Refused> {
        let granted = match &protocol {
            Protocol::Pcp(nonce) => gateway.pcp(&wanted, nonce, LEASE).await?,
            Protocol::NatPmp => gateway.nat_pmp(&wanted, LEASE).await?,
            Protocol::Upnp(service) => match gateway.upnp(service, &wanted, name, LEASE).await {
                Err(Refused::Code(ONLY_PERMANENT)) => gateway.upnp(service, &wanted, name, 0).await?,
                other => other?,
            },
        };
        let (Some(ip), true) = (granted.ip, granted.port != 0) else { return Err(Refused::Unusable) };
        let lease = match granted.seconds {
            // UPnP: for good. It is looked at all the same.
            0 => Duration::from_secs(LEASE.into()),
            seconds => Duration::from_secs(seconds.into()).clamp(LEAST_LEASE, MOST_LEASE),
        };
        let now = Instant::now();
        let wanted = Wanted { outside: granted.port, ..wanted };
        let outside = SocketAddr::new(ip, granted.port);
        let (renew, ends, gateway) = (now + lease / 2, now + lease, gateway.clone());
        Ok(Self { gateway, protocol, wanted, outside, renew, ends, offered: false })
    }

    async fn end(&self) {
        let Self { gateway, wanted, .. } = self;
        let _ = match &self.protocol {
            Protocol::Pcp(nonce) => gateway.pcp(wanted, nonce, 0).await.map(drop),
            Protocol::NatPmp => gateway.nat_pmp(wanted, 0).await.map(drop),
            Protocol::Upnp(service) => gateway.end_upnp(service, wanted.outside).await,
        };
    }

    fn show(&self) -> PortMapping {
        let slashed = |ip: IpAddr, port: u16| format!("{ip}/{port}");
        let inside = self.wanted.inside;
        PortMapping {
            protocol: self.protocol.name().to_owned(),
            external: slashed(self.outside.ip(), self.outside.port()),
            internal: slashed((*inside.ip()).into(), inside.port()),
            offered: self.offered,
        }
    }
}
