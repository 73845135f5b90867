//! From text to what it says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zt_wire::ether::Arp;
use zt_wire::ident::Mac;

use super::build::MAX_SIZE;
use super::names::{self, DHCP, ETHERTYPES, EXTENSIONS, FLAGS, ICMP, ICMP_TYPES, ICMP6_TYPES, NEIGHBOR, Names, TCP};
use super::{Content, Ends, Ip, Said, Upper, WordsError};

/// Source port where none is said.
const ANY_PORT: u16 = 40_000;

/// First packet of a connection.
const SYN: u16 = 2;

const KINDS: &str =
    "a kind of frame: tcp, udp, sctp, udplite, icmp, icmp6, ping, arp, ndp, dhcp, ipv4, ipv6, ethertype, hex";

type Read<T> = Result<T, WordsError>;

pub(super) fn read(text: &str, ends: &Ends) -> Read<Said> {
    let mut reader = Reader { words: split(text), at: 0, end: text.chars().count() + 1, ends };
    reader.frame()
}

/// A word and its column, from 1.
#[derive(Clone, Copy, Debug)]
struct Word<'t> {
    text: &'t str,
    column: usize,
}

/// Words are parted by blanks and commas; `>` is one by itself.
fn split(text: &str) -> Vec<Word<'_>> {
    let mut out: Vec<Word<'_>> = Vec::new();
    let mut start: Option<(usize, usize)> = None;
    for (column, (at, c)) in text.char_indices().chain([(text.len(), ' ')]).enumerate() {
        let parts = c.is_whitespace() || c == ',' || c == '>';
        if parts && let Some((from, column)) = start.take() {
            out.push(Word { text: &text[from..at], column });
        }
        if c == '>' {
            out.push(Word { text: &text[at..=at], column: column + 1 });
        } else if !parts && start.is_none() {
            start = Some((at, column + 1));
        }
    }
    out
}

struct Reader<'t, 'e> {
    words: Vec<Word<'t>>,
    at: usize,
    /// Column behind the text.
    end: usize,
    ends: &'e Ends,
}

/// Which family a kind of frame is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    Either,
}

/// What stands before and behind the content.
#[derive(Default)]
struct Around {
    source: Option<Mac>,
    destination: Option<Mac>,
    vlans: Vec<u16>,
    size: Option<usize>,
}

