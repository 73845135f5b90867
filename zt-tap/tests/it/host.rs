use std::net::IpAddr;

use zt_tap::host::MemoryHost;
use zt_tap::linux::netlink::LinkChange;
use zt_tap::netns::Namespace;
use zt_tap::{Change, HostConfig, HostError, HostRoute, HostState, LinuxHost};
use zt_wire::{IpPrefix, Mac};

use crate::{cidr, device, namespace};

fn full_state() -> HostState {
    let gateway: IpAddr = "10.44.0.11".parse().expect("address");
    let gateway6: IpAddr = "fd44::11".parse().expect("address");
    HostState {
        mac: Some(Mac([0x32, 0, 0, 0, 0, 0x42])),
        mtu: Some(1500),
        up: Some(true),
        addresses: vec![cidr("10.44.0.10/24"), cidr("fd44::10/64")],
        routes: vec![
            HostRoute::new(cidr("10.55.0.0/16"), Some(gateway)),
            HostRoute::new(cidr("0.0.0.0/0"), Some(gateway)),
            HostRoute::new(cidr("10.66.1.2/16"), None),
            HostRoute::new(cidr("fd55::/48"), Some(gateway6)),
            HostRoute::new(cidr("fd66::/48"), None),
            // Reached through the route on the link above.
            HostRoute::new(cidr("10.77.0.0/16"), Some([10, 66, 0, 1].into())),
        ],
    }
}

struct Rig {
    namespace: Namespace,
    host: LinuxHost,
    _device: zt_tap::LinuxTap,
}

fn rig() -> Option<Rig> {
    let namespace = namespace()?;
    let device = device(&namespace, "zttest0", 7)?;
    let host = namespace.run(LinuxHost::new).expect("run").expect("netlink");
    Some(Rig { namespace, host, _device: device })
}

impl Rig {
    fn apply(&mut self, state: &HostState) -> Vec<Change> {
        let applied = self.host.apply("zttest0", state).expect("apply");
        assert!(applied.failed.is_empty(), "{applied:?}");
        let again = self.host.apply("zttest0", state).expect("apply");
        assert!(again.is_unchanged(), "{again:?}");
        applied.changes
    }

    fn addresses(&self) -> Vec<IpPrefix> {
        let found = self.namespace.addresses("zttest0").expect("addresses");
        let mut found: Vec<_> = found.into_iter().map(|address| address.cidr).collect();
        found.retain(|cidr| !cidr.to_string().starts_with("fe80"));
        found.sort();
        found
    }

    fn routes(&self) -> Vec<HostRoute> {
        let mut netlink = self.namespace.netlink().expect("netlink");
        let index = netlink.require_link("zttest0").expect("device").index;
        let mut routes = netlink.static_routes(index).expect("routes");
        routes.sort();
        routes
    }
}

#[test]
fn a_state_is_applied_once() {
    let Some(mut rig) = rig() else { return };
    let state = full_state();
    let changes = rig.apply(&state);
    // MAC, MTU, up, 2 addresses, 6 routes of which one is a default route in two halves.
    assert_eq!(changes.len(), 3 + 2 + 7, "{changes:?}");
    assert_eq!(rig.addresses(), state.addresses);
    let mut routes = state.installed_routes();
    routes.sort();
    assert_eq!(rig.routes(), routes);
    let mut netlink = rig.namespace.netlink().expect("netlink");
    let link = netlink.require_link("zttest0").expect("device");
    assert_eq!((link.mac, link.mtu, link.up), (state.mac, 1500, true));
    for address in netlink.addresses(Some(link.index)).expect("addresses") {
        let ours = !address.cidr.to_string().starts_with("fe80");
        assert!(!ours || !address.is_transient(), "{address:?}");
    }
}

