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
    /// The counters that `nft list` tells of something of a host, in its order: `["chain", "inet", "filter", "input"]`.
    ///
    /// # Errors
    /// When nft fails.
    pub fn all(host: &Host, what: &[&str]) -> Result<Vec<Self>> {
        let mut command = Command::new("nft");
        command.arg("list").args(what).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let (status, text) = host.run(command, Duration::from_secs(5))?;
        ensure!(status.success(), "nft list {what:?}: {status}: {text}");
        Ok(Self::read(&text))
    }

    /// The first of them.
    ///
    /// # Errors
    /// When nft fails, or tells none.
    pub fn of(host: &Host, what: &[&str]) -> Result<Self> {
        Self::all(host, what)?.first().copied().with_context(|| format!("no counter in {what:?}"))
    }

    fn read(text: &str) -> Vec<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let counter = |words: &[&str]| match words {
            ["packets", packets, "bytes", bytes] => {
                Some(Self { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
            }
            _ => None,
        };
        words.windows(4).filter_map(counter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_read_from_a_rule_and_by_name() {
        let rules = "chain input {\n\ttype filter hook input priority filter; policy drop;\n\tcounter packets 3 bytes 252\n\t\
                     udp dport 1 counter packets 0 bytes 0 accept\n}";
        let [first, second] = [Counter { packets: 3, bytes: 252 }, Counter { packets: 0, bytes: 0 }];
        assert_eq!(Counter::read(rules), [first, second]);
        let named = "counter back {\n\tpackets 12 bytes 3456\n}";
        assert_eq!(Counter::read(named), [Counter { packets: 12, bytes: 3456 }]);
        assert_eq!(Counter::read("table inet filter { }"), []);
    }
}
