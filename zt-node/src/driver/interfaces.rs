//! Which local addresses are bound, followed as interfaces come and go.

use super::trace::At;
use super::{Driver, StartError};
use crate::engine::Input;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Context;
use zt_tap::{Holder, HostView, InterfaceFilter, InterfaceWatch, LocalAddress};
use zt_wire::time::{Mono, Now};
use zt_wire::{IpPrefix, Scope};

/// Bindings beyond this number are not made (06 §5.1). Only `settings.bind` can ask for so many.
const MAX_BINDINGS: usize = 256;
/// After a look at the interfaces, the next one waits this many times as long as it took.
const REST: u32 = 10;

/// An address to bind, and where the host has it.
type Wanted = (SocketAddr, Option<LocalAddress>);

/// What is to be bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// UDP ports, the primary one first; 0 = any free port.
    pub(super) ports: Vec<u16>,
    /// Addresses; none = those of all suitable interfaces.
    pub(super) addresses: Vec<IpAddr>,
    /// Interfaces whose names begin so are not used.
    pub(super) excluded_prefixes: Vec<String>,
    /// Addresses in these blocks are not used.
    pub(super) excluded_blocks: Vec<IpPrefix>,
}

/// The interfaces of the host, and what was learnt from the last look at them.
pub(super) struct Interfaces {
    watch: Box<dyn InterfaceWatch>,
    pub(super) wish: Wish,
    /// What could not be bound, and is tried again.
    unbound: BTreeSet<SocketAddr>,
    /// What the engine was told of our own networks last: addresses, routes, and what is on other interfaces.
    told_prefixes: [Vec<IpPrefix>; 3],
    /// They cannot be listed, which was told.
    is_blind: bool,
    /// When they are looked at, after news of them, and the earliest time for that.
    pub(super) due: Option<Mono>,
    rest: Mono,
    /// Numbers of addresses that were left out, by interface, as they were told last.
    left_out: BTreeMap<String, usize>,
    /// Addresses of the settings that are on ports of ours, as they were told last.
    refused: BTreeSet<IpAddr>,
    /// Prefixes on our ports and what rides on them.
    inside: Vec<IpPrefix>,
    /// Prefixes on the other interfaces.
    outside: Vec<IpPrefix>,
    /// Numbers of interfaces at whose cable nothing was when they were looked at last.
    unplugged: BTreeSet<u32>,
}

impl Interfaces {
    pub(super) fn new(watch: Box<dyn InterfaceWatch>, wish: Wish) -> Self {
        Self {
            watch,
            wish,
            unbound: BTreeSet::new(),
            told_prefixes: Default::default(),
            is_blind: false,
            due: None,
            rest: Mono::ZERO,
            left_out: BTreeMap::new(),
            refused: BTreeSet::new(),
            inside: Vec::new(),
            outside: Vec::new(),
            unplugged: BTreeSet::new(),
        }
    }

    /// Interfaces at whose cable is something again since this was asked last.
    fn plugged_in(&mut self, view: &HostView) -> BTreeSet<u32> {
        let unplugged = view.interfaces.iter().filter(|interface| interface.unplugged);
        let now: BTreeSet<u32> = unplugged.map(|interface| interface.index).collect();
        let before = std::mem::replace(&mut self.unplugged, now);
        before.difference(&self.unplugged).copied().collect()
    }

    /// Takes news in; true when it is time to look.
    pub(super) fn poll_due(&mut self, now: Now, cx: &mut Context<'_>) -> bool {
        if self.watch.poll_changed(cx).is_ready() {
            self.look_again(now);
        }
        self.due.is_some_and(|due| due <= now.mono)
    }

    /// Prefixes on interfaces that are not ports of ours.
    pub(super) fn outside(&self) -> &[IpPrefix] {
        &self.outside
    }

    /// Whether something that is wanted could not be bound.
    pub(super) fn is_wanting(&self) -> bool {
        !self.unbound.is_empty()
    }

    /// The addresses are to be bound anew, as soon as it is time for another look.
    pub(super) fn look_again(&mut self, now: Now) {
        self.due.get_or_insert(self.rest.max(now.mono));
    }

    /// They were looked at, which took from `begin` to `end`. Looking takes long where there is much to see, and news may
    /// come one by one.
    pub(super) fn rest(&mut self, begin: Mono, end: Mono) {
        self.due = None;
        self.rest = end + end.saturating_since(begin) * REST;
    }