#[test]
fn differences_only() {
    let Some(mut rig) = rig() else { return };
    let mut state = full_state();
    rig.apply(&state);

    state.addresses[0] = cidr("10.44.0.10/16");
    state.routes.truncate(1);
    let changes = rig.apply(&state);
    assert!(changes.contains(&Change::AddressRemoved(cidr("10.44.0.10/24"))));
    assert!(changes.contains(&Change::AddressAdded(cidr("10.44.0.10/16"))));
    assert!(!changes.contains(&Change::AddressAdded(cidr("fd44::10/64"))));
    assert_eq!(rig.addresses(), state.addresses);
    assert_eq!(rig.routes(), state.routes);

    state.routes.clear();
    state.addresses.remove(1);
    state.mtu = Some(2800);
    let changes = rig.apply(&state);
    let removed = HostRoute::new(cidr("10.55.0.0/16"), Some([10, 44, 0, 11].into()));
    let expected = [Change::Mtu(2800), Change::RouteRemoved(removed), Change::AddressRemoved(cidr("fd44::10/64"))];
    assert_eq!(changes, expected);
}

#[test]
fn a_route_starts_from_the_address_that_it_names() {
    let Some(mut rig) = rig() else { return };
    let source = |text: &str| Some(text.parse::<IpAddr>().expect("address"));
    let state = HostState {
        addresses: vec![cidr("10.44.0.10/24"), cidr("10.45.0.10/24"), cidr("fd44::10/64"), cidr("fd45::10/64")],
        routes: vec![
            HostRoute { source: source("10.45.0.10"), ..HostRoute::new(cidr("10.55.0.0/16"), None) },
            HostRoute { source: source("fd45::10"), ..HostRoute::new(cidr("fd55::/48"), None) },
        ],
        ..full_state()
    };
    rig.apply(&state);
    let mut netlink = rig.namespace.netlink().expect("netlink");
    for (target, from) in [("10.55.1.1", "10.45.0.10"), ("fd55::1", "fd45::10")] {
        let route = netlink.route_to(target.parse().expect("address"), None).expect("ask").expect("a route");
        assert_eq!(route.source, source(from));
    }
    // An address that is not there is no source; the rest is set.
    let mut wrong = state.clone();
    wrong.routes[0].source = source("10.46.0.10");
    let applied = rig.host.apply("zttest0", &wrong).expect("partly");
    assert_eq!(applied.failed, [(Change::RouteAdded(wrong.routes[0]), HostError::Invalid)]);
    assert_eq!(rig.routes(), [wrong.routes[1]]);
}

#[test]
fn what_others_set_stays_and_what_others_took_comes_back() {
    let Some(mut rig) = rig() else { return };
    let state = full_state();
    rig.apply(&state);
    let foreign = HostRoute::new(cidr("10.88.0.0/16"), None);
    rig.namespace.add_address("zttest0", cidr("10.99.0.1/24")).expect("address");
    rig.namespace.add_route("zttest0", &foreign).expect("route");
    rig.namespace.delete_route("zttest0", &state.routes[0]).expect("route");
    assert_eq!(rig.apply(&state), [Change::RouteAdded(state.routes[0])]);

    // Down and up again loses all routes.
    rig.namespace.set_up("zttest0", false).expect("down");
    let changes = rig.apply(&state);
    assert!(changes.contains(&Change::Up), "{changes:?}");
    assert_eq!(rig.routes().len(), 7);
    rig.namespace.add_route("zttest0", &foreign).expect("route");

    rig.host.remove("zttest0").expect("remove");
    assert_eq!(rig.addresses(), [cidr("10.99.0.1/24")]);
    assert!(rig.host.remove("zttest0").expect("twice").is_unchanged());
}

#[test]
fn what_the_state_does_not_name_is_left_to_the_operator() {
    let Some(mut rig) = rig() else { return };
    let named = full_state();
    rig.apply(&named);
    let link = |rig: &Rig| rig.namespace.netlink().expect("netlink").require_link("zttest0").expect("device");
    let by_hand = LinkChange { mtu: Some(1300), up: Some(false), ..LinkChange::default() };
    rig.namespace.change("zttest0", &by_hand).expect("by hand");
    let mut state = HostState { mac: None, mtu: None, up: None, ..named };
    state.addresses.push(cidr("10.45.0.10/24"));
    rig.apply(&state);
    assert_eq!((link(&rig).mtu, link(&rig).up), (1300, false));
    assert!(rig.addresses().contains(&cidr("10.45.0.10/24")));
    // Up again, by hand: what went with it comes back.
    rig.namespace.set_up("zttest0", true).expect("up");
    rig.apply(&state);
    assert_eq!((rig.routes().len(), rig.addresses().len()), (7, 3));
    assert_eq!(link(&rig).mtu, 1300);
    rig.host.remove("zttest0").expect("remove");
    assert!(!link(&rig).up);
}

