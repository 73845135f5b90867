//! One node's engine with what both interfaces keep beside it. Whoever holds it holds the node's only lock, so nothing
//! here calls the host: what the host has to do comes out as a list.

use crate::clock::HostClock;
use crate::store;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use zt_crypto::{Entropy, SecretIdentity, verify_world};
use zt_netconf::Settings;
use zt_netconf::controller::{Change, Record};
use zt_node::OsEntropy;
use zt_node::engine::{Engine, EngineConfig, Input, Outbox, Output};
use zt_peer::{Job, Source, WorldRefused};
use zt_wire::time::{Mono, Now};
use zt_wire::world::WorldKind;
use zt_wire::{MulticastGroup, NetworkId, Parse as _, Reader, World};

/// Slow jobs (an identity takes tens of milliseconds) that one call of the host does at most.
pub(crate) const JOBS_PER_CALL: usize = 2;

/// A host that calls so much later than it was asked to was not running.
const LATE: Duration = Duration::from_secs(5);
/// A host calls after so long even if nothing is due: the longest interval that either interface gives.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// An engine and what belongs to it.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) clock: HostClock,
    /// When the engine wants to be called again.
    due: Option<Mono>,
    /// Time of the latest call that had one.
    called: Mono,
    /// Slow work that waits for a call with time for it.
    jobs: VecDeque<Job>,
    /// Commits of the controller that wait to be written, in order.
    commits: VecDeque<(u64, Vec<Change>)>,
    /// ID of the planet that is stored under the name of old.
    pub(crate) first_planet: Option<u64>,
    /// Groups that the host subscribed to, by network.
    subscribed: BTreeMap<NetworkId, BTreeSet<MulticastGroup>>,
}

/// How an interface wants its engine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// The host is asked before an address becomes a path.
    pub(crate) ask_paths: bool,
    /// The host is asked for addresses of peers.
    pub(crate) ask_addresses: bool,
    /// The host wants the messages of peers.
    pub(crate) hear_messages: bool,
}

impl Machine {
    pub(crate) fn new(now: i64, identity: Arc<SecretIdentity>, wishes: Wishes) -> Self {
        let clock = HostClock::new(now);
        let entropy = || -> Box<dyn Entropy + Send> { Box::new(OsEntropy) };
        let config = EngineConfig {
            identity,
            vl1_entropy: entropy(),
            vl2_entropy: entropy(),
            controller_entropy: None,
            has_peer_cache: true,
            allow_loopback: false,
            ask_paths: wishes.ask_paths,
            ask_addresses: wishes.ask_addresses,
            hear_messages: wishes.hear_messages,
        };
        let engine = Engine::new(clock.now(), config);
        Self {
            engine,
            clock,
            due: None,
            called: clock.now().mono,
            jobs: VecDeque::new(),
            commits: VecDeque::new(),
            first_planet: None,
            subscribed: BTreeMap::new(),
        }
    }

    /// Loads the planet of the store, or without one the public planet. A damaged planet is no reason to talk to
    /// strangers: then there is none.
    pub(crate) fn load_planet(&mut self, stored: Option<&[u8]>, outbox: &mut Outbox) -> Result<(), WorldRefused> {
        let Some(stored) = stored else {
            let public = World::parse(&mut Reader::new(zt_node::PUBLIC_PLANET)).map_err(|_| WorldRefused::Kind)?;
            return self.load(public, Source::BuiltIn, outbox);
        };
        self.first_planet = World::parse(&mut Reader::new(stored)).ok().map(|world| world.id);
        self.load_stored(stored, outbox)
    }

    /// Loads a planet or moon as it was stored.
    pub(crate) fn load_stored(&mut self, bytes: &[u8], outbox: &mut Outbox) -> Result<(), WorldRefused> {
        let world = World::parse(&mut Reader::new(bytes)).map_err(|_| WorldRefused::Kind)?;
        // What proves itself here need not be proved and stored once more.
        let source = match verify_world(&world, &world.update_key) {
            true => Source::Saved,
            false => self.engine.vl1().source_of_stored(bytes),
        };
        self.load(world, source, outbox)
    }

    fn load(&mut self, world: World, source: Source, outbox: &mut Outbox) -> Result<(), WorldRefused> {
        let now = self.clock.now();
        self.engine.vl1_mut().load_world(now, world, source, &mut outbox.transmits).map(|_| ())
    }

    pub(crate) fn handle(&mut self, now: Now, input: Input<'_>, outbox: &mut Outbox) {
        self.note_sleep(now, outbox);
        self.engine.handle(now, input, outbox);
    }

    /// Tells the engine of a sleep before anything else that follows it: there is no call by which a host could.
    fn note_sleep(&mut self, now: Now, outbox: &mut Outbox) {
        let called = std::mem::replace(&mut self.called, now.mono);
        let wanted = self.due.map_or(called + LONGEST_WAIT, |due| due.max(called));
        if now.mono.saturating_since(wanted) >= LATE {
            self.engine.handle(now, Input::Resumed(now.mono.saturating_since(called)), outbox);
        }
    }

