//! Default routes through ports: who follows them, and what is left of them.

use std::net::IpAddr;

use zt_tap::linux::netlink::Netlink;
use zt_tap::netns::Namespace;
use zt_tap::{
    Change, HostConfig, HostError, HostRoute, HostState, InterfaceFilter, InterfaceWatcher, LinuxHost, LinuxTap,
};

use crate::{cidr, device, namespace};

/// Addresses of the cable, of the port, and a target beyond both, by family.
const CABLE: [&str; 2] = ["10.0.0.2", "2001:db8::2"];
const BEYOND: [&str; 2] = ["198.51.100.7", "2001:db8:7::7"];
const DEFAULTS: [&str; 2] = ["0.0.0.0/0", "::/0"];

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A host with a cable and a way to the internet by it.
struct Rig {
    host: Namespace,
    netlink: Netlink,
    _far: Namespace,
}

fn rig() -> Option<Rig> {
    let (host, far) = (namespace()?, namespace()?);
    host.connect("eth0", &far, "eth0").expect("cable");
    for (address, everything, gateway) in
        [("10.0.0.2/24", DEFAULTS[0], "10.0.0.1"), ("2001:db8::2/64", DEFAULTS[1], "2001:db8::1")]
    {
        host.add_address("eth0", cidr(address)).expect("address");
        host.add_route("eth0", &HostRoute::new(cidr(everything), Some(ip(gateway)))).expect("default route");
    }
    let netlink = host.netlink().expect("netlink");
    Some(Rig { host, netlink, _far: far })
}

fn state(port: u8) -> HostState {
    HostState {
        up: Some(true),
        addresses: vec![cidr(&format!("10.4{port}.0.10/24")), cidr(&format!("fd4{port}::10/64"))],
        routes: vec![
            HostRoute::new(cidr(DEFAULTS[0]), Some(ip(&format!("10.4{port}.0.1")))),
            HostRoute::new(cidr(DEFAULTS[1]), Some(ip(&format!("fd4{port}::1")))),
        ],
        ..HostState::default()
    }
}

impl Rig {
    fn configurator(&self) -> LinuxHost {
        let mut host = self.host.run(LinuxHost::new).expect("run").expect("netlink");
        host.set_underlay(&CABLE.map(ip)).expect("underlay");
        host
    }

    fn port(&self, number: u8) -> Option<LinuxTap> {
        device(&self.host, &format!("zttest{number}"), number)
    }

    fn leaves_by(&mut self, target: IpAddr, source: Option<IpAddr>) -> String {
        let route = match source {
            Some(source) => self.netlink.route_from(source, target),
            None => self.netlink.route_to(target, None),
        };
        let index = route.expect("ask").expect("a route").index;
        let links = self.netlink.links().expect("links");
        links.into_iter().find(|link| link.index == index).expect("a device").name
    }

    /// By which device packets to the internet leave: any, and those from the address of the cable; by family.
    fn ways(&mut self) -> [[String; 2]; 2] {
        [0, 1].map(|family| {
            let target = ip(BEYOND[family]);
            [self.leaves_by(target, None), self.leaves_by(target, Some(ip(CABLE[family])))]
        })
    }

    fn rules(&mut self) -> [usize; 2] {
        [false, true].map(|ipv6| self.netlink.rules(ipv6).expect("rules").len())
    }

    /// Static routes of the cable: what the operator had.
    fn of_cable(&mut self) -> Vec<HostRoute> {
        let index = self.netlink.require_link("eth0").expect("device").index;
        self.netlink.static_routes(index).expect("routes")
    }
}

const BY_CABLE: [[&str; 2]; 2] = [["eth0", "eth0"]; 2];
const BY_PORT: [[&str; 2]; 2] = [["zttest1", "eth0"]; 2];

#[test]
fn a_default_route_is_for_all_but_the_underlay_and_goes_without_a_trace() {
    let Some(mut rig) = rig() else { return };
    let Some(_port) = rig.port(1) else { return };
    let before = rig.of_cable();
    let mut host = rig.configurator();
    assert_eq!((rig.rules(), rig.ways()), ([0, 0], BY_CABLE.map(|by| by.map(str::to_owned))));
    let applied = host.apply("zttest1", &state(1)).expect("apply");
    assert!(applied.failed.is_empty(), "{applied:?}");
    assert!(host.apply("zttest1", &state(1)).expect("again").is_unchanged());
    assert_eq!(rig.ways(), BY_PORT);
    // Neighbours on the cable are neighbours still.
    for (family, neighbour) in ["10.0.0.77", "2001:db8::77"].into_iter().enumerate() {
        assert_eq!(rig.leaves_by(ip(neighbour), None), "eth0", "family {family}");
    }
    assert_eq!(rig.of_cable(), before);
    assert_eq!(rig.rules(), [3, 3]);

    // One family goes, the other stays.
    let mut only_four = state(1);
    only_four.routes.pop();
    host.apply("zttest1", &only_four).expect("apply");
    assert_eq!(rig.rules(), [3, 0]);
    assert_eq!(rig.ways(), [BY_PORT[0], BY_CABLE[1]]);

    host.remove("zttest1").expect("remove");
    assert_eq!((rig.rules(), rig.of_cable()), ([0, 0], before));
    assert_eq!(rig.ways(), BY_CABLE);
}

