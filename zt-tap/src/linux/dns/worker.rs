//! The task that makes the host's resolver equal to what is wanted.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::resolvconf::Resolvconf;
use super::resolved::{Owner, Resolved};
use crate::dns::{DnsError, DnsOutcome, LinkDns, Resolver};

/// When what failed is tried again, and a lost bus is looked for.
const RETRY: Duration = Duration::from_secs(10);

/// What all devices should have. Only the newest counts, so that no controller fills a queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Counts changes.
    pub(super) turn: u64,
    /// By device: its number in this namespace, and its settings.
    pub(super) devices: BTreeMap<String, (Option<u32>, LinkDns)>,
}

/// What the worker says.
#[derive(Debug)]
pub(super) enum News {
    /// What became of a device's settings.
    Outcome(DnsOutcome),
    /// All changes up to this turn were worked on.
    Settled(u64),
}

/// Where the settings of a device are.
#[derive(Debug)]
struct Placed {
    resolver: Resolver,
    index: Option<u32>,
    dns: LinkDns,
}

#[derive(Debug)]
pub(super) struct Worker {
    wanted: watch::Receiver<Wanted>,
    news: mpsc::UnboundedSender<News>,
    bus: Option<String>,
    resolvconf: Resolvconf,
    resolved: Option<Resolved>,
    placed: BTreeMap<String, Placed>,
    /// What was said last of each device, so that a failure that lasts is told once.
    told: BTreeMap<String, Result<Resolver, DnsError>>,
}

/// Why the worker looks again.
enum Wake {
    Changed,
    Owner(Owner),
    BusLost,
    Retry,
    /// Nobody wants anything any more.
    Ended,
}

impl Worker {
    pub(super) fn new(
        wanted: watch::Receiver<Wanted>,
        news: mpsc::UnboundedSender<News>,
        bus: Option<String>,
        resolvconf: Resolvconf,
    ) -> Self {
        let (placed, told) = (BTreeMap::new(), BTreeMap::new());
        Self { wanted, news, bus, resolvconf, resolved: None, placed, told }
    }

