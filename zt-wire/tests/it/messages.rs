//! What is written is read back, for every verb.

use proptest::collection::vec;
use proptest::prelude::*;
use zt_wire::verb::*;
use zt_wire::*;

use crate::strategy::*;

/// Every verb has its own generator; the owned parts live outside of the message, which borrows them.
fn back<'a>(message: impl Into<Message<'a>>) {
    let message = message.into();
    let mut bytes = vec![0; message.encoded_len()];
    let mut w = Writer::new(&mut bytes);
    assert_eq!(message.emit(&mut w), Ok(()));
    assert_eq!(w.room(), 0, "length of {message}");
    assert_eq!(Message::parse(message.verb(), &bytes).as_ref(), Ok(&message));
    assert!(message.to_string().starts_with(message.verb().name().unwrap_or("verb")));
    if let Some(short) = bytes.len().checked_sub(1) {
        assert_eq!(message.emit(&mut Writer::new(&mut bytes[..short])), Err(BufferFull));
    }
}

fn ok(in_re_packet: PacketId, body: OkBody<'_>) {
    back(OkReply { in_re_packet, body });
}

fn version() -> impl Strategy<Value = WorldVersion> {
    (any::<u64>(), any::<u64>()).prop_map(|(id, timestamp)| WorldVersion { id, timestamp })
}

fn results() -> impl Strategy<Value = GatherResults> {
    (any::<u32>(), vec(address(), 0..20)).prop_map(|(total, members)| GatherResults { total, members })
}

fn ethernet<'a>(payload: &'a [u8], macs: (Mac, Mac), ethertype: u16) -> EthernetRef<'a> {
    EthernetRef { destination: macs.0, source: macs.1, ethertype, payload }
}

