//! Sizes that turned out to be the most a path takes in one datagram without being fragmented on the way.
//!
//! The owner learns them from its sockets (a segmented send is refused above the path MTU) and tells them here; they
//! hold for some minutes, so that a path that became wider is noticed.

use std::collections::BTreeMap;
use std::time::Duration;

use zt_wire::Mono;

use crate::link::{LinkId, Path};

/// How long a size holds.
const VALID: Duration = Duration::from_secs(300);
/// Most sizes remembered; the oldest gives way.
const MOST: usize = 1024;
/// The least that is believed: the payload in the least MTU of IPv4, which every host must take (RFC 791).
pub(crate) const LEAST: u16 = 548;

#[derive(Clone, Copy, Debug)]
struct Learnt {
    size: u16,
    at: Mono,
}

/// Sizes by path.
#[derive(Default)]
pub(crate) struct PathMtus(BTreeMap<Path, Learnt>);

impl PathMtus {
    pub(crate) fn learn(&mut self, now: Mono, path: Path, size: u16) {
        if !self.0.contains_key(&path) && self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, learnt)| learnt.at).map(|(path, _)| *path);
            oldest.and_then(|path| self.0.remove(&path));
        }
        self.0.insert(path, Learnt { size: size.max(LEAST), at: now });
    }

    /// The size to use on a path for which `configured` would be right otherwise.
    pub(crate) fn limit(&self, path: &Path, configured: u16) -> u16 {
        self.0.get(path).map_or(configured, |learnt| configured.min(learnt.size))
    }

    /// Forgets all sizes of a link; true when there was one.
    pub(crate) fn forget_link(&mut self, link: LinkId) -> bool {
        let before = self.0.len();
        self.0.retain(|path, _| path.link != link);
        self.0.len() != before
    }

    /// Forgets what is old; true when there was something.
    pub(crate) fn expire(&mut self, now: Mono) -> bool {
        let before = self.0.len();
        self.0.retain(|_, learnt| now.saturating_since(learnt.at) < VALID);
        self.0.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Endpoint;

    fn path(n: u32) -> Path {
        Path { link: LinkId(n % 7), remote: Endpoint::Ip(std::net::SocketAddr::from((n.to_be_bytes(), 9993))) }
    }

    const T: Mono = Mono(60_000_000);

    #[test]
    fn a_size_limits_its_path_alone_and_for_some_minutes() {
        let mut sizes = PathMtus::default();
        sizes.learn(T, path(1), 1392);
        assert_eq!(sizes.limit(&path(1), 1432), 1392);
        assert_eq!(sizes.limit(&path(1), 1300), 1300);
        assert_eq!(sizes.limit(&path(2), 1432), 1432);
        sizes.learn(T, path(1), 9);
        assert_eq!(sizes.limit(&path(1), 1432), LEAST);
        assert!(!sizes.expire(T + VALID / 2));
        assert!(sizes.expire(T + VALID));
        assert_eq!(sizes.limit(&path(1), 1432), 1432);
    }

    #[test]
    fn a_link_that_changes_is_measured_anew() {
        let mut sizes = PathMtus::default();
        sizes.learn(T, path(1), 1000);
        sizes.learn(T, path(2), 1000);
        assert!(sizes.forget_link(LinkId(1)));
        assert!(!sizes.forget_link(LinkId(1)));
        assert_eq!((sizes.limit(&path(1), 1432), sizes.limit(&path(2), 1432)), (1432, 1000));
    }

    #[test]
    fn memory_is_bounded() {
        let mut sizes = PathMtus::default();
        for n in 0..5000 {
            sizes.learn(T + Duration::from_millis(n.into()), path(n), 1000);
        }
        assert!(sizes.0.len() <= MOST);
        assert_eq!(sizes.limit(&path(4999), 1432), 1000);
    }
}