    /// What the host has. An error is told once, and the caller makes do without.
    fn look(&mut self) -> io::Result<HostView> {
        let view = self.watch.view();
        match &view {
            Err(error) if !self.is_blind => {
                tracing::warn!(%error, "cannot list the interfaces of this host; sockets are not tied to new ones");
            }
            _ => {}
        }
        self.is_blind = view.is_err();
        view
    }

    /// Remembers what the choice was made from, and says once what an operator should know of it.
    fn note(&mut self, choice: &mut Choice) {
        self.inside = std::mem::take(&mut choice.inside);
        self.outside = std::mem::take(&mut choice.outside);
        if self.wish.addresses.is_empty() {
            tell_left_out(&mut self.left_out, std::mem::take(&mut choice.left_out));
            return;
        }
        for ip in choice.refused.difference(&self.refused) {
            tracing::warn!(address = %ip, "settings.bind: not bound, the address is on one of our own networks");
        }
        self.refused = std::mem::take(&mut choice.refused);
    }
}

/// Addresses to bind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Choice {
    /// Best first; one that two interfaces have comes first on the better one.
    addresses: Vec<(IpAddr, Option<LocalAddress>)>,
    /// Of those asked for, the ones that are on ports of ours.
    refused: BTreeSet<IpAddr>,
    left_out: BTreeMap<String, usize>,
    inside: Vec<IpPrefix>,
    outside: Vec<IpPrefix>,
    /// Addresses of this host that are not on ports, as far as they are of use.
    underlay: BTreeSet<IpAddr>,
}

/// Chooses from what the host has: the addresses in `named`, or if that is empty those of all suitable interfaces.
fn choose(view: &HostView, filter: &InterfaceFilter, named: &[IpAddr]) -> Choice {
    let mut found = view.bindable(filter);
    if found.addresses.is_empty() {
        // A host that has nothing but a tunnel, as a container has in a network that needs no rights.
        found = view.bindable(&filter.with_tunnels());
    }
    let (inside, outside) = (std::mem::take(&mut found.inside), std::mem::take(&mut found.outside));
    let mut choice = Choice { left_out: found.left_out, inside, outside, ..Choice::default() };
    let all = found.addresses;
    choice.underlay = all.iter().map(|local| local.cidr.address()).collect();
    if named.is_empty() {
        choice.addresses = all.into_iter().map(|local| (local.cidr.address(), Some(local))).collect();
        return choice;
    }
    let wanted = &mut choice.addresses;
    for &ip in named {
        match view.holder(ip, filter) {
            // Of every interface: tied to each, or routes would lead some packets into our own ports.
            _ if ip.is_unspecified() => {
                let before = wanted.len();
                let alike = all.iter().filter(|local| local.cidr.address().is_ipv4() == ip.is_ipv4());
                wanted.extend(alike.map(|local| (local.cidr.address(), Some(local.clone()))));
                if wanted.len() == before {
                    wanted.push((ip, None));
                }
            }
            Holder::Nowhere => wanted.push((ip, None)),
            Holder::Inside => drop(choice.refused.insert(ip)),
            Holder::Interface(local) => {
                choice.underlay.insert(ip);
                wanted.push((ip, Some(local)));
            }
        }
    }
    choice
}

impl Driver {
    /// Binds for the first time.
    pub(super) fn rebind_at_start(&mut self, now: Now) -> Result<(), StartError> {
        let view = self.interfaces.look();
        let view = if self.interfaces.wish.addresses.is_empty() {
            Some(view.map_err(StartError::Interfaces)?)
        } else {
            view.ok()
        };
        let wanted = self.wanted(now, view);
        let mut failed = Vec::new();
        for (address, interface) in wanted {
            if let Err(error) = self.bind_one(now, address, interface) {
                failed.push((address, error));
            }
        }
        if self.links.udp().next().is_none() && !failed.is_empty() {
            let (address, error) = failed.swap_remove(0);
            return Err(StartError::Bind { address, error });
        }
        self.report_unbound(failed);
        Ok(())
    }

    /// Changes what is wanted. Where the interfaces cannot be listed, addresses that the operator names can be bound all
    /// the same.
    pub(super) fn set_wish(&mut self, now: Now, wish: Wish) -> io::Result<()> {
        if self.interfaces.wish == wish {
            return Ok(());
        }
        if wish.addresses.is_empty() {
            self.interfaces.look()?;
        }
        self.interfaces.wish = wish;
        self.rebind(now);
        Ok(())
    }

