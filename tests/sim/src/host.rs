//! A very small IP host behind a port: ARP, NDP, echo, and numbered test datagrams.
//!
//! Written apart from the views of zt-wire, so that one cannot hide errors of the other.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use zt_wire::{IpPrefix, Mac, MulticastGroup};

/// How long the host waits before it asks again for a neighbour, as Linux does. Microseconds.
const ASK_AGAIN: u64 = 1_000_000;
/// Questions before it gives up.
const QUESTIONS: u32 = 3;
/// UDP port of test datagrams.
const TEST_PORT: u16 = 7;
const IP4: u16 = 0x0800;
const IP6: u16 = 0x86dd;
const ARP: u16 = 0x0806;

/// A numbered message of a test stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Stream.
    pub stream: u32,
    /// Number in the stream.
    pub seq: u32,
}

/// Something that arrived at the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The answer to an echo request.
    EchoReply(Mark),
    /// A test datagram.
    Datagram(Mark),
}

struct Asked {
    waiting: Vec<Vec<u8>>,
    again: u64,
    questions: u32,
}

/// The host's side of one port.
pub struct Host {
    mac: Mac,
    addresses: Vec<IpPrefix>,
    neighbours: BTreeMap<IpAddr, Mac>,
    asked: BTreeMap<IpAddr, Asked>,
    /// Frames that the host sends.
    pub out: Vec<Vec<u8>>,
    /// What arrived, for the simulator.
    pub heard: Vec<Heard>,
    /// Frames that arrived.
    pub frames: u64,
}

impl Host {
    /// A host without addresses.
    #[must_use]
    pub fn new(mac: Mac) -> Self {
        Self {
            mac,
            addresses: Vec::new(),
            neighbours: BTreeMap::new(),
            asked: BTreeMap::new(),
            out: Vec::new(),
            heard: Vec::new(),
            frames: 0,
        }
    }

    /// Its addresses.
    #[must_use]
    pub fn addresses(&self) -> &[IpPrefix] {
        &self.addresses
    }

    /// Gives it addresses.
    pub fn set_addresses(&mut self, addresses: Vec<IpPrefix>) {
        self.addresses = addresses;
    }

    /// Tells it a neighbour, as if it had asked before.
    pub fn learn(&mut self, ip: IpAddr, mac: Mac) {
        self.neighbours.insert(ip, mac);
    }

    /// Forgets all neighbours.
    pub fn forget_neighbours(&mut self) {
        self.neighbours.clear();
    }

