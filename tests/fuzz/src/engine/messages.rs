//! What the puppets say: messages with the right seals around any content.

use super::*;
use zt_wire::SoftwareVersion;

impl Scene {
    /// Any verb, any payload, any suite.
    pub(super) fn send_raw(&mut self, input: &mut Bytes<'_>) {
        let (puppet, other, verb) = (input.below(5), input.u8(), Verb(input.u8() & 0x1f));
        let suite = [Suite::AesGmacSiv, Suite::Salsa2012Poly1305, Suite::Poly1305None][input.below(3)];
        let how = input.u8();
        // Most verbs of networks begin with a network ID: help with that.
        let mut payload = Vec::new();
        match input.below(4) {
            0 => payload.extend(self.stage.network.0.to_be_bytes()),
            1 => payload.extend(self.own_network.0.to_be_bytes()),
            _ => {}
        }
        payload.extend_from_slice(input.some_bytes());
        self.send(puppet, other, verb, &payload, suite, how);
    }

    pub(super) fn send_hello(&mut self, puppet: usize, other: u8, ago: i64, protocol: u8) {
        let moons = emit_moons(&[WorldVersion { id: self.stage.moon.id, timestamp: u64::from(other & 1) }]);
        let hello = Hello {
            protocol,
            version: SoftwareVersion::new(1, 14, 1),
            timestamp: (self.now.unix_ms - ago) as u64,
            identity: *self.stage.puppets[puppet].identity(),
            destination: Some(InetAddress::from(SocketAddr::from(([44, 0, 0, 10], 9993)))),
            planet: Some(WorldVersion { id: self.stage.planet.id, timestamp: self.stage.planet.timestamp }),
            moons: &moons,
        };
        self.send(puppet, other, Verb::HELLO, &hello.to_vec(), Suite::Poly1305None, other >> 4 & 3);
    }

    /// Answers the newest HELLO to a puppet as an honest node does.
    pub(super) fn answer_hello(&mut self, puppet: usize, other: u8) {
        let asked = self.seen.iter().rev().find(|seen| seen.puppet == puppet && seen.verb == Verb::HELLO);
        let Some(Seen { id, payload, .. }) = asked.cloned() else { return };
        let Some(timestamp) = payload.get(5..13) else { return };
        let world = match other >> 2 & 3 {
            1 => self.stage.planet.to_vec(),
            2 => self.stage.moon.to_vec(),
            _ => Vec::new(),
        };
        let body = OkHello {
            timestamp: u64::from_be_bytes(timestamp.try_into().expect("8 bytes")),
            protocol: 12,
            version: SoftwareVersion::new(1, 14, 1),
            address: Some(InetAddress::from(SocketAddr::from(([44, 0, 0, 10], 9993 + u16::from(other >> 7))))),
            worlds: Some(&world),
            ..OkHello::default()
        };
        let mut payload = vec![Verb::HELLO.0];
        payload.extend(id.to_be_bytes());
        payload.extend(body.to_vec());
        self.send(puppet, other & 0xc3, Verb::OK, &payload, Suite::AesGmacSiv, 0);
    }

    /// OK to something the engine really sent, with any content.
    pub(super) fn send_ok(&mut self, input: &mut Bytes<'_>) {
        let Some(asked) = self.pick_seen(input) else { return };
        let (other, how) = (input.u8(), input.u8());
        let mut payload = vec![asked.verb.0];
        payload.extend(asked.id.to_be_bytes());
        match (asked.verb, how >> 6) {
            (Verb::WHOIS, 0) => {
                for puppet in &self.stage.puppets {
                    payload.extend(puppet.identity().to_vec());
                }
            }
            (Verb::ECHO, 0) => payload.extend_from_slice(&asked.payload),
            (Verb::MULTICAST_GATHER, 0) => {
                payload.extend_from_slice(asked.payload.get(..8).unwrap_or_default());
                payload.extend_from_slice(asked.payload.get(9..19).unwrap_or_default());
                payload.extend([0, 0, 0, 2, 0, 2]);
                payload.extend(self.stage.puppets[MEMBER].identity().address.to_bytes());
                payload.extend(self.stage.puppets[STRANGER].identity().address.to_bytes());
            }
            (Verb::NETWORK_CONFIG_REQUEST, 0) => payload.extend(self.config_chunk(input)),
            _ => {}
        }
        payload.extend_from_slice(input.some_bytes());
        self.send(asked.puppet, other, Verb::OK, &payload, Suite::AesGmacSiv, how & 0x3f);
    }

    pub(super) fn send_error(&mut self, input: &mut Bytes<'_>) {
        let Some(asked) = self.pick_seen(input) else { return };
        let (other, how) = (input.u8(), input.u8());
        let mut payload = vec![asked.verb.0];
        payload.extend(asked.id.to_be_bytes());
        payload.push(input.u8() % 12);
        if how & 128 == 0 {
            payload.extend(self.stage.network.0.to_be_bytes());
        }
        payload.extend_from_slice(input.some_bytes());
        self.send(asked.puppet, other, Verb::ERROR, &payload, Suite::AesGmacSiv, how & 0x7f);
    }