impl<'t> Reader<'t, '_> {
    fn frame(&mut self) -> Read<Said> {
        let mut around = Around::default();
        while self.word_around(&mut around)? {}
        let source = around.source.unwrap_or(self.ends.source);
        let (mut content, destination) = self.content(source)?;
        while self.at < self.words.len() {
            if !self.word_around(&mut around)? {
                self.option(&mut content, &mut around)?;
            }
        }
        let source = around.source.unwrap_or(self.ends.source);
        let destination = around.destination.unwrap_or(destination);
        Ok(Said { source, destination, vlans: around.vlans, content, size: around.size })
    }

    /// One of the words that may stand in front and behind.
    fn word_around(&mut self, around: &mut Around) -> Read<bool> {
        let Some(word) = self.peek() else { return Ok(false) };
        match word.to_ascii_lowercase().as_str() {
            "from" => {
                self.at += 1;
                around.source = Some(self.mac()?);
            }
            "to" => {
                self.at += 1;
                around.destination = Some(self.mac()?);
            }
            "broadcast" => {
                self.at += 1;
                around.destination = Some(Mac::BROADCAST);
            }
            "multicast" => {
                self.at += 1;
                let mac = self.expect("a group MAC such as 01:00:5e:00:00:fb", |word| {
                    word.parse::<Mac>().ok().filter(|mac| mac.is_multicast())
                })?;
                around.destination = Some(mac);
            }
            "vlan" => {
                self.at += 1;
                let id = self.number("a VLAN ID from 0 to 4095", 4095)?;
                let pcp = match self.eat("pcp") {
                    true => self.number("a priority from 0 to 7", 7)?,
                    false => 0,
                };
                let dei = u16::from(self.eat("dei"));
                around.vlans.push(pcp << 13 | dei << 12 | id);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The content, and where it goes unless told otherwise.
    fn content(&mut self, source: Mac) -> Read<(Content, Mac)> {
        let kind = self.expect(KINDS, |word| Some(word.to_ascii_lowercase()))?;
        let (bare, family) = match kind.strip_suffix(['4', '6']) {
            Some(bare) if kind.ends_with('4') => (bare, Family::V4),
            Some(bare) => (bare, Family::V6),
            None => (kind.as_str(), Family::Either),
        };
        let ip = match (bare, kind.as_str()) {
            (_, "arp") => return self.arp(source),
            (_, "ethertype") => return self.other(),
            (_, "hex") => return self.hex(),
            (_, "ndp") => self.ndp(source)?,
            (_, "dhcp") => self.dhcp()?,
            ("ipv", "ipv4" | "ipv6") => self.ip(family)?,
            ("icmp", _) => self.icmp(if family == Family::Either { Family::V4 } else { family })?,
            ("ping", _) => {
                let (from, to) = self.pair(family)?;
                let kind = if to.is_ipv4() { 8 } else { 128 };
                Ip::new(from, to, Upper::Icmp { kind, code: 0 })
            }
            (name, _) => match names::number(names::WITH_PORTS, name) {
                Some(protocol) => self.ports(protocol, family)?,
                None => {
                    self.at -= 1;
                    return Err(self.wrong(KINDS));
                }
            },
        };
        let destination = group(ip.destination).unwrap_or(self.ends.destination);
        Ok((Content::Ip(ip), destination))
    }

    fn ports(&mut self, protocol: u8, family: Family) -> Read<Ip> {
        const WHAT: &str = "a destination port, or address:port > address:port";
        let flags = if protocol == TCP { SYN } else { 0 };
        // `tcp 22`: the destination's port alone.
        if self.words.get(self.at + 1).is_none_or(|next| next.text != ">") && self.peek() != Some(">") {
            let port = self.expect(WHAT, port)?;
            let (from, to) = self.ends_of(family, None, None)?;
            return Ok(Ip::new(from, to, Upper::Ports { protocol, source: ANY_PORT, destination: port, flags }));
        }
        let (from, source) = if self.peek() == Some(">") { (None, None) } else { self.expect(WHAT, end)? };
        self.arrow()?;
        let (to, destination) = self.expect("address:port, or :port", |word| {
            let (ip, port) = end(word)?;
            Some((ip, port?))
        })?;
        let (from, to) = self.ends_of(family, from, to)?;
        Ok(Ip::new(from, to, Upper::Ports { protocol, source: source.unwrap_or(ANY_PORT), destination, flags }))
    }

    fn icmp(&mut self, family: Family) -> Read<Ip> {
        let (types, echo) = if family == Family::V6 { (ICMP6_TYPES, 128) } else { (ICMP_TYPES, 8) };
        let written = |word: &str| {
            let (kind, code) = word.split_once('/').unwrap_or((word, "0"));
            Some((
                names::number(types, kind).or_else(|| integer(kind, 255)?.try_into().ok())?,
                integer(code, 255)? as u8,
            ))
        };
        let said = self.peek().filter(|_| !self.starts_option());
        let (kind, code) = match said.and_then(written) {
            Some(said) => {
                self.at += 1;
                said
            }
            None if said.is_none() || self.starts_pair() => (echo, 0),
            None => return Err(self.wrong(format!("a type: {}, or a number such as 3 or 3/1", names::list(types)))),
        };
        let (from, to) = self.pair(family)?;
        Ok(Ip::new(from, to, Upper::Icmp { kind, code }))
    }

    fn ip(&mut self, family: Family) -> Read<Ip> {
        _ = self.eat("proto") || self.eat("protocol");
        let what = format!("an IP protocol: a number up to 255, or {}", names::list(names::PROTOCOLS));
        let protocol =
            self.expect(&what, |word| names::number(names::PROTOCOLS, word).or(integer(word, 255).map(|n| n as u8)))?;
        let (from, to) = self.pair(family)?;
        Ok(Ip::new(from, to, Upper::Other(protocol)))
    }

    fn ndp(&mut self, source: Mac) -> Read<Ip> {
        let kind = self.expect(&format!("one of {}", names::list(NEIGHBOR)), |word| names::number(NEIGHBOR, word))?;
        let target = match kind {
            135 | 136 if self.starts_pair() || self.peek().is_none() || self.starts_option() => None,
            135 | 136 => {
                Some(self.expect("the IPv6 address that is asked for or told", |w| w.parse::<Ipv6Addr>().ok())?)
            }
            _ => None,
        };
        let target = target.unwrap_or_else(|| {
            let (mac, ips) = match kind {
                136 => (source, &self.ends.source_ips),
                _ => (self.ends.destination, &self.ends.destination_ips),
            };
            six(ips).unwrap_or_else(|| mac.link_local())
        });
        let (from, to) = match self.starts_pair() {
            true => self.pair(Family::V6)?,
            false => {
                let to = match kind {
                    133 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
                    134 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
                    135 => solicited(target),
                    _ => six(&self.ends.destination_ips).unwrap_or_else(|| self.ends.destination.link_local()),
                };
                let from = six(&self.ends.source_ips).filter(|_| !matches!(kind, 133 | 134));
                let from = if kind == 136 { target } else { from.unwrap_or_else(|| source.link_local()) };
                (from.into(), to.into())
            }
        };
        Ok(Ip::new(from, to, Upper::Neighbor { kind, target, mac: Some(source) }))
    }

    fn dhcp(&mut self) -> Read<Ip> {
        let kind = self.expect(&format!("one of {}", names::list(DHCP)), |word| names::number(DHCP, word))?;
        let (from, to) = match self.starts_pair() {
            true => self.pair(Family::V4)?,
            false if matches!(kind, 2 | 5 | 6) => {
                let server = self.ends.source_ips.iter().copied().find(IpAddr::is_ipv4);
                (server.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), Ipv4Addr::BROADCAST.into())
            }
            false => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into()),
        };
        Ok(Ip::new(from, to, Upper::Dhcp(kind)))
    }

    fn arp(&mut self, source: Mac) -> Read<(Content, Mac)> {
        let four = |ips: &[IpAddr]| ips.iter().find_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None });
        let (own, other) = (four(&self.ends.source_ips), four(&self.ends.destination_ips));
        let what = "who-has ADDRESS, or reply ADDRESS is-at MAC";
        let reply = match self.peek().map(str::to_ascii_lowercase).as_deref() {
            None => false,
            Some("who-has" | "reply") => self.expect(what, |word| Some(word.eq_ignore_ascii_case("reply")))?,
            Some(_) if self.starts_option() => false,
            Some(_) => return Err(self.wrong(what)),
        };
        let address = |reader: &mut Self, known: Option<Ipv4Addr>| match (reader.peek(), known) {
            (word, Some(known)) if word.is_none_or(|word| word.parse::<Ipv4Addr>().is_err()) => Ok(known),
            _ => reader.expect("an IPv4 address", |word| word.parse::<Ipv4Addr>().ok()),
        };
        if reply {
            let sender_ip = address(self, own)?;
            let sender_mac = if self.eat("is-at") { self.mac()? } else { source };
            let target_mac = self.ends.destination;
            let target_ip = other.unwrap_or(Ipv4Addr::UNSPECIFIED);
            let arp = Arp { operation: Arp::REPLY, sender_mac, sender_ip, target_mac, target_ip };
            return Ok((Content::Arp(arp), target_mac));
        }
        let target_ip = address(self, other)?;
        let sender_ip = match self.eat("tell") {
            true => address(self, None)?,
            false => own.unwrap_or(Ipv4Addr::UNSPECIFIED),
        };
        let target_mac = Mac::default();
        let arp = Arp { operation: Arp::REQUEST, sender_mac: source, sender_ip, target_mac, target_ip };
        Ok((Content::Arp(arp), Mac::BROADCAST))
    }

    fn ethertype(&mut self) -> Read<u16> {
        let what = format!("an ethertype such as 0x88cc, or {}", names::list(ETHERTYPES));
        self.expect(&what, |word| names::number(ETHERTYPES, word).or(integer(word, 0xffff).map(|n| n as u16)))
    }

    fn other(&mut self) -> Read<(Content, Mac)> {
        let ethertype = self.ethertype()?;
        Ok((Content::Other { ethertype, payload: vec![0; 46] }, self.ends.destination))
    }

    fn hex(&mut self) -> Read<(Content, Mac)> {
        let ethertype = self.ethertype()?;
        let mut payload = Vec::new();
        // Bytes may be parted as dumps do it.
        while self.peek().is_some_and(|word| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_hexdigit())) {
            payload.extend(self.expect("pairs of hexadecimal digits", bytes)?);
            if payload.len() > MAX_SIZE {
                self.at -= 1;
                return Err(self.wrong(format!("at most {MAX_SIZE} bytes")));
            }
        }
        Ok((Content::Other { ethertype, payload }, self.ends.destination))
    }

    /// One word behind the content.
    fn option(&mut self, content: &mut Content, around: &mut Around) -> Read<()> {
        let Some(word) = self.peek().map(str::to_ascii_lowercase) else { return Ok(()) };
        if let Some(size) = integer(&word, MAX_SIZE as u64) {
            self.at += 1;
            self.expect("bytes", |word| matches!(word, "bytes" | "byte").then_some(()))?;
            around.size = Some(size as usize);
            return Ok(());
        }
        let Content::Ip(ip) = content else { return Err(self.wrong(ABOUT_ANY)) };
        if let Upper::Ports { protocol: TCP, flags, .. } = &mut ip.upper {
            if word == "no-flags" {
                self.at += 1;
                *flags = 0;
                return Ok(());
            }
            if names::number(FLAGS, &word).is_some() {
                *flags = 0;
                while let Some(flag) = self.peek().and_then(|word| names::number(FLAGS, word)) {
                    *flags |= flag;
                    self.at += 1;
                }
                return Ok(());
            }
        }
        match word.as_str() {
            "tos" => {
                self.at += 1;
                ip.tos = self.number("a type of service from 0 to 255", 255)? as u8;
            }
            "fragment" => {
                self.at += 1;
                let offset = self.number("an offset in units of eight bytes, up to 8191", 8191)?;
                ip.fragment = Some((offset, self.eat("more")));
            }
            "options" if ip.destination.is_ipv4() => {
                self.at += 1;
                ip.options = self.number("a number of words from 0 to 10", 10)? as u8;
            }
            "behind" if ip.destination.is_ipv6() => {
                self.at += 1;
                let what = format!("extension headers: {}", names::list(EXTENSIONS));
                ip.behind.push(self.expect(&what, |word| names::number(EXTENSIONS, word))?);
                while let Some(next) = self.peek().and_then(|word| names::number(EXTENSIONS, word)) {
                    if ip.behind.len() == 200 {
                        return Err(self.wrong("at most 200 extension headers"));
                    }
                    ip.behind.push(next);
                    self.at += 1;
                }
            }
            _ => return Err(self.wrong(self.about(ip))),
        }
        Ok(())
    }

    fn about(&self, ip: &Ip) -> String {
        let of_tcp = matches!(ip.upper, Upper::Ports { protocol: TCP, .. });
        let flags = if of_tcp { format!("flags ({}, no-flags), ", names::list(FLAGS)) } else { String::new() };
        let family = if ip.destination.is_ipv4() { "options N" } else { "behind HEADERS" };
        format!("{flags}tos N, fragment N, {family}, {ABOUT_ANY}")
    }

    fn starts_option(&self) -> bool {
        let Some(word) = self.peek().map(str::to_ascii_lowercase) else { return true };
        let size = self.words.get(self.at + 1).is_some_and(|next| matches!(next.text, "bytes" | "byte"));
        let known = ["from", "to", "broadcast", "multicast", "vlan", "tos", "fragment", "options", "behind"];
        known.contains(&word.as_str()) || size
    }

    /// `ADDRESS >` or `>` comes.
    fn starts_pair(&self) -> bool {
        let next = |n: usize| self.words.get(self.at + n).is_some_and(|word| word.text == ">");
        next(0) || next(1)
    }

    /// `ADDRESS > ADDRESS`, or the ends.
    fn pair(&mut self, family: Family) -> Read<(IpAddr, IpAddr)> {
        if !self.starts_pair() {
            return self.ends_of(family, None, None);
        }
        let address = |word: &str| word.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let from = if self.peek() == Some(">") { None } else { Some(self.expect("an IP address", address)?) };
        self.arrow()?;
        let to = self.expect("an IP address", address)?;
        self.ends_of(family, from, Some(to))
    }

    /// Both addresses, of one family: those that were said, else those of the ends.
    fn ends_of(&self, family: Family, from: Option<IpAddr>, to: Option<IpAddr>) -> Read<(IpAddr, IpAddr)> {
        let said = |ip: Option<IpAddr>| ip.map(|ip| if ip.is_ipv4() { Family::V4 } else { Family::V6 });
        let ends = self.ends;
        let both =
            |v4: bool| [&ends.source_ips, &ends.destination_ips].iter().all(|s| s.iter().any(|ip| ip.is_ipv4() == v4));
        let family = match (family, said(from).or(said(to))) {
            (Family::Either, Some(said)) => said,
            (Family::Either, None) if !both(true) && both(false) => Family::V6,
            (Family::Either, None) => Family::V4,
            (family, _) => family,
        };
        let v4 = family == Family::V4;
        let pick = |said: Option<IpAddr>, ips: &[IpAddr], mac: Mac, who: &str| match said {
            Some(ip) if ip.is_ipv4() == v4 => Ok(ip),
            Some(_) => Err(self.before(format!("{} addresses on both sides", if v4 { "IPv4" } else { "IPv6" }))),
            None => match ips.iter().find(|ip| ip.is_ipv4() == v4) {
                Some(ip) => Ok(*ip),
                None if v4 => {
                    Err(self.before(format!("addresses, as in 10.0.0.1 > 10.0.0.2: the {who} has no IPv4 address")))
                }
                None => Ok(mac.link_local().into()),
            },
        };
        Ok((
            pick(from, &ends.source_ips, ends.source, "sender")?,
            pick(to, &ends.destination_ips, ends.destination, "receiver")?,
        ))
    }

    fn arrow(&mut self) -> Read<()> {
        self.expect("'>' between sender and receiver", |word| (word == ">").then_some(()))
    }

    fn mac(&mut self) -> Read<Mac> {
        self.expect("a MAC such as 02:00:00:00:00:01", |word| word.parse().ok())
    }

    fn number(&mut self, what: &str, most: u64) -> Read<u16> {
        self.expect(what, |word| integer(word, most).map(|n| n as u16))
    }

    fn peek(&self) -> Option<&'t str> {
        self.words.get(self.at).map(|word| word.text)
    }

    fn eat(&mut self, known: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.eq_ignore_ascii_case(known));
        self.at += usize::from(found);
        found
    }

    fn expect<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> Read<T> {
        match self.peek().and_then(read) {
            Some(value) => {
                self.at += 1;
                Ok(value)
            }
            None => Err(self.wrong(what)),
        }
    }

    /// The word that comes is wrong.
    fn wrong(&self, expected: impl Into<String>) -> WordsError {
        let word = self.words.get(self.at);
        let found = word.map(|word| word.text).unwrap_or_default().to_owned();
        WordsError { column: word.map_or(self.end, |word| word.column), found, expected: expected.into() }
    }

    /// The word that was read last is.
    fn before(&self, expected: String) -> WordsError {
        let word = self.at.checked_sub(1).and_then(|at| self.words.get(at));
        let found = word.map(|word| word.text).unwrap_or_default().to_owned();
        WordsError { column: word.map_or(1, |word| word.column), found, expected }
    }
}

