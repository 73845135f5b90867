//! The data path does not allocate: counted by the allocator of this test program.

mod sys;

use std::time::Duration;

use zt_crypto::SeededEntropy;
use zt_netconf::{Carrier, FrameVerdict, SendOptions, Verdict, Vl2};
use zt_wire::verb::{ExtFrame, Frame};
use zt_wire::{Address, Body, EthernetRef, Identity, Mac, Message, Mono, NetworkId, Now, PacketId, SoftwareVersion};

/// Counts, and keeps nothing.
#[derive(Default)]
struct Sink {
    sent: usize,
    delivered: usize,
}

impl Carrier for Sink {
    fn identity(&self, _: Address) -> Option<Identity> {
        None
    }
    fn request_identity(&mut self, _: Address) {}
    fn roots(&self) -> Vec<Address> {
        Vec::new()
    }
    fn is_root(&self) -> bool {
        false
    }
    fn direct_latency(&self, _: Address) -> Option<Duration> {
        None
    }
    fn send(&mut self, _: Address, body: &dyn Body, _: SendOptions) -> Option<PacketId> {
        self.sent += body.encoded_len().min(1);
        None
    }
    fn reply(&mut self, _: &dyn Body, _: SendOptions) {}
    fn deliver(&mut self, _: NetworkId, _: EthernetRef<'_>) {
        self.delivered += 1;
    }
}

#[test]
fn frames_between_members_do_not_allocate() {
    let network = NetworkId(0xff0a_0000_0000_0001);
    let node = |number| Identity { address: Address::new(number), public_key: [7; 64] };
    let (own, peer) = (node(0x7f_2cb3_dbe7), node(0xdf_a68a_e067));
    let version = SoftwareVersion::new(1, 14, 1);
    let mut vl2 = Vl2::new(own, version, Box::new(SeededEntropy::new(1)));
    let mut sink = Sink::default();
    let mut now = Now { mono: Mono(1), unix_ms: 1_795_000_000_000 };
    vl2.join(now, network, None, &mut sink);
    let (own_mac, peer_mac) = (Mac::for_member(own.address, network), Mac::for_member(peer.address, network));
    let out = EthernetRef { destination: peer_mac, source: own_mac, ethertype: 0x0800, payload: &[1; 1400] };
    let plain: Message<'_> = Frame { network, ethertype: 0x0800, payload: &[2; 1400] }.into();
    let full: Message<'_> =
        ExtFrame::new(network, 0, EthernetRef { destination: own_mac, source: peer_mac, ..out }).into();
    let mut before = 0;
    for round in 0..1_000 {
        // The first round makes the record of the peer.
        if round == 1 {
            before = sys::count();
        }
        now = now.plus(Duration::from_micros(10));
        assert_eq!(vl2.handle_frame(now, network, out, &mut sink), FrameVerdict::Sent(1));
        for message in [&plain, &full] {
            let verdict = vl2.handle_message(now, &peer, PacketId(round), message, &mut sink);
            assert_eq!(verdict, Verdict::Accepted { trust: true });
        }
    }
    assert_eq!(sys::count() - before, 0, "allocations in 2 997 frames");
    assert_eq!((sink.delivered, sink.sent), (2_000, 1_000));
}
