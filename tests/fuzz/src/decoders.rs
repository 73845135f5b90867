//! One function for each decoder. What can be read can be written, has the length it says, and reads the same again.

use crate::input::Input;
use crate::json;
use zt_netconf::controller::Controller;
use zt_netconf::rules::{FrameFacts, Policy};
use zt_netconf::{Managed, NetworkConfig, Settings};
use zt_wire::verb::parse_moons;
use zt_wire::world::World;
use zt_wire::{
    Address, Capability, Credential, Datagram, Dictionary, DictionaryWriter, Emit, Fragment, Identity, InetAddress,
    LanBeacon, Mac, Membership, Message, NetworkId, Ownership, Packet, Parse, Reader, Revocation, Rule, RuleTable, Tag,
    Verb, classify,
};

/// Reads, writes, and reads what was written: equal.
fn round_trip<T: for<'a> Parse<'a> + Emit + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let value = T::parse(&mut Reader::new(bytes)).ok()?;
    let written = value.to_vec();
    assert_eq!(written.len(), value.encoded_len(), "{value:?}");
    let again = T::parse(&mut Reader::new(&written)).expect("what was written can be read");
    assert_eq!(again, value);
    Some(value)
}

/// False when a rule states another length than it has: then its value reaches into the bytes after it (04 §6.2), which
/// are others once it is written again.
fn is_canonical(capability: &Capability) -> bool {
    RuleTable::from(capability.rules.as_slice().to_vec()) == capability.rules
}

/// Datagrams, headers, fragments, and the body of a packet that is not encrypted.
pub fn packet(data: &[u8]) {
    match classify(data) {
        Datagram::Head => {
            let Ok(mut packet) = Packet::new_checked(data.to_vec()) else { return };
            let (destination, source, hops, id) = (packet.destination(), packet.source(), packet.hops(), packet.id());
            let _ = (packet.cipher(), packet.is_fragmented(), packet.mac(), packet.trusted_path_id());
            packet.set_hops(hops);
            packet.set_destination(destination);
            packet.set_source(source);
            packet.set_id(id);
            assert_eq!(packet.as_bytes(), data);
            let opened = packet.opened();
            let _ = (opened.is_compressed(), format!("{:?}", opened.verb()));
            if let Ok(message) = Message::parse(opened.verb(), opened.payload()) {
                let _ = message.to_string();
            }
        }
        Datagram::Fragment => {
            if let Ok(fragment) = Fragment::new_checked(data) {
                let _ = format!("{:?}", (fragment.id(), fragment.destination(), fragment.total(), fragment.number()));
                assert!(fragment.body().len() < data.len());
            }
        }
        Datagram::LanBeacon => {
            round_trip::<LanBeacon>(data).expect("13 bytes are a beacon");
        }
        Datagram::Ignored => {}
    }
}

/// The payload of any verb; `ZT_FUZZ_VERB` fixes the verb, otherwise the first byte names it.
pub fn message(data: &[u8]) {
    static FIXED: std::sync::OnceLock<Option<u8>> = std::sync::OnceLock::new();
    let fixed = FIXED.get_or_init(|| std::env::var("ZT_FUZZ_VERB").ok().and_then(|text| text.parse().ok()));
    let Some((&first, payload)) = data.split_first() else { return };
    let verb = Verb(fixed.unwrap_or(first & 0x1f));
    let Ok(message) = Message::parse(verb, payload) else { return };
    let _ = message.to_string();
    let written = message.to_vec();
    assert_eq!(written.len(), message.encoded_len(), "{message:?}");
    if !matches!(&message, Message::NetworkCredentials(all) if !all.capabilities.iter().all(is_canonical)) {
        let again = Message::parse(verb, &written).expect("what was written can be read");
        assert_eq!(again, message);
    }
    match &message {
        Message::Hello(hello) => {
            let _ = parse_moons(hello.moons);
        }
        Message::Ok(ok) => {
            if let zt_wire::verb::OkBody::Hello(hello) = &ok.body {
                let _ = hello.parse_worlds();
            }
        }
        Message::RemoteTrace(trace) => {
            trace.dictionaries().for_each(|dictionary| _ = dictionary.entries().count());
        }
        _ => {}
    }
}

/// Dictionary text.
pub fn dictionary(data: &[u8]) {
    let dictionary = Dictionary::new(data);
    let mut writer = DictionaryWriter::new();
    for (key, value) in dictionary.entries() {
        if let Ok(key) = std::str::from_utf8(key) {
            let _ = (dictionary.get(key), dictionary.u64(key, 1), dictionary.i64(key, -1), dictionary.bool(key, true));
            let _ = dictionary.text(key);
            let _ = writer.put(key, &value);
        }
    }
    let text = writer.into_bytes();
    let again = Dictionary::new(&text);
    assert!(again.entries().count() <= dictionary.entries().count());
}

