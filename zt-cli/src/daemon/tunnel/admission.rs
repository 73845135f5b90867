//! How many connections may be open, and from where: strangers pay for a place with one of their source's own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that have not said yet what they are, from one source.
const HALF_OPEN_PER_SOURCE: usize = 32;
/// The same from all of them.
const HALF_OPEN: usize = 512;

/// Bounds of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at all.
    pub most: usize,
    /// From one source: an IPv4 address, or an IPv6 network of 64 bits.
    pub per_source: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { most: 4096, per_source: 256 }
    }
}

/// Why a connection has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All places are taken.
    All,
    /// Those of its source are.
    Source,
    /// Too many have said nothing yet.
    HalfOpen,
}

/// An IPv4 address, or the upper half of an IPv6 address.
type Source = u64;

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    half_open: usize,
    open: usize,
}

/// Who has places.
#[derive(Debug, Default)]
struct Places {
    bounds: Bounds,
    sources: BTreeMap<Source, Taken>,
    all: Taken,
}

impl Places {
    fn enter(&mut self, source: Source) -> Result<(), Full> {
        let of_it = self.sources.get(&source).copied().unwrap_or_default();
        if self.all.half_open >= HALF_OPEN || of_it.half_open >= HALF_OPEN_PER_SOURCE {
            return Err(Full::HalfOpen);
        }
        self.room(source)?;
        self.sources.entry(source).or_default().half_open += 1;
        self.all.half_open += 1;
        Ok(())
    }

    /// Whether one more may stay.
    fn room(&self, source: Source) -> Result<(), Full> {
        let of_it = self.sources.get(&source).copied().unwrap_or_default();
        if self.all.open >= self.bounds.most {
            Err(Full::All)
        } else if of_it.open >= self.bounds.per_source {
            Err(Full::Source)
        } else {
            Ok(())
        }
    }

    /// It has said what it is, and counts for `stays`: who stands behind a proxy is counted by itself.
    fn settle(&mut self, source: Source, stays: Source) -> Result<(), Full> {
        let room = self.room(stays);
        self.leave(source, true);
        room?;
        self.sources.entry(stays).or_default().open += 1;
        self.all.open += 1;
        Ok(())
    }

    fn leave(&mut self, source: Source, half_open: bool) {
        let Some(of_it) = self.sources.get_mut(&source) else { return };
        for taken in [&mut *of_it, &mut self.all] {
            let count = if half_open { &mut taken.half_open } else { &mut taken.open };
            *count = count.saturating_sub(1);
        }
        if of_it.half_open == 0 && of_it.open == 0 {
            self.sources.remove(&source);
        }
    }
}

/// The places of all listeners.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission(Arc<Mutex<Places>>);

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Admission,
    source: Source,
    half_open: bool,
}

impl Admission {
    fn with<R>(&self, act: impl FnOnce(&mut Places) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_bounds(&self, bounds: Bounds) {
        self.with(|places| places.bounds = bounds);
    }

    /// A place for a connection that was just accepted.
    pub(super) fn enter(&self, from: IpAddr) -> Result<Place, Full> {
        let source = source_of(from);
        self.with(|places| places.enter(source))?;
        Ok(Place { places: self.clone(), source, half_open: true })
    }
}

impl Place {
    /// The connection has shown what it is, and who stands behind it.
    pub(super) fn settle(&mut self, from: IpAddr) -> Result<(), Full> {
        if !self.half_open {
            return Ok(());
        }
        let stays = source_of(from);
        let settled = self.places.with(|places| places.settle(self.source, stays));
        (self.source, self.half_open) = (stays, false);
        if settled.is_err() {
            // It has left its old place and has no new one: nothing is to be given back.
            self.places = Admission::default();
        }
        settled
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (source, half_open) = (self.source, self.half_open);
        self.places.with(|places| places.leave(source, half_open));
    }
}

fn source_of(ip: IpAddr) -> Source {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        // No prefix of IPv6 that anybody has is as low as an IPv4 address.
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn one_source_cannot_take_the_places_of_others() {
        let admission = Admission::default();
        let half: Vec<Place> = (0..HALF_OPEN_PER_SOURCE).map(|_| admission.enter(ip(1)).expect("room")).collect();
        assert_eq!(admission.enter(ip(1)).err(), Some(Full::HalfOpen));
        drop(admission.enter(ip(2)).expect("another source"));
        drop(half);
        drop(admission.enter(ip(1)).expect("room again"));

        admission.set_bounds(Bounds { most: 5, per_source: 3 });
        let mut open: Vec<Place> = Vec::new();
        for _ in 0..3 {
            let mut place = admission.enter(ip(1)).expect("room");
            place.settle(ip(1)).expect("room");
            open.push(place);
        }
        assert_eq!(admission.enter(ip(1)).err(), Some(Full::Source));
        for n in [2, 3] {
            let mut place = admission.enter(ip(n)).expect("room");
            place.settle(ip(n)).expect("room");
            open.push(place);
        }
        assert_eq!(admission.enter(ip(4)).err(), Some(Full::All));
        open.pop();
        drop(admission.enter(ip(4)).expect("room again"));
        drop(open);
        admission
            .with(|places| assert!(places.sources.is_empty() && places.all.open == 0 && places.all.half_open == 0));
    }

    #[test]
    fn half_open_ones_are_bounded_in_all_and_an_ipv6_network_is_one_source() {
        let admission = Admission::default();
        let held: Vec<Place> = (0..10_000).filter_map(|n| admission.enter(ip(n)).ok()).collect();
        assert_eq!(held.len(), HALF_OPEN);
        drop(held);
        let v6 = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 7, n, n, n, n]);
        let held: Vec<Place> = (0..100).filter_map(|n| admission.enter(v6(n)).ok()).collect();
        assert_eq!(held.len(), HALF_OPEN_PER_SOURCE);
    }

    #[test]
    fn those_behind_a_proxy_are_counted_each_by_itself() {
        let admission = Admission::default();
        admission.set_bounds(Bounds { most: 100, per_source: 2 });
        let behind = |n: u32| {
            let mut place = admission.enter(ip(0)).expect("room");
            place.settle(ip(n)).map(|()| place)
        };
        let open: Vec<_> = (1..20).map(|n| behind(n).expect("room")).collect();
        let second = behind(1).expect("room");
        assert_eq!(behind(1).err(), Some(Full::Source));
        drop((open, second));
        admission.with(|places| assert!(places.sources.is_empty() && places.all.open == 0));
    }
}
