//! This host: rights, ports, the network below, clock and resolver.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;

use super::{Finding, Running};

/// Numbers of the rights in the masks of a process.
const NET_ADMIN: u32 = 12;

/// Smaller underlays carry no IPv6.
const LEAST_MTU: u32 = 1_280;

/// Seconds by which clocks may differ without a word.
const CLOCKS_AGREE: u64 = 30;
/// Seconds from which certificates with a time, such as those of TLS, fail.
const CLOCKS_BREAK: u64 = 3_600;

/// What mends a clock.
const SET_CLOCK: &str = "set it, and keep it right: `timedatectl set-ntp true`";

/// Whether network devices can be made: by the running node (its process, where that is known), or by whoever asks.
pub(super) fn rights(running: Option<Option<u32>>) -> Vec<Finding> {
    let process = match running {
        Some(None) => return vec![Finding::skipped("rights", "the process of the node is not known here")],
        Some(Some(pid)) => pid.to_string(),
        None => "self".to_owned(),
    };
    let whose = if running.is_some() { "the node" } else { "whoever runs this command" };
    let mut findings = Vec::new();
    let mask = fs::read_to_string(format!("/proc/{process}/status")).ok().and_then(|text| effective(&text));
    findings.push(match mask {
        Some(mask) if mask >> NET_ADMIN & 1 == 1 => Finding::fine("rights", format!("{whose} has CAP_NET_ADMIN")),
        Some(_) if running.is_some() => Finding::fault(
            "rights",
            "the node has no CAP_NET_ADMIN: it can make no network devices",
            "run it as root or by the unit of its package; in a container add --cap-add NET_ADMIN",
        ),
        Some(_) => Finding::skipped("rights", "this command runs without CAP_NET_ADMIN; a node needs it"),
        None => Finding::skipped("rights", format!("the rights of process {process} cannot be read")),
    });
    let tun = Path::new("/dev/net/tun");
    findings.push(match fs::File::options().read(true).write(true).open(tun) {
        Ok(_) => Finding::fine("device", "/dev/net/tun can be opened"),
        Err(_) if !tun.exists() => Finding::fault(
            "device",
            "there is no /dev/net/tun",
            "modprobe tun; in a container add --device /dev/net/tun",
        ),
        Err(error) => Finding::skipped("device", format!("/dev/net/tun cannot be opened by this user ({error})")),
    });
    findings
}

/// The mask of effective rights in the status of a process.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Whether the port is there for the node. What is tested is whether a socket can be bound; `silent` is the process of a node of
/// this home that does not answer.
pub(super) fn port(port: u16, running: bool, silent: Option<u32>) -> Vec<Finding> {
    if running {
        return vec![Finding::fine("port", format!("the node has UDP port {port}"))];
    }
    let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).err().map(|error| ("UDP", error));
    let tcp = || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err().map(|error| ("TCP", error));
    vec![match (udp.or_else(tcp), silent) {
        (None, _) => Finding::fine("port", format!("UDP and TCP port {port} are free")),
        (Some((protocol, error)), Some(pid)) => Finding::skipped(
            "port",
            format!(
                "{protocol} port {port} cannot be bound ({error}), likely because process {pid}, the node of this home, has it"
            ),
        ),
        (Some((protocol, error)), None) => Finding::fault(
            "port",
            format!("{protocol} port {port} cannot be bound ({error}), so a node could not start there"),
            format!(
                "`ss -lutnp sport = :{port}` shows who has it; stop that, or choose another by `zt service --port`"
            ),
        ),
    }]
}

/// The network below: its MTU where the default route leads.
pub(super) fn underlay() -> Vec<Finding> {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let Some(device) = default_device(&routes) else {
        return vec![Finding::skipped("MTU", "this host has no default route over IPv4")];
    };
    let text = fs::read_to_string(format!("/sys/class/net/{device}/mtu")).unwrap_or_default();
    let mtu: Option<u32> = text.trim().parse().ok();
    vec![match mtu {
        None => Finding::skipped("MTU", format!("the MTU of {device} cannot be read")),
        Some(mtu) if mtu < LEAST_MTU => Finding::warning(
            "MTU",
            format!("{device} has an MTU of {mtu} bytes: IPv6 does not work there, and packets are cut in many pieces"),
            format!("ip link set {device} mtu {LEAST_MTU} or more, if the network carries it"),
        ),
        Some(mtu) => {
            Finding::fine("MTU", format!("{device} has {mtu} bytes; what paths carry is found out for each of them"))
        }
    }]
}

