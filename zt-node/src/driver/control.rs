//! What other tasks may do with a running node.

use super::Driver;
use super::interfaces::Wish;
use super::pings::Asked;
use super::ports::Port;
use super::store::Unwritten;
use super::trace_log::KeptTrace;
use crate::engine::Engine;
use crate::status::{NetworkStatus, NodeStatus, PortOffloadStatus};
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;
use zt_netconf::controller::{Answered, ApiOutcome, Command, CommandError};
use zt_peer::{Accepted, BondConfig, PhysicalPrefix, SendError, Source, VirtualPeer, WorldRefused};
use zt_wire::time::Now;
use zt_wire::{Address, InetAddress, NetworkId, World};

/// The controls of a node, between two packets.
pub struct Control<'a> {
    pub(super) driver: &'a mut Driver,
    /// The present moment.
    pub now: Now,
}

impl<'a> Control<'a> {
    pub(super) fn new(driver: &'a mut Driver, now: Now) -> Self {
        Self { driver, now }
    }

    /// The engine.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.driver.engine
    }

    /// Asks the node to end.
    pub fn stop(&mut self) {
        self.driver.stop = true;
    }

    /// State of the node.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let mut status = self.driver.engine.status(self.now);
        status.listening_on = self.driver.links.udp().map(|socket| InetAddress::from(socket.local)).collect();
        status.traffic = self.driver.links.traffic();
        status.drops.extend(self.driver.links.unsent().iter());
        status.drops.extend(self.driver.port_drops());
        status.trouble.extend(self.driver.persistence.trouble());
        let store = "the controller's store cannot be written: changes are refused until it can; the log says why";
        status.trouble.extend(self.driver.store_fails.then(|| store.to_owned()));
        status.offload.udp = self.driver.links.udp_offload(self.now.mono);
        status.offload.ports = self.port_offloads().collect();
        status
    }

    /// What ports that are devices and the kernel leave to each other.
    fn port_offloads(&self) -> impl Iterator<Item = PortOffloadStatus> {
        self.driver.ports.iter().filter_map(|(&network, Port { tap, .. })| {
            let offloads = tap.offloads()?;
            let (from_kernel, to_kernel) = (offloads.from_host.name(), offloads.to_host.name());
            Some(PortOffloadStatus { network, device: tap.info().name.clone(), from_kernel, to_kernel })
        })
    }

    /// State of all joined networks.
    #[must_use]
    pub fn networks(&self) -> Vec<NetworkStatus> {
        let mut networks = self.driver.engine.networks();
        for network in &mut networks {
            if let Some(port) = self.driver.ports.get(&network.id) {
                port.tap.info().name.clone_into(&mut network.device);
                network.device_problem.clone_from(&port.name_problem);
                network.dns_status = port.dns.status();
                network.withheld.extend(self.driver.without_effect(network.id));
            }
        }
        networks
    }

    /// Traces of members (04 §8) that came after a number, oldest first: the last thousand are kept.
    #[must_use]
    pub fn traces(&self, after: u64) -> Vec<Arc<KeptTrace>> {
        self.driver.traces.after(after)
    }

    /// Takes over what the operator says about bonds (03 §15).
    pub fn set_bonding(&mut self, config: BondConfig) {
        let driver = &mut *self.driver;
        driver.engine.vl1_mut().set_bonding(self.now, config, &mut driver.outbox.transmits);
    }

    /// Low-bandwidth mode (03 §14), on or off.
    pub fn set_low_bandwidth(&mut self, low: bool) {
        self.driver.engine.set_low_bandwidth(self.now, low);
    }

    /// Makes the next path of an active-backup bond the active one; false without such a bond, or another path.
    pub fn rotate_bond(&mut self, peer: Address) -> bool {
        self.driver.engine.vl1_mut().rotate_bond(self.now, peer)
    }

    /// Asks a peer to answer, if it would: [`Handle::ping`](super::Handle::ping) waits for that. Whoever is not patient asks all
    /// the same.
    pub(super) fn ping(&mut self, peer: Address, is_patient: bool) -> Result<Asked, SendError> {
        let Driver { engine, outbox, pings, .. } = &mut *self.driver;
        let wait = engine.vl1().ping_wait(self.now.mono, peer);
        if is_patient && !wait.is_zero() {
            return Ok(Asked::Later(wait));
        }
        let (token, answer) = pings.ask();
        engine.vl1_mut().ping(self.now, peer, token, &mut outbox.transmits)?;
        Ok(Asked::Now(answer))
    }

    /// Leaves a network and forgets it; true when it was joined. [`Handle::keep`](super::Handle::keep) waits until its
    /// files are gone.
    pub fn leave(&mut self, network: NetworkId) -> bool {
        self.driver.engine.leave(network)
    }

    /// Adds or updates a planet or moon given by the operator, live.
    ///
    /// # Errors
    /// The world is refused, with the reason.
    pub fn add_world(&mut self, world: World) -> Result<Accepted, WorldRefused> {
        self.driver.offer_world(self.now, world, Source::Operator)
    }

    /// Forgets a planet; false when it is not known.
    pub fn remove_planet(&mut self, id: u64) -> bool {
        let Driver { engine, outbox, .. } = &mut *self.driver;
        engine.vl1_mut().remove_planet(self.now, id, &mut outbox.transmits)
    }

    /// Orbits a moon.
    pub fn orbit(&mut self, id: u64, seed: Option<Address>) {
        let Driver { engine, outbox, .. } = &mut *self.driver;
        engine.vl1_mut().orbit(self.now, id, seed, &mut outbox.transmits);
    }

    /// Forgets a moon; false when it is not known.
    pub fn deorbit(&mut self, id: u64) -> bool {
        let Driver { engine, outbox, .. } = &mut *self.driver;
        engine.vl1_mut().deorbit(self.now, id, &mut outbox.transmits)
    }

    /// Tells whether a commit became durable, once that is known.
    pub(super) fn when_committed(&mut self, seq: u64) -> oneshot::Receiver<Result<(), Unwritten>> {
        let (sender, receiver) = oneshot::channel();
        self.driver.commit_waiters.push((seq, sender));
        receiver
    }

    /// Sets which interfaces are not bound: names with these prefixes, addresses in these blocks.
    pub fn set_interface_blacklist(&mut self, prefixes: Vec<String>, blocks: Vec<zt_wire::IpPrefix>) {
        let wish = Wish { excluded_prefixes: prefixes, excluded_blocks: blocks, ..self.driver.interfaces.wish.clone() };
        if wish != self.driver.interfaces.wish {
            self.driver.interfaces.wish = wish;
            self.driver.rebind(self.now);
        }
    }

    /// Sets which addresses are bound (empty: those of all suitable interfaces) and on which ports.
    ///
    /// # Errors
    /// The host's interfaces cannot be watched.
    pub fn set_bind(&mut self, addresses: Vec<std::net::IpAddr>, ports: Vec<u16>) -> io::Result<()> {
        let wish = Wish { addresses, ports, ..self.driver.interfaces.wish.clone() };
        self.driver.set_wish(self.now, wish)
    }

    /// Executes a command of the controller's administrator.
    pub(super) fn controller_command(&mut self, command: Command) -> Option<Result<Answered, CommandError>> {
        self.driver.engine.controller_command(self.now, command)
    }

    /// Executes a call of the controller's interface.
    pub(super) fn controller_api(&mut self, strict: bool, method: &str, path: &str, body: &[u8]) -> Option<ApiOutcome> {
        match strict {
            true => self.driver.engine.controller_api_strict(self.now, method, path, body),
            false => self.driver.engine.controller_api(self.now, method, path, body),
        }
    }

    /// Sets the `physical` entries of local.conf.
    pub fn set_physical(&mut self, prefixes: Vec<PhysicalPrefix>) {
        self.driver.engine.vl1_mut().set_physical(prefixes);
    }

    /// Sets the `virtual` entries of local.conf.
    pub fn set_virtual(&mut self, peers: Vec<VirtualPeer>) {
        self.driver.engine.vl1_mut().set_virtual(peers);
    }
}
