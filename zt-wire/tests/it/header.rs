//! Headers of packets and fragments, and how packets are cut.

use proptest::prelude::*;
use zt_wire::fragment::{pieces, write_fragment_header};
use zt_wire::packet::*;
use zt_wire::*;

use crate::strategy::*;

fn cipher() -> impl Strategy<Value = Cipher> {
    (0..4u8).prop_map(|raw| Cipher::from_raw(raw).expect("assigned"))
}

proptest! {
    #[test]
    fn setters_set_what_getters_get(id in packet_id(), to in node(), from in node(), cipher in cipher(),
                                    hops in 0..8u8, verb in 0..32u8, mac: [u8; 8],
                                    fragmented: bool, compressed: bool, payload in bytes(80)) {
        let mut header = [0; HEADER_LEN];
        write_header(&mut header, to, from, Verb(verb));
        let mut packet = Packet::new_checked([&header[..], &payload].concat()).expect("long enough");
        prop_assert_eq!((packet.id(), packet.flags(), packet.mac()), (PacketId(0), 0, [0; 8]));
        packet.set_hops(hops);
        packet.set_cipher(cipher);
        packet.set_id(id);
        packet.set_fragmented(fragmented);
        packet.set_compressed(compressed);
        packet.set_mac(mac);
        prop_assert_eq!((packet.id(), packet.destination(), packet.source()), (id, to, from));
        prop_assert_eq!((packet.cipher(), packet.hops(), packet.mac()), (Some(cipher), hops, mac));
        prop_assert_eq!(packet.is_fragmented(), fragmented);
        // 02 §3.1: the deprecated flag is set exactly with cipher 1.
        prop_assert_eq!(packet.flags() & FLAG_ENCRYPTED != 0, cipher == Cipher::Salsa);
        prop_assert_eq!(classify(packet.as_bytes()), Datagram::Head);
        // What is encrypted has no verb; what is not shows the same as what was opened.
        let readable = matches!(cipher, Cipher::Poly1305None | Cipher::Trusted);
        let clear = packet.clear().map(|c| (c.verb(), c.is_compressed(), c.into_payload().to_vec()));
        prop_assert_eq!(clear, readable.then(|| (Verb(verb), compressed, payload.clone())));
        let opened = packet.opened();
        prop_assert_eq!((opened.verb(), opened.is_compressed()), (Verb(verb), compressed));
        prop_assert_eq!(opened.payload(), &payload[..]);
    }

    #[test]
    fn hops_change_three_bits(bytes in proptest::collection::vec(any::<u8>(), 28..60), hops in 0..8u8) {
        let mut packet = Packet::new_checked(bytes.clone()).expect("long enough");
        packet.set_hops(hops);
        for (i, (old, new)) in bytes.iter().zip(packet.as_bytes()).enumerate() {
            prop_assert_eq!(old ^ new, if i == OFFSET_FLAGS { (old ^ hops) & HOPS_MASK } else { 0 });
        }
    }

    #[test]
    fn pieces_cover_the_packet(len in HEADER_LEN..=MAX_PACKET_LEN, mtu in 28..=2000usize) {
        let needed = 1 + len.saturating_sub(mtu).div_ceil(mtu - FRAGMENT_HEADER_LEN);
        let Some(all) = pieces(len, mtu) else {
            prop_assert!(needed > MAX_FRAGMENTS);
            return Ok(());
        };
        prop_assert_eq!((all.total(), all.len()), (needed, needed));
        let mut end = 0;
        for (i, range) in all.enumerate() {
            prop_assert_eq!(range.start, end);
            prop_assert!(!range.is_empty());
            let header = if i == 0 { 0 } else { FRAGMENT_HEADER_LEN };
            prop_assert!(range.len() + header <= mtu);
            end = range.end;
        }
        prop_assert_eq!(end, len);
    }

    #[test]
    fn fragments(id in packet_id(), to in node(), total in 2..=7u8, number in 1..=7u8, body in bytes(50)) {
        let mut header = [0; FRAGMENT_HEADER_LEN];
        write_fragment_header(&mut header, id, to, total, number);
        let bytes = [&header[..], &body].concat();
        let kind = if body.is_empty() { Datagram::Ignored } else { Datagram::Fragment };
        prop_assert_eq!(classify(&bytes), kind);
        let mut fragment = Fragment::new_checked(bytes).expect("long enough");
        fragment.set_hops(2);
        prop_assert_eq!((fragment.id(), fragment.destination(), fragment.hops()), (id, to, 2));
        prop_assert_eq!((fragment.total(), fragment.number(), fragment.body()), (total, number, &body[..]));
        prop_assert_eq!(fragment.is_sane(), number < total);
    }
}

#[test]
fn datagrams_are_told_apart_in_order() {
    let check = |len: usize, byte13: u8, expected| {
        let mut bytes = vec![0; len];
        if let Some(b) = bytes.get_mut(13) {
            *b = byte13;
        }
        assert_eq!(classify(&bytes), expected, "{len} bytes");
    };
    for (len, byte13, expected) in [
        (0, 0, Datagram::Ignored),
        (4, 0, Datagram::Ignored),
        (13, 0, Datagram::LanBeacon),
        (16, 0xff, Datagram::Ignored),
        (17, 0xff, Datagram::Fragment),
        (27, 0, Datagram::Ignored),
        (28, 0, Datagram::Head),
        (28, 0xff, Datagram::Fragment),
    ] {
        check(len, byte13, expected);
    }
}

#[test]
fn lengths_of_packets_are_checked() {
    assert!(Packet::new_checked([0; 27]).is_err());
    assert!(Packet::new_checked(vec![0; MAX_PACKET_LEN]).is_ok());
    assert!(Packet::new_checked(vec![0; MAX_PACKET_LEN + 1]).is_err());
    assert!(Fragment::new_checked([0; 20]).is_err(), "no marker");
}

#[test]
fn what_can_never_be_received_is_not_cut() {
    // 02 §3.3: the capacities of seven pieces.
    for (mtu, capacity) in [(1432, 9928), (1400, 9704)] {
        assert!(pieces(capacity, mtu).is_some());
        assert!(pieces(capacity + 1, mtu).is_none());
    }
    assert!(pieces(100, 16).is_none(), "an MTU without room for a header");
}
