//! Where the engine puts bytes: buffers of the caller, reused from turn to turn.

use std::collections::BTreeMap;
use zt_netconf::Frame;
use zt_peer::Transmits;
use zt_tap::{ETHERNET_HEADER_LEN, FrameBatch};
use zt_wire::NetworkId;

/// Frames kept for one network while its port is busy; more are dropped, as any full queue drops.
const FRAMES: usize = 256;
/// The usual virtual MTU, for a network whose port is not configured yet.
const DEFAULT_MTU: usize = 2800;

/// Datagrams to send and frames to deliver.
#[derive(Default)]
pub struct Outbox {
    /// Datagrams, still to be sealed with [`Transmits::seal`].
    pub transmits: Transmits,
    /// Frames for the local port of each network.
    pub frames: BTreeMap<NetworkId, FrameBatch>,
    /// Frames lost because the port of their network did not take them in time.
    pub overflow: u64,
}

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sizes the queue of a network for its MTU: frames above it would be refused by the port anyway (06 §8.2).
    pub(super) fn set_mtu(&mut self, network: NetworkId, mtu: usize) {
        let fits = self.frames.get(&network).is_some_and(|batch| batch.frame_size() == mtu + ETHERNET_HEADER_LEN);
        if !fits {
            self.frames.insert(network, new_batch(mtu));
        }
    }

    pub(super) fn deliver(
        frames: &mut BTreeMap<NetworkId, FrameBatch>,
        overflow: &mut u64,
        network: NetworkId,
        frame: Frame<'_>,
    ) {
        let batch = frames.entry(network).or_insert_with(|| new_batch(DEFAULT_MTU));
        let pushed = batch.push_with(|slot| {
            let length = 14 + frame.payload.len();
            let slot = slot.get_mut(..length).ok_or(())?;
            slot[..6].copy_from_slice(&frame.destination.0);
            slot[6..12].copy_from_slice(&frame.source.0);
            slot[12..14].copy_from_slice(&frame.ethertype.to_be_bytes());
            slot[14..].copy_from_slice(frame.payload);
            Ok::<usize, ()>(length)
        });
        if !matches!(pushed, Some(Ok(()))) {
            *overflow += 1;
        }
    }
}

fn new_batch(mtu: usize) -> FrameBatch {
    FrameBatch::with_headroom(FRAMES, mtu + ETHERNET_HEADER_LEN, 0)
}