/// The interface of the default route.
fn default_device(routes: &str) -> Option<&str> {
    routes.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let (device, target) = (words.next()?, words.next()?);
        let mask = words.nth(5)?;
        (target == "00000000" && mask == "00000000").then_some(device)
    })
}

/// Whether the clock can be right: it is compared with what is known to lie behind.
pub(super) fn clock(now: i64, running: Option<&Running>) -> Vec<Finding> {
    let signed = running.map(|running| i64::try_from(running.status.planet_world_timestamp).unwrap_or(i64::MAX));
    // Worlds of one's own may have any revision; a real one is later than the protocol.
    if let Some(signed) =
        signed.filter(|signed| (1_400_000_000_000..4_000_000_000_000).contains(signed) && now < *signed)
    {
        let days = (signed - now) / 86_400_000;
        let text =
            format!("it is behind: the planet was signed {days} days in its future, so certificates will not agree");
        return vec![Finding::fault("clock", text, SET_CLOCK)];
    }
    if let Some(behind) = running.and_then(|running| running.status.zt_clock_behind) {
        return vec![compared(behind)];
    }
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return vec![Finding::fine("clock", "it is kept right by systemd-timesyncd")];
    }
    vec![match signed {
        Some(_) => Finding::fine("clock", "later than the planet; no other node has told its own to compare it with"),
        None => Finding::skipped("clock", "there is nothing to compare it with while no node runs"),
    }]
}

/// A clock beside those of others, in milliseconds that they are ahead.
fn compared(behind: i64) -> Finding {
    let seconds = behind.unsigned_abs() / 1_000;
    let way = if behind < 0 { "ahead of" } else { "behind" };
    let text = format!("it is {seconds} s {way} those of other nodes");
    match seconds {
        0..=CLOCKS_AGREE => Finding::fine("clock", "it agrees with those of other nodes"),
        _ if seconds < CLOCKS_BREAK => Finding::warning("clock", text, SET_CLOCK),
        _ => Finding::fault("clock", text, SET_CLOCK),
    }
}

/// Whether names of networks can be asked for.
pub(super) fn dns(running: Option<&Running>) -> Vec<Finding> {
    let networks = running.map(|running| running.networks.as_slice()).unwrap_or_default();
    let failed = networks.iter().find_map(|network| Some((&network.id, network.dns_problem.as_ref()?)));
    let resolved = Path::new("/run/systemd/resolve").exists();
    vec![match (failed, resolved) {
        (Some((id, why)), _) => Finding::warning(
            "DNS",
            format!("names of {id} are not asked for at its servers: {why}"),
            "run systemd-resolved (`systemctl enable --now systemd-resolved`), or set the servers by hand",
        ),
        (None, true) => Finding::fine("DNS", "systemd-resolved can take the servers of networks"),
        (None, false) => Finding::skipped(
            "DNS",
            "systemd-resolved does not run, so servers of networks could not be set; none is asked to",
        ),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let status = "Name:\tzt\nCapPrm:\t0000000000003000\nCapEff:\t0000000000001000\n";
        assert_eq!(effective(status), Some(1 << NET_ADMIN));
        assert_eq!(effective("Name:\tzt\n"), None);
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                      eth1\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\n\
                      eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(default_device(routes), Some("eth0"));
        assert_eq!(default_device("Iface\tDestination\n"), None);
    }

    #[test]
    fn clocks_are_compared_with_those_of_others() {
        let levels = [-2_000, 90_000, 7_200_000, -7_200_000].map(|behind| compared(behind).level);
        assert_eq!(levels, [Level::Fine, Level::Warning, Level::Fault, Level::Fault]);
        assert!(compared(-90_000).text.contains("90 s ahead of those of other nodes"));
    }

    #[test]
    fn a_port_that_another_program_has_is_a_fault() {
        let taken = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let number = taken.local_addr().expect("its number").port();
        let found = port(number, false, None).remove(0);
        assert_eq!(found.level, Level::Fault);
        assert!(found.text.starts_with(&format!("UDP port {number} cannot be bound (")), "{found:?}");
        assert_eq!(port(number, true, None)[0].level, Level::Fine);
        let own = port(number, false, Some(7)).remove(0);
        assert!(own.level == Level::Skipped && own.text.contains("process 7, the node of this home"), "{own:?}");
    }
}
