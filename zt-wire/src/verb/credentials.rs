//! NETWORK_CREDENTIALS (02 §6.13, 04 §5.6).

use alloc::vec::Vec;

use crate::credential::capability::Capability;
use crate::credential::membership::Membership;
use crate::credential::ownership::Ownership;
use crate::credential::revocation::Revocation;
use crate::credential::tag::Tag;
use crate::cursor::len_all;
use crate::{BufferFull, Emit, Parse, ParseError, Reader, Writer};

/// The last section a packet has; older senders stop early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialsEnd {
    /// Nothing follows the memberships, not even the zero byte.
    Memberships,
    /// The zero byte ends the packet.
    EndOfMemberships,
    /// Capabilities are the last section.
    Capabilities,
    /// Tags are the last section.
    Tags,
    /// Revocations are the last section.
    Revocations,
    /// All sections are there.
    #[default]
    Complete,
}

/// NETWORK_CREDENTIALS: what entitles the sender to take part in networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkCredentials<'a> {
    /// Certificates of membership.
    pub memberships: Vec<Membership>,
    /// Capabilities.
    pub capabilities: Vec<Capability>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Revocations.
    pub revocations: Vec<Revocation>,
    /// Certificates of ownership.
    pub ownerships: Vec<Ownership>,
    /// The last section that was begun; [`CredentialsEnd::Complete`] to send.
    pub end: CredentialsEnd,
    /// How many elements of that section were announced but could not be read; 0 to send.
    pub missing: u16,
    /// Trailing bytes; if [`NetworkCredentials::is_broken`], they start with the malformed part.
    pub rest: &'a [u8],
}

impl NetworkCredentials<'_> {
    /// True if a credential or count is malformed: use those before it, then reject the packet.
    pub const fn is_broken(&self) -> bool {
        self.missing != 0 || !self.rest.is_empty() && !matches!(self.end, CredentialsEnd::Complete)
    }

    /// True if there is no credential at all.
    pub const fn is_empty(&self) -> bool {
        self.memberships.is_empty()
            && self.capabilities.is_empty()
            && self.tags.is_empty()
            && self.revocations.is_empty()
            && self.ownerships.is_empty()
    }
}

/// Reads as many of `n` elements as are well-formed; tells how many are missing.
fn section<'a, T: Parse<'a>>(r: &mut Reader<'a>, n: u16) -> (Vec<T>, u16) {
    let mut all = Vec::new();
    for i in 0..n {
        let mut ahead = r.clone();
        match T::parse(&mut ahead) {
            Ok(one) => all.push(one),
            Err(_) => return (all, n - i),
        }
        *r = ahead;
    }
    (all, 0)
}

impl<'a> NetworkCredentials<'a> {
    /// Reads the section after `end`; false if there is none or it is malformed.
    fn parse_section(&mut self, r: &mut Reader<'a>, next: CredentialsEnd) -> bool {
        let mut ahead = r.clone();
        let Ok(n) = ahead.u16("number of credentials") else { return false };
        *r = ahead;
        self.end = next;
        self.missing = match next {
            CredentialsEnd::Capabilities => fill(&mut self.capabilities, section(r, n)),
            CredentialsEnd::Tags => fill(&mut self.tags, section(r, n)),
            CredentialsEnd::Revocations => fill(&mut self.revocations, section(r, n)),
            _ => fill(&mut self.ownerships, section(r, n)),
        };
        self.missing == 0
    }
}

fn fill<T>(place: &mut Vec<T>, (all, missing): (Vec<T>, u16)) -> u16 {
    *place = all;
    missing
}

impl<'a> Parse<'a> for NetworkCredentials<'a> {
    /// Never fails: what is malformed is kept in `rest`.
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let mut all = Self { end: CredentialsEnd::Memberships, ..Self::default() };
        while r.peek_u8() == Some(1) {
            let mut ahead = r.clone();
            let Ok(membership) = Membership::parse(&mut ahead) else { break };
            all.memberships.push(membership);
            *r = ahead;
        }
        if r.peek_u8() == Some(0) {
            r.u8("end of memberships")?;
            all.end = CredentialsEnd::EndOfMemberships;
            let sections = [
                CredentialsEnd::Capabilities,
                CredentialsEnd::Tags,
                CredentialsEnd::Revocations,
                CredentialsEnd::Complete,
            ];
            for next in sections {
                if !all.parse_section(r, next) {
                    break;
                }
            }
        }
        all.rest = r.rest();
        Ok(all)
    }
}

/// A count and the elements; the count of the last section includes what is missing.
fn emit_section<T: Emit>(w: &mut Writer<'_>, elements: &[T], missing: u16) -> Result<(), BufferFull> {
    let n = u16::try_from(elements.len()).map_err(|_| BufferFull)?;
    w.put_u16(n.saturating_add(missing))?;
    elements.iter().try_for_each(|e| e.emit(w))
}

impl Emit for NetworkCredentials<'_> {
    fn encoded_len(&self) -> usize {
        let sections = [
            (CredentialsEnd::EndOfMemberships, 1),
            (CredentialsEnd::Capabilities, 2 + len_all(&self.capabilities)),
            (CredentialsEnd::Tags, 2 + len_all(&self.tags)),
            (CredentialsEnd::Revocations, 2 + len_all(&self.revocations)),
            (CredentialsEnd::Complete, 2 + len_all(&self.ownerships)),
        ];
        let there = sections.iter().filter(|(end, _)| self.end >= *end);
        len_all(&self.memberships) + there.map(|(_, n)| n).sum::<usize>() + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        let missing = |end| if self.end == end { self.missing } else { 0 };
        self.memberships.iter().try_for_each(|m| m.emit(w))?;
        if self.end >= CredentialsEnd::EndOfMemberships {
            w.put_u8(0)?;
        }
        if self.end >= CredentialsEnd::Capabilities {
            emit_section(w, &self.capabilities, missing(CredentialsEnd::Capabilities))?;
        }
        if self.end >= CredentialsEnd::Tags {
            emit_section(w, &self.tags, missing(CredentialsEnd::Tags))?;
        }
        if self.end >= CredentialsEnd::Revocations {
            emit_section(w, &self.revocations, missing(CredentialsEnd::Revocations))?;
        }
        if self.end >= CredentialsEnd::Complete {
            emit_section(w, &self.ownerships, missing(CredentialsEnd::Complete))?;
        }
        w.put_bytes(self.rest)
    }
}
