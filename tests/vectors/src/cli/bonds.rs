//! Bonded peers, read back out of what `bond list` and `bond show` printed.

use zt_cli::api;

/// A peer of which little is said.
pub(super) fn unbonded(address: &str, role: &str) -> api::Peer {
    api::Peer {
        address: address.to_owned(),
        bonding_policy_code: None,
        bonding_policy_str: None,
        down_delay: None,
        failover_interval: None,
        is_bonded: false,
        latency: -1,
        num_alive_links: None,
        num_total_links: None,
        packets_per_link: None,
        paths: Vec::new(),
        role: api::Word::read(role),
        tunneled: false,
        up_delay: None,
        version: "-1.-1.-1".to_owned(),
        version_major: -1,
        version_minor: -1,
        version_rev: -1,
    }
}

/// The peers of either output.
pub(super) fn peers(out: &str) -> Result<Vec<api::Peer>, String> {
    if out.starts_with("Peer ") { shown(out).map(|peer| vec![peer]) } else { Ok(listed(out)) }
}

/// Lines of address, policy and links.
fn listed(out: &str) -> Vec<api::Peer> {
    let rows = out.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter_map(|words| match words.as_slice() {
        [address, policy, links] if address.len() == 10 => Some(bonded(address, policy, links)),
        _ => None,
    });
    rows.collect()
}

fn bonded(address: &str, policy: &str, links: &str) -> api::Peer {
    let (alive, total) = links.split_once('/').unwrap_or_default();
    api::Peer {
        bonding_policy_str: Some(policy.to_owned()),
        is_bonded: true,
        num_alive_links: alive.parse().ok(),
        num_total_links: total.parse().ok(),
        ..unbonded(address, "LEAF")
    }
}

/// Facts, then two tables of paths.
fn shown(out: &str) -> Result<api::Peer, String> {
    let fact = |name: &str| {
        let line = out.lines().find(|line| line.starts_with(name)).ok_or_else(|| format!("no {name}"))?;
        Ok::<_, String>(line.split_once(": ").map_or("", |(_, value)| value))
    };
    let number = |name: &str| fact(name)?.parse::<u64>().map_err(|e| e.to_string());
    let mut peer = bonded(fact("Peer")?, fact("Bond")?, fact("Links")?);
    peer.failover_interval = Some(number("Failover Interval (ms)")?);
    peer.up_delay = Some(number("Up Delay (ms)")?);
    peer.down_delay = Some(number("Down Delay (ms)")?);
    peer.packets_per_link = u32::try_from(number("Packets Per Link")?).ok();
    let is_row = |line: &&str| line.split_once(':').is_some_and(|(n, _)| n.trim().parse::<u8>().is_ok());
    let rows: Vec<Vec<&str>> =
        out.lines().filter(is_row).map(|line| line.split_whitespace().skip(1).collect()).collect();
    let (addresses, measures) = rows.split_at(rows.len() / 2);
    peer.paths = addresses.iter().zip(measures).map(|(a, m)| path(a, m)).collect::<Result<_, _>>()?;
    Ok(peer)
}

fn path(address: &[&str], measured: &[&str]) -> Result<api::Path, String> {
    let ([name, remote, socket, port], [latency, jitter, capacity, quality, rx, tx, eligible, bonded, flows]) =
        (address, measured)
    else {
        return Err(format!("{address:?} and {measured:?} are no path"));
    };
    Ok(api::Path {
        active: true,
        address: (*remote).to_owned(),
        assigned_flow_count: flows.parse().ok(),
        bonded: bonded.parse().ok(),
        eligible: eligible.parse().ok(),
        given_link_speed: capacity.parse().ok(),
        ifname: Some((*name).to_owned()),
        last_in_age: rx.parse().ok(),
        last_out_age: tx.parse().ok(),
        latency_mean: latency.parse().ok(),
        latency_variance: jitter.parse().ok(),
        local_port: port.parse().map_err(|_| format!("{port} is no port"))?,
        local_socket: u64::from_str_radix(socket, 16).map_err(|_| format!("{socket} is no socket"))?,
        relative_quality: quality.parse().ok(),
        ..api::Path::default()
    })
}
