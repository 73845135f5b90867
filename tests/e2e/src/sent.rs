//! What a host has sent, as its kernel counts it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::Host;

/// Counters of a moment, or of the time between two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes and packets by interface. A train that nobody has cut yet counts as one packet.
    interfaces: BTreeMap<String, (u64, u64)>,
    /// TCP segments, and those of them that were sent again.
    segments: (u64, u64),
}

impl Sent {
    /// Until now.
    ///
    /// # Errors
    /// The kernel's tables cannot be read.
    pub fn by(host: &Host) -> Result<Self> {
        let read = |name: &'static str| {
            host.namespace().run(move || fs::read_to_string(format!("/proc/thread-self/net/{name}")))?
        };
        let (devices, counters) = (read("dev")?, read("snmp")?);
        Self::parse(&devices, &counters).context("the kernel's tables are not as they are known")
    }

    fn parse(devices: &str, counters: &str) -> Option<Self> {
        let device = |line: &str| -> Option<(String, (u64, u64))> {
            let (name, numbers) = line.split_once(':')?;
            let mut sent = numbers.split_whitespace().skip(8);
            Some((name.trim().to_owned(), (sent.next()?.parse().ok()?, sent.next()?.parse().ok()?)))
        };
        let mut tcp = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (tcp.next()?, tcp.next()?);
        let value = |name: &str| -> Option<u64> {
            let at = names.split_whitespace().position(|other| other == name)?;
            values.split_whitespace().nth(at)?.parse().ok()
        };
        Some(Self {
            interfaces: devices.lines().skip(2).filter_map(device).collect(),
            segments: (value("OutSegs")?, value("RetransSegs")?),
        })
    }

    /// Since an earlier moment.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let less = |(name, (bytes, packets)): (&String, &(u64, u64))| {
            let (had_bytes, had_packets) = before.interfaces.get(name).copied().unwrap_or_default();
            (name.clone(), (bytes.saturating_sub(had_bytes), packets.saturating_sub(had_packets)))
        };
        Self {
            interfaces: self.interfaces.iter().map(less).collect(),
            segments: (
                self.segments.0.saturating_sub(before.segments.0),
                self.segments.1.saturating_sub(before.segments.1),
            ),
        }
    }

    /// For people, when it took so long to send it.
    #[must_use]
    pub fn over(&self, time: Duration) -> impl fmt::Display + use<'_> {
        fmt::from_fn(move |f| {
            let (all, again) = self.segments;
            write!(f, "{:.1} % of {all} segments sent again", again as f64 * 100.0 / all.max(1) as f64)?;
            for (name, (bytes, packets)) in self.interfaces.iter().filter(|(_, (bytes, _))| *bytes > 1000) {
                let rate = *bytes as f64 * 8.0 / time.as_secs_f64() / 1e6;
                write!(f, "; {name} {rate:.1} Mbit/s in packets of {}", bytes / packets.max(&1))?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     120       2    0    0    0     0          0         0      120       2    0    0    0     0       0          0
  eth0: 9000000    6000    0    0    0     0          0         0 12500000    5000    0    0    0     0       0          0
";
    const COUNTERS: &str = "Ip: Forwarding DefaultTTL\nIp: 1 64
Tcp: RtoAlgorithm ActiveOpens InSegs OutSegs RetransSegs
Tcp: 1 3 100 200 5
";

    #[test]
    fn tables_of_the_kernel_are_read() {
        let sent = Sent::parse(DEVICES, COUNTERS).expect("known");
        let text = sent.since(&Sent::default()).over(Duration::from_secs(1)).to_string();
        assert_eq!(text, "2.5 % of 200 segments sent again; eth0 100.0 Mbit/s in packets of 2500");
        assert_eq!(Sent::parse(DEVICES, "Tcp: OutSegs"), None);
    }
}
