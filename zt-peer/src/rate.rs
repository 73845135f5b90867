//! All rates and times of VL1, beside their names (03 §1, §17). Those of a node that has nothing to say are a [`Periods`](crate::periods::Periods).

use std::net::IpAddr;
use std::time::Duration;

use crate::link::Endpoint;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The peer cache is asked so often for one address in HELLOs of strangers.
pub(crate) const LOAD_FOR_HELLO: Duration = ms(1000);
/// REMOTE_TRACE of one peer: one in this time, and so many at once.
pub(crate) const TRACE: Duration = ms(10);
pub(crate) const TRACE_BURST: u32 = 256;
/// WHOIS answered per peer, unless we are a root (02 §6.7).
pub(crate) const WHOIS_ANSWER: Duration = ms(100);
/// ECHO answered per path (02 §6.11).
pub(crate) const ECHO_ANSWER: Duration = ms(166);
/// The same in old software, where it is one per peer.
pub(crate) const ECHO_ANSWER_OLD: Duration = ms(1000);
/// ECHOs that must be answered are this much farther apart: they do not all take the same time on their way.
pub(crate) const ECHO_MARGIN: Duration = ms(20);
/// PUSH_DIRECT_PATHS breaker (02 §6.17).
pub(crate) const PUSH_GAP: Duration = ms(30_000);
/// Pushes without a gap after which their content is ignored.
pub(crate) const PUSH_BREAKER: u32 = 8;
/// Addresses tried per packet, scope and family.
pub(crate) const PUSH_PER_SCOPE: usize = 8;
/// WHOIS asked per address (03 §5).
pub(crate) const WHOIS_ASK: Duration = ms(500);
/// HELLO to confirm one unknown path of a peer (03 §7.1).
pub(crate) const CONFIRM: Duration = ms(1000);
/// Introductions per pair (03 §10.1).
pub(crate) const UNITE: Duration = ms(30_000);
/// Own ERROR for a refused frame, per peer.
pub(crate) const ERROR_OUT: Duration = ms(1000);
/// Direct path push after a relayed packet (03 §10.2).
pub(crate) const PUSH_RELAYED: Duration = ms(15_000);
/// Retry of configured addresses (03 §3 step 2c).
pub(crate) const MEMORISED: Duration = ms(30_000);

/// Packets wait this long for a route or an identity.
pub(crate) const QUEUE_TIMEOUT: Duration = ms(5000);
/// Waiting packets are tried again so often.
pub(crate) const QUEUE_RETRY: Duration = ms(500);
/// An expected reply is forgotten after this.
pub(crate) const REPLY_TIMEOUT: Duration = ms(30_000);
/// Incomplete packets are forgotten after this.
pub(crate) const REASSEMBLY_TIMEOUT: Duration = ms(5000);

/// While there is traffic with anybody, the best root's path is probed so often: if a NAT forgot us, the root hears us
/// from the new port before long, and tells us so.
pub(crate) const ROOT_WATCH: Duration = ms(2000);
/// Traffic is over after this.
pub(crate) const TRAFFIC_LINGERS: Duration = ms(10_000);
/// A path not heard for this long is no path (03 §6.4).
pub(crate) const PATH_EXPIRY: Duration = ms(243_000);
/// A path is alive when heard within this time.
pub(crate) const PATH_ALIVE: Duration = ms(19_000);
/// A peer is active, and stays in memory, for this long.
pub(crate) const PEER_ACTIVITY: Duration = ms(500_000);
/// Who is silent for this long takes less memory from the next round on.
pub(crate) const REST: Duration = ms(8_000);
/// Trust lasts this long.
pub(crate) const TRUST: Duration = ms(600_000);
/// Life of an entry of self-awareness (03 §9).
pub(crate) const SURFACE: Duration = ms(600_000);
/// A peer is looked for on a cable again after this time, then after twice as long, and so on.
pub(crate) const SEEK_FIRST: Duration = ms(5000);
/// The longest such time.
pub(crate) const SEEK_MOST: Duration = ms(600_000);
/// The longest such time for a peer that is reached by nothing else.
pub(crate) const SEEK_LOST_MOST: Duration = ms(20_000);
/// Housekeeping.
pub(crate) const HOUSEKEEPING: Duration = ms(30_000);
/// ERRORs about frames that count, per peer: a waiting frame is judged every 500 ms (02 §5).
pub(crate) const FRAME_ERROR_AGAIN: Duration = ms(450);
/// ERRORs that ask for credentials without a frame that count, per peer: they are sent once in 1 s, and jitter.
pub(crate) const QUESTION: Duration = ms(900);
/// HELLO to a root that has not answered yet: the first after this.
pub(crate) const ROOT_RETRY_FIRST: Duration = ms(250);
/// HELLO to a root that has not answered, but asked whether we are there: so often at most.
pub(crate) const ROOT_RETRY_QUEUED: Duration = ms(2000);
/// A root without a path that works is tried again so often in the long run (in the first round after that), and one that was heard within
/// this time is there.
pub(crate) const ROOT_ASKED: Duration = ms(5000);
/// Tries in quick succession: some 20 seconds.
const ROOT_TRIES: usize = 21;
/// A sibling address of the same host heard so recently makes a new port uninteresting (03 §7.1 step 3b).
pub(crate) const SIBLING_FRESH: Duration = ms(300);
/// A HELLO's time may be this much before the latest one seen, beyond what has passed.
pub(crate) const HELLO_DRIFT_MS: i64 = 60_000;

/// How long after a try the next one is due for a root that has not answered yet; `None`: from now on in every round. A
/// root of the reference lets in one stranger of a /24 in two seconds and forgets the others (02 §6.2, gate G1): the
/// machines of a LAN that start together must all get their turn.
pub(crate) fn root_retry(tries: usize) -> Option<Duration> {
    match tries {
        0 => Some(ROOT_RETRY_FIRST),
        1 => Some(ms(500)),
        n if n < ROOT_TRIES => Some(ms(1000)),
        _ => None,
    }
}

/// Whose turn it is (gate G1 of 02 §6.2 has the same buckets): /24 of IPv4, /48 of IPv6, the address of an Ethernet sender.
pub(crate) fn hello_bucket(remote: &Endpoint) -> u64 {
    match remote {
        Endpoint::Ip(a) => match a.ip() {
            IpAddr::V4(ip) => u64::from(ip.to_bits() >> 8),
            IpAddr::V6(ip) => (1 << 48) | (ip.to_bits() >> 80) as u64,
        },
        Endpoint::Mac(m) => m.0.iter().fold(2, |h, b| (h << 8) | u64::from(*b)),
    }
}