#[test]
fn what_a_killed_process_leaves_does_nothing_and_goes_at_the_next_start() {
    let Some(mut rig) = rig() else { return };
    let Some(port) = rig.port(1) else { return };
    let mut host = rig.configurator();
    host.apply("zttest1", &state(1)).expect("apply");
    assert_eq!(rig.ways(), BY_PORT);
    // The device goes with the process; nobody cleans up.
    drop((port, host));
    assert_eq!(rig.ways(), BY_CABLE);
    assert_eq!(rig.rules(), [3, 3], "the rest that the next one finds");
    drop(rig.configurator());
    assert_eq!((rig.rules(), rig.ways()), ([0, 0], BY_CABLE.map(|by| by.map(str::to_owned))));
}

#[test]
fn a_device_that_vanished_takes_the_rules_with_it() {
    let Some(mut rig) = rig() else { return };
    let Some(port) = rig.port(1) else { return };
    let mut host = rig.configurator();
    host.apply("zttest1", &state(1)).expect("apply");
    drop(port);
    host.remove("zttest1").expect("a device that is gone is no error");
    assert_eq!(rig.rules(), [0, 0]);
}

#[test]
fn two_processes_share_the_table_and_the_last_one_cleans_up() {
    let Some(mut rig) = rig() else { return };
    let (Some(_one), Some(_two)) = (rig.port(1), rig.port(2)) else { return };
    let mut hosts = [rig.configurator(), rig.configurator()];
    hosts[0].apply("zttest1", &state(1)).expect("apply");
    // The same target by another device is somebody else's.
    let applied = hosts[1].apply("zttest2", &state(2)).expect("apply");
    assert_eq!(applied.failed.len(), 4, "{applied:?}");
    hosts[1].remove("zttest2").expect("remove");
    assert_eq!((rig.rules(), rig.ways()), ([3, 3], BY_PORT.map(|by| by.map(str::to_owned))));
    // A third that starts now, or tells its addresses again, disturbs nobody.
    drop(rig.configurator());
    assert_eq!((rig.rules(), rig.ways()), ([3, 3], BY_PORT.map(|by| by.map(str::to_owned))));
    hosts[0].remove("zttest1").expect("remove");
    assert_eq!(rig.rules(), [0, 0]);
}

/// Two nodes of one host that bind different addresses of it do not undo each other's rules.
#[test]
fn processes_with_other_addresses_leave_each_other_alone() {
    let Some(mut rig) = rig() else { return };
    let Some(_port) = rig.port(1) else { return };
    rig.host.add_address("eth0", cidr("10.0.0.9/24")).expect("address");
    let (mut one, mut two) = (rig.configurator(), rig.configurator());
    one.apply("zttest1", &state(1)).expect("apply");
    two.set_underlay(&[ip("10.0.0.9")]).expect("underlay");
    assert_eq!(rig.rules(), [4, 3]);
    one.set_underlay(&CABLE.map(ip)).expect("underlay");
    assert_eq!(rig.rules(), [4, 3]);
    one.remove("zttest1").expect("remove");
    assert_eq!(rig.rules(), [0, 0]);
}

#[test]
fn rules_follow_the_addresses_of_the_host_and_come_back_when_somebody_takes_them() {
    let Some(mut rig) = rig() else { return };
    let Some(_port) = rig.port(1) else { return };
    let mut host = rig.configurator();
    host.apply("zttest1", &state(1)).expect("apply");
    // An address of DHCP: the old one goes, a new one comes.
    rig.host.delete_address("eth0", cidr("10.0.0.2/24")).expect("address");
    rig.host.add_address("eth0", cidr("10.0.0.9/24")).expect("address");
    let by_gateway = HostRoute::new(cidr(DEFAULTS[0]), Some(ip("10.0.0.1")));
    rig.host.add_route("eth0", &by_gateway).expect("the lease has a gateway");
    host.set_underlay(&[ip("10.0.0.9"), ip(CABLE[1])]).expect("underlay");
    assert_eq!(rig.leaves_by(ip(BEYOND[0]), Some(ip("10.0.0.9"))), "eth0");
    assert_eq!(rig.rules(), [3, 3], "the rule of the address that went is gone too");

    for ipv6 in [false, true] {
        for rule in rig.netlink.rules(ipv6).expect("rules") {
            rig.netlink.delete_rule(ipv6, &rule).expect("delete");
        }
    }
    assert_eq!(rig.leaves_by(ip(BEYOND[0]), None), "eth0");
    assert!(host.apply("zttest1", &state(1)).expect("apply").is_unchanged(), "rules are no change of the port");
    assert_eq!(rig.leaves_by(ip(BEYOND[0]), None), "zttest1");
    assert_eq!(rig.rules(), [3, 3]);
}

