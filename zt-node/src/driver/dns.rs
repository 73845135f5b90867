//! The host's resolver: what networks want of it, and what became of that.

use super::Driver;
use super::ports::Port;
use crate::status::DnsStatus;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;
use zt_netconf::ManagedDns;
use zt_tap::{DnsConfig, LinkDns, Resolver};
use zt_wire::NetworkId;

/// Time for the resolver to let go when the node ends.
const LETTING_GO: Duration = Duration::from_secs(3);

/// The resolver's settings of one port.
#[derive(Debug, Default)]
pub(super) struct PortDns {
    /// Device and settings as they were last handed in.
    wanted: Option<(String, LinkDns)>,
    outcome: Option<DnsStatus>,
}

impl PortDns {
    /// How it stands; `None` when nothing is wanted.
    pub(super) fn status(&self) -> Option<DnsStatus> {
        self.wanted.as_ref().map(|_| self.outcome.clone().unwrap_or(DnsStatus::Pending))
    }

    /// Hands in what a network wants of its device, if that is news.
    pub(super) fn want(&mut self, host: &mut dyn DnsConfig, device: &str, managed: Option<&ManagedDns>) {
        let wanted = managed
            .map(|dns| (device.to_owned(), LinkDns { domain: dns.domain.clone(), servers: dns.servers.clone() }));
        if wanted == self.wanted {
            return;
        }
        if let Some((before, _)) = &self.wanted
            && wanted.as_ref().is_none_or(|(now, _)| now != before)
        {
            host.set(before, None);
        }
        if let Some((device, dns)) = &wanted {
            host.set(device, Some(dns.clone()));
        }
        *self = Self { wanted, outcome: None };
    }
}

impl Driver {
    /// Hears what became of settings.
    pub(super) fn poll_dns(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(outcome) = self.dns.poll_outcome(cx) {
            let of = |port: &Port| port.dns.wanted.as_ref().is_some_and(|(device, _)| *device == outcome.device);
            let Some((network, port)) = self.ports.iter_mut().find(|(_, port)| of(port)) else { continue };
            note(*network, port, outcome.result);
        }
    }

    /// Takes everything from the resolver, before the devices go.
    pub(super) async fn let_go_of_dns(&mut self) {
        for port in self.ports.values_mut() {
            port.dns.want(self.dns.as_mut(), "", None);
        }
        let settled = poll_fn(|cx| self.dns.poll_settled(cx));
        if tokio::time::timeout(LETTING_GO, settled).await.is_err() {
            tracing::warn!("the host's resolver does not answer; it may keep settings of networks");
        }
    }
}

fn note(network: NetworkId, port: &mut Port, result: Result<Resolver, zt_tap::DnsError>) {
    let Some((device, dns)) = &port.dns.wanted else { return };
    port.dns.outcome = Some(match result {
        Ok(resolver) => {
            tracing::info!(%network, device, domain = dns.domain, by = %resolver, "DNS of this network is applied");
            DnsStatus::Applied(resolver.to_string())
        }
        Err(error) => {
            tracing::warn!(%network, device, domain = ?dns.domain, "DNS of this network is not applied: {error}");
            DnsStatus::Failed(error.to_string())
        }
    });
}
