//! The multicast groups of a device (06 §8.3).

use std::collections::BTreeSet;
use std::io;

use zt_wire::{Mac, MulticastGroup};

/// Multicast MAC addresses the host listens to on the device with this number, as groups with ADI 0, sorted: read from
/// `/proc`, in the network namespace of the calling thread.
///
/// # Errors
/// When `/proc` cannot be read.
pub(super) fn groups_of(device: u32) -> io::Result<Vec<MulticastGroup>> {
    let table = std::fs::read_to_string("/proc/thread-self/net/dev_mcast")?;
    Ok(parse_dev_mcast(&table, device))
}

/// Fields of a line: number, device, users, global users, MAC address. The number stays when the device is renamed.
fn parse_dev_mcast(table: &str, device: u32) -> Vec<MulticastGroup> {
    let groups: BTreeSet<Mac> = table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let number: u32 = fields.next()?.parse().ok()?;
            let mac = (number == device).then(|| fields.nth(3))??;
            let value = u64::from_str_radix(mac, 16).ok()?;
            let bytes: [u8; 6] = value.to_be_bytes()[2..].try_into().ok()?;
            (mac.len() == 12).then_some(Mac(bytes))
        })
        .collect();
    groups.into_iter().map(MulticastGroup::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multicast_table() {
        let table = "2    eth0            1     0     333300000001\n\
                     2    eth0            1     0     01005e000001\n\
                     13   ztr5b5rxh2      2     0     3333ff00002a\n\
                     13   ztr5b5rxh2      x\n\
                     21   eth01           1     0     333300000002\n";
        let groups = parse_dev_mcast(table, 2);
        let macs: Vec<_> = groups.iter().map(|group| group.mac.0).collect();
        assert_eq!(macs, [[1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]]);
        assert_eq!(parse_dev_mcast(table, 13).len(), 1);
        assert!(parse_dev_mcast(table, 1).is_empty());
    }
}
