//! Which interface a link is on, and sizes that the operator sets for one of them while the node runs (06 §4.9).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::path_mtu::LEAST;
use crate::link::{LinkId, Path};

/// Most sizes kept; the first ones stay.
const MOST: usize = 64;

/// See the module.
#[derive(Default)]
pub(super) struct Uplinks {
    interfaces: BTreeMap<LinkId, Box<str>>,
    mtus: BTreeMap<(Box<str>, IpAddr), u16>,
}

impl Uplinks {
    pub(super) fn interface(&self, link: LinkId) -> Option<&str> {
        self.interfaces.get(&link).map(|name| &**name)
    }

    pub(super) fn set_interface(&mut self, link: LinkId, name: &str) {
        self.interfaces.insert(link, name.into());
    }

    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.interfaces.remove(&link);
    }

    /// Sets the largest datagram for paths by an interface whose address, ours or the peer's, is `ip`.
    pub(super) fn set_mtu(&mut self, interface: &str, ip: IpAddr, mtu: u16) {
        let key = (interface.into(), ip);
        if self.mtus.len() < MOST || self.mtus.contains_key(&key) {
            self.mtus.insert(key, mtu.max(LEAST));
        }
    }

    /// What was set for a path; `local`: our address on its link.
    pub(super) fn mtu(&self, path: Path, local: Option<IpAddr>) -> Option<u16> {
        if self.mtus.is_empty() {
            return None;
        }
        let interface: Box<str> = self.interface(path.link)?.into();
        let of = |ip: Option<IpAddr>| self.mtus.get(&(interface.clone(), ip?)).copied();
        of(path.remote.ip()).or_else(|| of(local))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::link::Endpoint;

    #[test]
    fn a_size_holds_for_its_interface_and_either_address() {
        let path =
            |link, host| Path { link: LinkId(link), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, host], 1))) };
        let mut uplinks = Uplinks::default();
        uplinks.set_interface(LinkId(1), "eth0");
        uplinks.set_interface(LinkId(2), "eth1");
        let (own, theirs) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([10, 0, 0, 7]));
        uplinks.set_mtu("eth0", own, 1300);
        uplinks.set_mtu("eth1", theirs, 1200);
        assert_eq!(uplinks.mtu(path(1, 9), Some(own)), Some(1300));
        assert_eq!(uplinks.mtu(path(2, 7), None), Some(1200));
        assert_eq!([uplinks.mtu(path(2, 9), Some(own)), uplinks.mtu(path(3, 7), Some(own))], [None, None]);
        uplinks.set_mtu("eth0", own, 68);
        assert_eq!(uplinks.mtu(path(1, 9), Some(own)), Some(LEAST), "what every host takes");
        uplinks.forget_link(LinkId(1));
        assert_eq!(uplinks.mtu(path(1, 9), Some(own)), None);
    }
}