    /// The groups that a host with these addresses is in.
    #[must_use]
    pub fn groups(&self) -> Vec<MulticastGroup> {
        let mut groups = vec![
            MulticastGroup::new(Mac([0x01, 0, 0x5e, 0, 0, 1])),
            MulticastGroup::new(Mac([0x33, 0x33, 0, 0, 0, 1])),
        ];
        for prefix in &self.addresses {
            match prefix.address() {
                IpAddr::V4(ip) => groups.push(MulticastGroup { mac: Mac::BROADCAST, adi: ip.to_bits() }),
                IpAddr::V6(ip) => groups.push(MulticastGroup::new(solicited_mac(ip))),
            }
        }
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Sends an echo request.
    pub fn ping(&mut self, now: u64, to: IpAddr, mark: Mark, size: usize) {
        let mut data = mark_bytes(mark);
        data.resize(size.max(8), 0x5a);
        match to {
            IpAddr::V4(to) => {
                let Some(from) = self.source4(to) else { return };
                let packet = ip4(from, to, 1, &icmp4(8, &data));
                self.send(now, to.into(), packet);
            }
            IpAddr::V6(to) => {
                let Some(from) = self.source6(to) else { return };
                let packet = ip6(from, to, 58, 64, &icmp6(from, to, 128, &data));
                self.send(now, to.into(), packet);
            }
        }
    }

    /// Sends a test datagram; to the broadcast address of IPv4 too.
    pub fn datagram(&mut self, now: u64, to: Ipv4Addr, mark: Mark, size: usize) {
        self.datagram_from(now, TEST_PORT, to, mark, size);
    }

    /// The same from a port of the caller's: of another flow.
    pub fn datagram_from(&mut self, now: u64, port: u16, to: Ipv4Addr, mark: Mark, size: usize) {
        let Some(from) = self.source4(to) else { return };
        let mut udp = Vec::new();
        udp.extend(port.to_be_bytes());
        udp.extend(TEST_PORT.to_be_bytes());
        udp.extend((8 + size.max(8) as u16).to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(mark_bytes(mark));
        udp.resize(8 + size.max(8), 0xa5);
        let packet = ip4(from, to, 17, &udp);
        if to.is_broadcast() {
            let frame = self.frame(Mac::BROADCAST, IP4, &packet);
            self.out.push(frame);
        } else {
            self.send(now, to.into(), packet);
        }
    }

    /// When the host wants to be called again.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.asked.values().map(|asked| asked.again).min()
    }

    /// Repeats questions that are due.
    pub fn handle_timeout(&mut self, now: u64) {
        let due: Vec<IpAddr> = self.asked.iter().filter(|(_, asked)| asked.again <= now).map(|(&ip, _)| ip).collect();
        for ip in due {
            let Some(asked) = self.asked.get_mut(&ip) else { continue };
            if asked.questions >= QUESTIONS {
                self.asked.remove(&ip);
                continue;
            }
            asked.questions += 1;
            asked.again = now + ASK_AGAIN;
            self.ask(ip);
        }
    }

    /// A frame arrived at the port.
    pub fn handle_frame(&mut self, frame: &[u8]) {
        self.frames += 1;
        let Some((header, body)) = frame.split_at_checked(14) else { return };
        let to = Mac(header[..6].try_into().expect("6 bytes"));
        let from = Mac(header[6..12].try_into().expect("6 bytes"));
        if to != self.mac && !to.is_multicast() {
            return;
        }
        match u16::from_be_bytes([header[12], header[13]]) {
            ARP => self.handle_arp(body),
            IP4 => self.handle_ip4(from, body),
            IP6 => self.handle_ip6(from, body),
            _ => {}
        }
    }

    fn source4(&self, to: Ipv4Addr) -> Option<Ipv4Addr> {
        let own = |prefix: &&IpPrefix| prefix.contains(to.into()) || (to.is_broadcast() && prefix.address().is_ipv4());
        match self.addresses.iter().find(own)?.address() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        }
    }

    fn source6(&self, to: Ipv6Addr) -> Option<Ipv6Addr> {
        match self.addresses.iter().find(|prefix| prefix.contains(to.into()))?.address() {
            IpAddr::V6(ip) => Some(ip),
            IpAddr::V4(_) => None,
        }
    }

