//! Address ranges `ip/bits`, and all arithmetic with them.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::{InetAddress, TextError};

/// An IP address with the number of its leading bits that count: a range of addresses, or one address and the range it
/// lies in.
///
/// The number never exceeds the 32 or 128 bits of the family. Host bits are kept as they were given until
/// [`IpPrefix::network`] clears them; everything that asks about the range ignores them. Order: by address, then by
/// number of bits.
///
/// ```
/// use zt_wire::IpPrefix;
/// let range: IpPrefix = "10.9.8.7/24".parse()?;
/// assert!(range.contains([10, 9, 8, 200].into()));
/// assert_eq!(range.network().to_string(), "10.9.8.0/24");
/// # Ok::<(), zt_wire::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpPrefix {
    address: IpAddr,
    bits: u8,
}

impl IpPrefix {
    /// Makes one; `None` when the address has fewer bits.
    #[must_use]
    pub const fn new(address: IpAddr, bits: u8) -> Option<Self> {
        if bits <= width(address) { Some(Self { address, bits }) } else { None }
    }

    /// Makes one of a number of bits that somebody else wrote: too many mean the whole address (04 §6.5).
    #[must_use]
    pub const fn clamped(address: IpAddr, bits: u8) -> Self {
        let most = width(address);
        Self { address, bits: if bits < most { bits } else { most } }
    }

    /// The range of this one address, `/32` or `/128`.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { address, bits: width(address) }
    }

    /// The address as it was given.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Number of leading bits that count.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// True for IPv4.
    #[must_use]
    pub const fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// True for the range of one address.
    #[must_use]
    pub const fn is_host(self) -> bool {
        self.bits == width(self.address)
    }

    /// The range itself: host bits cleared.
    #[must_use]
    pub const fn network(self) -> Self {
        Self { address: self.first(), bits: self.bits }
    }

    /// First address of the range.
    #[must_use]
    pub const fn first(self) -> IpAddr {
        with_number(self.address, number(self.address) & !self.host_mask())
    }

    /// Last address of the range; for IPv4 its broadcast address.
    #[must_use]
    pub const fn last(self) -> IpAddr {
        with_number(self.address, number(self.address) | self.host_mask())
    }

    /// Whether the address is of this family and lies in the range.
    #[must_use]
    pub const fn contains(self, address: IpAddr) -> bool {
        match common_bits(self.address, address) {
            Some(common) => common >= self.bits,
            None => false,
        }
    }

    /// Whether all addresses of `other` lie in the range.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }

    /// The two halves of the range, `None` for the range of one address.
    #[must_use]
    pub const fn halves(self) -> Option<[Self; 2]> {
        if self.is_host() {
            return None;
        }
        let bits = self.bits + 1;
        let lower = Self { address: self.first(), bits };
        let upper = Self { address: self.last(), bits }.network();
        Some([lower, upper])
    }

    /// The bits that do not count, set.
    const fn host_mask(self) -> u128 {
        match u128::MAX.checked_shr(128 - (width(self.address) - self.bits) as u32) {
            Some(mask) => mask,
            None => 0,
        }
    }
}

/// Number of leading bits that two addresses of one family have in common; `None` for two families.
#[must_use]
pub const fn common_bits(a: IpAddr, b: IpAddr) -> Option<u8> {
    if a.is_ipv4() != b.is_ipv4() {
        return None;
    }
    let beyond = 128 - width(a);
    Some((number(a) ^ number(b)).leading_zeros() as u8 - beyond)
}

/// The greatest number of bits among the ranges that contain the address: as routing tables choose. `None`: it is in
/// none of them.
pub fn longest_match(ranges: impl IntoIterator<Item = IpPrefix>, address: IpAddr) -> Option<u8> {
    ranges.into_iter().filter(|range| range.contains(address)).map(IpPrefix::bits).max()
}

/// Number of bits of an address.
const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

const fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => ip.to_bits() as u128,
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The address of the family of `like` with this number.
const fn with_number(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

impl TryFrom<InetAddress> for IpPrefix {
    type Error = TextError;

    /// What an address of a configuration stands for: its port is the number of bits (04 §3.2).
    fn try_from(address: InetAddress) -> Result<Self, TextError> {
        let bits = u8::try_from(address.port()).map_err(|_| ERROR)?;
        address.ip().and_then(|ip| Self::new(ip, bits)).ok_or(ERROR)
    }
}

impl From<IpPrefix> for InetAddress {
    fn from(prefix: IpPrefix) -> Self {
        Self::new(prefix.address, u16::from(prefix.bits))
    }
}

const ERROR: TextError = TextError { what: "range of addresses (ip/bits)" };

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for IpPrefix {
    type Err = TextError;

    /// `ip/bits`, nothing left out and nothing around it.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let (address, bits) = text.split_once('/').ok_or(ERROR)?;
        if !bits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(ERROR);
        }
        let (address, bits) = (address.parse().map_err(|_| ERROR)?, bits.parse().map_err(|_| ERROR)?);
        Self::new(address, bits).ok_or(ERROR)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn prefix(text: &str) -> IpPrefix {
        text.parse().expect("a range")
    }

    #[test]
    fn ranges_have_ends() {
        for (text, network, last) in [
            ("10.1.2.3/24", "10.1.2.0/24", "10.1.2.255"),
            ("10.1.2.3/32", "10.1.2.3/32", "10.1.2.3"),
            ("10.1.2.3/0", "0.0.0.0/0", "255.255.255.255"),
            ("fd00::1/64", "fd00::/64", "fd00::ffff:ffff:ffff:ffff"),
            ("fd00::1/128", "fd00::1/128", "fd00::1"),
            ("fd00::1/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(prefix(text).network(), prefix(network), "{text}");
            assert_eq!(prefix(text).last().to_string(), last, "{text}");
            assert_eq!(prefix(text).to_string(), text);
        }
    }

    #[test]
    fn families_do_not_mix() {
        assert!(!prefix("0.0.0.0/0").contains(Ipv6Addr::UNSPECIFIED.into()));
        assert!(!prefix("::/0").covers(prefix("10.0.0.0/8")));
        assert_eq!(common_bits(Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()), None);
    }

    #[test]
    fn too_many_bits_are_refused_or_cut() {
        let ip = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(IpPrefix::new(ip, 33), None);
        assert_eq!(IpPrefix::clamped(ip, 33), IpPrefix::host(ip));
        assert_eq!(IpPrefix::clamped(ip, 31).bits(), 31);
        assert!(IpPrefix::try_from(InetAddress::new(ip, 32)).is_ok());
        assert!(IpPrefix::try_from(InetAddress::new(ip, 33)).is_err());
        assert!(IpPrefix::try_from(InetAddress::new(ip, 0x120)).is_err());
        assert!(IpPrefix::try_from(InetAddress::None).is_err());
    }

    #[test]
    fn only_whole_text_is_a_range() {
        for bad in
            ["", "/", "10.0.0.1", "10.0.0.1/", "10.0.0.1/33", "::/129", "10.0.0.1/x", "/8", "10.0.0.0/+8", " ::/0"]
        {
            assert!(bad.parse::<IpPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_range_wins() {
        let ranges = ["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/24", "::/0"].map(prefix);
        assert_eq!(longest_match(ranges, [10, 1, 0, 1].into()), Some(16));
        assert_eq!(longest_match(ranges, [10, 2, 0, 1].into()), Some(8));
        assert_eq!(longest_match(ranges, Ipv6Addr::LOCALHOST.into()), Some(0));
        assert_eq!(longest_match(ranges, [11, 0, 0, 1].into()), None);
    }

    #[test]
    fn everything_falls_into_halves_and_one_address_does_not() {
        assert_eq!(prefix("0.0.0.0/0").halves(), Some([prefix("0.0.0.0/1"), prefix("128.0.0.0/1")]));
        assert_eq!(prefix("::7/0").halves(), Some([prefix("::/1"), prefix("8000::/1")]));
        assert_eq!(prefix("10.0.0.7/31").halves(), Some([prefix("10.0.0.6/32"), prefix("10.0.0.7/32")]));
        assert_eq!(prefix("::1/128").halves(), None);
    }
}
