use super::super::Uplink;
use super::*;

fn device(index: u32, name: &str) -> Interface {
    Interface { index, name: name.to_owned(), mtu: 1500, up: true, ..Interface::default() }
}

fn address(index: u32, text: &str) -> InterfaceAddress {
    InterfaceAddress::new(index, text.parse().expect("address"))
}

fn deprecated(text: &str) -> InterfaceAddress {
    InterfaceAddress { state: AddressState::Deprecated, ..address(2, text) }
}

fn filter() -> InterfaceFilter {
    InterfaceFilter { own_taps: BTreeSet::from(["ztabc".to_owned()]), ..InterfaceFilter::default() }
}

fn names(view: &HostView) -> Vec<String> {
    view.bindable(&filter()).addresses.iter().map(|local| format!("{} {}", local.interface, local.cidr)).collect()
}

fn uplink(index: u32) -> Uplink {
    Uplink { index, source: None }
}

#[test]
fn hundreds_of_labels_hide_no_other_interface() {
    let mut view = HostView {
        interfaces: vec![device(2, "lan0"), device(3, "u0"), device(4, "wan0")],
        uplinks: vec![uplink(4)],
        ..HostView::default()
    };
    for n in 1..=150 {
        let label = InterfaceAddress { is_secondary: n > 1, ..address(2, &format!("192.168.1.{n}/24")) };
        view.addresses.push(label);
        view.addresses.push(address(2, &format!("172.20.{n}.1/24")));
    }
    view.addresses.push(address(3, "88.7.7.3/24"));
    view.addresses.push(address(4, "203.0.113.5/24"));
    let found = view.bindable(&filter());
    let text: Vec<_> = found.addresses.iter().map(|local| local.cidr.to_string()).collect();
    let lan = ["192.168.1.1/24", "172.20.1.1/24", "172.20.2.1/24", "172.20.3.1/24"];
    assert_eq!(text, ["203.0.113.5/24", lan[0], "88.7.7.3/24", lan[1], lan[2], lan[3]]);
    assert_eq!(found.left_out, BTreeMap::from([("lan0".to_owned(), 296)]));
}

#[test]
fn hundreds_of_interfaces_do_not_hide_the_way_to_the_internet() {
    let mut view = HostView { uplinks: vec![uplink(301)], ..HostView::default() };
    for n in 2..=301 {
        view.interfaces.push(device(n, &format!("net{n}")));
        view.addresses.push(address(n, &format!("10.{}.{}.1/24", n / 200, n % 200)));
        view.addresses.push(address(n, &format!("fd00:{n}::1/64")));
    }
    let found = view.bindable(&filter());
    assert_eq!(found.addresses.len(), MOST);
    assert!(found.addresses[..2].iter().all(|local| local.interface == "net301"), "{:?}", found.addresses);
    assert_eq!(found.left_out.values().sum::<usize>(), 600 - MOST);
}

#[test]
fn labels_without_a_subnet_follow_unless_they_are_the_way_out() {
    let view = HostView {
        interfaces: vec![device(2, "eth0"), device(3, "eth1")],
        addresses: vec![
            address(2, "10.1.1.1/32"),
            address(2, "10.1.1.2/32"),
            address(2, "10.0.0.9/24"),
            // As in clouds: the gateway is on the link, and outside of any subnet.
            address(3, "198.51.100.7/32"),
            address(3, "198.51.100.8/32"),
        ],
        uplinks: vec![Uplink { index: 3, source: Some("198.51.100.8".parse().expect("address")) }],
    };
    let rest = ["eth1 198.51.100.7/32", "eth0 10.1.1.1/32", "eth0 10.1.1.2/32"];
    assert_eq!(names(&view), ["eth1 198.51.100.8/32", "eth0 10.0.0.9/24", rest[0], rest[1], rest[2]]);
}

#[test]
fn private_labels_do_not_hide_the_public_address_of_their_interface() {
    let mut view = HostView { interfaces: vec![device(2, "eth0")], uplinks: vec![uplink(2)], ..HostView::default() };
    for n in 1..=200 {
        view.addresses.push(address(2, &format!("10.9.1.{n}/32")));
    }
    view.addresses.push(address(2, "88.7.7.3/32"));
    assert_eq!(names(&view)[..2], ["eth0 10.9.1.1/32", "eth0 88.7.7.3/32"]);
    assert_eq!(view.bindable(&filter()).left_out.values().sum::<usize>(), 197);
}

