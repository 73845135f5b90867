//! One line per message, in the manner of tcpdump. Secrets do not occur in messages; payloads are only measured.

use core::fmt::{Display, Formatter, Result};

use crate::{Address, Dictionary, MulticastGroup};

use super::{ConfigChunk, ErrorDetail, ErrorReply, GatherResults, Hello, Message, MulticastFrame, NetworkCredentials};
use super::{OkBody, OkHello, OkReply, PathAddress, PushDirectPaths};

impl Display for Message<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.verb())?;
        match self {
            Self::Nop(m) => rest(f, m.rest),
            Self::Hello(m) => hello(f, m),
            Self::Error(m) => error(f, m),
            Self::Ok(m) => ok(f, m),
            Self::Whois(m) => {
                list(f, &m.addresses)?;
                rest(f, m.rest)
            }
            Self::Rendezvous(m) => {
                write!(f, " {} at {}", m.peer, m.endpoint)?;
                rest(f, m.rest)
            }
            Self::Frame(m) => write!(f, " {} ethertype {:04x}, {} bytes", m.network, m.ethertype, m.payload.len()),
            Self::ExtFrame(m) => {
                write!(f, " {} flags {:02x}", m.network, m.flags)?;
                membership(f, m.membership.is_some())?;
                match &m.frame {
                    Some(frame) => write!(f, " {frame}")?,
                    None => f.write_str(" no frame")?,
                }
                rest(f, m.rest)
            }
            Self::Echo(m) => write!(f, " {} bytes", m.data.len()),
            Self::MulticastLike(m) => {
                m.subscriptions.iter().try_for_each(|s| write!(f, " {} {}", s.network, s.group))?;
                rest(f, m.rest)
            }
            Self::NetworkCredentials(m) => credentials(f, m),
            Self::NetworkConfigRequest(m) => {
                write!(f, " {} [{}]", m.network, Dictionary::new(m.metadata.unwrap_or_default()))?;
                if let Some(revision) = m.revision {
                    write!(f, " has revision {revision}")?;
                }
                rest(f, m.rest)
            }
            Self::NetworkConfig(m) => chunk(f, m),
            Self::MulticastGather(m) => {
                write!(f, " {} {} limit {}", m.network, m.group, m.limit)?;
                membership(f, m.membership.is_some())?;
                rest(f, m.rest)
            }
            Self::MulticastFrame(m) => multicast_frame(f, m),
            Self::PushDirectPaths(m) => paths(f, m),
            Self::Ack(m) => write!(f, " {} bytes", m.received),
            Self::QosMeasurement(m) => {
                m.records.iter().try_for_each(|r| write!(f, " {} held {} ms", r.packet, r.held_ms))?;
                rest(f, m.rest)
            }
            Self::UserMessage(m) => write!(f, " type {}, {} bytes", m.type_id, m.data.len()),
            Self::RemoteTrace(m) => m.dictionaries().try_for_each(|d| write!(f, " [{d}]")),
            Self::PathNegotiationRequest(m) => write!(f, " utility {}", m.utility),
            Self::Unknown(m) => rest(f, m.body),
        }
    }
}

fn rest(f: &mut Formatter<'_>, bytes: &[u8]) -> Result {
    match bytes.len() {
        0 => Ok(()),
        n => write!(f, " +{n} bytes"),
    }
}

fn membership(f: &mut Formatter<'_>, there: bool) -> Result {
    f.write_str(if there { " with membership" } else { "" })
}

fn list(f: &mut Formatter<'_>, addresses: &[Address]) -> Result {
    addresses.iter().try_for_each(|a| write!(f, " {a}"))
}

fn hello(f: &mut Formatter<'_>, m: &Hello<'_>) -> Result {
    write!(f, " {} protocol {}", m.identity.address, m.protocol)?;
    write!(f, " version {} time {}", m.version, m.timestamp)?;
    if let Some(to) = m.destination {
        write!(f, " to {to}")?;
    }
    if let Some(planet) = m.planet {
        write!(f, " planet {:016x} of {}", planet.id, planet.timestamp)?;
    }
    rest(f, m.moons)
}

fn error(f: &mut Formatter<'_>, m: &ErrorReply<'_>) -> Result {
    write!(f, " {} to {} {}", m.code, m.in_re_verb, m.in_re_packet)?;
    match m.detail {
        ErrorDetail::Nothing => {}
        ErrorDetail::Network(n) => write!(f, " network {n}")?,
        ErrorDetail::Group(n, group) => write!(f, " network {n} group {group}")?,
        ErrorDetail::Authentication(n, d) => {
            write!(f, " network {n} [{}]", Dictionary::new(d.unwrap_or_default()))?;
        }
    }
    rest(f, m.rest)
}