    pub(super) fn pick_seen(&self, input: &mut Bytes<'_>) -> Option<Seen> {
        let back = input.below(self.seen.len());
        self.seen.iter().rev().nth(back).cloned()
    }

    pub(super) fn mac(&self, input: &mut Bytes<'_>, network: NetworkId) -> Mac {
        let member = |puppet: usize| Mac::for_member(self.stage.puppets[puppet].identity().address, network);
        match input.below(8) {
            0 | 1 => Mac::for_member(self.stage.own.address(), network),
            2 => member(MEMBER),
            3 => member(STRANGER),
            4 => Mac::BROADCAST,
            5 => Mac([0x33, 0x33, 0xff, 1, 2, 3]),
            6 => Mac([1, 0, 0x5e, 0, 0, 1]),
            _ => Mac(std::array::from_fn(|_| input.u8())),
        }
    }

    pub(super) fn pick_network(&self, input: &mut Bytes<'_>) -> NetworkId {
        match input.below(10) {
            0..=5 => self.stage.network,
            6 | 7 => self.own_network,
            // Without controller: by port range, or with an IPv4 prefix.
            8 => NetworkId(0xff << 56 | u64::from(input.u32()) << 24),
            _ => NetworkId(u64::from(input.u8()) << 56 | u64::from(input.u32()) << 8 | 1),
        }
    }

    pub(super) fn frame_payload(input: &mut Bytes<'_>) -> (u16, Vec<u8>) {
        let mut payload = Vec::new();
        let ethertype = match input.below(4) {
            0 => {
                payload.extend([0, 1, 8, 0, 6, 4, 0, 1]);
                0x0806
            }
            1 => 0x0800,
            2 => {
                payload.extend([0x60, 0, 0, 0, 0, 32, 58, 255]);
                0x86dd
            }
            _ => input.u16(),
        };
        payload.extend_from_slice(input.some_bytes());
        (ethertype, payload)
    }

    pub(super) fn send_frame(&mut self, input: &mut Bytes<'_>) {
        let network = self.pick_network(input);
        let (puppet, other, how) = ([MEMBER, MEMBER, CONTROLLER, STRANGER][input.below(4)], input.u8(), input.u8());
        let mut body = network.0.to_be_bytes().to_vec();
        let flags = input.u8() & 0x17;
        let certificate = |body: &mut Vec<u8>, flags: u8, stage: &Stage| {
            if flags & 1 == 1 {
                body.extend_from_slice(&stage.membership);
            }
        };
        let verb = match input.below(3) {
            0 => Verb::FRAME,
            1 => {
                body.push(flags);
                certificate(&mut body, flags, self.stage);
                body.extend(self.mac(input, network).0);
                body.extend(self.mac(input, network).0);
                Verb::EXT_FRAME
            }
            _ => {
                body.push(flags);
                certificate(&mut body, flags, self.stage);
                if flags & 2 == 2 {
                    body.extend([0, 0, 0, 8]);
                }
                if flags & 4 == 4 {
                    body.extend(self.mac(input, network).0);
                }
                body.extend(self.mac(input, network).0);
                body.extend(input.u32().to_be_bytes());
                Verb::MULTICAST_FRAME
            }
        };
        let (ethertype, payload) = Self::frame_payload(input);
        body.extend(ethertype.to_be_bytes());
        body.extend(payload);
        self.send(puppet, other, verb, &body, Suite::AesGmacSiv, how);
    }

    /// Credentials that the controller really signed, with any content.
    pub(super) fn send_signed(&mut self, input: &mut Bytes<'_>) {
        let payload = signed::credentials(self.stage, self.now.unix_ms, input);
        let (puppet, how) = ([MEMBER, MEMBER, STRANGER, CONTROLLER][input.below(4)], input.u8());
        self.send(puppet, 0, Verb::NETWORK_CREDENTIALS, &payload, Suite::AesGmacSiv, how);
    }

