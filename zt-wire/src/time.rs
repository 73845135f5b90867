//! Time as a value: the pure crates never read a clock.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::Add;
use core::time::Duration;

/// A point of a monotonic clock, in microseconds since an origin the caller chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// A point that is never reached.
    pub const FAR: Self = Self(u64::MAX);

    /// A point so many milliseconds after the origin.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// Milliseconds since the origin, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// Time since `earlier`; zero when `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since `earlier`; zero when `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }

    /// The point `d` earlier, but not before the origin.
    pub fn saturating_sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(micros(d)))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(micros(d)))
    }
}

impl fmt::Display for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// A time that may not have come: what `Option<Mono>` says, in half its size, for what there are many of.
///
/// Never is before everything. [`Mono::FAR`] is not told from the point before it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct When(Option<NonZeroU64>);

impl When {
    /// It has not come.
    pub const NEVER: Self = Self(None);

    /// It came then.
    pub const fn at(at: Mono) -> Self {
        Self(NonZeroU64::new(at.0.saturating_add(1)))
    }

    /// When it came.
    pub const fn get(self) -> Option<Mono> {
        match self.0 {
            Some(after) => Some(Mono(after.get() - 1)),
            None => None,
        }
    }

    /// Whether it came.
    pub const fn has_come(self) -> bool {
        self.0.is_some()
    }

    /// It came then, unless it had come before. When it came.
    pub const fn get_or_set(&mut self, at: Mono) -> Mono {
        match self.get() {
            Some(before) => before,
            None => {
                *self = Self::at(at);
                at
            }
        }
    }

    /// How long ago it came.
    pub fn since(self, now: Mono) -> Option<Duration> {
        self.get().map(|at| now.saturating_since(at))
    }
}

impl From<Option<Mono>> for When {
    fn from(at: Option<Mono>) -> Self {
        at.map_or(Self::NEVER, Self::at)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// The present: both clocks a node needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now {
    /// Monotonic clock, for every interval.
    pub mono: Mono,
    /// Wall clock in milliseconds since 1970, for values that go on the wire or to disk.
    pub unix_ms: i64,
}

impl Now {
    /// Both clocks `d` later (for tests and simulations).
    pub fn plus(self, d: Duration) -> Self {
        let ms = i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Self { mono: self.mono + d, unix_ms: self.unix_ms.saturating_add(ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_may_not_have_come_is_small_and_orders_as_an_option() {
        assert_eq!((size_of::<When>(), size_of::<Option<Mono>>()), (8, 16));
        let options = [None, Some(Mono::ZERO), Some(Mono(1)), Some(Mono(u64::MAX - 1))];
        for one in options {
            assert_eq!((When::from(one).get(), When::from(one).has_come()), (one, one.is_some()));
            for other in options {
                assert_eq!(When::from(one).cmp(&When::from(other)), one.cmp(&other));
            }
        }
        let mut when = When::NEVER;
        assert_eq!((when.get_or_set(Mono(5)), when.get_or_set(Mono(9))), (Mono(5), Mono(5)));
        assert_eq!((when.since(Mono(7)), When::NEVER.since(Mono(7))), (Some(Duration::from_micros(2)), None));
    }

    #[test]
    fn time_saturates_at_both_ends() {
        let t = Mono::from_millis(5);
        assert_eq!(t + Duration::from_millis(7), Mono::from_millis(12));
        assert_eq!(Mono::FAR + Duration::MAX, Mono::FAR);
        assert_eq!(t.saturating_sub(Duration::from_secs(1)), Mono::ZERO);
        assert_eq!(Mono::ZERO.saturating_since(t), Duration::ZERO);
        assert_eq!((Mono::from_millis(12).millis_since(t), t.millis_since(Mono::FAR)), (7, 0));
    }
}