const ABOUT_ANY: &str = "N bytes, from MAC, to MAC, broadcast, multicast MAC, vlan ID, or the end";

impl Ip {
    pub(in crate::rules) fn new(source: IpAddr, destination: IpAddr, upper: Upper) -> Self {
        Self { source, destination, tos: 0, options: 0, behind: Vec::new(), fragment: None, upper }
    }
}

/// `[address][:port]`; an IPv6 address with a port stands in brackets.
fn end(word: &str) -> Option<(Option<IpAddr>, Option<u16>)> {
    if let Some(rest) = word.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']')?;
        let given = match rest.strip_prefix(':') {
            Some(text) => Some(port(text)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        return Some((Some(ip.parse::<Ipv6Addr>().ok()?.into()), given));
    }
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Some((Some(ip), None));
    }
    match word.split_once(':') {
        Some(("", text)) => Some((None, Some(port(text)?))),
        Some((ip, text)) => Some((Some(ip.parse::<Ipv4Addr>().ok()?.into()), Some(port(text)?))),
        None => Some((None, Some(port(word)?))),
    }
}

fn port(word: &str) -> Option<u16> {
    integer(word, 0xffff).map(|n| n as u16)
}

/// Decimal, or hexadecimal behind `0x`.
fn integer(word: &str, most: u64) -> Option<u64> {
    let digits = |text: &str, radix: u32| {
        text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u64::from_str_radix(text, radix).ok())?
    };
    match word.strip_prefix("0x").or(word.strip_prefix("0X")) {
        Some(hex) => digits(hex, 16),
        None => digits(word, 10),
    }
    .filter(|n| *n <= most)
}

fn bytes(word: &str) -> Option<Vec<u8>> {
    let pairs = word.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok()).collect()
}

fn six(ips: &[IpAddr]) -> Option<Ipv6Addr> {
    ips.iter().find_map(|ip| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None })
}

/// The group that holders of an address listen to.
pub(super) fn solicited(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// The MAC that a group of IP goes to; `None` for the address of one host.
pub(super) fn group(ip: IpAddr) -> Option<Mac> {
    match ip {
        IpAddr::V4(ip) if ip.is_broadcast() => Some(Mac::BROADCAST),
        IpAddr::V4(ip) if ip.is_multicast() => {
            let [_, b, c, d] = ip.octets();
            Some(Mac([0x01, 0, 0x5e, b & 0x7f, c, d]))
        }
        IpAddr::V6(ip) if ip.is_multicast() => {
            let [.., a, b, c, d] = ip.octets();
            Some(Mac([0x33, 0x33, a, b, c, d]))
        }
        _ => None,
    }
}

/// ICMP of the family of an address.
pub(super) fn icmp_of(ip: IpAddr) -> (u8, Names<u8>) {
    if ip.is_ipv4() { (ICMP, ICMP_TYPES) } else { (names::ICMP6, ICMP6_TYPES) }
}
