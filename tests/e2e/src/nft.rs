//! Counters of a host's firewall.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::Host;

/// What a counter has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Their bytes, from the IP header on.
    pub bytes: u64,
}

impl Counter {
    /// The first counter that `nft list` tells of something of a host: `["chain", "inet", "filter", "input"]`.
    ///
    /// # Errors
    /// When nft fails, or tells none.
    pub fn of(host: &Host, what: &[&str]) -> Result<Self> {
        let mut command = Command::new("nft");
        command.arg("list").args(what).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let (status, text) = host.run(command, Duration::from_secs(5))?;
        ensure!(status.success(), "nft list {what:?}: {status}: {text}");
        Self::first(&text).with_context(|| format!("no counter: {text}"))
    }

    fn first(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().skip_while(|word| *word != "packets").skip(1);
        let packets = words.next()?.parse().ok()?;
        let bytes = words.nth(1)?.parse().ok()?;
        Some(Self { packets, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_read_from_a_rule_and_by_name() {
        let rule =
            "chain input {\n\ttype filter hook input priority filter; policy drop;\n\tcounter packets 3 bytes 252\n}";
        assert_eq!(Counter::first(rule), Some(Counter { packets: 3, bytes: 252 }));
        let named = "counter back {\n\tpackets 12 bytes 3456\n}";
        assert_eq!(Counter::first(named), Some(Counter { packets: 12, bytes: 3456 }));
        assert_eq!(Counter::first("table inet filter { }"), None);
    }
}
