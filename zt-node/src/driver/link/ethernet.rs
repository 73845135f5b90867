//! Raw Ethernet: datagrams in frames of their own, on interfaces that the operator names, without IP (docs/ethernet.md).
//!
//! Each interface is a link of rank −1, so that it is preferred to UDP, for as long as it is up and plugged in. Whom VL1
//! looks for there is found by a HELLO to all stations; such a frame is for the node that it names and for nobody else.

mod counts;
mod link;
mod sys;
#[cfg(test)]
mod tests;

use super::{LinkSource, NewLink};
use counts::{Counts, Dropped};
use link::EthernetLink;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use zt_peer::{Endpoint, LinkKind, LinkRole};
use zt_tap::{HostView, InterfaceFilter};
use zt_wire::raw_ethernet::HEADER_LEN;
use zt_wire::{Address, Mac};

const RANK: i32 = -1;
/// An interface is opened so often at most.
const AGAIN: Duration = Duration::from_secs(1);

/// An interface as it was when it was opened: another one, or one that changed, is opened anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Station {
    index: u32,
    mac: Mac,
    /// Largest datagram in bytes.
    most: u16,
}

/// How an interface stands that the operator named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EthernetPort {
    /// Its name.
    pub interface: String,
    /// Its address, and the largest datagram that it takes, while it is open; else what is in the way.
    pub state: Result<(Mac, u16), String>,
}

/// What the source, its links and its handles know of one another.
#[derive(Debug, Default)]
struct Shared {
    wanted: Mutex<Vec<String>>,
    /// Interfaces that can be used, by name.
    plan: Mutex<BTreeMap<String, Station>>,
    /// Counts the plans.
    plans: AtomicU64,
    /// Counts what a plan is to be made anew for.
    changes: AtomicU64,
    open: Mutex<BTreeMap<String, Station>>,
    /// What is in the way of others, by name.
    refused: Mutex<BTreeMap<String, String>>,
    counts: Counts,
}

impl Shared {
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the links of raw Ethernet: for [`NodeConfig::links`](crate::NodeConfig::links).
#[derive(Debug)]
pub struct Ethernet {
    shared: Arc<Shared>,
    own: Address,
    host: HostView,
    filter: InterfaceFilter,
    /// The changes that were taken up.
    seen: Option<u64>,
    /// When interfaces were opened last.
    opened: BTreeMap<String, Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Changes which interfaces are used, and asks how they stand. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EthernetHandle {
    shared: Arc<Shared>,
}

impl EthernetHandle {
    /// Sets which interfaces are used, by name. A node takes it up with its next turn: at once when this is called inside
    /// of [`Handle::control`](crate::Handle::control).
    pub fn set(&self, interfaces: Vec<String>) {
        let before = std::mem::replace(&mut *unpoisoned(&self.shared.wanted), interfaces.clone());
        if before != interfaces {
            self.shared.changed();
        }
    }

    /// The interfaces that are to be used, as they were named.
    #[must_use]
    pub fn ports(&self) -> Vec<EthernetPort> {
        let (wanted, open) = (unpoisoned(&self.shared.wanted).clone(), unpoisoned(&self.shared.open).clone());
        let refused = unpoisoned(&self.shared.refused).clone();
        let state = |name: &String| match open.get(name) {
            Some(station) => Ok((station.mac, station.most)),
            None => Err(refused.get(name).cloned().unwrap_or_else(|| "it is about to be opened".to_owned())),
        };
        wanted.iter().map(|name| EthernetPort { interface: name.clone(), state: state(name) }).collect()
    }

    /// Frames that had no effect, by name.
    #[must_use]
    pub fn drops(&self) -> Vec<(&'static str, u64)> {
        self.shared.counts.iter().collect()
    }
}

impl Ethernet {
    /// A source for these interfaces, and its handle. `own`: the address of the node.
    #[must_use]
    pub fn new(own: Address, interfaces: Vec<String>) -> (Self, EthernetHandle) {
        let shared = Arc::new(Shared { wanted: Mutex::new(interfaces), ..Shared::default() });
        let handle = EthernetHandle { shared: Arc::clone(&shared) };
        let (host, filter) = (HostView::default(), InterfaceFilter::default());
        (Self { shared, own, host, filter, seen: None, opened: BTreeMap::new(), alarm: None }, handle)
    }