    /// Brings sockets in step with the addresses of this host.
    pub(super) fn rebind(&mut self, now: Now) {
        let view = self.interfaces.look().ok();
        let plugged_in = view.as_ref().map(|view| self.interfaces.plugged_in(view)).unwrap_or_default();
        let wanted = self.wanted(now, view);
        let ports = &self.interfaces.wish.ports;
        let gone = self.links.close_udp(|socket| {
            let is_it = |(address, interface): &Wanted| {
                matches(*address, socket.local, ports) && socket.is_tied_like(interface.as_ref())
            };
            wanted.iter().any(is_it)
        });
        // First: an address that moved to another interface is bound again.
        for link in gone {
            tracing::info!(local = %At(link.local), "no longer listening: the address is gone or belongs to another interface");
            self.hand_in(now, Input::LinkDown(link.id));
        }
        let mut failed = Vec::new();
        for (address, interface) in wanted {
            let is_it = |local: &SocketAddr| {
                local.ip() == address.ip() && (local.port() == address.port() || address.port() == 0)
            };
            let bound = self.links.udp().map(|socket| socket.local).find(is_it);
            match (bound, interface) {
                (None, interface) => {
                    if let Err(error) = self.bind_one(now, address, interface) {
                        failed.push((address, error));
                    }
                }
                (Some(local), Some(interface)) => {
                    if let Some(link) = self.links.set_interface(local, &interface) {
                        self.hand_in(now, Input::LinkUp(link));
                    }
                }
                (Some(_), None) => {}
            }
        }
        self.report_unbound(failed);
        // Nobody was heard for a while, and the cable may lead elsewhere now.
        for link in self.links.on_interfaces(&plugged_in) {
            tracing::debug!(local = %At(link.local), "the cable of its interface is plugged in again");
            self.hand_in(now, Input::LinkUp(link));
        }
        self.drain(now);
    }

    /// Remembers what to try again, and says once what an operator should know: that somebody else has the port, or that
    /// an address of the settings is not there. An address that is still being checked comes by itself.
    fn report_unbound(&mut self, failed: Vec<(SocketAddr, io::Error)>) {
        for (address, error) in &failed {
            let telling = error.kind() == io::ErrorKind::AddrInUse || !self.interfaces.wish.addresses.is_empty();
            if telling && !self.interfaces.unbound.contains(address) {
                tracing::warn!(%address, %error, "cannot bind; tried again every second");
            } else {
                tracing::debug!(%address, %error, "cannot bind yet");
            }
        }
        self.interfaces.unbound = failed.into_iter().map(|(address, _)| address).collect();
    }

    /// What to bind, best first; tells the engine what leads through our own ports.
    fn wanted(&mut self, now: Now, view: Option<HostView>) -> Vec<Wanted> {
        let mut addresses = match view {
            Some(view) => {
                let filter = self.filter();
                self.links.set_host(&view, &filter);
                let mut choice = choose(&view, &filter, &self.interfaces.wish.addresses);
                self.interfaces.note(&mut choice);
                let underlay: Vec<IpAddr> = choice.underlay.into_iter().collect();
                if let Err(error) = self.host.set_underlay(&underlay) {
                    // Sockets are tied to interfaces all the same.
                    tracing::debug!(%error, "cannot keep the underlay apart from default routes by rules");
                }
                self.links.set_locals(choice.addresses.iter().filter_map(|(_, local)| local.clone()).collect());
                choice.addresses
            }
            None => self.addresses_unseen(),
        };
        self.own_prefixes_changed(now);
        // An address that two interfaces have is bound on the better one.
        let mut seen = BTreeSet::new();
        addresses.retain(|(ip, _)| seen.insert(*ip));
        // All addresses on the primary port first: that is the order in which peers are told, and they try eight.
        let ports = self.interfaces.wish.ports.iter();
        let all = ports.flat_map(|&port| addresses.iter().map(move |(ip, held)| (*ip, port, held)));
        all.map(|(ip, port, held)| (SocketAddr::new(ip, port), held.clone())).take(MAX_BINDINGS).collect()
    }