/// As many routes as a network can have, changed as a whole.
#[test]
fn all_routes_of_a_full_network_are_set_and_replaced() {
    let Some(mut rig) = rig() else { return };
    let gateway = |last: u8| Some(IpAddr::from([10, 44, 0, last]));
    let routes = |last| (0..128_u8).map(|n| HostRoute::new(cidr(&format!("10.60.{n}.0/24")), gateway(last))).collect();
    let mut state = HostState { routes: routes(11), ..full_state() };
    assert_eq!(rig.apply(&state).len(), 3 + 2 + 128);
    assert_eq!(rig.routes().len(), 128);
    state.routes = routes(12);
    assert_eq!(rig.apply(&state).len(), 2 * 128);
    assert!(rig.routes().iter().all(|route| route.via == gateway(12)));
}

#[test]
fn removal_leaves_the_device_down_and_bare() {
    let Some(mut rig) = rig() else { return };
    rig.apply(&full_state());
    let removed = rig.host.remove("zttest0").expect("remove");
    assert!(removed.failed.is_empty(), "{removed:?}");
    assert!(rig.addresses().is_empty());
    assert!(rig.routes().is_empty());
    let link = rig.namespace.netlink().expect("netlink").link("zttest0");
    assert!(!link.expect("ask").expect("device").up);
}

#[test]
fn refusals_have_names_and_do_not_stop_the_rest() {
    let Some(mut rig) = rig() else { return };
    let missing = rig.host.apply("zttest9", &full_state());
    assert_eq!(missing, Err(HostError::NoSuchDevice));
    let unreachable = HostRoute::new(cidr("10.55.0.0/16"), Some([192, 0, 2, 1].into()));
    let multicast = cidr("ff02::1:2/64");
    let state = HostState {
        up: Some(true),
        addresses: vec![multicast, cidr("10.44.0.10/24")],
        routes: vec![unreachable],
        ..HostState::default()
    };
    let applied = rig.host.apply("zttest0", &state).expect("partly");
    let expected = [
        (Change::AddressAdded(multicast), HostError::Invalid),
        (Change::RouteAdded(unreachable), HostError::Unreachable),
    ];
    assert_eq!(applied.failed, expected);
    assert_eq!(rig.addresses(), [cidr("10.44.0.10/24")]);

    // The same target through another device.
    let Some(_other) = device(&rig.namespace, "zttest1", 8) else {
        return;
    };
    let route = HostRoute::new(cidr("10.55.0.0/16"), None);
    rig.namespace.set_up("zttest1", true).expect("up");
    rig.namespace.add_route("zttest1", &route).expect("route");
    let state = HostState { routes: vec![route], addresses: Vec::new(), ..state };
    let applied = rig.host.apply("zttest0", &state).expect("partly");
    assert_eq!(applied.failed, [(Change::RouteAdded(route), HostError::Exists)]);
}

#[test]
fn memory_is_a_host_too() {
    let mut host = MemoryHost::new();
    let mut state = full_state();
    let applied = host.apply("any", &state).expect("apply");
    assert_eq!(applied.changes.len(), 12);
    assert!(host.apply("any", &state).expect("again").is_unchanged());
    state.addresses.pop();
    let changes = host.apply("any", &state).expect("apply").changes;
    assert_eq!(changes, [Change::AddressRemoved(cidr("fd44::10/64"))]);
    assert_eq!(host.state("any").expect("known").addresses, state.addresses);
    assert!(!host.remove("any").expect("remove").is_unchanged());
    assert!(host.state("any").is_none());
    assert!(host.remove("any").expect("remove").is_unchanged());
}