    /// Looks at what is wanted, and at what the host has of it.
    fn plan(&mut self) {
        let wanted: BTreeSet<String> = unpoisoned(&self.shared.wanted).iter().cloned().collect();
        let mut plan = BTreeMap::new();
        // What was in the way of opening one is told again only when it is something else.
        let mut refused = unpoisoned(&self.shared.refused).clone();
        refused.retain(|name, _| wanted.contains(name));
        for name in wanted {
            match self.host.cable(&name, &self.filter) {
                Ok(interface) => {
                    let most = interface.mtu.saturating_sub(HEADER_LEN as u32);
                    let most = u16::try_from(most).unwrap_or(u16::MAX);
                    let mac = interface.mac.unwrap_or_default();
                    plan.insert(name, Station { index: interface.index, mac, most });
                }
                Err(why) => {
                    self.tell(&name, &why.to_string(), why.may_pass());
                    refused.insert(name, why.to_string());
                }
            }
        }
        self.opened.retain(|name, _| plan.contains_key(name));
        *unpoisoned(&self.shared.plan) = plan;
        *unpoisoned(&self.shared.refused) = refused;
        self.shared.plans.fetch_add(1, Ordering::AcqRel);
    }

    /// Says once why an interface is not used.
    fn tell(&self, name: &str, why: &str, passes: bool) {
        if unpoisoned(&self.shared.refused).get(name).is_some_and(|told| told == why) {
            return;
        }
        if passes {
            tracing::info!(interface = name, why, "settings.ethernet: not used now; it is used when that changes");
        } else {
            tracing::warn!(interface = name, why, "settings.ethernet: not used");
        }
    }

    /// The next interface that is to be open and is not; or when one may be opened again.
    fn missing(&self, now: Instant) -> Result<(String, Station), Option<Instant>> {
        let (plan, open) = (unpoisoned(&self.shared.plan), unpoisoned(&self.shared.open));
        let mut next: Option<Instant> = None;
        for (name, station) in plan.iter().filter(|(name, _)| !open.contains_key(*name)) {
            match self.opened.get(name).map(|at| *at + AGAIN).filter(|at| *at > now) {
                None => return Ok((name.clone(), *station)),
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
            }
        }
        Err(next)
    }

    fn open(&mut self, name: &str, station: Station) -> Option<NewLink> {
        match EthernetLink::open(Arc::clone(&self.shared), self.own, name, station) {
            Ok(io) => {
                tracing::info!(interface = name, mac = %station.mac, "raw Ethernet is in use");
                unpoisoned(&self.shared.refused).remove(name);
                Some(NewLink {
                    kind: LinkKind::Ethernet,
                    rank: RANK,
                    role: LinkRole::Full,
                    local: Endpoint::Mac(station.mac),
                    mtu: station.most,
                    io: Box::new(io),
                })
            }
            Err(error) => {
                let why = reason(&error);
                self.tell(name, &why, false);
                unpoisoned(&self.shared.refused).insert(name.to_owned(), why);
                None
            }
        }
    }
}

/// What an operator can do about an error.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "the right CAP_NET_RAW is missing: run as root, or give the program that capability".to_owned()
        }
        _ => format!("it cannot be opened: {error}"),
    }
}

impl LinkSource for Ethernet {
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<NewLink> {
        let changes = self.shared.changes.load(Ordering::Acquire);
        let alarm = self.alarm.as_mut().is_some_and(|alarm| alarm.as_mut().poll(cx).is_ready());
        if self.seen == Some(changes) && !alarm {
            return Poll::Pending;
        }
        self.alarm = None;
        if self.seen != Some(changes) {
            self.plan();
            self.seen = Some(changes);
        }
        loop {
            let now = Instant::now();
            match self.missing(now) {
                Ok((name, station)) => {
                    self.opened.insert(name.clone(), now);
                    if let Some(new) = self.open(&name, station) {
                        // There may be another.
                        self.seen = None;
                        return Poll::Ready(new);
                    }
                }
                Err(None) => return Poll::Pending,
                Err(Some(at)) => {
                    let mut alarm = Box::pin(tokio::time::sleep_until(at));
                    if alarm.as_mut().poll(cx).is_ready() {
                        cx.waker().wake_by_ref();
                    }
                    self.alarm = Some(alarm);
                    return Poll::Pending;
                }
            }
        }
    }

    fn handle_host(&mut self, host: &HostView, filter: &InterfaceFilter) {
        if self.host != *host || self.filter != *filter {
            (self.host, self.filter) = (host.clone(), filter.clone());
            self.shared.changed();
        }
    }
}