    fn filter(&self) -> InterfaceFilter {
        let mut filter = InterfaceFilter {
            own_taps: self.ports.values().map(|port| port.tap.info().name.clone()).collect(),
            own_routes: self.ports.values().flat_map(|port| port.host.routes.iter().map(|r| r.target)).collect(),
            excluded_blocks: self.interfaces.wish.excluded_blocks.clone(),
            ..InterfaceFilter::default()
        };
        filter.excluded_prefixes.extend(self.interfaces.wish.excluded_prefixes.iter().cloned());
        filter
    }

    /// What to bind while the interfaces cannot be listed: what is bound, or what the operator names.
    fn addresses_unseen(&self) -> Vec<(IpAddr, Option<LocalAddress>)> {
        let bound = self.links.udp().map(|socket| (socket.local.ip(), socket.interface.clone()));
        let named = &self.interfaces.wish.addresses;
        if named.is_empty() {
            return bound.collect();
        }
        let bound: BTreeMap<_, _> = bound.collect();
        named.iter().map(|ip| (*ip, bound.get(ip).cloned().flatten())).collect()
    }

    /// Tells the engine which addresses lie inside our own networks, or are reached through them.
    pub(super) fn own_prefixes_changed(&mut self, now: Now) {
        let plain = |range: &IpPrefix| range.network();
        let managed = self.ports.values().flat_map(|port| port.host.addresses.iter());
        let mut own: Vec<_> = managed.chain(&self.interfaces.inside).map(plain).collect();
        let routes = self.ports.values().flat_map(|port| port.host.routes.iter());
        let mut through: Vec<_> = routes.map(|route| route.target).filter(is_private).map(IpPrefix::network).collect();
        let mut on_link: Vec<_> = self.interfaces.outside.iter().map(plain).collect();
        for list in [&mut own, &mut through, &mut on_link] {
            list.sort_unstable();
            list.dedup();
        }
        let told = [own, through, on_link];
        if self.interfaces.told_prefixes != told {
            self.interfaces.told_prefixes.clone_from(&told);
            let [own, through, on_link] = told;
            self.hand_in(now, Input::OwnPrefixes(own));
            self.hand_in(now, Input::Routed { through, on_link });
        }
    }

    fn bind_one(&mut self, now: Now, address: SocketAddr, interface: Option<LocalAddress>) -> io::Result<()> {
        let name = interface.as_ref().map(|local| local.interface.clone());
        let link = self.links.bind(address, interface)?;
        tracing::info!(local = %At(link.local), "listening");
        if let Some(name) = name {
            self.hand_in(now, Input::LinkInterface(link.id, &name));
        }
        self.hand_in(now, Input::LinkUp(link));
        Ok(())
    }
}

/// Whether a routed prefix is one that nobody has outside. Public addresses, default routes among them, are reached by our
/// sockets where they are, whatever is routed: they are tied to interfaces.
fn is_private(prefix: &IpPrefix) -> bool {
    [prefix.first(), prefix.last()].into_iter().all(|ip| matches!(Scope::of(ip), Scope::Private | Scope::Shared))
}

/// Says what is not bound, once, and again when it is other interfaces.
fn tell_left_out(told: &mut BTreeMap<String, usize>, left_out: BTreeMap<String, usize>) {
    if !left_out.is_empty() && !left_out.keys().eq(told.keys()) {
        let list: Vec<String> = left_out.iter().map(|(interface, count)| format!("{interface}: {count}")).collect();
        tracing::warn!(
            left_out = list.join(", "),
            "this host has more addresses than are useful: the first of each interface are bound; to choose others, name \
             them in settings.bind of local.conf"
        );
    }
    *told = left_out;
}

