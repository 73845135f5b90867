//! Nothing panics, whatever comes; what parses is written back byte for byte.

use proptest::prelude::*;
use zt_wire::rules::RuleTable;
use zt_wire::*;

use crate::strategy::*;

/// Everything a reader may do with a payload it did not make.
fn poke(verb: Verb, payload: &[u8]) {
    match Message::parse(verb, payload) {
        Ok(message) => {
            let _ = message.to_string();
            let bytes = message.to_vec();
            assert_eq!(bytes.len(), message.encoded_len());
            let again = Message::parse(message.verb(), &bytes);
            assert!(again.as_ref() == Ok(&message), "{verb}: {message:?} is read back as {again:?}");
            if let Message::Ok(ok) = &message {
                let _ = verb::ConfigAck::from_ok(ok);
                if let verb::OkBody::Hello(hello) = &ok.body {
                    let _ = hello.parse_worlds();
                }
            }
        }
        Err(error) => assert!(error.at <= payload.len(), "{verb}: {error}"),
    }
}

/// Structure helps junk to get further: small numbers, known type bytes, the length of things.
fn spicy() -> impl Strategy<Value = Vec<u8>> {
    const HOT: [u8; 16] = [0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 6, 64, 96, 127, 255];
    bytes(400).prop_map(|all| all.into_iter().map(|b| if b < 224 { HOT[usize::from(b % 16)] } else { b }).collect())
}

proptest! {
    #[test]
    fn any_payload_of_any_verb(verb in 0..32u8, payload in prop_oneof![bytes(400), spicy()]) {
        poke(Verb(verb), &payload);
    }

    #[test]
    fn any_answer_to_any_verb(in_re in 0..24u8, id: u64, body in prop_oneof![bytes(300), spicy()]) {
        for verb in [Verb::OK, Verb::ERROR] {
            let payload = [&[in_re][..], &id.to_be_bytes(), &body].concat();
            poke(verb, &payload);
        }
    }

    #[test]
    fn any_datagram(datagram in bytes(200)) {
        match classify(&datagram) {
            Datagram::Head => {
                let packet = Packet::new_checked(&datagram[..]).expect("classified");
                let _ = (packet.to_string(), packet.trusted_path_id(), packet.cipher());
                let opened = packet.opened();
                poke(opened.verb(), opened.payload());
            }
            Datagram::Fragment => {
                let fragment = Fragment::new_checked(&datagram[..]).expect("classified");
                let _ = (fragment.to_string(), fragment.is_sane(), fragment.body().len());
            }
            Datagram::LanBeacon => {
                let beacon = LanBeacon::parse(&mut Reader::new(&datagram)).expect("13 bytes");
                prop_assert_eq!(beacon.to_vec(), datagram);
            }
            Datagram::Ignored => {}
        }
    }

    #[test]
    fn any_layout(junk in prop_oneof![bytes(400), spicy()]) {
        let r = || Reader::new(&junk);
        let _ = (Identity::parse(&mut r()), World::parse(&mut r()), Membership::parse(&mut r()));
        let _ = (Tag::parse(&mut r()), Capability::parse(&mut r()), Ownership::parse(&mut r()));
        let _ = (Revocation::parse(&mut r()), RuleTable::parse_blob(&junk));
        let _ = (parse_all::<netconf::Route>(&junk), parse_all::<netconf::Dns>(&junk));
        let _ = (verb::parse_moons(&junk), lz4::decompress_payload(&junk, &mut Vec::new()));
        let _ = Identity::from_text_lenient(&junk);
    }

    #[test]
    fn any_dictionary(junk in prop_oneof![bytes(200), "[ab=\\\\\n\r0xX+ -]{0,40}".prop_map(String::into_bytes)]) {
        let d = Dictionary::new(&junk);
        let _ = (d.u64("a", 1), d.i64("a", 1), d.bool("a", true), d.address("b"), d.to_string());
        for (key, value) in d.entries() {
            if let Ok(key) = std::str::from_utf8(key) {
                prop_assert!(d.get(key).is_some(), "{key:?} has {value:?}");
            }
        }
    }

    #[test]
    fn any_frame(ethertype in prop_oneof![Just(0x800u16), Just(0x806), Just(0x86dd), any::<u16>()], mut payload in bytes(120)) {
        let _ = ether::claimed_source(ethertype, &payload);
        let _ = (ether::Arp::parse(&mut Reader::new(&payload)), EthernetRef::new_checked(&payload));
        if let Some(p) = ether::Ipv4Ref::new(&payload) {
            let _ = (p.payload(), p.source(), p.destination(), p.protocol(), p.tos());
        }
        if let Some(first) = payload.get_mut(6) {
            *first = [0, 43, 60, 135, 58][usize::from(*first) % 5];
        }
        if let Some(p) = ether::Ipv6Ref::new(&payload) {
            let _ = (p.payload(), p.source(), p.upper(), p.neighbor(), p.traffic_class());
        }
    }

    #[test]
    fn any_text(s in "\\PC{0,60}") {
        let _ = (s.parse::<Address>(), s.parse::<NetworkId>(), s.parse::<Mac>());
        let _ = (s.parse::<InetAddress>(), s.parse::<Identity>());
    }
}
