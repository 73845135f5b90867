//! What is written is read back, and the length is told exactly, for everything that is not a message.

use proptest::collection::vec;
use proptest::prelude::*;
use zt_wire::netconf::{Dns, Route, Specialist};
use zt_wire::*;

use crate::strategy::*;

/// Writes into a buffer of exactly the right size, reads back, and sees that one byte less does not do.
pub(crate) fn back<T>(value: &T)
where
    T: Emit + for<'a> Parse<'a> + PartialEq + std::fmt::Debug,
{
    let mut bytes = vec![0; value.encoded_len()];
    let mut w = Writer::new(&mut bytes);
    assert_eq!(value.emit(&mut w), Ok(()));
    assert_eq!((w.written(), w.room()), (value.encoded_len(), 0));
    let mut r = Reader::new(&bytes);
    assert_eq!(T::parse(&mut r).as_ref(), Ok(value));
    assert!(r.is_empty());
    let short = bytes.len() - 1;
    assert_eq!(value.emit(&mut Writer::new(&mut bytes[..short])), Err(BufferFull));
    let error = T::parse(&mut Reader::new(&bytes[..short])).expect_err("cut by one byte");
    assert!(error.at <= short, "{error} in {short} bytes");
}

proptest! {
    #[test]
    fn names(a in address(), n in network(), m in mac(), g in group(), p in packet_id()) {
        back(&a);
        back(&n);
        back(&m);
        back(&g);
        back(&p);
        prop_assert_eq!(a.to_string().parse(), Ok(a));
        prop_assert_eq!(n.to_string().parse(), Ok(n));
        prop_assert_eq!(m.to_string().parse(), Ok(m));
    }

    #[test]
    fn every_member_has_its_mac(a in node(), n in network()) {
        let mac = Mac::for_member(a, n);
        prop_assert_eq!(mac.member(n), Some(a));
        prop_assert!(!mac.is_multicast());
    }

    #[test]
    fn physical_addresses(a in inet()) {
        back(&a);
        prop_assert_eq!(a.to_string().parse(), Ok(a));
    }

    #[test]
    fn identities(i in identity()) {
        back(&i);
        let text = i.to_string();
        match i.address.is_reserved() {
            true => prop_assert!(text.parse::<Identity>().is_err()),
            false => {
                prop_assert_eq!(text.parse(), Ok(i));
                prop_assert_eq!(Identity::from_text_lenient(text.as_bytes()), Some((i, None)));
            }
        }
    }

    #[test]
    fn worlds(w in world()) {
        back(&w);
        prop_assert_eq!(w.signed_bytes().len(), w.encoded_len() - 96 + 16);
    }

    #[test]
    fn credentials(m in membership(), t in tag(), c in capability(), o in ownership(), r in revocation()) {
        back(&m);
        back(&t);
        back(&c);
        back(&o);
        back(&r);
        prop_assert_eq!(m.signed_bytes().len(), 24 * m.qualifiers.len());
        prop_assert_eq!((t.signed_bytes().len(), r.signed_bytes().len()), (52, 69));
    }

    #[test]
    fn rules(all in vec(rule(), 0..20)) {
        all.iter().for_each(back);
        let table = RuleTable::from(all);
        prop_assert_eq!(&RuleTable::parse_blob(&table.to_vec()), &Ok(table));
    }

    /// Bytes of a rule table come out as they went in, whatever lengths they state.
    #[test]
    fn rule_bytes_are_kept(junk in bytes(200)) {
        if let Ok(table) = RuleTable::parse_blob(&junk) {
            prop_assert_eq!(table.to_vec(), junk);
        }
    }

    #[test]
    fn configuration_blobs(target in inet(), via in inet(), flags: u16, metric: u16, s: u64,
                           domain in "[a-z.]{0,127}", servers in [inet(), inet(), inet(), inet()]) {
        back(&Route { target, via, flags, metric });
        back(&Specialist(s));
        back(&Dns { domain, servers });
        prop_assert_eq!(Specialist::new(Specialist(s).address(), Specialist(s).roles()), Specialist(s));
    }

    #[test]
    fn lists_keep_what_is_before_an_error(all in vec(inet(), 0..8), junk in 7..=255u8) {
        let mut bytes = emit_all(&all);
        prop_assert_eq!(parse_all::<InetAddress>(&bytes), Ok(all.clone()));
        bytes.push(junk);
        let (before, error) = parse_until_error::<InetAddress>(&bytes);
        prop_assert_eq!(before, all);
        prop_assert_eq!(error.map(|e| e.at), Some(bytes.len() - 1));
    }

    #[test]
    fn dictionaries(values in vec(bytes(40), 0..6), numbers in vec(any::<u64>(), 0..3)) {
        let mut d = DictionaryWriter::new();
        for (i, value) in values.iter().enumerate() {
            prop_assert_eq!(d.put(&format!("k{i}"), value), Ok(()));
        }
        for (i, number) in numbers.iter().enumerate() {
            prop_assert_eq!(d.put_u64(&format!("n{i}"), *number), Ok(()));
        }
        let read = Dictionary::new(d.as_bytes());
        prop_assert_eq!(read.entries().count(), values.len() + numbers.len());
        for (i, value) in values.iter().enumerate() {
            let got = read.get(&format!("k{i}"));
            prop_assert_eq!(got.as_deref(), Some(&value[..]));
        }
        for (i, number) in numbers.iter().enumerate() {
            prop_assert_eq!(read.u64(&format!("n{i}"), 0), *number);
        }
    }

    #[test]
    fn a_full_dictionary_stays_as_it_is(capacity in 0..60usize, values in vec(bytes(20), 1..6)) {
        let mut d = DictionaryWriter::with_capacity_limit(capacity);
        for value in &values {
            let before = d.as_bytes().to_vec();
            match d.put("key", value) {
                Ok(()) => prop_assert!(d.as_bytes().len() < capacity),
                Err(BufferFull) => prop_assert_eq!(d.as_bytes(), before),
            }
        }
    }

    #[test]
    fn compression(payload in prop_oneof![bytes(300), (any::<u8>(), 0..9996usize).prop_map(|(b, n)| vec![b; n])]) {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        if let Some(block) = lz4::compress(&payload, &mut scratch) {
            prop_assert!(payload.len() > 64 && block.len() < payload.len());
            prop_assert_eq!(lz4::decompress_payload(block, &mut out), Ok(()));
            prop_assert_eq!(out, payload);
        }
    }
}

#[test]
fn secrets_inside_packets_are_skipped() {
    let identity = Identity { address: Address::new(0x12_3456_789a), public_key: [1; 64] };
    let mut bytes = identity.to_vec();
    bytes[70] = 64;
    bytes.extend([9; 64]);
    bytes.push(0xaa);
    let mut r = Reader::new(&bytes);
    assert_eq!(Identity::parse(&mut r), Ok(identity));
    assert_eq!(r.rest(), [0xaa]);
}

#[test]
fn a_compression_bomb_stops_at_the_limit() {
    let mut block = vec![0x1f, 0x61, 1, 0];
    block.extend([0xff; 4000]);
    block.extend([0, 0x50, 1, 2, 3, 4, 5]);
    let mut out = Vec::new();
    assert!(lz4::decompress_payload(&block, &mut out).is_err());
    assert!(out.capacity() <= 2 * packet::MAX_PACKET_LEN);
}
