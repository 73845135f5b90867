//! What to do about a network that is not up: the same words in the log and from every command.

use std::io;

use zt_netconf::NetworkStatus;
use zt_wire::{Address, NetworkId};

/// How a network stands, as far as the next step depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The network.
    pub network: NetworkId,
    /// This node, if it is known.
    pub own: Option<Address>,
    /// Status of the network.
    pub status: NetworkStatus,
    /// Error of its virtual port, 0 if none.
    pub port_error: i32,
    /// Where to sign on. It is for the user alone, so a log says none.
    pub sign_on: Option<&'a str>,
}

/// What stands in the way of a network, and what helps; `None`: nothing does.
#[must_use]
pub fn next_step(standing: &Standing<'_>) -> Option<String> {
    let id = standing.network;
    let controller = id.controller();
    let own = standing.own.map_or_else(|| "ADDRESS".to_owned(), |own| own.to_string());
    let is_ours = standing.own == Some(controller);
    Some(match standing.status {
        NetworkStatus::Ok => return None,
        NetworkStatus::AuthenticationRequired => match standing.sign_on.filter(|url| !url.is_empty()) {
            Some(url) => format!("sign on at {url}"),
            None => "its controller wants a sign-on by a browser; `zt networks` shows where".to_owned(),
        },
        NetworkStatus::RequestingConfiguration | NetworkStatus::AccessDenied if is_ours => {
            format!("this node is its controller, and has not let itself in; run `zt member auth {id} {own}`")
        }
        NetworkStatus::RequestingConfiguration => format!(
            "its controller {controller} has not answered yet; `zt ping {controller}` says whether it is reached. If it lets nobody \
             in unasked, run there: `zt member auth {id} {own}`"
        ),
        NetworkStatus::AccessDenied => {
            format!("its controller {controller} has not let this node in; run there: `zt member auth {id} {own}`")
        }
        NetworkStatus::NotFound if is_ours => format!(
            "this node would be its controller, and has no such network; compare the ID with what `zt network list` shows, or \
             leave it: `zt leave {id}`"
        ),
        NetworkStatus::NotFound => format!(
            "its controller {controller} has no such network, or is none; compare the ID with what `zt network list` shows there, \
             or leave it: `zt leave {id}`"
        ),
        NetworkStatus::PortError => port_error(standing.port_error),
        NetworkStatus::ClientTooOld => format!("its controller {controller} wants a newer version of this program"),
    })
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

    const NETWORK: NetworkId = NetworkId(0x8056_c2e2_1c00_0001);

    fn told(own: u64, status: NetworkStatus) -> String {
        let own = Some(Address::new(own));
        next_step(&Standing { network: NETWORK, own, status, port_error: 0, sign_on: None }).expect("not up")
    }

    #[test]
    fn a_refusal_names_the_controller_and_the_command() {
        let said = told(0xfe_39e9_80ad, NetworkStatus::AccessDenied);
        assert!(said.contains("its controller 8056c2e21c has not let this node in; run there"), "{said}");
        assert!(said.contains("`zt member auth 8056c2e21c000001 fe39e980ad`"), "{said}");
        let said = told(0x80_56c2_e21c, NetworkStatus::AccessDenied);
        assert!(said.contains("this node is its controller, and has not let itself in; run `zt member auth"), "{said}");
    }

    #[test]
    fn whatever_keeps_a_network_from_being_up_has_a_next_step() {
        let own = 0xfe_39e9_80ad;
        assert!(told(own, NetworkStatus::NotFound).contains("`zt leave 8056c2e21c000001`"));
        assert!(told(own, NetworkStatus::RequestingConfiguration).contains("`zt ping 8056c2e21c`"));
        assert!(told(own, NetworkStatus::ClientTooOld).contains("newer version"));
        assert!(told(own, NetworkStatus::AuthenticationRequired).contains("`zt networks`"));
        let status = NetworkStatus::AuthenticationRequired;
        let standing = Standing { network: NETWORK, own: None, status, port_error: 0, sign_on: Some("https://x/") };
        assert_eq!(next_step(&standing).as_deref(), Some("sign on at https://x/"));
        assert_eq!(next_step(&Standing { status: NetworkStatus::Ok, ..standing }), None);
    }

    #[test]
    fn a_port_error_says_which_right_or_device_is_missing() {
        assert!(port_error(1).contains("CAP_NET_ADMIN"));
        assert!(port_error(2).contains("modprobe tun"));
        assert!(port_error(17).contains("names for its device are taken"));
        assert!(port_error(-999).contains("error -999: the log of the node says why"));
        assert!(port_error(12).contains("zt doctor"));
    }
}
