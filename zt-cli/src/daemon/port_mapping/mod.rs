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
mod lease;
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

use gateway::{Announcements, Gateway};
use lease::{Lease, Pause};
use soap::Service;

/// The addresses and routes of the host are looked at so often; that costs no packet.
const LOOK: Duration = Duration::from_secs(30);
/// The same while a mapping waits for a root to see its address.
const LOOK_SOON: Duration = Duration::from_secs(5);
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

/// Something asked of a gateway, which may have done it.
#[derive(Clone, Debug)]
struct Request {
    gateway: Gateway,
    protocol: Protocol,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
struct Mapping {
    request: Request,
    outside: SocketAddr,
    lease: Lease,
    offered: bool,
}

/// Keeps one port mapped while it is polled.
pub(super) struct PortMapper {
    handle: Handle,
    wish: watch::Receiver<Wish>,
    name: String,
    shown: Shown,
    mapping: Option<Mapping>,
    /// What is being asked: when that is cut short, the gateway may map without being heard.
    asked: Option<Request>,
    /// The gateway that did not map.
    failed: Option<(Gateway, Pause)>,
}

impl PortMapper {
    pub(super) fn new(handle: Handle, wish: watch::Receiver<Wish>, name: String) -> Self {
        Self { handle, wish, name, shown: Shown::default(), mapping: None, asked: None, failed: None }
    }

    /// The mapping for the status.
    pub(super) fn shown(&self) -> Shown {
        Arc::clone(&self.shown)
    }

    /// Maps, renews and follows the host and the settings, as long as the node lives.
    pub(super) async fn run(&mut self) {
        let mut heard = None;
        let mut resumes = 0;
        loop {
            let wish = *self.wish.borrow_and_update();
            let gateway = if wish.enabled { self.gateway(wish.port).await } else { None };
            if self.mapping.as_ref().is_some_and(|mapping| gateway.as_ref() != Some(&mapping.request.gateway)) {
                self.withdraw().await;
            }
            if let Some(gateway) = &gateway
                && self.is_due(gateway)
            {
                self.map(gateway).await;
            }
            self.offer().await;
            Announcements::follow(&mut heard, gateway.as_ref());
            tokio::select! {
                () = sleep_until(self.next()) => {}
                () = announced(heard.as_ref()) => self.doubt("the gateway says that it started anew"),
                // A lease goes on while the host sleeps, and the gateway may be another.
                () = self.handle.resumed(resumes) => {
                    resumes = self.handle.resumes();
                    self.doubt("this host slept");
                }
                changed = self.wish.changed() => match changed {
                    // A person who changes something expects that it is tried.
                    Ok(()) => self.failed = None,
                    Err(_) => std::future::pending::<()>().await,
                },
            }
        }
    }

    /// Takes the mapping back, and the word of it.
    pub(super) async fn withdraw(&mut self) {
        let mapping = self.mapping.take();
        let mapped = mapping.as_ref().map(|mapping| mapping.request.clone());
        let requests: Vec<Request> = mapped.into_iter().chain(self.asked.take()).collect();
        let _ = timeout(GOODBYE, async {
            for request in &requests {
                request.end().await;
            }
        })
        .await;
        if let Some(mapping) = mapping {
            tracing::info!(external = %mapping.outside, "the mapped port is given back");
            self.offer().await;
        }
    }

    /// The gateway of a bound address with this port. Of several, the one that maps.
    async fn gateway(&self, port: u16) -> Option<Gateway> {
        let status = self.handle.control(|control| control.status()).await.ok()?;
        let bound = status.listening_on.iter().filter_map(|address| address.socket_addr());
        let locals: Vec<SocketAddr> = bound.filter(|local| port == 0 || local.port() == port).collect();
        let found = Gateway::all(&locals);
        let all = found.inspect_err(|error| tracing::debug!(%error, "cannot look for a gateway")).ok()?;
        let present = self.mapping.as_ref().map(|mapping| &mapping.request.gateway);
        all.iter().find(|gateway| Some(*gateway) == present).or(all.first()).cloned()
    }

    fn is_due(&self, gateway: &Gateway) -> bool {
        let now = Instant::now();
        match (&self.mapping, &self.failed) {
            (Some(mapping), _) => now >= mapping.lease.renew,
            (None, Some((failed, pause))) => failed != gateway || now >= pause.until(),
            (None, None) => true,
        }
    }

    /// When there is something to do if nothing happens.
    fn next(&self) -> Instant {
        let waits = self.mapping.as_ref().is_some_and(|mapping| !mapping.offered);
        let look = Instant::now() + if waits { LOOK_SOON } else { LOOK };
        self.mapping.as_ref().map_or(look, |mapping| look.min(mapping.lease.renew))
    }

    /// The mapping may hold no more.
    fn doubt(&mut self, why: &str) {
        tracing::debug!("the mapped port is asked for again: {why}");
        if let Some(mapping) = &mut self.mapping {
            mapping.lease.doubted(Instant::now());
        }
        if let Some((_, pause)) = &mut self.failed {
            pause.doubted();
        }
    }

    /// Maps, or renews.
    async fn map(&mut self, gateway: &Gateway) {
        let made = match self.mapping.as_ref().map(|mapping| mapping.request.clone()) {
            Some(request) => self.ask(request).await.ok(),
            None => None,
        };
        let made = match made {
            None => self.map_anew(gateway).await,
            made => made,
        };
        let now = Instant::now();
        match (made, self.mapping.take()) {
            (Some(made), before) => self.took(made, before).await,
            (None, before) => {
                let later = before.and_then(|before| Some(Mapping { lease: before.lease.again(now)?, ..before }));
                if later.is_none() {
                    let before = self.failed.take().filter(|(failed, _)| failed == gateway).map(|(_, pause)| pause);
                    tracing::debug!("the gateway maps no port");
                    self.failed = Some((gateway.clone(), Pause::after(before, now)));
                }
                self.mapping = later;
            }
        }
    }