    /// ARP and neighbour solicitation from the host, for members that exist and some that do not.
    pub(super) fn send_neighbour(&mut self, input: &mut Bytes<'_>) {
        let network = self.pick_network(input);
        let own = Mac::for_member(self.stage.own.address(), network);
        let member = self.stage.puppets[[MEMBER, STRANGER][input.below(2)]].identity().address;
        let mut frame;
        if input.bool() {
            frame = [Mac::BROADCAST.0, own.0].concat();
            frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1 + (input.u8() & 1)]);
            frame.extend(own.0);
            frame.extend([10, 147, input.u8(), input.u8(), 0, 0, 0, 0, 0, 0]);
            frame.extend([10, 147, input.u8(), input.u8()]);
        } else {
            let target = match input.below(3) {
                0 => network.sixplane(member),
                1 => network.rfc4193(member),
                _ => std::net::Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(|_| input.u8())),
            };
            let last: [u8; 3] = target.octets()[13..].try_into().expect("3 bytes");
            frame = [[0x33, 0x33, 0xff, last[0], last[1], last[2]], own.0].concat();
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
            frame.extend(network.sixplane(self.stage.own.address()).octets());
            frame.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, last[0], last[1], last[2]]);
            frame.extend([135, 0, 0, 0, 0, 0, 0, 0]);
            frame.extend(target.octets());
            frame.extend([1, 1]);
            frame.extend(own.0);
        }
        frame.extend_from_slice(input.some_bytes());
        frame.truncate(10_014);
        let mut batch = FrameBatch::with_headroom(1, 10_014, 0);
        let _ = batch.push(&frame);
        self.engine.handle(self.now, Input::Frames(network, &batch), &mut self.outbox);
    }

    /// Packets and fragments of one puppet for another, to be passed on by the engine.
    pub(super) fn send_transit(&mut self, input: &mut Bytes<'_>) {
        let (from, to, other) = (input.below(5), input.below(5), input.u8());
        let mut bytes = input.some_bytes().to_vec();
        bytes.resize(bytes.len().max(40), 0);
        bytes[8..13].copy_from_slice(&self.stage.puppets[to].identity().address.to_bytes());
        if input.bool() {
            bytes[13..18].copy_from_slice(&self.stage.puppets[from].identity().address.to_bytes());
            bytes[18] = bytes[18] & 0xf8 | input.u8() & 7;
        } else {
            bytes[13] = 0xff;
        }
        self.put(address_of(from, other), bytes);
    }

    pub(super) fn send_credentials(&mut self, input: &mut Bytes<'_>) {
        let mut payload = credentials(self.stage);
        let at = usize::from(input.u16()) % payload.len();
        payload[at] ^= input.u8();
        payload.extend_from_slice(input.some_bytes());
        let (puppet, how) = ([MEMBER, STRANGER, CONTROLLER][input.below(3)], input.u8());
        self.send(puppet, 0, Verb::NETWORK_CREDENTIALS, &payload, Suite::AesGmacSiv, how);
    }

    /// A chunk of a configuration, signed by the controller: the saved one with a line changed.
    pub(super) fn config_chunk(&self, input: &mut Bytes<'_>) -> Vec<u8> {
        let mut text = self.stage.saved.clone();
        let at = usize::from(input.u16()) % text.len();
        text[at] ^= input.u8();
        if input.bool() {
            // The first line with a key wins.
            let key = CONFIG_KEYS[input.below(CONFIG_KEYS.len())];
            let value = match input.below(4) {
                0 => signed::of_configuration(self.stage, key, input),
                1 => format!("{:016x}", u64::from(input.u32()) << (input.u8() & 31)).into_bytes(),
                _ => input.some_bytes().to_vec(),
            };
            let mut lines = DictionaryWriter::new();
            let _ = lines.put(key, &value);
            text = [lines.into_bytes(), text].concat();
        }
        let data_len = match input.below(4) {
            0 => text.len().min(600),
            _ => text.len(),
        };
        let mut chunk = self.stage.network.0.to_be_bytes().to_vec();
        chunk.extend((data_len as u16).to_be_bytes());
        chunk.extend_from_slice(&text[..data_len]);
        chunk.push(input.u8() & 1);
        chunk.extend((1 + u64::from(input.u8())).to_be_bytes());
        chunk.extend((text.len() as u32).to_be_bytes());
        chunk.extend(0u32.to_be_bytes());
        let signature = self.stage.puppets[CONTROLLER].secret.sign(&chunk);
        chunk.extend([1, 0, 96]);
        chunk.extend(signature.0);
        chunk
    }

    pub(super) fn send_config(&mut self, input: &mut Bytes<'_>) {
        let chunk = self.config_chunk(input);
        let (puppet, how) = ([CONTROLLER, CONTROLLER, MEMBER][input.below(3)], input.u8());
        self.send(puppet, 0, Verb::NETWORK_CONFIG, &chunk, Suite::AesGmacSiv, how);
    }

    pub(super) fn host_frame(&mut self, input: &mut Bytes<'_>) {
        let network = self.pick_network(input);
        let mut frame = self.mac(input, network).0.to_vec();
        frame.extend(self.mac(input, network).0);
        let (ethertype, payload) = Self::frame_payload(input);
        frame.extend(ethertype.to_be_bytes());
        frame.extend(payload);
        frame.truncate(10_014);
        let mut batch = FrameBatch::with_headroom(4, 10_014, 0);
        for _ in 0..1 + input.below(3) {
            let _ = batch.push(&frame);
        }
        self.engine.handle(self.now, Input::Frames(network, &batch), &mut self.outbox);
    }
}
