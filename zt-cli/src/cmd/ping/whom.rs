//! The peer that is meant by an address of either kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use zt_tap::linux::netlink::Netlink;
use zt_wire::IpPrefix;
use zt_wire::ident::{Address, NetworkId};

use crate::api;
use crate::cmd::{Node, node_address};
use crate::render::table::harmless;

/// Longest wait for the kernel to find a neighbour.
const PATIENCE: Duration = Duration::from_secs(3);

/// The node address of a peer named by that, or by an address that it has in a joined network.
///
/// # Errors
/// It is neither, or nobody in a joined network has it.
pub(super) fn find(node: &Node, text: &str) -> Result<String> {
    if let Ok(address) = node_address(text) {
        return Ok(address);
    }
    let ip: IpAddr = text.parse().ok().with_context(|| {
        format!("{} is neither a node address of 10 hexadecimal digits nor an IP address", harmless(text))
    })?;
    let networks: Vec<api::Network> = node.get("/network")?;
    for network in &networks {
        let Some(prefixes) = on_link(network, ip) else { continue };
        if prefixes.iter().any(|prefix| prefix.address() == ip) {
            bail!("{ip} is this node's own address in network {}", network.id);
        }
        let id = NetworkId(u64::from_str_radix(&network.id, 16).unwrap_or_default());
        return member(id, &network.port_device_name, ip);
    }
    bail!("{ip} is in none of the joined networks; `zt networks` shows their addresses")
}

/// Our own addresses of the ranges of a network that an address is in.
fn on_link(network: &api::Network, ip: IpAddr) -> Option<Vec<IpPrefix>> {
    let own: Vec<IpPrefix> = network.assigned_addresses.iter().filter_map(|text| text.parse().ok()).collect();
    let within: Vec<IpPrefix> = own.into_iter().filter(|prefix| prefix.contains(ip)).collect();
    (!within.is_empty()).then_some(within)
}

fn member(network: NetworkId, device: &str, ip: IpAddr) -> Result<String> {
    let found = match ip {
        IpAddr::V6(ip) => embedded(network, ip),
        IpAddr::V4(_) => None,
    };
    let found = match found {
        Some(member) => Some(member),
        None => neighbour(network, device, ip)?,
    };
    let address = found.with_context(|| {
        format!("nobody in network {network} answers for {ip}; the node address does, which `zt peers` shows")
    })?;
    Ok(address.to_string())
}

/// The member whose address stands in an IPv6 address (01 §1.4).
fn embedded(network: NetworkId, ip: Ipv6Addr) -> Option<Address> {
    let octets = ip.octets();
    let at = |from: usize| octets.get(from..from + 5)?.try_into().ok().map(Address::from_bytes);
    let candidates = [
        at(11).map(|member| (member, network.rfc4193(member))),
        at(5).map(|member| (member, network.sixplane(member))),
    ];
    let [plain, plane] = candidates;
    plain
        .filter(|(_, made)| *made == ip)
        .or(plane.filter(|(_, made)| made.octets()[..10] == octets[..10]))
        .map(|(member, _)| member)
}

/// The member that the kernel finds behind an address of a pool: it is asked to look, and its table says what it found.
fn neighbour(network: NetworkId, device: &str, ip: IpAddr) -> Result<Option<Address>> {
    let unspecified = match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((unspecified, 0)).context("cannot open a socket")?;
    let mut kernel = Netlink::open().context("cannot ask the kernel for its neighbours")?;
    let Some(device) = kernel.link(device)? else { return Ok(None) };
    let start = Instant::now();
    loop {
        if let Some(mac) = kernel.neighbour(device.index, ip)? {
            return Ok(mac.member(network));
        }
        if start.elapsed() >= PATIENCE {
            return Ok(None);
        }
        // To the port that throws all away; only the question before it matters.
        let _ = socket.send_to(&[0], SocketAddr::from((ip, 9)));
        sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_by_its_addresses() {
        let network = NetworkId(0x8056_c2e2_1c00_0001);
        let member = Address::new(0x00fe_39e9_80ad);
        assert_eq!(embedded(network, network.rfc4193(member)), Some(member));
        assert_eq!(embedded(network, network.sixplane(member)), Some(member));
        let mut inside = network.sixplane(member).octets();
        inside[14] = 7;
        assert_eq!(embedded(network, inside.into()), Some(member));
        assert_eq!(embedded(network, "fd00::1".parse().expect("an address")), None);
    }
}