/// Of two ways to the internet the better one is the first to be bound, whatever default route a port has.
#[test]
fn the_order_of_the_ways_out_is_that_of_the_host() {
    let Some(mut rig) = rig() else { return };
    let Some(_port) = rig.port(1) else { return };
    let Some(other) = namespace() else { return };
    rig.host.connect("eth1", &other, "eth0").expect("cable");
    rig.host.add_address("eth1", cidr("10.0.1.2/24")).expect("address");
    let by_gateway =
        |metric| HostRoute { metric: Some(metric), ..HostRoute::new(cidr(DEFAULTS[0]), Some(ip("10.0.1.1"))) };
    // eth0 has the metric 5000.
    rig.host.add_route("eth1", &by_gateway(100)).expect("a better way");
    let mut watcher = rig.host.run(InterfaceWatcher::new).expect("run").expect("watcher");
    let filter = InterfaceFilter { own_taps: ["zttest1".to_owned()].into(), ..InterfaceFilter::default() };
    let mut first = || {
        let found = watcher.view().expect("view").bindable(&filter).addresses;
        found.into_iter().map(|local| local.interface).next().expect("an address")
    };
    assert_eq!(first(), "eth1");
    let mut host = rig.configurator();
    host.set_underlay(&["10.0.0.2", "10.0.1.2", CABLE[1]].map(ip)).expect("underlay");
    host.apply("zttest1", &state(1)).expect("apply");
    assert_eq!(rig.leaves_by(ip(BEYOND[0]), None), "zttest1");
    assert_eq!(first(), "eth1");
}

/// A host whose IPv6 is switched off: IPv4 is in order, again and again, and no rule waits for what never comes.
#[test]
fn a_host_without_ipv6_has_what_there_is_of_ipv4() {
    let Some(mut rig) = rig() else { return };
    let Some(_port) = rig.port(1) else { return };
    for device in ["all", "default", "zttest1"] {
        rig.host.sysctl(&format!("net/ipv6/conf/{device}/disable_ipv6"), "1").expect("IPv6 off");
    }
    let mut host = rig.configurator();
    for _ in 0..3 {
        let applied = host.apply("zttest1", &state(1)).expect("no error of the whole port");
        let errors: Vec<HostError> = applied.failed.iter().map(|(_, error)| *error).collect();
        let expected = [HostError::Unsupported, HostError::Unreachable, HostError::Unreachable];
        assert_eq!(errors, expected, "an address and two halves: {applied:?}");
        assert_eq!(rig.rules(), [3, 0]);
        assert_eq!(rig.leaves_by(ip(BEYOND[0]), None), "zttest1");
    }
    host.remove("zttest1").expect("remove");
    assert_eq!(rig.rules(), [0, 0]);
}

#[test]
fn wide_blocks_are_default_routes_too_and_narrower_ones_are_not() {
    let Some(mut rig) = rig() else { return };
    let Some(_port) = rig.port(1) else { return };
    let mut host = rig.configurator();
    let wide = HostState {
        routes: vec![HostRoute::new(cidr("128.0.0.0/1"), None), HostRoute::new(cidr("2000::/3"), None)],
        ..state(1)
    };
    let applied = host.apply("zttest1", &wide).expect("apply");
    assert_eq!(applied.changes.iter().filter(|change| matches!(change, Change::RouteAdded(_))).count(), 2);
    assert_eq!((rig.rules(), rig.ways()), ([3, 3], BY_PORT.map(|by| by.map(str::to_owned))));
    let narrow = HostState { routes: vec![HostRoute::new(cidr("198.51.100.0/24"), None)], ..state(1) };
    host.apply("zttest1", &narrow).expect("apply");
    assert_eq!(rig.rules(), [0, 0]);
    assert_eq!(rig.leaves_by(ip(BEYOND[0]), None), "zttest1");
}