    fn owns(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|prefix| prefix.address() == ip)
    }

    fn frame(&self, to: Mac, ethertype: u16, body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(14 + body.len());
        frame.extend(to.0);
        frame.extend(self.mac.0);
        frame.extend(ethertype.to_be_bytes());
        frame.extend(body);
        frame
    }

    fn send(&mut self, now: u64, to: IpAddr, packet: Vec<u8>) {
        let ethertype = if to.is_ipv4() { IP4 } else { IP6 };
        if let Some(&mac) = self.neighbours.get(&to) {
            let frame = self.frame(mac, ethertype, &packet);
            self.out.push(frame);
            return;
        }
        match self.asked.get_mut(&to) {
            Some(asked) if asked.waiting.len() < 16 => asked.waiting.push(packet),
            Some(_) => {}
            None => {
                self.asked.insert(to, Asked { waiting: vec![packet], again: now + ASK_AGAIN, questions: 1 });
                self.ask(to);
            }
        }
    }

    fn ask(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                let Some(from) = self.source4(ip) else { return };
                let body = arp(1, self.mac, from, Mac::ZERO, ip);
                let frame = self.frame(Mac::BROADCAST, ARP, &body);
                self.out.push(frame);
            }
            IpAddr::V6(ip) => {
                let Some(from) = self.source6(ip) else { return };
                let group = solicited_group(ip);
                let mut data = vec![0; 4];
                data.extend(ip.octets());
                data.extend([1, 1]);
                data.extend(self.mac.0);
                let packet = ip6(from, group, 58, 255, &icmp6(from, group, 135, &data));
                let frame = self.frame(solicited_mac(ip), IP6, &packet);
                self.out.push(frame);
            }
        }
    }

    fn answered(&mut self, ip: IpAddr, mac: Mac) {
        self.neighbours.insert(ip, mac);
        if let Some(asked) = self.asked.remove(&ip) {
            let ethertype = if ip.is_ipv4() { IP4 } else { IP6 };
            for packet in asked.waiting {
                let frame = self.frame(mac, ethertype, &packet);
                self.out.push(frame);
            }
        }
    }

    fn handle_arp(&mut self, body: &[u8]) {
        let Some(body) = body.get(..28) else { return };
        let mac = Mac(body[8..14].try_into().expect("6 bytes"));
        let octets = |at: usize| -> [u8; 4] { body[at..at + 4].try_into().expect("4 bytes") };
        let (from, to) = (Ipv4Addr::from(octets(14)), Ipv4Addr::from(octets(24)));
        match body[7] {
            1 if self.owns(to.into()) => {
                self.answered(from.into(), mac);
                let answer = arp(2, self.mac, to, mac, from);
                let frame = self.frame(mac, ARP, &answer);
                self.out.push(frame);
            }
            2 => self.answered(from.into(), mac),
            _ => {}
        }
    }

    fn handle_ip4(&mut self, mac: Mac, packet: &[u8]) {
        let Some((header, rest)) = packet.split_at_checked(20) else { return };
        let octets = |at: usize| -> [u8; 4] { header[at..at + 4].try_into().expect("4 bytes") };
        let (from, to) = (Ipv4Addr::from(octets(12)), Ipv4Addr::from(octets(16)));
        if checksum(0, header) != 0 || !(self.owns(to.into()) || to.is_broadcast()) {
            return;
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]])).saturating_sub(20);
        let Some(body) = rest.get(..length) else { return };
        match (header[9], body.first()) {
            (1, Some(8)) if checksum(0, body) == 0 => {
                let answer = ip4(to, from, 1, &icmp4(0, &body[4..]));
                let mac = *self.neighbours.entry(from.into()).or_insert(mac);
                let frame = self.frame(mac, IP4, &answer);
                self.out.push(frame);
            }
            (1, Some(0)) if checksum(0, body) == 0 => self.heard.extend(mark(&body[4..]).map(Heard::EchoReply)),
            (17, _) if body.get(2..4) == Some(&TEST_PORT.to_be_bytes()) => {
                self.heard.extend(body.get(8..).and_then(mark).map(Heard::Datagram));
            }
            _ => {}
        }
    }

    fn handle_ip6(&mut self, mac: Mac, packet: &[u8]) {
        let Some((header, rest)) = packet.split_at_checked(40) else { return };
        let octets = |at: usize| -> [u8; 16] { header[at..at + 16].try_into().expect("16 bytes") };
        let (from, to) = (Ipv6Addr::from(octets(8)), Ipv6Addr::from(octets(24)));
        let Some(body) = rest.get(..usize::from(u16::from_be_bytes([header[4], header[5]]))) else { return };
        if header[6] != 58 || body.len() < 8 || checksum(pseudo6(from, to, body.len()), body) != 0 {
            return;
        }
        match body[0] {
            128 if self.owns(to.into()) => {
                let answer = ip6(to, from, 58, 64, &icmp6(to, from, 129, &body[4..]));
                let mac = *self.neighbours.entry(from.into()).or_insert(mac);
                let frame = self.frame(mac, IP6, &answer);
                self.out.push(frame);
            }
            129 if self.owns(to.into()) => self.heard.extend(mark(&body[4..]).map(Heard::EchoReply)),
            135 | 136 => self.handle_neighbour(mac, from, body),
            _ => {}
        }
    }

    fn handle_neighbour(&mut self, mac: Mac, from: Ipv6Addr, body: &[u8]) {
        let Some(target) = body.get(8..24) else { return };
        let target = Ipv6Addr::from(<[u8; 16]>::try_from(target).expect("16 bytes"));
        if body[0] == 135 {
            if !self.owns(target.into()) {
                return;
            }
            self.answered(from.into(), mac);
            let mut data = vec![0x60, 0, 0, 0];
            data.extend(target.octets());
            data.extend([2, 1]);
            data.extend(self.mac.0);
            let packet = ip6(target, from, 58, 255, &icmp6(target, from, 136, &data));
            let frame = self.frame(mac, IP6, &packet);
            self.out.push(frame);
        } else {
            let option = body.get(24..32).filter(|option| option[..2] == [2, 1]);
            let mac = option.map_or(mac, |option| Mac(option[2..].try_into().expect("6 bytes")));
            self.answered(target.into(), mac);
        }
    }
}

