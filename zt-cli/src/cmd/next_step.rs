//! What to do about a network that is not up.

use std::io;

use zt_netconf::NetworkStatus;
use zt_wire::NetworkId;
use zt_wire::ident::Mac;

use crate::api::{self, Word};

/// What stands in the way of a network, and what helps; `None`: nothing does.
pub(super) fn next_step(network: &api::Network) -> Option<String> {
    let Word::Known(status) = network.status else { return None };
    let id = &network.id;
    let controller = id.get(..10).unwrap_or_default();
    let own = own_address(network).unwrap_or_else(|| "ADDRESS".to_owned());
    let (there, whose) = if own == controller { ("here", "this node") } else { ("there", "its controller") };
    Some(match status {
        NetworkStatus::Ok | NetworkStatus::AuthenticationRequired => return None,
        NetworkStatus::RequestingConfiguration if own == controller => {
            format!("this node is its controller, and has not let itself in yet; run `zt member auth {id} {own}`")
        }
        NetworkStatus::RequestingConfiguration => format!(
            "its controller {controller} has not answered yet; `zt ping {controller}` says whether it is reached. If it lets nobody \
             in unasked, run there: `zt member auth {id} {own}`"
        ),
        NetworkStatus::AccessDenied => {
            format!("{whose} {controller} has not let this node in; run {there}: `zt member auth {id} {own}`")
        }
        NetworkStatus::NotFound => format!(
            "{whose} {controller} has no such network, or is none; compare the ID with what `zt network list` shows {there}"
        ),
        NetworkStatus::PortError => port_error(network.port_error),
        NetworkStatus::ClientTooOld => format!("its controller {controller} wants a newer version of this program"),
    })
}

/// The node's own address: it stands in its MAC address on the network.
fn own_address(network: &api::Network) -> Option<String> {
    let mut octets = network.mac.split(':').map(|octet| u8::from_str_radix(octet, 16).ok());
    let mut number = 0;
    for _ in 0..6 {
        number = number << 8 | u64::from(octets.next()??);
    }
    let id = NetworkId(u64::from_str_radix(&network.id, 16).ok()?);
    (number != 0).then(|| Mac::from_u64(number).embedded_address(id).to_string())
}

/// Why there is no virtual port, by what the kernel said.
fn port_error(code: i32) -> String {
    let why = match code {
        1 | 13 => {
            "it may make no network devices: it needs CAP_NET_ADMIN; run it as root, by its unit, or in a container with \
             --cap-add NET_ADMIN"
        }
        2 | 6 | 19 => {
            "there is no /dev/net/tun: load the module by `modprobe tun`, or start the container with --device /dev/net/tun"
        }
        16 | 17 => {
            "the names for its device are taken by others; `ip link` shows them, and devicemap in the home folder chooses another"
        }
        23 | 24 => "too many files are open; raise its limit (LimitNOFILE in its unit)",
        _ => "",
    };
    let said = if code > 0 {
        io::Error::from_raw_os_error(code).to_string()
    } else {
        "the log of the node says why".to_owned()
    };
    match why {
        "" => format!("the virtual port failed with error {code}: {said}; `zt doctor` looks at rights and devices"),
        why => format!("the virtual port failed with error {code}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_error_says_which_right_or_device_is_missing() {
        assert!(port_error(1).contains("CAP_NET_ADMIN"));
        assert!(port_error(2).contains("modprobe tun"));
        assert!(port_error(17).contains("names for its device are taken"));
        assert!(port_error(-999).contains("error -999: the log of the node says why"));
        assert!(port_error(12).contains("zt doctor"));
    }
}
