//! Which addresses a member gets (05 §8): derived ones, those of its record, and new ones from the pools.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zt_crypto::Entropy;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::prefix::{IpPrefix, longest_match};

use super::member::Member;
use super::network::{Network, Pool};

/// Tries per pool before the next one is looked at.
const MAX_TRIALS: u32 = 1000;
/// Smallest span of a pool's low half that can hold a 40-bit address.
const ADDRESS_SPAN: u64 = 0xff_ffff_ffff;

/// Result of an assignment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Assigned {
    /// Addresses with their prefix length, in the order of the configuration.
    pub(super) addresses: Vec<IpPrefix>,
    /// Taken from a pool just now: to be stored with the member.
    pub(super) fresh: Vec<IpAddr>,
    /// An RFC 4193 or 6PLANE address is among them: the member answers neighbor solicitations itself.
    pub(super) emulate_ndp: bool,
}

/// Computes the addresses of a member; `taken` tells whether any member of the network holds an address.
pub(super) fn assign(
    network: &Network,
    member: &Member,
    taken: impl Fn(IpAddr) -> bool,
    entropy: &mut dyn Entropy,
) -> Assigned {
    let mut out = Assigned::default();
    let auto = !member.no_auto_assign;
    if auto {
        if network.assign_v6.rfc4193 {
            let ip = network.id.rfc4193(member.address).into();
            out.addresses.extend(IpPrefix::new(ip, NetworkId::RFC4193_BITS));
        }
        if network.assign_v6.sixplane {
            let ip = network.id.sixplane(member.address).into();
            out.addresses.extend(IpPrefix::new(ip, NetworkId::SIXPLANE_BITS));
        }
        out.emulate_ndp = network.assign_v6.rfc4193 || network.assign_v6.sixplane;
    }
    let (mut have_v4, mut have_v6) = (false, false);
    for ip in &member.ips {
        let routed = longest_match(network.routes.iter().map(|r| r.target), *ip);
        if let Some(prefix) = routed.and_then(|bits| IpPrefix::new(*ip, bits)) {
            out.addresses.push(prefix);
            if ip.is_ipv4() { have_v4 = true } else { have_v6 = true }
        }
    }
    if auto && network.assign_v6.zt && !have_v6 {
        let free = |a: IpAddr| !taken(a) && !member.ips.contains(&a);
        let found = network.pools.iter().find_map(|p| from_v6_pool(network, p, member.address, &free, entropy));
        out.take(found);
    }
    if auto && network.assign_v4 && !have_v4 {
        let free = |a: IpAddr| !taken(a) && !member.ips.contains(&a);
        let found = network.pools.iter().find_map(|p| from_v4_pool(network, p, member.address, &free));
        out.take(found);
    }
    out
}

impl Assigned {
    fn take(&mut self, found: Option<IpPrefix>) {
        if let Some(prefix) = found {
            self.addresses.push(prefix);
            self.fresh.push(prefix.address());
        }
    }
}

fn from_v6_pool(
    network: &Network,
    pool: &Pool,
    member: Address,
    free: &impl Fn(IpAddr) -> bool,
    entropy: &mut dyn Entropy,
) -> Option<IpPrefix> {
    let (IpAddr::V6(start), IpAddr::V6(end)) = (pool.start, pool.end) else { return None };
    let (s_high, s_low) = halves(start);
    let (e_high, e_low) = halves(end);
    let roomy = e_low > s_low && e_low - s_low >= ADDRESS_SPAN;
    for trial in 0..MAX_TRIALS {
        let ip = if trial == 0 && roomy {
            join(s_high, s_low.wrapping_add(member.as_u64()))
        } else {
            join(between(s_high, e_high, entropy), between(s_low, e_low, entropy))
        };
        let ip = IpAddr::V6(ip);
        // The last on-link route that contains it decides.
        let route = network.routes.iter().rev().find(|r| r.via.is_none() && r.target.contains(ip));
        let bits = route.map_or(0, |r| r.target.bits());
        if bits > 0 && free(ip) {
            return IpPrefix::new(ip, bits);
        }
    }
    None
}

fn halves(a: Ipv6Addr) -> (u64, u64) {
    let n = u128::from(a);
    ((n >> 64) as u64, n as u64)
}

fn join(high: u64, low: u64) -> Ipv6Addr {
    (u128::from(high) << 64 | u128::from(low)).into()
}

fn between(start: u64, end: u64, entropy: &mut dyn Entropy) -> u64 {
    if end > start { start + entropy.next_u64() % (end - start) } else { start }
}

