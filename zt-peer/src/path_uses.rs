//! Paths by which peers are reached, whoever they are, and which of them are trusted (03 §4).

use zt_wire::{Mono, When};

use crate::fast_map::FastMap;
use crate::link::Path;
use crate::rate::TRUST;

/// Each path that some peer has.
#[derive(Default)]
pub(crate) struct PathUses(FastMap<Path, PathUse>);

#[derive(Clone, Copy, Debug, Default)]
struct PathUse {
    /// Number of peers that have it.
    users: u32,
    /// Last packet by it that established trust.
    trusted: When,
}

impl PathUses {
    /// Whether some peer has it.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// A peer has it now.
    pub(crate) fn claim(&mut self, path: Path) {
        self.0.entry(path).or_default().users += 1;
    }

    /// A peer has them no more.
    pub(crate) fn release(&mut self, paths: &[Path]) {
        for path in paths {
            let unused = self.0.get_mut(path).is_some_and(|u| {
                u.users = u.users.saturating_sub(1);
                u.users == 0
            });
            if unused {
                self.0.remove(path);
            }
        }
    }

    /// A packet by it proved a relation to us.
    pub(crate) fn trust(&mut self, now: Mono, path: &Path) {
        if let Some(used) = self.0.get_mut(path) {
            used.trusted = When::at(now);
        }
    }

    /// Whether members proved themselves by it lately.
    pub(crate) fn is_trusted(&self, now: Mono, path: &Path) -> bool {
        let trusted = self.0.get(path).and_then(|u| u.trusted.since(now));
        trusted.is_some_and(|passed| passed < TRUST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Endpoint, LinkId};

    const T: Mono = Mono(60_000_000);

    fn at(port: u16) -> Path {
        Path { link: LinkId(1), remote: Endpoint::Ip(std::net::SocketAddr::from(([10, 0, 0, 1], port))) }
    }

    #[test]
    fn a_path_is_known_while_somebody_has_it() {
        let mut uses = PathUses::default();
        uses.claim(at(1));
        uses.claim(at(1));
        uses.release(&[at(1), at(2)]);
        assert!(uses.contains(&at(1)) && !uses.contains(&at(2)));
        uses.release(&[at(1)]);
        assert!(!uses.contains(&at(1)));
    }

    #[test]
    fn trust_is_of_known_paths_only_and_ends_with_them() {
        let mut uses = PathUses::default();
        uses.trust(T, &at(1));
        assert!(!uses.contains(&at(1)) && !uses.is_trusted(T, &at(1)));
        uses.claim(at(1));
        uses.trust(T, &at(1));
        assert!(uses.is_trusted(T, &at(1)) && !uses.is_trusted(T + TRUST, &at(1)));
        uses.release(&[at(1)]);
        uses.claim(at(1));
        assert!(!uses.is_trusted(T, &at(1)));
    }
}
