use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use zt_tap::{InterfaceFilter, InterfaceWatcher, LocalAddress};

use crate::{cidr, device, namespace};

pub(crate) fn changed(watcher: &mut InterfaceWatcher) -> bool {
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        if watcher.take_events().expect("events") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

fn bindable(watcher: &mut InterfaceWatcher, filter: &InterfaceFilter) -> Vec<LocalAddress> {
    watcher.view().expect("list").bindable(filter).addresses
}

fn settle(watcher: &mut InterfaceWatcher) {
    std::thread::sleep(Duration::from_millis(50));
    watcher.take_events().expect("events");
}

#[test]
fn changes_are_told_and_addresses_listed() {
    let (Some(ns), Some(other)) = (namespace(), namespace()) else {
        return;
    };
    let mut watcher = ns.run(InterfaceWatcher::new).expect("run").expect("watcher");
    let filter = InterfaceFilter::default();
    assert!(!watcher.take_events().expect("events"));
    ns.connect("eth0", &other, "eth0").expect("cable");
    assert!(changed(&mut watcher), "link");
    settle(&mut watcher);
    assert!(bindable(&mut watcher, &filter).is_empty());

    for text in ["10.0.0.1/24", "192.0.2.1/24", "fd00::1/64", "2001:db8::1/64"] {
        ns.add_address("eth0", cidr(text)).expect("address");
        assert!(changed(&mut watcher), "{text}");
        settle(&mut watcher);
    }
    let list = |watcher: &mut InterfaceWatcher, filter: &InterfaceFilter| {
        let found = bindable(watcher, filter);
        assert!(found.iter().all(|local| local.interface == "eth0" && local.index > 0 && local.mtu == 1500));
        let mut found: Vec<_> = found.iter().map(|local| local.cidr.to_string()).collect();
        found.sort();
        found
    };
    let all = ["10.0.0.1/24", "192.0.2.1/24", "2001:db8::1/64", "fd00::1/64"];
    assert_eq!(list(&mut watcher, &filter), all);

    let strict = InterfaceFilter { excluded_blocks: vec![cidr("10.0.0.0/8"), cidr("fd00::/8")], ..filter.clone() };
    assert_eq!(list(&mut watcher, &strict), [all[1], all[2]]);
    let mut none = filter.clone();
    none.excluded_prefixes.push("et".into());
    assert!(list(&mut watcher, &none).is_empty());

    ns.delete_address("eth0", cidr("10.0.0.1/24")).expect("address");
    assert!(changed(&mut watcher), "removal");
    assert_eq!(list(&mut watcher, &filter), all[1..]);
    ns.set_up("eth0", false).expect("down");
    assert!(changed(&mut watcher), "down");
    assert!(list(&mut watcher, &filter).is_empty());
}

#[test]
fn our_own_ports_never_count() {
    let Some(ns) = namespace() else { return };
    let (Some(_zt), Some(_named)) = (device(&ns, "zttest0", 1), device(&ns, "mynet", 2)) else {
        return;
    };
    let mut watcher = ns.run(InterfaceWatcher::new).expect("run").expect("watcher");
    for (name, text) in [("zttest0", "10.44.0.1/24"), ("mynet", "10.45.0.1/24")] {
        ns.set_up(name, true).expect("up");
        ns.add_address(name, cidr(text)).expect("address");
    }
    let mut filter = InterfaceFilter::default();
    let found = bindable(&mut watcher, &filter);
    assert_eq!(found.len(), 1, "{found:?}");
    filter.own_taps.insert("mynet".into());
    assert!(bindable(&mut watcher, &filter).is_empty());

    let taps = BTreeSet::from(["zttest0", "mynet"].map(str::to_owned));
    let own = watcher.addresses_of(&taps).expect("list");
    let own: Vec<_> =
        own.iter().filter(|local| local.cidr.is_ipv4()).map(|local| (local.interface.as_str(), local.cidr)).collect();
    assert_eq!(own, [("mynet", cidr("10.45.0.1/24")), ("zttest0", cidr("10.44.0.1/24"))]);
}
