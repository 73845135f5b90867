//! HELLO (02 §6.2) and its OK (02 §6.5).

use alloc::vec::Vec;

use crate::{BufferFull, Emit, Identity, InetAddress, Parse, ParseError, Reader, SoftwareVersion, World, Writer};

/// Which revision of a world somebody holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorldVersion {
    /// World ID.
    pub id: u64,
    /// Timestamp of the revision; 0 for "I want it but have none".
    pub timestamp: u64,
}

/// HELLO: identity, version, path confirmation, world versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Protocol version of the sender.
    pub protocol: u8,
    /// Software version.
    pub version: SoftwareVersion,
    /// Sender's clock, opaque to the receiver, which echoes it. Milliseconds since 1970.
    pub timestamp: u64,
    /// Who sends it.
    pub identity: Identity,
    /// Physical address this HELLO is sent to. `None`: not there (before 1.0.3).
    pub destination: Option<InetAddress>,
    /// Sender's planet. `None`: not there (before protocol 5).
    pub planet: Option<WorldVersion>,
    /// The moon section as it stands in the packet, masked; always the last bytes of the payload, so it starts at
    /// `payload.len() - moons.len()`. Empty before 1.2.0. See [`parse_moons`] and [`emit_moons`].
    pub moons: &'a [u8],
}

impl Hello<'_> {
    /// Payload offset at which [`Emit::emit`] writes the moon section, which has to be masked there.
    pub fn moons_offset(&self) -> usize {
        13 + Identity::LEN + self.destination.map_or(0, |a| a.encoded_len()) + self.planet.map_or(0, |_| 16)
    }
}

impl<'a> Parse<'a> for Hello<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let protocol = r.u8("protocol version")?;
        let version = SoftwareVersion::parse(r)?;
        let timestamp = r.u64("timestamp")?;
        let identity = Identity::parse(r)?;
        let destination = if r.is_empty() { None } else { Some(InetAddress::parse(r)?) };
        let planet = match r.remaining() {
            16.. => Some(WorldVersion { id: r.u64("planet ID")?, timestamp: r.u64("planet timestamp")? }),
            _ => None,
        };
        let moons = r.rest();
        Ok(Self { protocol, version, timestamp, identity, destination, planet, moons })
    }
}

impl Emit for Hello<'_> {
    fn encoded_len(&self) -> usize {
        self.moons_offset() + self.moons.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(self.protocol)?;
        self.version.emit(w)?;
        w.put_u64(self.timestamp)?;
        self.identity.emit(w)?;
        if let Some(a) = self.destination {
            a.emit(w)?;
        }
        if let Some(planet) = self.planet {
            w.put_u64(planet.id)?;
            w.put_u64(planet.timestamp)?;
        }
        w.put_bytes(self.moons)
    }
}

/// Writes a plain moon section: those held first, then those wanted with timestamp 0.
/// At most 65535 tuples are written.
pub fn emit_moons(moons: &[WorldVersion]) -> Vec<u8> {
    let moons = &moons[..moons.len().min(usize::from(u16::MAX))];
    let mut out = Vec::with_capacity(2 + 17 * moons.len());
    out.extend_from_slice(&(moons.len() as u16).to_be_bytes());
    for moon in moons {
        out.push(crate::world::WorldKind::Moon as u8);
        out.extend_from_slice(&moon.id.to_be_bytes());
        out.extend_from_slice(&moon.timestamp.to_be_bytes());
    }
    out
}

/// Reads a plain (unmasked) moon section. Tuples of other world types are skipped; a section shorter than its
/// count is no list at all. Offsets in errors count from the start of the section.
pub fn parse_moons(section: &[u8]) -> Result<Vec<WorldVersion>, ParseError> {
    let mut moons = Vec::new();
    let mut r = Reader::new(section);
    if r.remaining() < 2 {
        return Ok(moons);
    }
    for _ in 0..r.u16("number of moons")? {
        let kind = r.u8("world type")?;
        let version = WorldVersion { id: r.u64("moon ID")?, timestamp: r.u64("moon timestamp")? };
        if kind == crate::world::WorldKind::Moon as u8 {
            moons.push(version);
        }
    }
    Ok(moons)
}

/// Answer to HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OkHello<'a> {
    /// Timestamp copied from the HELLO.
    pub timestamp: u64,
    /// Protocol version of the responder.
    pub protocol: u8,
    /// Software version.
    pub version: SoftwareVersion,
    /// Physical address the HELLO came from. `None`: not there (before 1.0.3).
    pub address: Option<InetAddress>,
    /// Serialised worlds back to back, see [`OkHello::parse_worlds`]. `None`: not there (before 1.1.0).
    pub worlds: Option<&'a [u8]>,
    /// By how much the worlds are shorter than announced; not 0 means malformed.
    pub missing: u16,
    /// Trailing bytes.
    pub rest: &'a [u8],
}

impl OkHello<'_> {
    /// Reads the world updates.
    pub fn parse_worlds(&self) -> Result<Vec<World>, ParseError> {
        if self.missing != 0 {
            return Err(ParseError { what: "length of world updates", at: 0 });
        }
        crate::parse_all(self.worlds.unwrap_or_default())
    }
}

impl<'a> Parse<'a> for OkHello<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let mut ok = Self {
            timestamp: r.u64("echoed timestamp")?,
            protocol: r.u8("protocol version")?,
            version: SoftwareVersion::parse(r)?,
            ..Self::default()
        };
        if !r.is_empty() {
            ok.address = Some(InetAddress::parse(r)?);
        }
        if r.remaining() >= 2 {
            let stated = r.u16("length of world updates")?;
            let n = usize::from(stated).min(r.remaining());
            ok.missing = stated - n as u16;
            ok.worlds = Some(r.bytes(n, "world updates")?);
        }
        ok.rest = r.rest();
        Ok(ok)
    }
}

impl Emit for OkHello<'_> {
    fn encoded_len(&self) -> usize {
        13 + self.address.map_or(0, |a| a.encoded_len()) + self.worlds.map_or(0, |w| 2 + w.len()) + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.timestamp)?;
        w.put_u8(self.protocol)?;
        self.version.emit(w)?;
        if let Some(a) = self.address {
            a.emit(w)?;
        }
        if let Some(worlds) = self.worlds {
            let n = u16::try_from(worlds.len()).map_err(|_| BufferFull)?;
            w.put_u16(n.saturating_add(self.missing))?;
            w.put_bytes(worlds)?;
        }
        w.put_bytes(self.rest)
    }
}