    pub(super) async fn run(mut self) {
        self.resolvconf.remove_stale().await;
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            let whole = self.reconcile(&wanted.devices).await;
            if self.news.send(News::Settled(wanted.turn)).is_err() {
                return;
            }
            match self.wake(!whole).await {
                Wake::Ended => return,
                Wake::Changed | Wake::Retry => {}
                Wake::BusLost => self.forget_resolved(true),
                // One that starts again knows nothing of before; one that is gone may come back in a moment, so what it had is
                // not given elsewhere before the next look.
                Wake::Owner(Owner::New) => self.forget_resolved(false),
                Wake::Owner(Owner::Gone) => {
                    self.forget_resolved(false);
                    match self.wake_after_loss().await {
                        Wake::Ended => return,
                        Wake::BusLost => self.forget_resolved(true),
                        _ => {}
                    }
                }
            }
        }
    }

    async fn wake(&mut self, failed: bool) -> Wake {
        // A bus that is not there is looked for while somebody waits for it.
        let again = failed || (self.resolved.is_none() && !self.placed.is_empty());
        tokio::select! {
            changed = self.wanted.changed() => if changed.is_ok() { Wake::Changed } else { Wake::Ended },
            owner = next_owner(&mut self.resolved) => owner.map_or(Wake::BusLost, Wake::Owner),
            () = tokio::time::sleep(RETRY), if again => Wake::Retry,
        }
    }

    async fn wake_after_loss(&mut self) -> Wake {
        tokio::select! {
            changed = self.wanted.changed() => if changed.is_ok() { Wake::Changed } else { Wake::Ended },
            owner = next_owner(&mut self.resolved) => owner.map_or(Wake::BusLost, Wake::Owner),
            () = tokio::time::sleep(RETRY) => Wake::Retry,
        }
    }

    /// What the service had is lost with it; with the bus, so is the way to it.
    fn forget_resolved(&mut self, bus: bool) {
        self.placed.retain(|_, placed| placed.resolver != Resolver::Resolved);
        if bus {
            self.resolved = None;
        }
    }

    /// Takes away what is not wanted any more, then puts what is not there; false when something of it failed.
    async fn reconcile(&mut self, wanted: &BTreeMap<String, (Option<u32>, LinkDns)>) -> bool {
        let gone: Vec<String> = self.placed.keys().filter(|device| !wanted.contains_key(*device)).cloned().collect();
        for device in gone {
            self.take_away(&device).await;
        }
        self.told.retain(|device, _| wanted.contains_key(device));
        let mut whole = true;
        for (device, (index, dns)) in wanted {
            let known = |placed: &Placed| placed.index == *index && placed.dns == *dns;
            let result = match self.placed.get(device) {
                // It stays where it is as long as nothing better came up.
                Some(placed) if known(placed) && placed.resolver == Resolver::Resolved => continue,
                _ => self.put(device, *index, dns).await,
            };
            whole &= result.is_ok();
            if self.told.get(device) != Some(&result) {
                self.told.insert(device.clone(), result.clone());
                let _ = self.news.send(News::Outcome(DnsOutcome { device: device.clone(), result }));
            }
        }
        whole
    }

    async fn put(&mut self, device: &str, index: Option<u32>, dns: &LinkDns) -> Result<Resolver, DnsError> {
        let result = self.offer(device, index, dns).await;
        let before = self.placed.get(device).map(|placed| placed.resolver);
        // What it had before must not stay beside it, nor stay alone when the new is refused.
        if before.is_some_and(|before| result.as_ref().ok() != Some(&before)) {
            self.take_away(device).await;
        }
        if let Ok(resolver) = result {
            self.placed.insert(device.to_owned(), Placed { resolver, index, dns: dns.clone() });
        }
        result
    }

    /// In the order of the resolvers: the service that can keep the network's names apart first.
    async fn offer(&mut self, device: &str, index: Option<u32>, dns: &LinkDns) -> Result<Resolver, DnsError> {
        dns.checked()?;
        let other = match self.service().await {
            Some(resolved) if resolved.is_of_this_namespace().await => {
                let index = index.ok_or(DnsError::NoSuchDevice)?;
                return resolved.set(index, dns).await.map(|()| Resolver::Resolved);
            }
            Some(_) => DnsError::OtherNamespace,
            None => DnsError::NoResolver,
        };
        if let Some(placed) = self.placed.get(device)
            && placed.resolver == Resolver::Resolvconf
            && placed.dns == *dns
        {
            return Ok(Resolver::Resolvconf);
        }
        match self.resolvconf.add(device, dns).await {
            Err(DnsError::NoResolver) => Err(other),
            result => result.map(|()| Resolver::Resolvconf),
        }
    }

    async fn take_away(&mut self, device: &str) {
        let Some(placed) = self.placed.remove(device) else { return };
        match (placed.resolver, placed.index) {
            (Resolver::Resolved, Some(index)) => {
                if let Some(resolved) = &self.resolved {
                    resolved.revert(index).await;
                }
            }
            (Resolver::Resolvconf, _) => self.resolvconf.remove(device).await,
            _ => {}
        }
    }

    /// The service, if it runs now.
    async fn service(&mut self) -> Option<&Resolved> {
        if self.resolved.is_none() {
            self.resolved = Resolved::connect(self.bus.as_deref()).await;
        }
        match &self.resolved {
            Some(resolved) if resolved.runs().await => self.resolved.as_ref(),
            _ => None,
        }
    }
}

/// News of the service's owner; `None` when the bus is lost. Waits for ever without a bus.
async fn next_owner(resolved: &mut Option<Resolved>) -> Option<Owner> {
    match resolved {
        Some(resolved) => resolved.next_owner().await,
        None => std::future::pending().await,
    }
}