fn from_v4_pool(network: &Network, pool: &Pool, member: Address, free: &impl Fn(IpAddr) -> bool) -> Option<IpPrefix> {
    let (IpAddr::V4(start), IpAddr::V4(end)) = (pool.start, pool.end) else { return None };
    let (start, end) = (u32::from(start), u32::from(end));
    if end < start || start == 0 {
        return None;
    }
    let range = end - start;
    let mut counter = member.as_u64() as u32;
    for _ in 0..range.saturating_add(1).min(MAX_TRIALS) {
        // Quirk: modulo the range without its last address.
        let ip = if range == 0 { start } else { start + counter % range };
        counter = counter.wrapping_add(1);
        if ip & 0xff == 0xff {
            continue;
        }
        let ip = IpAddr::V4(Ipv4Addr::from(ip));
        // Quirk (05 §8): a target with host bits contains nothing.
        let holds = |target: IpPrefix| target.bits() > 0 && target.network() == target && target.contains(ip);
        let route = network.routes.iter().map(|r| r.target).find(|target| holds(*target));
        if let Some(route) = route
            && free(ip)
        {
            return IpPrefix::new(ip, route.bits());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::network::Route;
    use zt_crypto::SeededEntropy;

    fn run(network: &Network, member: &Member, taken: &[&str]) -> Assigned {
        let taken: Vec<IpAddr> = taken.iter().map(|t| t.parse().unwrap()).collect();
        assign(network, member, |a| taken.contains(&a), &mut SeededEntropy::new(1))
    }

    fn member() -> Member {
        Member::new(NetworkId(0x6250_c6cc_f300_0006), Address::new(0x7f_2cb3_dbe7), 0)
    }

    fn route(target: &str, via: Option<&str>) -> Route {
        let via = via.map(|via| via.parse().unwrap());
        Route { target: target.parse().unwrap(), via }
    }

    /// A network that assigns both families from one pool, with one route on the link.
    fn pool(start: &str, end: &str, on_link: &str) -> Network {
        let mut n = Network::new(NetworkId(0x6250_c6cc_f300_0006), 0);
        (n.assign_v4, n.assign_v6.zt) = (true, true);
        n.routes = vec![route(on_link, None)];
        n.pools = vec![Pool { start: start.parse().unwrap(), end: end.parse().unwrap() }];
        n
    }

    #[test]
    fn counts_from_the_address_and_skips_what_is_taken() {
        let p = pool("10.147.17.10", "10.147.17.20", "10.147.17.0/24");
        assert_eq!(run(&p, &member(), &[]).fresh, ["10.147.17.13".parse::<IpAddr>().unwrap()]);
        assert_eq!(run(&p, &member(), &["10.147.17.13"]).fresh, ["10.147.17.14".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn the_last_address_of_a_range_is_never_given() {
        let p = pool("10.0.0.1", "10.0.0.3", "10.0.0.0/24");
        assert_eq!(run(&p, &member(), &["10.0.0.1", "10.0.0.2"]).fresh, [] as [IpAddr; 0]);
    }

    #[test]
    fn routes_with_host_bits_and_default_routes_give_no_ipv4_prefix() {
        assert_eq!(run(&pool("10.0.0.1", "10.0.0.9", "10.0.0.1/24"), &member(), &[]), Assigned::default());
        assert_eq!(run(&pool("10.0.0.1", "10.0.0.9", "0.0.0.0/0"), &member(), &[]), Assigned::default());
    }

    #[test]
    fn broadcast_like_ends_are_skipped_and_zero_starts_refused() {
        let given = run(&pool("10.0.0.255", "10.0.0.255", "10.0.0.0/24"), &member(), &[]);
        assert_eq!(given, Assigned::default());
        assert_eq!(run(&pool("0.0.0.0", "0.0.0.9", "0.0.0.0/8"), &member(), &[]), Assigned::default());
    }

    #[test]
    fn small_ipv6_pools_are_filled_at_random_and_can_run_out() {
        let p = pool("fd00::1", "fd00::3", "fd00::/64");
        let given = run(&p, &member(), &["fd00::1"]);
        assert_eq!(given.addresses, ["fd00::2/64".parse::<IpPrefix>().unwrap()]);
        assert_eq!(run(&p, &member(), &["fd00::1", "fd00::2"]).fresh, [] as [IpAddr; 0]);
    }

    #[test]
    fn ipv6_pools_need_an_on_link_route() {
        let mut p = pool("fd00::1", "fd00::3", "fd00::/64");
        p.routes = vec![route("fd00::/64", Some("fd00::9"))];
        assert_eq!(run(&p, &member(), &[]), Assigned::default());
    }

    #[test]
    fn a_routed_address_of_the_record_suppresses_its_family() {
        let mut m = member();
        m.ips = vec!["10.1.2.3".parse().unwrap(), "172.20.0.1".parse().unwrap()];
        let mut p = pool("10.1.0.1", "10.1.0.9", "10.0.0.0/8");
        p.routes = vec![route("10.0.0.0/8", None), route("10.1.0.0/16", Some("10.0.0.1"))];
        let given = run(&p, &m, &[]);
        assert_eq!(given.addresses, ["10.1.2.3/16".parse::<IpPrefix>().unwrap()]);
        assert_eq!(given.fresh, [] as [IpAddr; 0]);
    }
}