    /// Hands the time in, if something is due.
    pub(crate) fn handle_time(&mut self, now: Now, outbox: &mut Outbox) {
        self.note_sleep(now, outbox);
        if self.due.is_some_and(|due| due <= now.mono) {
            self.due = None;
            self.engine.handle(now, Input::Timeout, outbox);
        }
    }

    /// Appends what there is to do; slow jobs wait for [`Machine::next_job`].
    pub(crate) fn drain(&mut self, outbox: &mut Outbox, todo: &mut Vec<Output>) {
        let now = self.clock.now();
        loop {
            match self.engine.poll(now, outbox) {
                Output::Wait(due) => {
                    self.due = due;
                    return;
                }
                Output::Job(job @ (Job::Admit { .. } | Job::Introduce { .. })) => self.jobs.push_back(job),
                Output::Commit { seq, changes } => self.commits.push_back((seq, changes)),
                Output::Persist(persist) => {
                    self.note_planet(&persist);
                    todo.push(Output::Persist(persist));
                }
                output => todo.push(output),
            }
        }
    }

    /// The first planet that is to be stored takes the name of old.
    fn note_planet(&mut self, persist: &zt_node::engine::Persist) {
        if let zt_node::engine::Persist::World(WorldKind::Planet, id, Some(_)) = persist {
            self.first_planet.get_or_insert(*id);
        }
    }

    /// Work to do without the lock.
    pub(crate) fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// The next commit to write, without the lock.
    pub(crate) fn next_commit(&mut self) -> Option<(u64, Vec<Change>)> {
        self.commits.pop_front()
    }

    /// When the host has to call again.
    pub(crate) fn due(&self, now: Now) -> Option<Mono> {
        if self.jobs.is_empty() && self.commits.is_empty() { self.due } else { Some(now.mono) }
    }

    pub(crate) fn join(&mut self, network: NetworkId, saved: Option<&[u8]>, outbox: &mut Outbox) {
        let now = self.clock.now();
        // What the controller assigns is told; the host decides what it makes of it.
        let settings = Settings { allow_global: true, allow_default: true, allow_dns: true, ..Settings::default() };
        self.engine.join(now, network, saved, settings, outbox);
    }

    pub(crate) fn leave(&mut self, network: NetworkId) -> bool {
        self.subscribed.remove(&network);
        self.engine.leave(network)
    }

    pub(crate) fn is_joined(&self, network: NetworkId) -> bool {
        self.engine.vl2().network(network).is_some()
    }

    /// Subscribes to a group or ends that. False when the network is not joined.
    pub(crate) fn subscribe(
        &mut self,
        network: NetworkId,
        group: MulticastGroup,
        wanted: bool,
        outbox: &mut Outbox,
    ) -> bool {
        if !self.is_joined(network) {
            return false;
        }
        let groups = self.subscribed.entry(network).or_default();
        let changed = if wanted { groups.len() < MAX_GROUPS && groups.insert(group) } else { groups.remove(&group) };
        if changed {
            self.announce_groups(network, outbox);
        }
        true
    }

    /// Tells the engine the groups of a port: those the host asked for, and address resolution for the addresses that
    /// the controller assigned, without which nobody would find them.
    pub(crate) fn announce_groups(&mut self, network: NetworkId, outbox: &mut Outbox) {
        let Some(joined) = self.engine.vl2().network(network) else { return };
        let assigned = joined.config().map(|config| config.addresses.as_slice()).unwrap_or_default();
        let mut groups: BTreeSet<MulticastGroup> =
            assigned.iter().filter_map(|address| address.ip()).map(MulticastGroup::for_ip).collect();
        groups.extend(self.subscribed.get(&network).into_iter().flatten());
        let groups: Vec<MulticastGroup> = groups.into_iter().collect();
        let now = self.clock.now();
        self.engine.handle(now, Input::Groups(network, &groups), outbox);
    }

    /// Makes the node a controller with these records.
    pub(crate) fn start_controller(&mut self, records: Vec<Record>) {
        self.engine.enable_controller(Box::new(OsEntropy));
        for record in records {
            self.engine.feed_controller(record);
        }
        self.engine.start_controller();
    }
}

/// Groups that a host may subscribe to on one network (08 §A.1, ZT_MAX_NETWORK_MULTICAST_SUBSCRIPTIONS).
const MAX_GROUPS: usize = 4096;

/// The saved configuration of a network that a host may join.
pub(crate) fn saved_network(
    store: &dyn store::DataStore,
    network: NetworkId,
) -> Result<Option<Vec<u8>>, store::StoreFailed> {
    store.get(&zt_node::StateKey::NetworkConfig(network).name())
}
