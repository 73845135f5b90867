//! Where trains of datagrams are refused.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use zt_wire::time::Mono;

/// How long a refusal is remembered. Shorter than what VL1 learns from it holds, so that a wider path is noticed.
const VALID: Duration = Duration::from_secs(120);
/// Most destinations remembered; the oldest gives way.
const MOST: usize = 256;

/// Destinations that do not take trains, or not of every segment size.
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<SocketAddr, Refusal>);

#[derive(Clone, Copy)]
struct Refusal {
    /// Segments of up to this size pass; 0 = no trains at all.
    fits: u16,
    at: Mono,
}

impl Refusals {
    /// Whether a train to `remote` would be refused.
    pub(super) fn refuses(&self, now: Mono, remote: SocketAddr, segment: usize) -> bool {
        // Nearly always empty: nothing is looked up then.
        !self.0.is_empty()
            && self
                .0
                .get(&remote)
                .is_some_and(|refusal| segment > refusal.fits.into() && now.saturating_since(refusal.at) < VALID)
    }

    /// A train was refused. `path`: the payload which the path takes, if that is known. Returns it when it is the cause.
    pub(super) fn note(&mut self, now: Mono, remote: SocketAddr, segment: usize, path: Option<u16>) -> Option<u16> {
        let cause = path.filter(|&fits| segment > fits.into());
        if !self.0.contains_key(&remote) && self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, refusal)| refusal.at).map(|(remote, _)| *remote);
            oldest.and_then(|remote| self.0.remove(&remote));
        }
        self.0.insert(remote, Refusal { fits: cause.unwrap_or(0), at: now });
        cause
    }

    /// How many destinations refuse trains.
    pub(super) fn count(&self, now: Mono) -> usize {
        self.0.values().filter(|refusal| now.saturating_since(refusal.at) < VALID).count()
    }

    /// Forgets everything: the interface is another.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whether a refused train may pass as single datagrams: the path MTU is smaller than a segment (EINVAL, on newer
/// kernels EMSGSIZE), or the device or an IPsec policy on the way leaves checksums to us (EIO).
pub(super) fn concerns_trains(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EMSGSIZE | libc::EIO | libc::EOPNOTSUPP))
}

/// Largest UDP payload in an IP packet of `mtu` bytes.
pub(super) fn payload(mtu: u32, ipv6: bool) -> u16 {
    let headers = if ipv6 { 48 } else { 28 };
    u16::try_from(mtu.saturating_sub(headers)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Mono = Mono(60_000_000);

    fn remote(n: u32) -> SocketAddr {
        SocketAddr::from((n.to_be_bytes(), 9993))
    }

    #[test]
    fn a_narrow_path_takes_trains_of_smaller_segments() {
        let mut refusals = Refusals::default();
        assert!(!refusals.refuses(T, remote(1), 1432));
        assert_eq!(refusals.note(T, remote(1), 1432, Some(payload(1420, false))), Some(1392));
        assert!(refusals.refuses(T, remote(1), 1432) && !refusals.refuses(T, remote(1), 1392));
        assert!(!refusals.refuses(T, remote(2), 1432));
        assert_eq!((refusals.count(T), refusals.count(T + VALID)), (1, 0));
        assert!(!refusals.refuses(T + VALID, remote(1), 1432), "a wider path is noticed");
    }

    #[test]
    fn a_device_without_checksums_takes_no_trains() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.note(T, remote(1), 1432, Some(1472)), None);
        assert_eq!(refusals.note(T, remote(2), 1432, None), None);
        assert!(refusals.refuses(T, remote(1), 100) && refusals.refuses(T, remote(2), 100));
        refusals.clear();
        assert!(!refusals.refuses(T, remote(1), 1432));
    }

    #[test]
    fn memory_is_bounded() {
        let mut refusals = Refusals::default();
        for n in 0..1000 {
            refusals.note(T + Duration::from_millis(n.into()), remote(n), 1432, None);
        }
        assert!(refusals.0.len() <= MOST && refusals.refuses(T, remote(999), 1432));
    }

    #[test]
    fn payloads() {
        assert_eq!((payload(1500, false), payload(1480, true), payload(20, true)), (1472, 1432, 0));
    }
}