/// Whether a bound socket is one that is wanted: port 0 stands for whatever port was given.
fn matches(wanted: SocketAddr, bound: SocketAddr, ports: &[u16]) -> bool {
    wanted.ip() == bound.ip()
        && (wanted.port() == bound.port() || (wanted.port() == 0 && !ports.contains(&bound.port())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_tap::interfaces::{Interface, InterfaceAddress};

    fn view() -> HostView {
        let device = |index, name: &str| {
            let name = name.to_owned();
            Interface { index, name, mtu: 1500, up: true, ..Interface::default() }
        };
        let address = |index, text: &str| InterfaceAddress::new(index, text.parse().expect("an address"));
        HostView {
            interfaces: vec![device(2, "eth0"), device(3, "eth1"), device(4, "ours")],
            addresses: vec![address(2, "10.0.0.1/24"), address(3, "10.1.0.1/24"), address(4, "10.2.0.1/24")],
            uplinks: Vec::new(),
        }
    }

    fn chosen(named: &[&str]) -> (Vec<String>, BTreeSet<IpAddr>) {
        let filter = InterfaceFilter { own_taps: BTreeSet::from(["ours".to_owned()]), ..InterfaceFilter::default() };
        let named: Vec<IpAddr> = named.iter().map(|text| text.parse().expect("an address")).collect();
        let choice = choose(&view(), &filter, &named);
        let name = |(ip, local): (IpAddr, Option<LocalAddress>)| {
            format!("{ip} {}", local.map_or("nowhere".to_owned(), |local| local.interface))
        };
        (choice.addresses.into_iter().map(name).collect(), choice.refused)
    }

    #[test]
    fn without_wishes_all_suitable_addresses_are_bound() {
        assert_eq!(chosen(&[]), (vec!["10.0.0.1 eth0".to_owned(), "10.1.0.1 eth1".to_owned()], BTreeSet::new()));
    }

    #[test]
    fn a_host_with_nothing_but_a_tunnel_goes_by_it() {
        let mut view = view();
        view.interfaces[0].name = "tap0".to_owned();
        let bound = |view: &HostView, filter: &InterfaceFilter| -> Vec<String> {
            choose(view, filter, &[]).addresses.iter().map(|(ip, _)| ip.to_string()).collect()
        };
        let filter = InterfaceFilter { own_taps: BTreeSet::from(["ours".to_owned()]), ..InterfaceFilter::default() };
        assert_eq!(bound(&view, &filter), ["10.1.0.1"], "there is another");
        view.interfaces[1].name = "zt7nnig26".to_owned();
        assert_eq!(bound(&view, &filter), ["10.0.0.1"], "and never by a network of the kind");
        let mut told = filter;
        told.excluded_prefixes.push("tap".to_owned());
        assert_eq!(bound(&view, &told), [""; 0], "somebody said so");
    }

    #[test]
    fn a_wish_is_tied_to_its_interface_and_never_to_a_port_of_ours() {
        let inside = "10.2.0.1";
        let (bound, refused) = chosen(&["10.1.0.1", inside, "192.0.2.1", "127.0.0.1"]);
        assert_eq!(bound, ["10.1.0.1 eth1", "192.0.2.1 nowhere", "127.0.0.1 nowhere"]);
        assert_eq!(refused, BTreeSet::from([inside.parse().expect("an address")]));
    }

    #[test]
    fn the_unspecified_address_stands_for_all_of_its_family() {
        assert_eq!(chosen(&["0.0.0.0"]).0, ["10.0.0.1 eth0", "10.1.0.1 eth1"]);
        assert_eq!(chosen(&["::"]).0, [":: nowhere"]);
    }

    #[test]
    fn a_cable_that_is_plugged_in_again_is_noticed_once() {
        let mut interfaces = Interfaces::new(Box::new(zt_tap::MemoryInterfaces::new(view())), Wish::default());
        let mut pulled = view();
        pulled.interfaces[1].unplugged = true;
        assert!(interfaces.plugged_in(&view()).is_empty() && interfaces.plugged_in(&pulled).is_empty());
        assert_eq!(interfaces.plugged_in(&view()), BTreeSet::from([3]));
        assert!(interfaces.plugged_in(&view()).is_empty());
        _ = interfaces.plugged_in(&pulled);
        let gone = HostView::default();
        assert_eq!(interfaces.plugged_in(&gone), BTreeSet::from([3]), "nothing is bound there then");
    }

    #[test]
    fn looks_are_rare_where_they_take_long() {
        let memory = zt_tap::MemoryInterfaces::new(view());
        let mut interfaces = Interfaces::new(Box::new(memory.clone()), Wish::default());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let at = |ms| Now { mono: Mono::from_millis(ms), unix_ms: 0 };
        assert!(!interfaces.poll_due(at(1000), &mut cx), "no news");
        memory.set(view());
        assert!(interfaces.poll_due(at(2000), &mut cx));
        interfaces.rest(at(2000).mono, at(2100).mono);
        memory.set(view());
        assert!(!interfaces.poll_due(at(3099), &mut cx), "it took 100 ms, so the next one has 1 s to wait");
        assert!(interfaces.poll_due(at(3100), &mut cx));
    }
}
