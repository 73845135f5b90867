//! Worlds: planets and moons, several at once, and the roots they name (03 §11, 01 §10.2).

use std::collections::BTreeMap;
use std::net::IpAddr;

use thiserror::Error;
use zt_crypto::verify_world;
use zt_wire::Identity;
use zt_wire::{Address, Emit};
use zt_wire::{World, WorldKind};

use crate::link::Endpoint;

/// Most planets held together.
pub const MAX_PLANETS: usize = 16;
/// Most moons held together.
pub const MAX_MOONS: usize = 32;

/// Where a world comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file the operator put into the home folder.
    File,
    /// Part of the program.
    BuiltIn,
    /// A command of the operator.
    Operator,
    /// A file written by ourselves from [`Vl1Event::WorldUpdated`](crate::Vl1Event::WorldUpdated): its signature was
    /// verified then, perhaps under a key that a later revision no longer names.
    Saved,
    /// An answer to our HELLO.
    Network,
}

/// What an accepted world changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A world we did not have.
    New,
    /// A later revision of one we had.
    Updated,
    /// The very same revision.
    Unchanged,
}

/// Why a world was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[non_exhaustive]
pub enum WorldRefused {
    /// Neither planet nor moon, or not the kind expected.
    #[error("not a world of that kind")]
    Kind,
    /// Its timestamp is not later than that of the revision we hold.
    #[error("older than the world in use")]
    Older,
    /// Not signed by the key that must sign it.
    #[error("signature does not verify")]
    Signature,
    /// A moon that nobody asked for, or without the root that was to vouch for it.
    #[error("moon is not wanted")]
    NotWanted,
    /// It names another identity for an address than the one we know.
    #[error("names a different identity for a known address")]
    Identity,
    /// Too many worlds.
    #[error("too many worlds")]
    TooMany,
}

type Key = (WorldKind, u64);

/// All worlds in use and wanted.
#[derive(Default)]
pub(crate) struct Roots {
    worlds: BTreeMap<Key, World>,
    /// Moon ID → addresses of seeds; an empty list takes the moon from any root.
    wanted: BTreeMap<u64, Vec<Address>>,
    upstreams: BTreeMap<Address, Upstream>,
    am_root: bool,
    /// A root answers, or we are one.
    online: bool,
    /// Nodes to stay in contact with besides the roots.
    contacts: Vec<Address>,
}

/// A root of some world, not ourselves.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) identity: Identity,
    /// Stable endpoints of all worlds that name it.
    pub(crate) endpoints: Vec<Endpoint>,
    /// The same without ports: where it may be reached.
    pub(crate) ips: Vec<IpAddr>,
    /// Planets it is a root of.
    pub(crate) planets: Vec<u64>,
    pub(crate) moons: Vec<u64>,
}

impl Roots {
    /// Offers a world (01 §10.2). `known`: identity of an address, as far as we know it.
    pub(crate) fn offer(
        &mut self,
        world: World,
        source: Source,
        own: &Identity,
        known: impl Fn(Address) -> Option<Identity>,
    ) -> Result<Accepted, WorldRefused> {
        if !matches!(world.kind, WorldKind::Planet | WorldKind::Moon) {
            return Err(WorldRefused::Kind);
        }
        let key = (world.kind, world.id);
        if let Some(present) = self.worlds.get(&key) {
            if *present == world {
                return Ok(Accepted::Unchanged);
            }
            if present.timestamp >= world.timestamp {
                return Err(WorldRefused::Older);
            }
            if !verify_world(&world, &present.update_key) {
                return Err(WorldRefused::Signature);
            }
            self.insert(key, world, own);
            return Ok(Accepted::Updated);
        }
        self.judge_first(&world, source, known)?;
        self.insert(key, world, own);
        Ok(Accepted::New)
    }

