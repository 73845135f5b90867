//! Which interfaces frames can be sent by that are no IP packets.

use std::fmt;

use super::{HostView, Interface, InterfaceFilter};

/// Why no frames can be sent and received by an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCable {
    /// There is no interface of that name.
    Absent,
    /// It is switched off.
    Down,
    /// Nothing is at the other end.
    Unplugged,
    /// It has no MAC address.
    NotEthernet,
    /// It is a port of the bridge or bond of this name, which takes what arrives.
    PortOf(String),
    /// It is a port of our own, or rides on one.
    Inside,
}

impl NoCable {
    /// Whether it may come to work by itself, as a cable that is plugged in.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Absent | Self::Down | Self::Unplugged)
    }
}

impl fmt::Display for NoCable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such interface now"),
            Self::Down => f.write_str("the interface is switched off"),
            Self::Unplugged => f.write_str("nothing is plugged in"),
            Self::NotEthernet => f.write_str("the interface has no Ethernet address"),
            Self::PortOf(master) => {
                write!(f, "the interface is a port of {master}, which takes what arrives: name {master} in its place")
            }
            Self::Inside => f.write_str("the interface belongs to one of our own networks"),
        }
    }
}

impl HostView {
    /// The interface of this name, if frames can be sent and received by it now.
    ///
    /// # Errors
    /// They cannot.
    pub fn cable(&self, name: &str, filter: &InterfaceFilter) -> Result<&Interface, NoCable> {
        let interface = self.interfaces.iter().find(|interface| interface.name == name).ok_or(NoCable::Absent)?;
        if self.riding(filter).contains(&interface.index) {
            return Err(NoCable::Inside);
        }
        if interface.mac.is_none_or(|mac| mac.is_zero() || mac.is_multicast()) {
            return Err(NoCable::NotEthernet);
        }
        // What a VRF takes are packets, not frames.
        let master = interface.master.filter(|_| !interface.in_vrf);
        if let Some(master) = master {
            let name = self.interface(master).map_or_else(|| format!("interface {master}"), |it| it.name.clone());
            return Err(NoCable::PortOf(name));
        }
        match (interface.up, interface.unplugged) {
            (false, _) => Err(NoCable::Down),
            (true, true) => Err(NoCable::Unplugged),
            (true, false) => Ok(interface),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_wire::Mac;

    #[test]
    fn frames_need_a_cable_that_is_plugged_in_and_nobody_before_it() {
        let mac = Some(Mac([2, 0, 0, 0, 0, 1]));
        let device =
            |index, name: &str| Interface { index, name: name.to_owned(), mac, up: true, ..Interface::default() };
        let view = HostView {
            interfaces: vec![
                device(1, "eth0"),
                Interface { unplugged: true, ..device(2, "eth1") },
                Interface { up: false, unplugged: true, ..device(3, "eth2") },
                Interface { master: Some(5), ..device(4, "eth3") },
                device(5, "br0"),
                Interface { mac: None, ..device(6, "wg0") },
                Interface { mac: Some(Mac::ZERO), ..device(7, "lo") },
                device(8, "ours"),
                Interface { lower: Some(8), ..device(9, "ours.7") },
                Interface { master: Some(11), in_vrf: true, ..device(10, "eth4") },
                device(11, "vrf0"),
            ],
            ..HostView::default()
        };
        let filter = InterfaceFilter { own_taps: ["ours".to_owned()].into(), ..InterfaceFilter::default() };
        let cable = |name: &str| view.cable(name, &filter).map(|interface| interface.index);
        assert_eq!([cable("eth0"), cable("br0"), cable("eth4")], [Ok(1), Ok(5), Ok(10)]);
        assert_eq!(cable("eth1"), Err(NoCable::Unplugged));
        assert_eq!(cable("eth2"), Err(NoCable::Down));
        assert_eq!(cable("eth3"), Err(NoCable::PortOf("br0".to_owned())));
        assert_eq!([cable("wg0"), cable("lo")], [Err(NoCable::NotEthernet), Err(NoCable::NotEthernet)]);
        assert_eq!([cable("ours"), cable("ours.7")], [Err(NoCable::Inside), Err(NoCable::Inside)]);
        assert_eq!(cable("eth9"), Err(NoCable::Absent));
    }
}
