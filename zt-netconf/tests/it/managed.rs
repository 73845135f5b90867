//! What the host should have (04 §10).

use std::net::IpAddr;

use zt_netconf::{Managed, NetworkConfig, Obstacle, Settings, Withheld};
use zt_wire::netconf::{Dns, Route};
use zt_wire::{InetAddress, IpPrefix, Mac};

use crate::world::{A, NET};

fn inet(text: &str) -> InetAddress {
    let (address, bits) = text.split_once('/').expect("a prefix");
    InetAddress::new(address.parse().expect("an address"), bits.parse().expect("a length"))
}

fn prefix(text: &str) -> IpPrefix {
    inet(text).try_into().expect("a prefix")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn config(addresses: &[&str], routes: &[(&str, Option<&str>)]) -> NetworkConfig {
    let mut config = NetworkConfig::new(NET, A, 1);
    config.addresses = addresses.iter().map(|text| inet(text)).collect();
    let route = |(target, via): &(&str, Option<&str>)| Route {
        target: inet(target),
        via: via.map_or(InetAddress::None, |via| InetAddress::new(ip(via), 0)),
        flags: 0,
        metric: 0,
    };
    config.routes = routes.iter().map(route).collect();
    config
}

fn managed(config: &NetworkConfig, settings: &Settings, online: bool) -> Managed {
    Managed::new(Mac([2; 6]), Some(config), settings, &[], online)
}

fn targets(managed: &Managed) -> Vec<String> {
    let via = |via: Option<IpAddr>| via.map_or(String::new(), |via| format!(" via {via}"));
    managed.routes.iter().map(|r| format!("{}{} src {}", r.target, via(r.via), r.source)).collect()
}

#[test]
fn private_addresses_are_taken_and_global_ones_only_when_allowed() {
    let config =
        config(&["10.1.0.2/16", "10.1.0.2/16", "1.2.3.4/24", "127.0.0.1/8", "fd00::5/64", "169.254.1.1/16"], &[]);
    let mut settings = Settings::default();
    let seen = managed(&config, &settings, true);
    assert_eq!(seen.addresses, [prefix("10.1.0.2/16"), prefix("fd00::5/64")]);
    assert_eq!(seen.mtu, 2800);
    settings.allow_global = true;
    assert!(managed(&config, &settings, true).addresses.contains(&prefix("1.2.3.4/24")));
    settings.allow_list = vec![prefix("10.0.0.0/8")];
    assert_eq!(managed(&config, &settings, true).addresses, [prefix("10.1.0.2/16")]);
    settings.allow_managed = false;
    assert!(managed(&config, &settings, true).addresses.is_empty());
}

#[test]
fn routes_get_a_source_and_connected_ones_are_left_to_the_host() {
    let config = config(
        &["10.1.0.2/16", "fd00::5/64"],
        &[
            ("10.1.0.0/16", None),
            ("192.168.7.0/24", Some("10.1.0.1")),
            ("192.168.7.0/24", Some("10.1.0.9")),
            ("10.9.0.0/16", None),
            ("10.8.0.0/16", Some("10.1.0.2")),
            ("fd01::/64", Some("10.1.0.1")),
            ("8.8.8.0/24", Some("10.1.0.1")),
        ],
    );
    let seen = managed(&config, &Settings::default(), true);
    let expected = ["10.9.0.0/16 src 10.1.0.2", "fd01::/64 src fd00::5", "192.168.7.0/24 via 10.1.0.1 src 10.1.0.2"];
    assert_eq!(targets(&seen), expected);
}

#[test]
fn default_routes_wait_for_permission_and_for_a_root() {
    let config =
        config(&["10.1.0.2/16"], &[("0.0.0.0/0", Some("10.1.0.1")), ("0.0.0.0/1", None), ("128.0.0.0/1", None)]);
    let mut settings = Settings::default();
    assert!(managed(&config, &settings, true).routes.is_empty());
    settings.allow_default = true;
    assert!(managed(&config, &settings, false).routes.is_empty());
    let all = ["0.0.0.0/1 src 10.1.0.2", "128.0.0.0/1 src 10.1.0.2", "0.0.0.0/0 via 10.1.0.1 src 10.1.0.2"];
    assert_eq!(targets(&managed(&config, &settings, true)), all, "halves are default routes too");
    settings = Settings { allow_global: true, ..Settings::default() };
    assert!(managed(&config, &settings, true).routes.is_empty(), "no half is a merely global one");
}

/// Each prefix with what it needs: nothing (`-`), `g`lobal, `d`efault, or what no setting gives (`n`).
const WHOLE: [(&str, char); 44] = [
    ("0.0.0.0/0", 'd'),
    ("10.0.0.0/0", 'd'),
    ("0.0.0.0/1", 'd'),
    ("128.0.0.0/1", 'd'),
    ("10.0.0.0/1", 'd'),
    ("64.0.0.0/2", 'd'),
    ("192.0.0.0/2", 'd'),
    ("160.0.0.0/3", 'd'),
    ("32.0.0.0/3", 'g'),
    ("8.0.0.0/5", 'g'),
    ("10.0.0.0/7", '-'),
    ("10.0.0.0/6", 'g'),
    ("10.0.0.0/8", '-'),
    ("11.0.0.0/8", '-'),
    ("172.16.0.0/12", '-'),
    ("172.16.0.0/11", 'g'),
    ("172.16.0.1/8", 'g'),
    ("192.168.0.0/16", '-'),
    ("192.168.0.0/15", 'g'),
    ("100.64.0.0/10", '-'),
    ("100.64.0.0/9", 'g'),
    ("203.0.113.0/24", '-'),
    ("203.0.112.0/23", 'g'),
    ("8.8.8.8/32", 'g'),
    ("127.0.0.0/8", 'n'),
    ("126.0.0.0/7", 'd'),
    ("169.254.0.0/16", 'n'),
    ("168.0.0.0/6", 'd'),
    ("224.0.0.0/4", 'n'),
    ("240.0.0.0/5", '-'),
    ("240.0.0.0/4", 'd'),
    ("::/0", 'd'),
    ("::/1", 'd'),
    ("8000::/1", 'd'),
    ("2000::/3", 'd'),
    ("2000::/2", 'd'),
    ("2000::/4", 'g'),
    ("4000::/2", 'g'),
    ("fc00::/7", '-'),
    ("fc00::/6", 'd'),
    ("fd00::/8", '-'),
    ("2001:db8::/32", 'g'),
    ("ff00::/8", 'n'),
    ("::/64", 'd'),
];

#[test]
fn a_route_is_judged_from_its_first_to_its_last_address() {
    for global in [false, true] {
        for default in [false, true] {
            let settings = Settings { allow_global: global, allow_default: default, ..Settings::default() };
            for (text, need) in WHOLE {
                let allowed = match need {
                    '-' => true,
                    'g' => global,
                    'd' => default,
                    _ => false,
                };
                assert_eq!(settings.allows(prefix(text)), allowed, "{text} with global {global}, default {default}");
                let source = if text.contains(':') { "fd12::5/64" } else { "10.77.0.2/16" };
                let routes = managed(&config(&[source], &[(text, None)]), &settings, true).routes;
                assert_eq!(!routes.is_empty(), allowed, "route {text} with global {global}, default {default}");
            }
        }
    }
}

#[test]
fn an_address_never_brings_a_default_route() {
    let all = ["10.1.2.3/0", "10.1.2.4/1", "10.1.2.5/5", "10.1.2.6/8", "fd00::1/0", "fd00::2/2", "fd00::3/8"];
    let strict = ["10.1.2.3/32", "10.1.2.4/32", "10.1.2.5/32", "10.1.2.6/8", "fd00::1/128", "fd00::2/128", "fd00::3/8"];
    let addresses = |settings: &Settings| -> Vec<String> {
        managed(&config(&all, &[]), settings, true).addresses.iter().map(ToString::to_string).collect()
    };
    assert_eq!(addresses(&Settings::default()), strict);
    let mut loose = strict;
    loose[2] = "10.1.2.5/5";
    assert_eq!(addresses(&Settings { allow_global: true, ..Settings::default() }), loose);
    // fd00::2/2 takes in multicast, which only a default route may.
    loose[5] = "fd00::2/2";
    assert_eq!(addresses(&Settings { allow_global: true, allow_default: true, ..Settings::default() }), loose);
    // The network's own route is then installed as any other.
    let narrowed = config(&["10.1.2.3/0"], &[("10.1.0.0/16", None)]);
    assert_eq!(targets(&managed(&narrowed, &Settings::default(), true)), ["10.1.0.0/16 src 10.1.2.3"]);
    let listed = Settings { allow_list: vec![prefix("10.0.0.0/8")], ..Settings::default() };
    assert_eq!(addresses(&listed), ["10.1.2.6/8"], "a list must have the whole prefix");
}

proptest::proptest! {
    /// Whatever is allowed without default routes, each address of it is allowed alone.
    #[test]
    fn nothing_in_an_allowed_prefix_is_forbidden(
        net in proptest::prelude::any::<u128>(),
        bits in 0_u8..=128,
        v4 in proptest::prelude::any::<bool>(),
        allow_global in proptest::prelude::any::<bool>(),
        inside in proptest::collection::vec(proptest::prelude::any::<u128>(), 32),
    ) {
        let settings = Settings { allow_global, ..Settings::default() };
        let (width, ip): (u8, fn(u128) -> IpAddr) =
            if v4 { (32, |n| IpAddr::V4((n as u32).into())) } else { (128, |n| IpAddr::V6(n.into())) };
        let bits = bits % (width + 1);
        let host = if v4 { u128::from(u32::MAX.checked_shr(bits.into()).unwrap_or(0)) }
            else { u128::MAX.checked_shr(bits.into()).unwrap_or(0) };
        if settings.allows(IpPrefix::clamped(ip(net), bits)) {
            for low in inside.into_iter().chain([0, u128::MAX]) {
                let one = IpPrefix::host(ip(net & !host | low & host));
                proptest::prop_assert!(settings.allows(one), "{one} in {}/{bits}", ip(net));
            }
        }
    }
}

#[test]
fn what_is_withheld_is_named_with_its_reason() {
    let config = config(
        &["10.1.0.2/16", "1.2.3.4/24"],
        &[
            ("10.1.0.0/16", None),
            ("0.0.0.0/0", Some("10.1.0.1")),
            ("8.8.8.0/24", Some("10.1.0.1")),
            ("224.0.0.0/4", None),
            ("fd00::/64", None),
            ("10.9.0.0/16", Some("10.1.0.2")),
        ],
    );
    let withheld = |settings: &Settings, online| -> Vec<String> {
        let of = |withheld: &Withheld| match withheld {
            Withheld::Address(prefix, obstacle) => format!("{prefix}: {obstacle}"),
            Withheld::Route(target, via, obstacle) => {
                format!("{target}{}: {obstacle}", via.map_or(String::new(), |via| format!(" via {via}")))
            }
        };
        managed(&config, settings, online).withheld.iter().map(of).collect()
    };
    // The connected route and the one through this node itself are as they should be.
    let never = "224.0.0.0/4: loopback, link-local and multicast addresses are never taken";
    let no_source = "fd00::/64: this node has no address of that family on the network";
    let strict = [
        "1.2.3.4/24: allowGlobal is off",
        "0.0.0.0/0 via 10.1.0.1: allowDefault is off",
        "8.8.8.0/24 via 10.1.0.1: allowGlobal is off",
        never,
        no_source,
    ];
    assert_eq!(withheld(&Settings::default(), true), strict);
    let all = Settings { allow_global: true, allow_default: true, ..Settings::default() };
    let waiting = ["0.0.0.0/0 via 10.1.0.1: it waits until the node is online", never, no_source];
    assert_eq!(withheld(&all, false), waiting);
    assert_eq!(withheld(&all, true), [never, no_source]);
    let listed = Settings { allow_list: vec![prefix("10.0.0.0/8")], ..all };
    assert_eq!(withheld(&listed, true)[0], "1.2.3.4/24: it is not in the list of allowManaged");
    let off = Settings { allow_managed: false, ..listed };
    assert!(withheld(&off, true).iter().all(|text| text.ends_with("allowManaged is off")));
    assert_eq!(Obstacle::NotListed.setting(), Some("allowManaged"));
}

#[test]
fn an_address_that_a_dhcp_server_gave_is_a_source_too() {
    let config = config(&[], &[("192.168.7.0/24", None), ("10.0.0.0/8", Some("192.168.1.5")), ("fd01::/64", None)]);
    let seen = |on_port: &[&str]| {
        let on_port: Vec<IpAddr> = on_port.iter().map(|text| ip(text)).collect();
        targets(&Managed::new(Mac([2; 6]), Some(&config), &Settings::default(), &on_port, true))
    };
    assert!(seen(&["fe80::1"]).is_empty(), "a link-local address is none for other links");
    let expected = ["192.168.7.0/24 src 192.168.1.9", "10.0.0.0/8 via 192.168.1.5 src 192.168.1.9"];
    assert_eq!(seen(&["fe80::1", "192.168.1.9"]), expected);
    assert_eq!(seen(&["192.168.1.5"]), ["192.168.7.0/24 src 192.168.1.5"], "a route through this host itself");
}

#[test]
fn the_resolver_needs_permission() {
    let mut config = config(&[], &[]);
    config.dns = Dns { domain: "home.arpa".into(), ..Dns::default() };
    config.dns.servers[0] = InetAddress::new(ip("10.1.0.1"), 0);
    let mut settings = Settings::default();
    assert_eq!(managed(&config, &settings, true).dns, None);
    settings.allow_dns = true;
    let dns = managed(&config, &settings, true).dns.expect("settings");
    assert_eq!((dns.domain.as_str(), dns.servers), ("home.arpa", vec![ip("10.1.0.1")]));
}

#[test]
fn settings_are_read_and_written() {
    assert_eq!(Settings::from_text(b""), Settings::default());
    let text = b"allowManaged=10.0.0.0/8,fd00::/8\nallowGlobal=1\nallowDefault=0\nallowDNS=t";
    let settings = Settings::from_text(text);
    assert_eq!(settings.allow_list, [prefix("10.0.0.0/8"), prefix("fd00::/8")]);
    assert!(settings.allow_managed && settings.allow_global && !settings.allow_default && settings.allow_dns);
    assert_eq!(Settings::from_text(&settings.to_text()), settings);
    let off = Settings { allow_managed: false, ..Settings::default() };
    assert_eq!(Settings::from_text(&off.to_text()), off);
    // A list survives that managed is off, and one that is as short as a boolean is none.
    for list in [vec![prefix("10.0.0.0/8"), prefix("fd00::/8")], vec![prefix("::/0")]] {
        for allow_managed in [true, false] {
            let kept = Settings { allow_managed, allow_list: list.clone(), ..Settings::default() };
            assert_eq!(Settings::from_text(&kept.to_text()), kept);
        }
    }
    let broken = Settings::from_text(b"allowManaged=everything");
    assert!(!broken.allows(prefix("10.0.0.1/8")), "an unreadable restriction is not no restriction");
}