    /// Safer point 3: the first revision is verified too.
    fn judge_first(
        &self,
        world: &World,
        source: Source,
        known: impl Fn(Address) -> Option<Identity>,
    ) -> Result<(), WorldRefused> {
        if source == Source::Network {
            if world.kind == WorldKind::Planet {
                return Err(WorldRefused::NotWanted);
            }
            let seeds = self.wanted.get(&world.id).ok_or(WorldRefused::NotWanted)?;
            if !seeds.is_empty() && !world.roots.iter().any(|r| seeds.contains(&r.identity.address)) {
                return Err(WorldRefused::NotWanted);
            }
        }
        if !matches!(source, Source::Saved | Source::BuiltIn) && !verify_world(world, &world.update_key) {
            return Err(WorldRefused::Signature);
        }
        let differs = |i: &Identity| known(i.address).is_some_and(|k| k != *i);
        if world.kind == WorldKind::Moon && world.roots.iter().any(|r| differs(&r.identity)) {
            return Err(WorldRefused::Identity);
        }
        let limit = if world.kind == WorldKind::Planet { MAX_PLANETS } else { MAX_MOONS };
        if self.worlds.keys().filter(|(kind, _)| *kind == world.kind).count() >= limit {
            return Err(WorldRefused::TooMany);
        }
        Ok(())
    }

    fn insert(&mut self, key: Key, world: World, own: &Identity) {
        if world.kind == WorldKind::Moon {
            self.wanted.remove(&world.id);
        }
        self.worlds.insert(key, world);
        self.recompute(own);
    }

    /// Stops using a world.
    pub(crate) fn remove(&mut self, kind: WorldKind, id: u64, own: &Identity) -> bool {
        let wanted = kind == WorldKind::Moon && self.wanted.remove(&id).is_some();
        let held = self.worlds.remove(&(kind, id)).is_some();
        if held {
            self.recompute(own);
        }
        wanted || held
    }

    /// Wants a moon from `seed` (from any root when `None`).
    pub(crate) fn want(&mut self, id: u64, seed: Option<Address>) {
        if self.worlds.contains_key(&(WorldKind::Moon, id)) || self.wanted.len() >= MAX_MOONS {
            return;
        }
        let seeds = self.wanted.entry(id).or_default();
        if let Some(seed) = seed.filter(|s| !seeds.contains(s) && seeds.len() < 8) {
            seeds.push(seed);
        }
    }

    fn recompute(&mut self, own: &Identity) {
        self.upstreams.clear();
        self.am_root = false;
        for ((kind, id), world) in &self.worlds {
            for root in &world.roots {
                if root.identity == *own {
                    self.am_root = true;
                    continue;
                }
                if root.identity.address == own.address {
                    continue;
                }
                let entry = self.upstreams.entry(root.identity.address).or_insert_with(|| Upstream {
                    identity: root.identity,
                    endpoints: Vec::new(),
                    ips: Vec::new(),
                    planets: Vec::new(),
                    moons: Vec::new(),
                });
                // Two worlds that disagree about an address: the first (planets come first) is believed.
                if entry.identity != root.identity {
                    continue;
                }
                for addr in root.endpoints.iter().filter_map(|e| e.socket_addr()) {
                    let endpoint = Endpoint::Ip(addr);
                    if !entry.endpoints.contains(&endpoint) {
                        entry.endpoints.push(endpoint);
                    }
                    if !entry.ips.contains(&addr.ip()) {
                        entry.ips.push(addr.ip());
                    }
                }
                match kind {
                    WorldKind::Moon => entry.moons.push(*id),
                    _ => entry.planets.push(*id),
                }
            }
        }
    }

    pub(crate) const fn am_root(&self) -> bool {
        self.am_root
    }

    pub(crate) fn is_upstream(&self, a: Address) -> bool {
        self.upstreams.contains_key(&a)
    }

    pub(crate) fn upstream(&self, a: Address) -> Option<&Upstream> {
        self.upstreams.get(&a)
    }

    /// Where worlds say that a root is.
    pub(crate) fn ips(&self, a: Address) -> Option<&[IpAddr]> {
        self.upstream(a).map(|u| u.ips.as_slice())
    }

