//! A TCP segment in a frame: where its parts are, and the few fields that are read and written there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zt_tap::offload::sum;
use zt_wire::ether::fold;

/// Bytes of an Ethernet header.
pub(super) const ETHERNET: usize = 14;
/// Bytes of headers without options.
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;

const PROTOCOL_TCP: u8 = 6;

/// Flags of TCP.
pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

/// Where the parts of a segment are in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) is_ipv6: bool,
    /// The TCP header.
    pub(super) tcp: usize,
    /// The payload.
    pub(super) payload: usize,
    /// The end of the packet; what comes behind is padding.
    pub(super) end: usize,
}

/// Both ends of a connection as seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ends {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

/// What the options of a segment say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TcpOptions {
    pub(super) mss: Option<u16>,
    pub(super) window_scale: Option<u8>,
    /// Ranges that the other side has beyond what it acknowledges.
    pub(super) sacked: [Option<(u32, u32)>; 4],
}

impl Segment {
    /// Finds the segment in a frame; `None` for everything else, and for what contradicts itself.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(ETHERNET..)?;
        let (is_ipv6, header, length) = match (frame[12], frame[13]) {
            (0x08, 0x00) if packet.len() >= IPV4 => {
                let header = usize::from(packet[0] & 0x0f) * 4;
                // A fragment is no segment.
                let is_fragment = packet[6] & 0x3f != 0 || packet[7] != 0;
                if packet[9] != PROTOCOL_TCP || is_fragment || header < IPV4 {
                    return None;
                }
                (false, header, usize::from(word(packet, 2)))
            }
            (0x86, 0xdd) if packet.len() >= IPV6 && packet[6] == PROTOCOL_TCP => {
                (true, IPV6, IPV6 + usize::from(word(packet, 4)))
            }
            _ => return None,
        };
        let tcp = ETHERNET + header;
        let end = ETHERNET + length;
        if end > frame.len() || end < tcp + TCP {
            return None;
        }
        let payload = tcp + usize::from(frame[tcp + 12] >> 4) * 4;
        (payload >= tcp + TCP && payload <= end).then_some(Self { is_ipv6, tcp, payload, end })
    }

    /// Both ends, of a segment that came.
    pub(super) fn ends_of_received(&self, frame: &[u8]) -> Ends {
        let (source, destination) = self.addresses(frame);
        Ends {
            local: SocketAddr::new(destination, word(frame, self.tcp + 2)),
            remote: SocketAddr::new(source, word(frame, self.tcp)),
        }
    }

    /// Both ends, of a segment that leaves.
    pub(super) fn ends_of_sent(&self, frame: &[u8]) -> Ends {
        let Ends { local, remote } = self.ends_of_received(frame);
        Ends { local: remote, remote: local }
    }

    fn addresses(&self, frame: &[u8]) -> (IpAddr, IpAddr) {
        if self.is_ipv6 {
            let at = |at: usize| -> IpAddr {
                let bytes: [u8; 16] = frame[at..at + 16].try_into().expect("sixteen bytes");
                Ipv6Addr::from(bytes).into()
            };
            (at(ETHERNET + 8), at(ETHERNET + 24))
        } else {
            let at = |at: usize| -> IpAddr {
                let bytes: [u8; 4] = frame[at..at + 4].try_into().expect("four bytes");
                Ipv4Addr::from(bytes).into()
            };
            (at(ETHERNET + 12), at(ETHERNET + 16))
        }
    }

    pub(super) fn flags(&self, frame: &[u8]) -> u8 {
        frame[self.tcp + 13]
    }

    pub(super) fn sequence(&self, frame: &[u8]) -> u32 {
        long(frame, self.tcp + 4)
    }

    pub(super) fn acknowledged(&self, frame: &[u8]) -> u32 {
        long(frame, self.tcp + 8)
    }

    pub(super) fn window(&self, frame: &[u8]) -> u16 {
        word(frame, self.tcp + 14)
    }

    /// Bytes of payload.
    pub(super) fn len(&self) -> usize {
        self.end - self.payload
    }

    /// The number behind the last one of this segment; SYN and FIN have one each.
    pub(super) fn sequence_end(&self, frame: &[u8]) -> u32 {
        let flags = self.flags(frame);
        let marks = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        self.sequence(frame).wrapping_add(self.len() as u32).wrapping_add(marks)
    }

    pub(super) fn options(&self, frame: &[u8]) -> TcpOptions {
        let mut options = TcpOptions::default();
        self.each_option(frame, |kind, at, body| match (kind, body.len()) {
            (2, 2) => options.mss = Some(word(frame, at)),
            (3, 1) => options.window_scale = Some(body[0].min(14)),
            (5, _) => {
                for (place, range) in options.sacked.iter_mut().zip(body.chunks_exact(8)) {
                    *place = Some((long(range, 0), long(range, 4)));
                }
            }
            _ => {}
        });
        options
    }

    /// Writes another maximum segment size, where there is one.
    pub(super) fn set_mss(&self, frame: &mut [u8], mss: u16) {
        let mut place = None;
        self.each_option(frame, |kind, at, body| {
            if kind == 2 && body.len() == 2 {
                place = Some(at);
            }
        });
        if let Some(at) = place {
            frame[at..at + 2].copy_from_slice(&mss.to_be_bytes());
        }
    }

    /// Kind, place and body of each option.
    fn each_option(&self, frame: &[u8], mut each: impl FnMut(u8, usize, &[u8])) {
        let mut at = self.tcp + TCP;
        while at < self.payload {
            match frame[at] {
                0 => return,
                1 => at += 1,
                kind => {
                    let Some(&length) = frame[..self.payload].get(at + 1) else { return };
                    let end = at + usize::from(length);
                    if length < 2 || end > self.payload {
                        return;
                    }
                    each(kind, at + 2, &frame[at + 2..end]);
                    at = end;
                }
            }
        }
    }

    pub(super) fn set_sequence(&self, frame: &mut [u8], number: u32) {
        frame[self.tcp + 4..self.tcp + 8].copy_from_slice(&number.to_be_bytes());
    }

    pub(super) fn set_acknowledged(&self, frame: &mut [u8], number: u32) {
        frame[self.tcp + 8..self.tcp + 12].copy_from_slice(&number.to_be_bytes());
    }

    pub(super) fn set_window(&self, frame: &mut [u8], window: u16) {
        frame[self.tcp + 14..self.tcp + 16].copy_from_slice(&window.to_be_bytes());
    }

    /// Whether the checksum is right.
    pub(super) fn is_whole(&self, frame: &[u8]) -> bool {
        let all = u64::from(self.pseudo_sum(frame)) + u64::from(sum(&frame[self.tcp..self.end]));
        fold(all) == 0xffff
    }

    /// Leaves the checksum to whoever cuts the frame: stores the sum of the pseudo header.
    pub(super) fn leave_checksum(&self, frame: &mut [u8]) {
        let pseudo = self.pseudo_sum(frame);
        frame[self.tcp + 16..self.tcp + 18].copy_from_slice(&pseudo.to_be_bytes());
    }

    fn pseudo_sum(&self, frame: &[u8]) -> u16 {
        let addresses =
            if self.is_ipv6 { &frame[ETHERNET + 8..ETHERNET + 40] } else { &frame[ETHERNET + 12..ETHERNET + 20] };
        fold(u64::from(sum(addresses)) + (self.end - self.tcp) as u64 + u64::from(PROTOCOL_TCP))
    }
}

/// How far one sequence number is behind another; negative when it is before it.
pub(super) fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
