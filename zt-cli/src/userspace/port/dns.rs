//! The networks' servers of names, for the proxies.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use zt_tap::{DnsConfig, DnsOutcome, LinkDns, Resolver};

use super::Ports;

/// Takes up what networks say about names.
#[derive(Debug)]
pub struct PortDns {
    ports: Ports,
    outcomes: VecDeque<DnsOutcome>,
    waker: Option<Waker>,
}

impl PortDns {
    /// For these ports.
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        Self { ports, outcomes: VecDeque::new(), waker: None }
    }
}

impl DnsConfig for PortDns {
    fn set(&mut self, device: &str, wanted: Option<LinkDns>) {
        let mut shared = self.ports.lock();
        let Some(wanted) = wanted else {
            shared.dns.remove(device);
            return;
        };
        let result = wanted.checked().map(|()| Resolver::Proxies);
        if result.is_ok() {
            shared.dns.insert(device.to_owned(), wanted);
        }
        self.outcomes.push_back(DnsOutcome { device: device.to_owned(), result });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<DnsOutcome> {
        match self.outcomes.pop_front() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_settled(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Ports {
    /// Servers that know a name, those of the longest domain first, with the domain.
    #[must_use]
    pub fn servers_for(&self, name: &str) -> Vec<(String, Vec<IpAddr>)> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let shared = self.lock();
        let below = |domain: &str| name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        let mut found: Vec<(String, Vec<IpAddr>)> = shared
            .dns
            .values()
            .map(|dns| (dns.domain.trim_end_matches('.').to_ascii_lowercase(), dns.servers.clone()))
            .filter(|(domain, servers)| !servers.is_empty() && (!name.contains('.') || below(domain)))
            .collect();
        found.sort_by_key(|(domain, _)| std::cmp::Reverse(domain.len()));
        found
    }
}