    async fn took(&mut self, made: Mapping, before: Option<Mapping>) {
        let is_new = before.as_ref().is_none_or(|before| before.outside != made.outside);
        if is_new {
            let (protocol, internal) = (made.request.protocol.name(), made.request.wanted.inside);
            tracing::info!(protocol, external = %made.outside, %internal, "a port of the gateway is mapped");
        } else {
            tracing::debug!(external = %made.outside, "the mapped port is renewed");
        }
        let offered = !is_new && before.as_ref().is_some_and(|before| before.offered);
        (self.mapping, self.failed) = (Some(Mapping { offered, ..made }), None);
        if let Some(Mapping { request: Request { protocol: Protocol::Upnp(_), .. }, .. }) = &before
            && is_new
            && let Some(before) = before
        {
            // The other protocols have one mapping for each port of ours; here two would stay.
            let _ = timeout(GOODBYE, before.request.end()).await;
        }
    }

    async fn map_anew(&mut self, gateway: &Gateway) -> Option<Mapping> {
        let wanted = Wanted { inside: gateway.inside, outside: gateway.inside.port() };
        let request = |protocol, wanted| Request { gateway: gateway.clone(), protocol, wanted };
        let mut nonce = pcp::Nonce::default();
        OsEntropy.fill(&mut nonce);
        for protocol in [Protocol::Pcp(nonce), Protocol::NatPmp] {
            if let Ok(mapping) = self.ask(request(protocol, wanted)).await {
                return Some(mapping);
            }
        }
        let service = gateway.search().await.inspect_err(|why| tracing::debug!(?why, "no UPnP")).ok()?;
        for step in 0..PORTS {
            let outside = wanted.outside.checked_add(step).unwrap_or(1025 + step);
            match self.ask(request(Protocol::Upnp(service.clone()), Wanted { outside, ..wanted })).await {
                Ok(mapping) => return Some(mapping),
                Err(Refused::Code(code)) if CONFLICTS.contains(&code) => {}
                Err(_) => return None,
            }
        }
        None
    }

    async fn ask(&mut self, request: Request) -> Result<Mapping, Refused> {
        self.asked = Some(request.clone());
        let made = request.make(&self.name).await;
        self.asked = None;
        made.inspect_err(|why| tracing::debug!(protocol = request.protocol.name(), ?why, "not mapped"))
    }

    /// Tells the node what may be offered, and the status what there is.
    async fn offer(&mut self) {
        let outside = self.mapping.as_ref().map(|mapping| mapping.outside);
        let before = self.mapping.as_ref().is_some_and(|mapping| mapping.offered);
        let told = self.handle.engine(move |engine, now| {
            let vl1 = engine.vl1_mut();
            let is_seen = |outside: &SocketAddr| vl1.is_seen_at(now, outside.ip()).unwrap_or(before);
            let may = |outside: &SocketAddr| Scope::of(outside.ip()) == Scope::Global && is_seen(outside);
            let good = outside.filter(may);
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

/// Waits for a word of the gateway that it started anew.
async fn announced(heard: Option<&Announcements>) {
    match heard {
        Some(heard) => heard.next().await,
        None => std::future::pending().await,
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

impl Request {
    async fn make(&self, name: &str) -> Result<Mapping, Refused> {
        let Self { gateway, protocol, wanted } = self;
        let granted = match protocol {
            Protocol::Pcp(nonce) => gateway.pcp(wanted, nonce, lease::ASKED).await?,
            Protocol::NatPmp => gateway.nat_pmp(wanted, lease::ASKED).await?,
            Protocol::Upnp(service) => match gateway.upnp(service, wanted, name, lease::ASKED).await {
                Err(Refused::Code(ONLY_PERMANENT)) => gateway.upnp(service, wanted, name, 0).await?,
                other => other?,
            },
        };
        let (Some(ip), true) = (granted.ip, granted.port != 0) else { return Err(Refused::Unusable) };
        let wanted = Wanted { outside: granted.port, ..*wanted };
        Ok(Mapping {
            request: Self { wanted, ..self.clone() },
            outside: SocketAddr::new(ip, granted.port),
            lease: Lease::granted(Instant::now(), granted.seconds),
            offered: false,
        })
    }

    async fn end(&self) {
        let Self { gateway, protocol, wanted } = self;
        let _ = match protocol {
            Protocol::Pcp(nonce) => gateway.pcp(wanted, nonce, 0).await.map(drop),
            Protocol::NatPmp => gateway.nat_pmp(wanted, 0).await.map(drop),
            Protocol::Upnp(service) => gateway.end_upnp(service, wanted.outside).await,
        };
    }
}

impl Mapping {
    fn show(&self) -> PortMapping {
        let slashed = |ip: IpAddr, port: u16| format!("{ip}/{port}");
        let Request { protocol, wanted: Wanted { inside, .. }, .. } = &self.request;
        PortMapping {
            protocol: protocol.name().to_owned(),
            external: slashed(self.outside.ip(), self.outside.port()),
            internal: slashed((*inside.ip()).into(), inside.port()),
            offered: self.offered,
        }
    }
}
