//! Asking the controller: when, and with which metadata (04 §2.1, §2.4).

use core::time::Duration;

use zt_wire::SoftwareVersion;
use zt_wire::dictionary::DictionaryWriter;
use zt_wire::packet::PROTO_VERSION;
use zt_wire::time::Mono;

/// Metadata of a configuration request, in the order of 04 §2.4.
pub(crate) fn metadata(version: SoftwareVersion) -> Vec<u8> {
    let mut writer = DictionaryWriter::new();
    let numbers = [
        ("v", 7),
        ("vend", 1),
        ("pv", u64::from(PROTO_VERSION)),
        ("majv", u64::from(version.major)),
        ("minv", u64::from(version.minor)),
        ("revv", u64::from(version.revision)),
        ("mr", 1024),
        ("mc", 128),
        ("mcr", 64),
        ("mt", 128),
        ("f", 0),
        ("revr", 1),
    ];
    for (key, value) in numbers {
        writer.put_u64(key, value).expect("the writer has no limit");
    }
    writer.put("o", PLATFORM).expect("the writer has no limit");
    writer.into_bytes()
}

const PLATFORM: &str = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
    "linux/x86_64"
} else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
    "linux/arm64"
} else if cfg!(all(target_os = "linux", target_arch = "arm")) {
    "linux/arm"
} else if cfg!(all(target_os = "linux", target_arch = "riscv64")) {
    "linux/riscv"
} else if cfg!(target_os = "linux") {
    "linux/unknown"
} else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
    "unknown/arm64"
} else if cfg!(all(target_os = "windows", target_arch = "x86_64")) {
    "windows/x86_64"
} else {
    "unknown/unknown"
};

/// How long an accepted configuration is taken as fresh.
pub(crate) const REFRESH: Duration = Duration::from_millis(60_000);
/// Longest wait between two requests while there is no fresh configuration.
const SLOW: Duration = Duration::from_millis(5_000);
/// Wait after a refusal that is still young: an administrator is probably about to authorise this node.
const REFUSED: Duration = Duration::from_millis(2_000);
/// How long a refusal counts as young.
const YOUNG: Duration = Duration::from_millis(60_000);
/// Waits between requests that get no answer.
// Free choice (04 §2.1): the reference waits for its 5 s tick.
const UNANSWERED: [u64; 5] = [250, 500, 1_000, 2_000, 5_000];

/// When to ask next.
#[derive(Debug)]
pub(crate) struct Polling {
    next: Mono,
    step: usize,
    refused_since: Option<Mono>,
    low_bandwidth: bool,
}

impl Polling {
    /// Asks at once.
    pub(crate) const fn new(now: Mono) -> Self {
        Self { next: now, step: 0, refused_since: None, low_bandwidth: false }
    }

    /// Low-bandwidth mode (03 §14). True if that is a change.
    pub(crate) const fn set_low_bandwidth(&mut self, low: bool) -> bool {
        let changes = self.low_bandwidth != low;
        self.low_bandwidth = low;
        changes
    }

    pub(crate) const fn is_low_bandwidth(&self) -> bool {
        self.low_bandwidth
    }

    /// When the next request is due.
    pub(crate) const fn next(&self) -> Mono {
        self.next
    }

    /// A request left.
    pub(crate) fn asked(&mut self, now: Mono) {
        let wait = match self.refused_since {
            Some(since) if now.saturating_since(since) < YOUNG => REFUSED,
            Some(_) => SLOW,
            None => Duration::from_millis(UNANSWERED[self.step.min(UNANSWERED.len() - 1)]),
        };
        self.step += 1;
        self.next = now + wait;
    }

    /// A configuration was accepted.
    pub(crate) fn accepted(&mut self, now: Mono, refresh: Duration) {
        // A refresh that gets no answer is no hurry: it starts with the wait of 1 s.
        *self = Self { next: now + refresh, step: 2, refused_since: None, ..*self };
    }

    /// The controller refused.
    pub(crate) fn refused(&mut self, now: Mono) {
        let since = *self.refused_since.get_or_insert(now);
        let wait = if now.saturating_since(since) < YOUNG { REFUSED } else { SLOW };
        self.next = now + wait;
    }

    /// Asks after this time at the latest.
    pub(crate) fn within(&mut self, now: Mono, time: Duration) {
        self.next = self.next.min(now + time);
    }

    /// Asks as soon as possible (a hint that something changed).
    pub(crate) fn hurry(&mut self, now: Mono) {
        self.next = self.next.min(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backs_off_until_answered() {
        let mut polling = Polling::new(Mono(0));
        let mut times = Vec::new();
        while polling.next() < Mono::from_millis(20_000) {
            let now = polling.next();
            times.push(now.as_millis());
            polling.asked(now);
        }
        assert_eq!(times, [0, 250, 750, 1750, 3750, 8750, 13_750, 18_750]);
        polling.accepted(Mono::from_millis(20_000), REFRESH);
        assert_eq!(polling.next().as_millis(), 80_000);
        polling.asked(polling.next());
        assert_eq!(polling.next().as_millis(), 81_000);
    }

    #[test]
    fn a_refusal_is_asked_about_every_2_then_5_seconds() {
        let mut polling = Polling::new(Mono(0));
        polling.asked(Mono(0));
        polling.refused(Mono(1000));
        assert_eq!(polling.next(), Mono::from_millis(2001));
        polling.asked(polling.next());
        polling.refused(Mono::from_millis(70_000));
        assert_eq!(polling.next(), Mono::from_millis(75_000));
        polling.hurry(Mono::from_millis(70_500));
        assert_eq!(polling.next(), Mono::from_millis(70_500));
    }
}