    /// Addresses of all upstreams, in order.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.upstreams.keys().copied()
    }

    pub(crate) fn upstream_identities(&self) -> impl Iterator<Item = &Identity> + '_ {
        self.upstreams.values().map(|u| &u.identity)
    }

    /// Worlds that must each be asked, as one root set may not know what another knows: the upstreams of each.
    pub(crate) fn sets(&self) -> impl Iterator<Item = Vec<Address>> + '_ {
        self.worlds
            .values()
            .map(|w| w.roots.iter().map(|r| r.identity.address).filter(|a| self.upstreams.contains_key(a)).collect())
    }

    pub(crate) fn is_seed(&self, a: Address) -> bool {
        self.wanted.values().any(|seeds| seeds.contains(&a))
    }

    /// Notes whether a root `answers`; `Some`: that is news.
    pub(crate) fn note_answers(&mut self, answers: bool) -> Option<bool> {
        let online = answers || self.am_root;
        (std::mem::replace(&mut self.online, online) != online).then_some(online)
    }

    pub(crate) const fn is_online(&self) -> bool {
        self.online
    }

    /// Stays in contact with these nodes as well: anchors and multicast replicators.
    pub(crate) fn set_contacts(&mut self, contacts: Vec<Address>) {
        self.contacts = contacts;
    }

    /// Whether we greet an address of our own accord although it is no root.
    pub(crate) fn is_contact(&self, a: Address) -> bool {
        self.contacts.contains(&a) || self.is_seed(a)
    }

    /// Nodes that are greeted although they are no roots: contacts, and seeds of moons.
    pub(crate) fn contacts(&self) -> Vec<Address> {
        self.contacts.iter().copied().chain(self.wanted.values().flatten().copied()).collect()
    }

    /// Whether a peer stays in memory, however silent it is.
    pub(crate) fn keeps(&self, a: Address) -> bool {
        self.is_upstream(a) || self.is_contact(a)
    }

    pub(crate) fn worlds(&self) -> impl Iterator<Item = &World> + '_ {
        self.worlds.values()
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = (u64, Option<Address>)> + '_ {
        self.wanted.iter().map(|(id, seeds)| (*id, seeds.first().copied()))
    }

    pub(crate) fn planet(&self, id: u64) -> Option<&World> {
        self.worlds.get(&(WorldKind::Planet, id))
    }

    /// ID and timestamp of the planet to name in a HELLO to `to`: one that `to` belongs to, in turn; else the first.
    pub(crate) fn planet_for(&self, to: Address, turn: u32) -> (u64, u64) {
        let theirs = self.upstreams.get(&to).map(|u| u.planets.as_slice()).unwrap_or_default();
        let id = match theirs.len() {
            0 => None,
            n => theirs.get(turn as usize % n).copied(),
        };
        let first = || self.worlds.values().find(|w| w.kind == WorldKind::Planet);
        id.and_then(|id| self.planet(id)).or_else(first).map_or((0, 0), |w| (w.id, w.timestamp))
    }

    /// Moons held (with timestamps) and wanted (with 0), as HELLO lists them (02 §6.2).
    pub(crate) fn moon_tuples(&self) -> Vec<(u64, u64)> {
        let held = self.worlds.values().filter(|w| w.kind == WorldKind::Moon).map(|w| (w.id, w.timestamp));
        held.chain(self.wanted.keys().map(|id| (*id, 0))).collect()
    }

    /// Later revisions than those a HELLO names: what OK(HELLO) carries, serialised (02 §6.5).
    pub(crate) fn updates_for(&self, planet: Option<(u64, u64)>, moons: &[(u64, u64)], room: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let planet = planet.and_then(|(id, t)| self.planet(id).filter(|w| w.timestamp > t));
        let newer =
            |w: &&World| w.kind == WorldKind::Moon && moons.iter().any(|(id, t)| *id == w.id && *t < w.timestamp);
        for world in planet.into_iter().chain(self.worlds.values().filter(newer)) {
            if out.len() + world.encoded_len() <= room {
                out.extend_from_slice(&world.to_vec());
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
