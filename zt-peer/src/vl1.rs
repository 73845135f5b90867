//! The machine: its state and how it is made. What it does is in the files named after it.
//!
//! They lie in layers. A file calls those below it and nobody calls back:
//!
//! 1. `known` changes nothing; `owner` asks the owner, `persist` gives it records;
//! 2. `proof`, `write`: packets, and who pays for them;
//! 3. `ask`, `care`, `seek`: HELLO and ECHO to peers, roots kept in touch with, and who is looked for on a cable;
//! 4. `route`: which way messages go, and what follows when it changes;
//! 5. `whois`, `worlds`, `level`: who is asked for, who is a root, how bad a link may be;
//! 6. `bonds`, `paths`: what a peer decided about its paths is done;
//! 7. `hello`, `push_paths`, `rendezvous`, `relay`: verbs;
//! 8. `receive`, then `foresight`, `strangers`, `jobs`, `round`, `send`, `links`, `resume`, `mtu`, `consent`, `view`: what the owner
//!    calls.

mod ask;
mod bonds;
mod care;
mod consent;
mod foresight;
mod hello;
mod jobs;
mod known;
mod level;
mod links;
mod mtu;
mod owner;
mod paths;
mod persist;
mod ping;
mod proof;
mod push_paths;
mod receive;
mod relay;
mod rendezvous;
mod resume;
mod round;
mod route;
mod seek;
mod send;
mod strangers;
mod train;
mod view;
mod whois;
mod worlds;
mod write;

pub use bonds::BondMtuError;

use std::sync::Arc;

use zt_crypto::SecretIdentity;
use zt_wire::{Address, Identity, Now};

use crate::bond::BondConfig;
use crate::config::Vl1Config;
use crate::directory::Directory;
use crate::drop_reason::{DropCounters, DropReason};
use crate::event::Vl1Event;
use crate::event_queue::Events;
use crate::links::{Asks, Links};
use crate::path_proof::HeldAnswers;
use crate::path_uses::PathUses;
use crate::peer_table::PeerTable;
use crate::roots::Roots;
use crate::schedule::Schedule;
use crate::surface::Surface;
use crate::waiting::Waiting;
use crate::wire::Wire;

/// VL1 of one node: peers, paths and roots as one pure state machine.
///
/// It has no socket, clock, thread or file. After every call take what it put into the [`Transmits`](crate::Transmits)
/// batch, then [`Vl1::poll_job`], [`Vl1::poll_ready`] and [`Vl1::poll_event`] until they are empty, and call
/// [`Vl1::handle_timeout`] when the time of [`Vl1::poll_timeout`] has come.
pub struct Vl1 {
    wire: Wire,
    links: Links,
    bonding: BondConfig,
    peers: PeerTable,
    paths: PathUses,
    roots: Roots,
    waiting: Waiting,
    directory: Directory,
    surface: Surface,
    held: HeldAnswers,
    events: Events,
    hears: Hears,
    drops: DropCounters,
    schedule: Schedule,
    train: train::Train,
}

/// Which messages the owner wants.
struct Hears {
    messages: bool,
    traces: bool,
}

impl Vl1 {
    /// A node without links and worlds.
    pub fn new(now: Now, config: Vl1Config) -> Self {
        let Vl1Config { identity, version, entropy, has_peer_cache, allow_loopback, .. } = config;
        let Vl1Config { ask_paths, ask_addresses, hear_messages, .. } = config;
        Self {
            wire: Wire::new(identity, version, entropy),
            links: Links::new(allow_loopback, Asks { paths: ask_paths, addresses: ask_addresses }),
            bonding: BondConfig::default(),
            peers: PeerTable::default(),
            paths: PathUses::default(),
            roots: Roots::default(),
            waiting: Waiting::default(),
            directory: Directory::new(has_peer_cache),
            surface: Surface::default(),
            held: HeldAnswers::default(),
            events: Events::default(),
            hears: Hears { messages: hear_messages, traces: hear_messages },
            drops: DropCounters::new(),
            schedule: Schedule::new(now.mono),
            train: train::Train::None,
        }
    }

    /// Our secret identity, for [`Job::run`](crate::Job::run).
    pub const fn secret(&self) -> &Arc<SecretIdentity> {
        self.wire.secret()
    }

    /// Our public identity.
    pub const fn identity(&self) -> &Identity {
        self.wire.own()
    }

    /// Our address.
    pub const fn address(&self) -> Address {
        self.wire.address()
    }

    /// The owner wants REMOTE_TRACE, although no other messages ([`Vl1Config::hear_messages`]): a controller does.
    pub fn hear_traces(&mut self) {
        self.hears.traces = true;
    }

    /// Nothing is encrypted with AES from now on, in either direction: peers are told a protocol that has none (01 §5.5), and
    /// what they send with it all the same is opened. Before the first packet.
    pub const fn leave_out_aes(&mut self) {
        self.wire.leave_out_aes();
    }

    /// Low-bandwidth mode (03 §14): the node says as little as it can while it has nothing to say.
    pub const fn set_low_bandwidth(&mut self, low: bool) {
        self.schedule.set_low_bandwidth(low);
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<Vl1Event> {
        self.events.pop()
    }

    fn event(&mut self, event: Vl1Event) {
        if let Some(reason) = self.events.push(event) {
            self.drops.add(reason);
        }
    }

    /// Counts a refusal and returns it.
    fn refuse(&mut self, reason: DropReason) -> DropReason {
        self.drops.add(reason);
        reason
    }

    fn count(&mut self, reason: DropReason, times: u64) {
        for _ in 0..times.min(1 << 20) {
            self.drops.add(reason);
        }
    }
}

#[cfg(test)]
mod tests;