fn mark_bytes(mark: Mark) -> Vec<u8> {
    [mark.stream.to_be_bytes(), mark.seq.to_be_bytes()].concat()
}

/// Reads the mark at the start of a payload (after the four bytes of identifier and number of an echo).
fn mark(body: &[u8]) -> Option<Mark> {
    let bytes: [u8; 8] = body.get(..8)?.try_into().ok()?;
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    Some(Mark { stream: word(0), seq: word(4) })
}

fn checksum(start: u32, bytes: &[u8]) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn pseudo6(from: Ipv6Addr, to: Ipv6Addr, length: usize) -> u32 {
    let words = from.segments().into_iter().chain(to.segments());
    words.map(u32::from).sum::<u32>() + length as u32 + 58
}

fn arp(operation: u8, mac: Mac, from: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, operation];
    body.extend(mac.0);
    body.extend(from.octets());
    body.extend(target_mac.0);
    body.extend(target.octets());
    body
}

fn ip4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    packet[2..4].copy_from_slice(&(20 + body.len() as u16).to_be_bytes());
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum = checksum(0, &packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(body);
    packet
}

fn icmp4(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut body = vec![kind, 0, 0, 0];
    body.extend(data);
    let sum = checksum(0, &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    body
}

fn ip6(from: Ipv6Addr, to: Ipv6Addr, next: u8, hop_limit: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, hop_limit];
    packet[4..6].copy_from_slice(&(body.len() as u16).to_be_bytes());
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(body);
    packet
}

fn icmp6(from: Ipv6Addr, to: Ipv6Addr, kind: u8, data: &[u8]) -> Vec<u8> {
    let mut body = vec![kind, 0, 0, 0];
    body.extend(data);
    let sum = checksum(pseudo6(from, to, body.len()), &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    body
}

fn solicited_group(ip: Ipv6Addr) -> Ipv6Addr {
    let o = ip.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, o[13], o[14], o[15]])
}

fn solicited_mac(ip: Ipv6Addr) -> Mac {
    let o = ip.octets();
    Mac([0x33, 0x33, 0xff, o[13], o[14], o[15]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes frames between two hosts until both are quiet.
    fn talk(a: &mut Host, b: &mut Host) {
        loop {
            let (from_a, from_b) = (std::mem::take(&mut a.out), std::mem::take(&mut b.out));
            if from_a.is_empty() && from_b.is_empty() {
                return;
            }
            from_a.iter().for_each(|frame| b.handle_frame(frame));
            from_b.iter().for_each(|frame| a.handle_frame(frame));
        }
    }

    #[test]
    fn hosts_resolve_and_answer_each_other() {
        for (ip_a, ip_b, bits) in [("10.1.0.1", "10.1.0.2", 24), ("fd00::1", "fd00::2", 64)] {
            let (mut a, mut b) = (Host::new(Mac([2, 0, 0, 0, 0, 1])), Host::new(Mac([2, 0, 0, 0, 0, 2])));
            let (ip_a, ip_b): (IpAddr, IpAddr) = (ip_a.parse().expect("ip"), ip_b.parse().expect("ip"));
            a.set_addresses(vec![IpPrefix::new(ip_a, bits).expect("a range")]);
            b.set_addresses(vec![IpPrefix::new(ip_b, bits).expect("a range")]);
            let mark = Mark { stream: 3, seq: 4 };
            a.ping(0, ip_b, mark, 56);
            assert!(a.due().is_some());
            talk(&mut a, &mut b);
            assert_eq!(a.heard, [Heard::EchoReply(mark)]);
            assert_eq!(a.due(), None);
            if let IpAddr::V4(to) = ip_a {
                b.datagram(0, to, mark, 100);
                talk(&mut a, &mut b);
                assert_eq!(a.heard.last(), Some(&Heard::Datagram(mark)));
            }
        }
    }

    #[test]
    fn a_silent_neighbour_is_asked_three_times() {
        let mut a = Host::new(Mac([2, 0, 0, 0, 0, 1]));
        a.set_addresses(vec!["10.1.0.1/24".parse().expect("a range")]);
        a.ping(0, "10.1.0.9".parse().expect("ip"), Mark { stream: 0, seq: 0 }, 8);
        for round in 1..=4 {
            a.handle_timeout(round * ASK_AGAIN);
        }
        assert_eq!(a.out.len(), 3);
        assert_eq!(a.due(), None);
    }
}