fn ok(f: &mut Formatter<'_>, m: &OkReply<'_>) -> Result {
    write!(f, " to {} {}", m.in_re_verb(), m.in_re_packet)?;
    match &m.body {
        OkBody::Hello(b) => ok_hello(f, b),
        OkBody::Whois(b) => {
            b.identities.iter().try_for_each(|i| write!(f, " {}", i.address))?;
            rest(f, b.rest)
        }
        OkBody::Echo(b) => write!(f, " {} bytes", b.data.len()),
        OkBody::ExtFrame(b) => {
            if let Some(n) = b.network {
                write!(f, " {n}")?;
            }
            rest(f, b.rest)
        }
        OkBody::NetworkConfig(b) => chunk(f, b),
        OkBody::MulticastGather(b) => {
            write!(f, " {} {}", b.network, b.group)?;
            gathered(f, &b.results)?;
            rest(f, b.rest)
        }
        OkBody::MulticastFrame(b) => {
            write!(f, " {} {}", b.network, b.group)?;
            membership(f, b.membership.is_some())?;
            b.results.iter().try_for_each(|r| gathered(f, r))?;
            rest(f, b.rest)
        }
        OkBody::Other(b) => rest(f, b.body),
    }
}

fn ok_hello(f: &mut Formatter<'_>, m: &OkHello<'_>) -> Result {
    write!(f, " protocol {} version {}", m.protocol, m.version)?;
    write!(f, " echoed time {}", m.timestamp)?;
    if let Some(a) = m.address {
        write!(f, " from {a}")?;
    }
    match m.worlds {
        Some(w) if !w.is_empty() => write!(f, " worlds {} bytes", w.len())?,
        _ => {}
    }
    rest(f, m.rest)
}

fn gathered(f: &mut Formatter<'_>, results: &GatherResults) -> Result {
    write!(f, " members {} of {}", results.members.len(), results.total)?;
    list(f, &results.members)
}

fn chunk(f: &mut Formatter<'_>, m: &ConfigChunk<'_>) -> Result {
    write!(f, " {} ", m.network)?;
    match &m.seal {
        None => write!(f, "unsigned, {} bytes", m.data.len())?,
        Some(seal) => {
            let end = u64::from(seal.index) + m.data.len() as u64;
            write!(f, "update {:016x} bytes {}..{end} of {}", seal.update_id, seal.index, seal.total)?;
            if seal.flags != 0 {
                write!(f, " flags {:02x}", seal.flags)?;
            }
        }
    }
    rest(f, m.rest)
}

fn credentials(f: &mut Formatter<'_>, m: &NetworkCredentials<'_>) -> Result {
    let counts = [
        ("memberships", m.memberships.len()),
        ("capabilities", m.capabilities.len()),
        ("tags", m.tags.len()),
        ("revocations", m.revocations.len()),
        ("ownerships", m.ownerships.len()),
    ];
    for (name, n) in counts.into_iter().filter(|(_, n)| *n != 0) {
        write!(f, " {n} {name}")?;
    }
    f.write_str(if m.is_broken() { " broken" } else { "" })?;
    rest(f, m.rest)
}

fn multicast_frame(f: &mut Formatter<'_>, m: &MulticastFrame<'_>) -> Result {
    write!(f, " {} flags {:02x}", m.network, m.flags)?;
    membership(f, m.membership.is_some())?;
    if let Some(limit) = m.gather_limit {
        write!(f, " gather {limit}")?;
    }
    if let Some(source) = m.source {
        write!(f, " {source}")?;
    }
    let MulticastGroup { mac, adi } = m.group;
    write!(f, " > {mac}/{adi:08x}, ethertype {:04x}, {} bytes", m.ethertype, m.payload.len())
}

fn paths(f: &mut Formatter<'_>, m: &PushDirectPaths<'_>) -> Result {
    for record in &m.records {
        match record.address {
            PathAddress::Inet(a) => write!(f, " {a}")?,
            PathAddress::Odd { address, .. } => write!(f, " odd {address}")?,
            PathAddress::Other { kind, .. } => write!(f, " type {kind}")?,
        }
        if record.flags != 0 {
            write!(f, " flags {:02x}", record.flags)?;
        }
    }
    if m.missing != 0 {
        write!(f, " {} missing", m.missing)?;
    }
    rest(f, m.rest)
}