/// The configuration of a network.
pub fn config(data: &[u8]) {
    let Ok(config) = NetworkConfig::from_text(data) else { return };
    let settings = Settings::from_text(data);
    let mac = Mac::for_member(config.issued_to, config.network);
    let _ = Managed::new(mac, Some(&config), &settings, &[], true);
    let _ = (config.name_text(), config.is_public(), config.always_contact().count());
    let _ = Policy::new(&config);
    // A domain that is no UTF-8 grows when it is read, and is cut again when it is written.
    let readable = !config.dns.domain.contains(char::REPLACEMENT_CHARACTER);
    if readable && config.capabilities.iter().all(is_canonical) {
        // A minus sign is lost in writing (04 §2.6), so the second text is compared, not the first value.
        let text = config.to_text();
        let again = NetworkConfig::from_text(&text).expect("what was written can be read");
        assert_eq!(again.to_text(), text);
    }
}

/// Planets and moons.
pub fn world(data: &[u8]) {
    if let Some(world) = round_trip::<World>(data) {
        let _ = zt_crypto::verify_world(&world, &world.update_key);
        assert!(world.roots.len() <= zt_wire::world::MAX_ROOTS);
    }
}

/// Texts and bytes of identities.
pub fn identity(data: &[u8]) {
    round_trip::<Identity>(data);
    let lenient = Identity::from_text_lenient(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(identity) = text.parse::<Identity>() {
        assert_eq!(identity.to_string().parse(), Ok(identity));
        assert_eq!(lenient.map(|(identity, _)| identity), Some(identity), "lenient reads what strict does");
    }
    let _ = zt_crypto::SecretIdentity::from_text(text);
    let _ = text.parse::<Address>();
    let _ = text.parse::<NetworkId>();
    let _ = text.parse::<Mac>();
}

/// Texts and bytes of IP addresses.
pub fn inet(data: &[u8]) {
    if let Some(address) = round_trip::<InetAddress>(data) {
        let _ = (address.scope(), address.socket_addr());
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(address) = text.parse::<InetAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}

/// All credentials.
pub fn credentials(data: &[u8]) {
    fn one<T: for<'a> Parse<'a> + Emit + Credential + PartialEq + std::fmt::Debug>(data: &[u8]) {
        if let Some(credential) = round_trip::<T>(data) {
            assert!(credential.signed_bytes().len() >= 16);
            let _ = (credential.network(), credential.id(), credential.timestamp(), credential.issued_to());
        }
    }
    let Some((first, data)) = data.split_first() else { return };
    match first % 5 {
        0 => {
            if let Some(membership) = round_trip::<Membership>(data) {
                let _ = membership.signed_bytes();
                let _ = (membership.network(), membership.timestamp(), membership.issued_to());
                let peer = Identity { address: membership.issued_to(), public_key: [0; 64] };
                let _ = zt_netconf::member::membership::agrees(&membership, &membership, &peer);
            }
        }
        1 => {
            if let Ok(capability) = Capability::parse(&mut Reader::new(data)) {
                let _ = (capability.signed_bytes(), capability.issued_to());
                if is_canonical(&capability) {
                    one::<Capability>(data);
                }
            }
        }
        2 => one::<Tag>(data),
        3 => one::<Ownership>(data),
        _ => one::<Revocation>(data),
    }
}

/// Compressed payloads.
pub fn lz4(data: &[u8]) {
    let mut out = Vec::new();
    if zt_wire::lz4::decompress_payload(data, &mut out).is_ok() {
        assert!(out.len() <= zt_wire::packet::MAX_PAYLOAD_LEN);
    }
    let mut scratch = Vec::new();
    let packed = zt_wire::lz4::compress(data, &mut scratch).map(<[u8]>::to_vec);
    if let Some(packed) = packed {
        assert!(packed.len() < data.len());
        if data.len() <= zt_wire::packet::MAX_PAYLOAD_LEN {
            zt_wire::lz4::decompress_payload(&packed, &mut out).expect("what was compressed can be expanded");
            assert_eq!(out, data);
        }
    }
}

/// Rule tables: binary, judged on a frame, and as JSON through the controller.
pub fn rules(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    if first % 2 == 1 {
        let text = match first & 8 {
            0 => json::rules(&mut Input::new(data)),
            _ => String::from_utf8_lossy(data).into_owned(),
        };
        // Each call replaces the rules whole, so one controller serves all inputs.
        thread_local!(static CONTROLLER: std::cell::RefCell<Controller> = controller_with_network().into());
        CONTROLLER.with_borrow_mut(|controller| {
            call(controller, "POST", &network_path(), format!("{{\"rules\": {text}}}").as_bytes());
            call(controller, "GET", &network_path(), b"");
        });
        return;
    }
    round_trip::<Rule>(data);
    if let Ok(table) = RuleTable::parse_blob(data) {
        let facts = FrameFacts {
            inbound: first & 4 == 4,
            source: Address::new(1),
            destination: Address::new(2),
            source_mac: Mac([2; 6]),
            destination_mac: Mac([4; 6]),
            ethertype: 0x0800,
            payload: data,
        };
        let mut config = NetworkConfig::new(NetworkId(1), Address::new(1), 0);
        config.flags = if first & 2 == 2 { NetworkConfig::UNKNOWN_RULES_MATCH } else { 0 };
        config.rules = table.clone();
        let _ = Policy::new(&config).judge(&facts, None, &mut || 0);
        assert_eq!(RuleTable::parse_blob(&table.to_vec()), Ok(table));
    }
}

fn network_path() -> String {
    format!("/controller/network/{}", NetworkId(zt_test_sim::identity(0).address().as_u64() << 24 | 1))
}

fn controller_with_network() -> Controller {
    static OWN: std::sync::OnceLock<std::sync::Arc<zt_crypto::SecretIdentity>> = std::sync::OnceLock::new();
    let own = std::sync::Arc::clone(OWN.get_or_init(|| zt_test_sim::identity(0)));
    let mut controller = Controller::new(own, Box::new(zt_crypto::SeededEntropy::new(1)));
    controller.start();
    call(&mut controller, "POST", &network_path(), b"{}");
    controller
}

/// A call whose changes are stored; the answer is JSON or empty, and its status is one of the documented ones.
fn call(controller: &mut Controller, method: &str, path: &str, body: &[u8]) {
    let now = zt_wire::Now { mono: zt_wire::Mono(1_000_000), unix_ms: 1_760_000_000_000 };
    let outcome = controller.api(now, method, path, body);
    assert!([200, 400, 404, 405, 500, 503].contains(&outcome.status), "{}", outcome.status);
    if let Some(text) = &outcome.body {
        assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
    }
    while let Some(output) = controller.poll_output(now) {
        if let zt_netconf::controller::ControllerOutput::Commit { seq, .. } = output {
            controller.handle_committed(now, seq);
        }
    }
}

/// Calls of the controller's HTTP interface, and requests of members in between.
pub fn controller(data: &[u8]) {
    let mut input = Input::new(data);
    let mut controller = controller_with_network();
    let network = network_path();
    for _ in 0..16 {
        if input.is_empty() {
            break;
        }
        let method = ["POST", "GET", "DELETE", "PUT", "HEAD", "PATCH"][input.below(6)];
        let member =
            format!("{network}/member/{}", ["a7a3749ee1", "0000000000", "A7A3749EE1", "ffffffffff"][input.below(4)]);
        let path = match input.below(10) {
            0 => "/controller".to_owned(),
            1 => "/controller/network".to_owned(),
            2 | 3 => network.clone(),
            4 => format!("{network}/member"),
            5 | 6 => member,
            7 => "/unstable/controller/network".to_owned(),
            8 => "/controller/network/623b20f7ba______".to_owned(),
            _ => String::from_utf8_lossy(input.some_bytes()).into_owned(),
        };
        match input.below(3) {
            0 => call(&mut controller, method, &path, input.some_bytes()),
            1 => call(&mut controller, method, &path, json::object(&mut input, 0).as_bytes()),
            _ => {
                let body = format!("{{\"rules\": {}}}", json::rules(&mut input));
                call(&mut controller, method, &path, body.as_bytes());
            }
        }
        if input.bool() {
            request(&mut controller, &mut input);
        }
    }
}

fn request(controller: &mut Controller, input: &mut Input<'_>) {
    static FROM: std::sync::OnceLock<Vec<Identity>> = std::sync::OnceLock::new();
    let from = FROM.get_or_init(|| (1..5).map(|n| *zt_test_sim::identity(n).identity()).collect());
    let now = zt_wire::Now { mono: zt_wire::Mono(1_000_000), unix_ms: 1_760_000_000_000 };
    let request = zt_netconf::controller::Request {
        network: NetworkId(zt_test_sim::identity(0).address().as_u64() << 24 | 1),
        from: from[input.below(4)],
        from_path: None,
        packet: Some(zt_wire::PacketId(u64::from(input.u32()))),
        metadata: input.some_bytes(),
    };
    let _ = controller.handle_request(now, request);
    while let Some(output) = controller.poll_output(now) {
        if let zt_netconf::controller::ControllerOutput::Commit { seq, .. } = output {
            controller.handle_committed(now, seq);
        }
    }
}
