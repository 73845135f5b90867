//! Planets and moons as the owner handles them, and what comes of a new one.

use zt_crypto::{verify, verify_world};
use zt_wire::{Address, Emit, Identity, Now, Signature, World, WorldKind};

use super::Vl1;
use crate::directory::Admission;
use crate::directory::whois::Asker;
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::roots::{Accepted, Source, WorldRefused};
use crate::transmit::Transmits;

/// Between a stored world and our signature of it. Other software reads the world and ignores what follows.
const VOUCHED: &[u8] = b"\0kept by zt\0";

impl Vl1 {
    /// Offers a planet or moon. Several planets are in use together, each by its ID: roots are the union of all.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn load_world(
        &mut self,
        now: Now,
        world: World,
        source: Source,
        out: &mut Transmits,
    ) -> Result<Accepted, WorldRefused> {
        let bytes = world.to_vec();
        let (kind, id) = (world.kind, world.id);
        let peers = &self.peers;
        let known = |a: Address| peers.find(a).map(|p| *p.identity());
        let accepted = self.roots.offer(world, source, self.wire.own(), known)?;
        if accepted != Accepted::Unchanged {
            if !matches!(source, Source::Saved | Source::BuiltIn) {
                let bytes = self.provable(kind, id, bytes);
                self.event(Vl1Event::WorldUpdated { kind, id, bytes });
            }
            self.roots_changed(now, out);
        }
        Ok(accepted)
    }

    /// Stops using a planet.
    pub fn remove_planet(&mut self, now: Now, id: u64, out: &mut Transmits) -> bool {
        self.remove_world(now, WorldKind::Planet, id, out)
    }

    /// Wants the moon `id`, which `seed` (or, without one, any root) will give in answer to a HELLO.
    pub fn orbit(&mut self, now: Now, id: u64, seed: Option<Address>, out: &mut Transmits) {
        self.roots.want(id, seed);
        if let Some(seed) = seed {
            self.whois(now, seed, out);
        }
        let known_seed = seed.and_then(|seed| self.peers.id(seed));
        for id in self.upstream_ids().into_iter().chain(known_seed) {
            self.peers.get_mut(id).greetings_mut().hurry();
        }
        self.schedule.hurry_round(now.mono);
    }

    /// Forgets a moon and does not want it any more.
    pub fn deorbit(&mut self, now: Now, id: u64, out: &mut Transmits) -> bool {
        self.remove_world(now, WorldKind::Moon, id, out)
    }

    /// All worlds in use: planets, then moons, by ID.
    pub fn worlds(&self) -> impl Iterator<Item = &World> + '_ {
        self.roots.worlds()
    }

    /// Moons wanted and not there yet, with a seed.
    pub fn wanted_moons(&self) -> impl Iterator<Item = (u64, Option<Address>)> + '_ {
        self.roots.wanted()
    }

    pub(super) fn offer_from_network(&mut self, now: Now, world: World, out: &mut Transmits) {
        if self.load_world(now, world, Source::Network, out).is_err() {
            self.drops.add(DropReason::WorldRefused);
        }
    }

    /// How the stored bytes of a world are to be offered. A revision that names a new key is signed by the old one, so
    /// that nothing in it proves it once it is stored: then we vouched for it, behind its end, when we verified it.
    pub fn source_of_stored(&self, bytes: &[u8]) -> Source {
        let vouched = bytes.len().checked_sub(VOUCHED.len() + Signature::LEN).and_then(|end| {
            let (world, rest) = bytes.split_at_checked(end)?;
            let signature = Signature(*rest.strip_prefix(VOUCHED)?.first_chunk()?);
            Some(verify(&self.wire.own().public_key, world, &signature))
        });
        if vouched == Some(true) { Source::Saved } else { Source::File }
    }

    /// The bytes of a world in use as they are to be stored.
    fn provable(&self, kind: WorldKind, id: u64, mut bytes: Vec<u8>) -> Vec<u8> {
        let proves_itself = |w: &World| w.kind == kind && w.id == id && verify_world(w, &w.update_key);
        if !self.roots.worlds().any(proves_itself) {
            let signature = self.wire.secret().sign(&bytes);
            bytes.extend_from_slice(VOUCHED);
            bytes.extend_from_slice(&signature.0);
        }
        bytes
    }

    fn remove_world(&mut self, now: Now, kind: WorldKind, id: u64, out: &mut Transmits) -> bool {
        let removed = self.roots.remove(kind, id, self.wire.own());
        if removed {
            self.event(Vl1Event::WorldRemoved { kind, id });
            self.roots_changed(now, out);
        }
        removed
    }

    /// Peers for all roots, at once; greets those we have no path to.
    pub(super) fn roots_changed(&mut self, now: Now, out: &mut Transmits) {
        let identities: Vec<Identity> = self.roots.upstream_identities().copied().collect();
        for identity in identities {
            match self.peers.id(identity.address) {
                None => {
                    let admission = Admission { identity, record: None, vouched: false, via: None, since: now.mono };
                    self.admit(Asker::Own, admission);
                }
                Some(id) if *self.peers.get(id).identity() != identity => {
                    self.drops.add(DropReason::IdentityCollision);
                }
                Some(id) if self.peers.get(id).paths().is_empty() => self.greet_root(now, id, out),
                Some(_) => {}
            }
        }
        self.note_root(now);
    }

    /// A root answered for the first time, or again: what waits can go.
    pub(super) fn root_is_up(&mut self, now: Now, out: &mut Transmits) {
        self.ask_for_waiting(now, out);
    }
}