proptest! {
    /// Every length a HELLO had since 1.0.0: each field needs the one before.
    #[test]
    fn hello(identity in identity(), protocol: u8, v: (u8, u8, u16), timestamp: u64, form in 0..4u8,
             to in inet(), planet in version(), list in vec(version(), 0..4)) {
        let moons = emit_moons(&list);
        let hello = Hello {
            protocol, version: SoftwareVersion::new(v.0, v.1, v.2), timestamp, identity,
            destination: (form > 0).then_some(to),
            planet: (form > 1).then_some(planet),
            moons: if form > 2 { &moons } else { &[] },
        };
        let bytes = hello.to_vec();
        prop_assert_eq!(&bytes[hello.moons_offset()..], hello.moons);
        prop_assert_eq!(parse_moons(&moons), Ok(list));
        back(hello);
    }

    #[test]
    fn ok_hello(id in packet_id(), timestamp: u64, v: (u8, u8, u8, u16), form in 0..3u8, from in inet(),
                list in vec(world(), 0..3), rest in bytes(10)) {
        let worlds = emit_all(&list);
        let hello = OkHello {
            timestamp, protocol: v.0, version: SoftwareVersion::new(v.1, v.2, v.3),
            address: (form > 0).then_some(from),
            worlds: (form > 1).then_some(&worlds),
            missing: 0,
            rest: if form > 1 { &rest } else { &[] },
        };
        if form > 1 {
            prop_assert_eq!(hello.parse_worlds(), Ok(list));
        }
        ok(id, OkBody::Hello(hello));
    }

    #[test]
    fn errors(verb: u8, id in packet_id(), code: u8, n in network(), g in group(), d in bytes(60), with: bool) {
        let (verb, code) = (Verb(verb), ErrorCode(code));
        let error = match code.0 {
            3 | 5 | 6 | 7 => ErrorReply::network_error(verb, id, code, n),
            8 => ErrorReply { detail: ErrorDetail::Group(n, g), ..ErrorReply::plain(verb, id, code) },
            9 => ErrorReply::authentication_required(id, n, (with && !d.is_empty()).then_some(&d)),
            _ => ErrorReply { rest: &d, ..ErrorReply::plain(verb, id, code) },
        };
        prop_assert_eq!(error.network().is_some(), matches!(code.0, 3 | 5..=9));
        back(error);
    }

    #[test]
    fn whois(id in packet_id(), addresses in vec(address(), 0..9), rest in bytes(4), identities in vec(identity(), 1..4)) {
        back(Whois { addresses, rest: &rest });
        ok(id, OkBody::Whois(OkWhois { identities, rest: &rest }));
    }

    #[test]
    fn rendezvous(flags: u8, peer in address(), endpoint in inet(), rest in bytes(5)) {
        if !endpoint.is_none() {
            back(Rendezvous { flags, peer, endpoint, rest: &rest });
        }
    }

    #[test]
    fn frames(network in network(), ethertype: u16, payload in bytes(300), flags: u8, macs in (mac(), mac()),
              membership in some(membership()), id in packet_id()) {
        back(Frame { network, ethertype, payload: &payload });
        let flags = flags & !1 | u8::from(membership.is_some());
        let frame = Some(ethernet(&payload, macs, ethertype));
        back(ExtFrame { network, flags, membership, frame, rest: &[] });
        ok(id, OkBody::ExtFrame(OkExtFrame { network: Some(network), rest: &payload }));
    }

    #[test]
    fn echo(id in packet_id(), data in bytes(300)) {
        back(Echo { data: &data });
        ok(id, OkBody::Echo(OkEcho { data: &data }));
    }

    #[test]
    fn multicast_like(list in vec((network(), group()), 0..9), rest in bytes(17)) {
        let subscriptions = list.into_iter().map(|(network, group)| Subscription { network, group }).collect();
        back(MulticastLike { subscriptions, rest: &rest });
    }

    #[test]
    fn credentials(memberships in vec(membership(), 0..3), capabilities in vec(capability(), 0..3),
                   tags in vec(tag(), 0..3), revocations in vec(revocation(), 0..2),
                   ownerships in vec(ownership(), 0..2), rest in bytes(9), end in 0..6u8) {
        let at_least = |n: u8| end >= n;
        let ends = [
            CredentialsEnd::Memberships, CredentialsEnd::EndOfMemberships, CredentialsEnd::Capabilities,
            CredentialsEnd::Tags, CredentialsEnd::Revocations, CredentialsEnd::Complete,
        ];
        let message = NetworkCredentials {
            memberships,
            capabilities: if at_least(2) { capabilities } else { vec![] },
            tags: if at_least(3) { tags } else { vec![] },
            revocations: if at_least(4) { revocations } else { vec![] },
            ownerships: if at_least(5) { ownerships } else { vec![] },
            end: ends[usize::from(end)],
            missing: 0,
            rest: if end == 5 { &rest } else { &[] },
        };
        prop_assert!(!message.is_broken());
        back(message);
    }

    /// A packet cut anywhere keeps what is whole, says that it is broken, and is written back as it was.
    #[test]
    fn cut_credentials(tags in vec(tag(), 1..4), memberships in vec(membership(), 0..2), cut in any::<proptest::sample::Index>()) {
        let whole = NetworkCredentials { memberships, tags, ..NetworkCredentials::default() }.to_vec();
        let part = &whole[..cut.index(whole.len())];
        let message = NetworkCredentials::parse(&mut Reader::new(part)).expect("never fails");
        prop_assert_eq!(message.to_vec(), part);
    }

    #[test]
    fn config_request(network in network(), metadata in bytes(200), revision: u64, timestamp: u64, form in 0..4u8, rest in bytes(7)) {
        back(NetworkConfigRequest {
            network,
            metadata: (form > 0).then_some(&metadata),
            revision: (form > 1).then_some(revision),
            timestamp: (form > 2).then_some(timestamp),
            rest: if form == 3 { &rest } else { &[] },
        });
    }

    #[test]
    fn config_chunk(id in packet_id(), network in network(), data in bytes(300), flags: u8, update_id: u64,
                    place: (u32, u32), signature in signature(), sealed: bool, rest in bytes(20)) {
        let seal = ChunkSeal {
            flags, update_id, total: place.0, index: place.1, signature_type: 1, signature: &signature.0,
        };
        let chunk = ConfigChunk {
            network, data: &data, seal: sealed.then_some(seal), rest: if sealed { &rest } else { &[] },
        };
        let signed = chunk.signed_bytes();
        prop_assert_eq!(signed.is_some(), sealed);
        if let Some(signed) = signed {
            prop_assert_eq!(&signed[..], &chunk.to_vec()[..27 + data.len()]);
            prop_assert_eq!(seal.signature(), Some(signature));
        }
        back(chunk);
        ok(id, OkBody::NetworkConfig(chunk));
    }

    #[test]
    fn gather(id in packet_id(), network in network(), flags: u8, group in group(), limit: u32,
              membership in some(membership()), results in results(), rest in bytes(9)) {
        let flags = flags & !1 | u8::from(membership.is_some());
        back(MulticastGather { network, flags, group, limit, membership: membership.clone(), rest: &rest });
        ok(id, OkBody::MulticastGather(OkMulticastGather { network, group, results: results.clone(), rest: &rest }));
        let flags = flags & !3 | u8::from(membership.is_some()) | 2;
        let frame = OkMulticastFrame { network, group, flags, membership, results: Some(results), rest: &rest };
        ok(id, OkBody::MulticastFrame(frame));
    }

    #[test]
    fn multicast_frame(network in network(), flags: u8, membership in some(membership()), limit in some(any::<u32>()),
                       source in some(mac()), group in group(), ethertype: u16, payload in bytes(300)) {
        let there = u8::from(membership.is_some()) | u8::from(limit.is_some()) << 1 | u8::from(source.is_some()) << 2;
        let flags = flags & !7 | there;
        let payload = &payload[..];
        back(MulticastFrame { network, flags, membership, gather_limit: limit, source, group, ethertype, payload });
    }

    #[test]
    fn push_direct_paths(list in vec((any::<u8>(), bytes(9), inet(), 7..=255u8, bytes(30)), 0..6), rest in bytes(9)) {
        let mut records = Vec::new();
        for (flags, extension, inet, kind, data) in &list {
            let address = match kind % 2 {
                0 => PathAddress::Inet(*inet),
                _ => PathAddress::Other { kind: *kind, data },
            };
            records.push(PathRecord { flags: *flags, extension, address });
        }
        let push = PushDirectPaths { records, missing: 0, rest: &rest };
        back(push);
    }

    #[test]
    fn small_verbs(received: u32, utility: i16, type_id: u64, data in bytes(100), networks in vec(network(), 0..5)) {
        back(Nop { rest: &data });
        back(Ack { received, rest: &data });
        back(PathNegotiationRequest { utility });
        back(UserMessage { type_id, data: &data });
        back(RemoteTrace { body: &data });
        let refresh = NetworkConfigRefresh { networks, rest: &[] };
        let bytes = refresh.to_vec();
        prop_assert_eq!(NetworkConfigRefresh::parse(&mut Reader::new(&bytes)), Ok(refresh));
    }

    #[test]
    fn qos(list in vec((packet_id(), any::<u16>()), 1..=140), rest in bytes(9)) {
        let records: Vec<_> = list.into_iter().map(|(packet, held_ms)| QosRecord { packet, held_ms }).collect();
        let rest = if records.len() == 140 { &[][..] } else { &rest };
        back(QosMeasurement { records, rest });
    }
}
