//! Configuration text: what is written is read again, junk never panics.

use proptest::collection::vec;
use proptest::prelude::*;

use zt_netconf::{NetworkConfig, NetworkType, SignOn};
use zt_wire::netconf::{Dns, Route, Specialist};
use zt_wire::{Address, Dictionary, InetAddress, Membership, NetworkId, Ownership, Qualifier, Rule, RuleKind, Tag};

fn address() -> impl Strategy<Value = Address> {
    (1u64..0xff_0000_0000).prop_map(Address::new)
}

fn inet() -> impl Strategy<Value = InetAddress> {
    prop_oneof![
        Just(InetAddress::None),
        (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| InetAddress::V4(ip.into(), port)),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(|(ip, port)| InetAddress::V6(ip.into(), port)),
    ]
}

fn membership() -> impl Strategy<Value = Membership> {
    (vec(any::<u64>(), 0..8), address()).prop_map(|(values, signer)| {
        let one = |(id, value)| Qualifier { id: id as u64, value, max_delta: value / 2 };
        let qualifiers = values.into_iter().enumerate().map(one).collect();
        Membership { qualifiers, signer, ..Membership::default() }
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let kind = prop_oneof![
        Just(RuleKind::Accept),
        Just(RuleKind::Drop),
        any::<u16>().prop_map(RuleKind::EtherType),
        any::<u64>().prop_map(RuleKind::Characteristics),
        vec(any::<u8>(), 0..9).prop_map(|value| RuleKind::Unknown { number: 60, value: value.into() }),
    ];
    (kind, any::<bool>(), any::<bool>()).prop_map(|(kind, not, or)| Rule { kind, not, or })
}

fn sign_on() -> impl Strategy<Value = SignOn> {
    prop_oneof![
        Just(SignOn::default()),
        ("[ -~]{0,40}", any::<u64>()).prop_map(|(url, expires)| SignOn::V0 { enabled: true, url, expires }),
        ("[ -~]{0,40}", "[a-z]{1,10}", any::<bool>()).prop_map(|(text, provider, enabled)| SignOn::V1 {
            enabled,
            issuer: text.clone(),
            central: text.clone(),
            nonce: text.clone(),
            state: text.clone(),
            client: text,
            provider,
        }),
    ]
}

prop_compose! {
    fn tags()(found in proptest::collection::btree_map(any::<u32>(), (any::<u32>(), address()), 0..5)) -> Vec<Tag> {
        let one = |(id, (value, issued_to))| Tag { id, value, issued_to, signer: issued_to, ..Tag::default() };
        found.into_iter().map(one).collect()
    }
}

prop_compose! {
    fn config()(
        (network, issued_to, timestamp) in (1u64.., address(), 0i64..i64::MAX),
        (flags, limit, public, mtu, revision) in (any::<u64>(), any::<u32>(), any::<bool>(), 1280u32..=10_000, any::<u64>()),
        name in vec(1u8.., 0..=127),
        membership in proptest::option::of(membership()),
        tags in tags(),
        specialists in vec(any::<u64>().prop_map(Specialist), 0..5),
        routes in vec((inet(), inet(), any::<u16>()), 0..5),
        addresses in vec(inet(), 0..5),
        rules in vec(rule(), 0..10),
        (domain, server) in ("[a-z.]{0,20}", inet()),
        sign_on in sign_on(),
    ) -> NetworkConfig {
        let mut config = NetworkConfig::new(NetworkId(network), issued_to, timestamp);
        config.credential_window = timestamp / 2;
        config.revision = revision;
        config.trace_target = issued_to;
        config.trace_level = revision / 3;
        config.flags = flags;
        config.multicast_limit = limit;
        config.kind = if public { NetworkType::Public } else { NetworkType::Private };
        config.name = name;
        config.mtu = mtu;
        config.membership = membership;
        config.ownerships = tags.iter().map(|tag| Ownership { id: tag.id, ..Ownership::default() }).take(4).collect();
        config.tags = tags;
        config.specialists = specialists;
        config.routes = routes.into_iter().map(|(target, via, metric)| Route { target, via, flags: 0, metric }).collect();
        config.addresses = addresses;
        config.rules = rules.into();
        config.dns = Dns { domain, ..Dns::default() };
        config.dns.servers[2] = server;
        config.sign_on = sign_on;
        config
    }
}

proptest! {
    #[test]
    fn text_holds_everything(config in config()) {
        let text = config.to_text();
        let read = NetworkConfig::from_text(&text);
        prop_assert_eq!(read.as_ref(), Ok(&config));
        prop_assert_eq!(read.map(|again| again.to_text()), Ok(text));
    }

    #[test]
    fn junk_never_panics(text in vec(any::<u8>(), 0..600)) {
        let _ = NetworkConfig::from_text(&text);
    }

    #[test]
    fn damaged_text_never_panics(config in config(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut text = config.to_text();
        let at = at.index(text.len());
        text[at] = byte;
        let _ = NetworkConfig::from_text(&text);
        text.truncate(cut.index(text.len()));
        if let Ok(read) = NetworkConfig::from_text(&text) {
            let _ = read.to_text();
        }
    }
}

#[test]
fn keys_stand_in_the_order_of_the_reference() {
    let mut config = NetworkConfig::new(NetworkId(5), Address::new(7), 1);
    config.rules = vec![RuleKind::Accept.into()].into();
    let text = config.to_text();
    let keys: Vec<_> =
        Dictionary::new(&text).entries().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(keys.join(" "), "v nwid ts ctmd r id tt tl f ml t n mtu R DNS ssov ssoe");
}
