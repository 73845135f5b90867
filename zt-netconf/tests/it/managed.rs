//! What the host should have (04 §10).

use std::net::IpAddr;

use zt_netconf::{Managed, NetworkConfig, Prefix, Settings};
use zt_wire::netconf::{Dns, Route};
use zt_wire::{InetAddress, Mac};

use crate::world::{A, NET};

fn inet(text: &str) -> InetAddress {
    let (address, bits) = text.split_once('/').expect("a prefix");
    InetAddress::new(address.parse().expect("an address"), bits.parse().expect("a length"))
}

fn prefix(text: &str) -> Prefix {
    Prefix::of(&inet(text)).expect("a prefix")
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
    assert_eq!(targets(&managed(&config, &settings, true)), ["0.0.0.0/0 via 10.1.0.1 src 10.1.0.2"]);
    settings.allow_global = true;
    assert_eq!(managed(&config, &settings, true).routes.len(), 2, "0.0.0.0/1 has no scope and never passes");
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
    let broken = Settings::from_text(b"allowManaged=everything");
    assert!(!broken.allows(prefix("10.0.0.1/8")), "an unreadable restriction is not no restriction");
}
