//! What the service manager is told: ready, status, alive, stopping (`sd_notify(3)`), as datagrams of a few words.
//!
//! Without `NOTIFY_SOCKET` nobody is told anything. Supervisors other than systemd speak the same.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use zt_netconf::NetworkStatus as Standing;
use zt_node::Handle;
use zt_node::status::{NetworkStatus, NodeStatus};

/// How often the status is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A service manager that listens.
#[derive(Debug)]
pub(super) struct Manager {
    socket: UnixDatagram,
    to: SocketAddr,
    /// How long it waits for a sign of life before it starts the daemon anew.
    watchdog: Option<Duration>,
}

impl Manager {
    /// The manager that the environment names. A name that cannot be used is a remark.
    pub(super) fn of_environment(env: &dyn Fn(&str) -> Option<OsString>) -> (Option<Self>, Option<String>) {
        let Some(name) = env("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return (None, None) };
        let opened = address(&name).and_then(|to| {
            let socket = UnixDatagram::unbound()?;
            // A manager that does not read must not stop the node.
            socket.set_nonblocking(true)?;
            Ok((socket, to))
        });
        match opened {
            Ok((socket, to)) => (Some(Self { socket, to, watchdog: watchdog(env) }), None),
            Err(error) => (None, Some(format!("NOTIFY_SOCKET: {error}; the service manager is told nothing"))),
        }
    }

    /// False when it is too busy to listen, and has to be told again. One that went away is no reason to stop.
    fn tell(&self, words: &str) -> bool {
        let result = self.socket.send_to_addr(words.as_bytes(), &self.to);
        if let Err(error) = &result {
            tracing::debug!(%error, words, "the service manager was not told");
        }
        !result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// A path, or a name of the abstract namespace behind `@`.
fn address(name: &OsString) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor a name that begins with @")),
    }
}

/// The watchdog's patience, if it is meant for this process.
fn watchdog(env: &dyn Fn(&str) -> Option<OsString>) -> Option<Duration> {
    let number = |name: &str| env(name)?.into_string().ok()?.parse::<u64>().ok();
    let is_ours = env("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(std::process::id().into());
    number("WATCHDOG_USEC").filter(|usec| *usec > 0 && is_ours).map(Duration::from_micros)
}

/// Tells the manager what becomes of the node, as long as it runs. A sign of life is an answer of the node itself: when its
/// loop is stuck there is none.
pub(super) async fn follow(manager: &Manager, handle: &Handle, ready_after: Duration) {
    let begun = tokio::time::Instant::now();
    let look = manager.watchdog.map_or(LOOK, |patience| LOOK.min(patience / 3));
    let (mut ready, mut told) = (false, String::new());
    loop {
        // A node that has stopped has nothing to say, and must not look alive.
        let Ok((node, networks)) = handle.control(|control| (control.status(), control.networks())).await else {
            return std::future::pending().await;
        };
        let mut words = Vec::new();
        let is_ready = ready || node.online || begun.elapsed() >= ready_after;
        if is_ready && !ready {
            words.push("READY=1".to_owned());
        }
        let status = status_line(&node, &networks);
        if status != told {
            words.push(format!("STATUS={status}"));
        }
        if manager.watchdog.is_some() {
            words.push("WATCHDOG=1".to_owned());
        }
        if words.is_empty() || manager.tell(&words.join("\n")) {
            (ready, told) = (is_ready, status);
        }
        tokio::time::sleep(look).await;
    }
}

/// Says that the node is about to end.
pub(super) fn stopping(manager: Option<&Manager>) {
    if let Some(manager) = manager {
        let _ = manager.tell("STOPPING=1\nSTATUS=leaving");
    }
}

/// One line, as `systemctl status` shows it.
fn status_line(node: &NodeStatus, networks: &[NetworkStatus]) -> String {
    let state = if node.online { "ONLINE" } else { "OFFLINE" };
    let mut text = format!("{} {state}", node.identity.address);
    for network in networks {
        let standing = if network.status == Standing::Ok { network.device.as_str() } else { "waiting" };
        text += &format!(", {} {}", network.id, if standing.is_empty() { "no device" } else { standing });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(name: &str, watchdog: &[(&str, &str)]) -> (Option<Manager>, Option<String>) {
        Manager::of_environment(&|asked| match asked {
            "NOTIFY_SOCKET" => Some(name.into()),
            _ => watchdog.iter().find(|(known, _)| *known == asked).map(|(_, value)| value.into()),
        })
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut room = [0; 512];
        let len = socket.recv(&mut room).expect("a datagram");
        String::from_utf8_lossy(&room[..len]).into_owned()
    }

    #[test]
    fn a_manager_is_told_at_a_path_and_at_an_abstract_name() {
        let folder = std::env::temp_dir().join(format!("zt-notify-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("socket");
        let socket = UnixDatagram::bind(&path).expect("bound");
        let (found, remark) = manager(path.to_str().expect("text"), &[]);
        assert_eq!(remark, None);
        stopping(found.as_ref());
        assert_eq!(heard(&socket), "STOPPING=1\nSTATUS=leaving");
        std::fs::remove_dir_all(folder).expect("removed");

        let name = format!("zt-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("bound");
        stopping(manager(&format!("@{name}"), &[]).0.as_ref());
        assert_eq!(heard(&socket), "STOPPING=1\nSTATUS=leaving");
    }

    #[test]
    fn a_name_that_is_none_is_told_and_a_manager_that_is_gone_is_no_error() {
        let (none, remark) = manager("run/systemd/notify", &[]);
        assert!(none.is_none());
        assert!(remark.is_some_and(|remark| remark.contains("begins with @")));
        let (gone, remark) = manager("/nonexistent/notify", &[]);
        assert_eq!(remark, None);
        stopping(gone.as_ref());
        assert!(manager("", &[]).0.is_none());
    }

    /// A node with no sockets and no devices.
    fn node() -> (zt_node::Driver, Handle) {
        let identity = zt_crypto::SecretIdentity::generate(&mut zt_crypto::SeededEntropy::new(1));
        let taps = zt_tap::LinuxTaps { offloads: zt_tap::Offloads::None };
        let config = zt_node::NodeConfig { ports: Vec::new(), ..zt_node::NodeConfig::new(identity, Box::new(taps)) };
        zt_node::Driver::new(config).expect("a node")
    }

    #[test]
    fn a_manager_that_does_not_read_stops_nobody_and_is_told_again() {
        let name = format!("zt-busy-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name")).expect("bound");
        let manager = manager(&format!("@{name}"), &[]).0.expect("a manager");
        let mut told = 0;
        while manager.tell("WATCHDOG=1") {
            told += 1;
        }
        for _ in 0..told {
            assert_eq!(heard(&socket), "WATCHDOG=1");
        }
        assert!(manager.tell("READY=1"));
    }

    #[tokio::test]
    async fn a_node_that_does_not_turn_looks_dead_and_one_that_turns_alive() {
        let name = format!("zt-watchdog-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name")).expect("bound");
        socket.set_nonblocking(true).expect("set");
        let manager = manager(&format!("@{name}"), &[("WATCHDOG_USEC", "3000000")]).0.expect("a manager");
        let (driver, handle) = node();
        let watch = follow(&manager, &handle, Duration::ZERO);
        tokio::pin!(watch);
        let stuck = tokio::time::timeout(LOOK, &mut watch).await;
        assert!(stuck.is_err() && socket.recv(&mut [0; 512]).is_err(), "nothing is told for a node that is stuck");
        let told = async {
            while rustix::net::recv(&socket, &mut [0; 512], rustix::net::RecvFlags::PEEK).is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { () = driver.run() => {}, () = watch => {}, () = told => {} }
        let first = heard(&socket);
        assert!(first.contains("WATCHDOG=1") && first.contains(" OFFLINE"), "{first}");
        assert!(first.starts_with("READY=1"), "no root is there, and it has waited long enough: {first}");
    }

    #[test]
    fn the_watchdog_is_fed_only_where_it_waits_for_this_process() {
        let patience = |words: &[(&str, &str)]| manager("@zt", words).0.expect("a manager").watchdog;
        let me = std::process::id().to_string();
        assert_eq!(patience(&[("WATCHDOG_USEC", "3000000")]), Some(Duration::from_secs(3)));
        assert_eq!(patience(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", &me)]), Some(Duration::from_secs(3)));
        assert_eq!(patience(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "1")]), None);
        assert_eq!(patience(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(patience(&[]), None);
    }
}