#[test]
fn temporary_and_deprecated_addresses_serve_only_where_nothing_better_is() {
    let mut view = HostView { interfaces: vec![device(2, "eth0")], ..HostView::default() };
    let tentative = InterfaceAddress { state: AddressState::Tentative, ..address(2, "2001:db8::3/64") };
    view.addresses = vec![
        InterfaceAddress { is_temporary: true, ..address(2, "2001:db8::1/64") },
        InterfaceAddress { is_temporary: true, ..deprecated("2001:db8::2/64") },
        tentative,
        address(2, "fd00::1/64"),
        deprecated("fd00::2/64"),
    ];
    assert_eq!(names(&view), ["eth0 fd00::1/64", "eth0 2001:db8::1/64"]);
    view.addresses[2].state = AddressState::Preferred;
    assert_eq!(names(&view), ["eth0 2001:db8::3/64", "eth0 fd00::1/64"]);
    view.addresses.retain(|a| a.state == AddressState::Deprecated);
    assert_eq!(names(&view), ["eth0 fd00::2/64", "eth0 2001:db8::2/64"]);
}

#[test]
fn nothing_that_rides_on_our_port_is_bound() {
    let end = |text: &str| vec![text.parse().expect("address")];
    let interfaces = vec![
        device(2, "eth0"),
        device(3, "ztabc"),
        Interface { lower: Some(3), ..device(4, "ztabc.7") },
        Interface { lower: Some(4), ..device(5, "macvlan0") },
        Interface { lower: Some(3), ..device(6, "flannel.1") },
        Interface { ends: end("10.77.0.3"), ..device(7, "vxlan7") },
        Interface { ends: end("10.77.0.4"), ..device(8, "gre8") },
        Interface { ends: end("192.168.20.1"), ..device(9, "ipip9") },
        Interface { ends: end("203.0.113.9"), ..device(10, "gre10") },
        device(11, "br-in"),
        Interface { master: Some(11), lower: Some(3), ..device(12, "port12") },
        Interface { is_cable: true, lower: Some(14), ..device(13, "veth13") },
        Interface { is_cable: true, lower: Some(13), master: Some(11), ..device(14, "veth14") },
        Interface { lower: Some(2), ..device(15, "eth0.7") },
    ];
    let mut view = HostView { uplinks: vec![uplink(2)], ..HostView::default() };
    for link in &interfaces {
        view.addresses.push(address(link.index, &format!("10.100.{}.1/24", link.index)));
    }
    view.interfaces = interfaces;
    view.addresses[1] = address(3, "10.77.0.3/24");
    let routed = InterfaceFilter { own_routes: vec!["192.168.20.0/24".parse().expect("route")], ..filter() };
    let found = view.bindable(&routed);
    let mut names: Vec<_> = found.addresses.iter().map(|local| local.interface.as_str()).collect();
    names.sort_unstable();
    // The cable inside the host has one end in the bridge: port 14 is a way for others, so the bridge has two.
    assert_eq!(names, ["br-in", "eth0", "eth0.7", "gre10", "veth13", "veth14"]);
    view.interfaces.retain(|link| !link.is_cable);
    let found = view.bindable(&routed);
    let mut names: Vec<_> = found.addresses.iter().map(|local| local.interface.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["eth0", "eth0.7", "gre10"]);
    assert!(found.inside.contains(&"10.77.0.3/24".parse().expect("address")));
    assert!(found.inside.contains(&"10.100.6.1/24".parse().expect("address")));
}

#[test]
fn a_bridge_of_our_port_and_a_cable_is_the_way_out() {
    let mut view = HostView {
        interfaces: vec![
            device(2, "br0"),
            Interface { master: Some(2), ..device(3, "eth0") },
            Interface { master: Some(2), ..device(4, "ztabc") },
        ],
        addresses: vec![address(2, "192.168.1.100/24")],
        uplinks: vec![uplink(2)],
    };
    assert_eq!(names(&view), ["br0 192.168.1.100/24"]);
    view.interfaces[1].master = None;
    assert!(names(&view).is_empty(), "a bridge of our port alone leads nowhere else");
}

#[test]
fn wanted_addresses_are_found_where_they_are() {
    let view = HostView {
        interfaces: vec![device(1, "lo"), device(2, "eth0"), device(3, "ztabc")],
        addresses: vec![address(1, "127.0.0.1/8"), address(2, "10.0.0.9/24"), address(3, "10.77.0.3/24")],
        ..HostView::default()
    };
    let holder = |text: &str| view.holder(text.parse().expect("address"), &filter());
    assert!(matches!(holder("10.0.0.9"), Holder::Interface(local) if local.interface == "eth0" && local.index == 2));
    assert_eq!(holder("10.0.0.8"), Holder::Nowhere);
    assert_eq!(holder("10.77.0.3"), Holder::Inside);
    assert_eq!(holder("127.0.0.1"), Holder::Nowhere);
}
