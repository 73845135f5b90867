//! Default routes through ports stand in a table of their own, and three kinds of rules say who looks into it:
//!
//! | priority | rule | for |
//! |---|---|---|
//! | 32750 | from an address of the underlay: the main table | the node's own packets, answers to who came from outside |
//! | 32751 | all: the main table, but no default route of it | the LAN, other routes of the host |
//! | 32752 | all: the table of ports | everything else |
//!
//! The main table is not touched, so that it stays what DHCP, router advertisements and the operator make of it, and is
//! in force again the moment a port goes: without a route in the table of ports the rules change nothing. That holds
//! after a SIGKILL too. What is left of rules then is taken away by the next process, which finds them by their mark.
//! Sockets of the node are tied to interfaces besides, which alone keeps them outside; the rules are for the way in:
//! with a strict `rp_filter` the kernel takes a packet only where the answer would leave (04 §10.3).

use std::io;
use std::net::IpAddr;

use crate::linux::netlink::{Netlink, Rule};

use super::HostRoute;

/// The table of the host's own routes.
pub(crate) const MAIN: u32 = 254;
/// The table of default routes through ports: "zt".
pub(crate) const OF_PORTS: u32 = 0x7a74;

const FROM_UNDERLAY: u32 = 32_750;
const BUT_DEFAULT: u32 = 32_751;
const TO_PORTS: u32 = 32_752;

/// Who looks into the table of ports.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// Addresses of the host that are not on ports.
    pub(super) underlay: Vec<IpAddr>,
}

impl Policy {
    /// Makes the rules of one family what they should be: there while a port, of whichever process, has a default route
    /// or is about to get one, else gone. When it fails, no rule is left.
    ///
    /// # Errors
    /// Of the kernel, which may know no rules.
    pub(super) fn settle(&self, netlink: &mut Netlink, ipv6: bool, coming: bool) -> io::Result<()> {
        let needed = coming || !netlink.static_routes_in(OF_PORTS, ipv6, None)?.is_empty();
        let present = match netlink.rules(ipv6) {
            Err(error) if !needed && is_unknown(&error) => return Ok(()),
            present => present?,
        };
        let wanted = if needed { self.rules(ipv6) } else { Vec::new() };
        for rule in wanted.iter().filter(|rule| !present.contains(rule)) {
            match netlink.add_rule(ipv6, rule) {
                Err(error) if error.raw_os_error() != Some(libc::EEXIST) => {
                    self.clear(netlink, ipv6);
                    return Err(error);
                }
                _ => {}
            }
        }
        let mut others: Vec<&Rule> = present.iter().filter(|rule| !wanted.contains(rule)).collect();
        if needed && !others.is_empty() {
            // Another process on this host may bind other addresses of it. Its rules are not for this one to take, or the two
            // would undo each other's work for ever.
            let on_host = netlink.addresses(None)?;
            let is_there = |ip: IpAddr| on_host.iter().any(|address| address.cidr.address() == ip);
            others.retain(|rule| !rule.from.is_some_and(is_there));
        }
        // The last first: a packet is never sent to the ports without the exceptions before.
        for rule in others.into_iter().rev() {
            remove(netlink, ipv6, rule)?;
        }
        Ok(())
    }

    fn clear(&self, netlink: &mut Netlink, ipv6: bool) {
        for rule in netlink.rules(ipv6).unwrap_or_default().iter().rev() {
            let _ = remove(netlink, ipv6, rule);
        }
    }

    fn rules(&self, ipv6: bool) -> Vec<Rule> {
        let all = |priority, table, but_default| Rule { priority, from: None, table, but_default };
        let of_family = self.underlay.iter().filter(|address| address.is_ipv6() == ipv6);
        let from = of_family.map(|address| Rule { from: Some(*address), ..all(FROM_UNDERLAY, MAIN, false) });
        from.chain([all(BUT_DEFAULT, MAIN, true), all(TO_PORTS, OF_PORTS, false)]).collect()
    }
}

fn remove(netlink: &mut Netlink, ipv6: bool, rule: &Rule) -> io::Result<()> {
    match netlink.delete_rule(ipv6, rule) {
        // Another process was faster.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT))
}

impl HostRoute {
    /// A default route, its half, or a block as large as all public IPv6 addresses (`2000::/3`): what takes the internet
    /// traffic of a host.
    pub(super) fn is_default(&self) -> bool {
        self.target.bits() <= 3
    }
}
