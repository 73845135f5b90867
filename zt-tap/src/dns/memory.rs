use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::{DnsConfig, DnsError, DnsOutcome, LinkDns, Resolver};

/// A resolver that only remembers: for programs with a resolver of their own, and tests. Clones share what they remember.
#[derive(Debug, Clone, Default)]
pub struct MemoryDns(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    devices: BTreeMap<String, LinkDns>,
    outcomes: VecDeque<DnsOutcome>,
}

impl MemoryDns {
    /// A resolver that was told nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a device has.
    #[must_use]
    pub fn of(&self, device: &str) -> Option<LinkDns> {
        self.lock().devices.get(device).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DnsConfig for MemoryDns {
    fn set(&mut self, device: &str, wanted: Option<LinkDns>) {
        let mut memory = self.lock();
        memory.devices.remove(device);
        if let Some(wanted) = wanted {
            let result = wanted.checked().map(|()| Resolver::Memory);
            if result.is_ok() {
                memory.devices.insert(device.to_owned(), wanted);
            }
            memory.outcomes.push_back(DnsOutcome { device: device.to_owned(), result });
        }
    }

    fn poll_outcome(&mut self, _cx: &mut Context<'_>) -> Poll<DnsOutcome> {
        // Settings come from the same task, which asks after it has set them: nobody needs to be woken.
        self.lock().outcomes.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_settled(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// A host whose resolver is not ours to set.
#[derive(Debug, Clone, Default)]
pub struct NoDns(VecDeque<DnsOutcome>);

impl NoDns {
    /// A host without resolver.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl DnsConfig for NoDns {
    fn set(&mut self, device: &str, wanted: Option<LinkDns>) {
        self.0.retain(|outcome| outcome.device != device);
        if wanted.is_some() {
            self.0.push_back(DnsOutcome { device: device.to_owned(), result: Err(DnsError::NoResolver) });
        }
    }

    fn poll_outcome(&mut self, _cx: &mut Context<'_>) -> Poll<DnsOutcome> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_settled(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
