use proptest::prelude::*;

use super::*;

fn ends() -> Ends {
    let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Ends {
        source: Mac([2, 0, 0, 0, 0, 1]),
        destination: Mac([2, 0, 0, 0, 0, 2]),
        source_ips: ips(&["10.0.0.1", "fd00::1"]),
        destination_ips: ips(&["10.0.0.2", "fd00::2"]),
    }
}

fn read(words: &str) -> Frame {
    Frame::read(words, &ends()).unwrap_or_else(|wrong| panic!("{}", wrong.marked(words)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn what_is_left_out_is_that_of_the_ends() {
    for (short, long) in [
        ("tcp 22", "tcp 10.0.0.1:40000 > 10.0.0.2:22 syn"),
        ("TCP > :22 SYN", "tcp 10.0.0.1:40000 > 10.0.0.2:22 syn"),
        ("tcp 10.0.0.1:40000>10.0.0.2:22 ack, syn", "tcp 10.0.0.1:40000 > 10.0.0.2:22 syn ack"),
        ("tcp :1 > 10.0.0.9:0x50 no-flags", "tcp 10.0.0.1:1 > 10.0.0.9:80 no-flags"),
        ("tcp6 22 ack", "tcp [fd00::1]:40000 > [fd00::2]:22 ack"),
        ("tcp 22 60 bytes tos 16", "tcp 10.0.0.1:40000 > 10.0.0.2:22 syn tos 16 60 bytes"),
        ("udp 53 options 2", "udp 10.0.0.1:40000 > 10.0.0.2:53 options 2"),
        ("udp6 53 behind routing,hop-by-hop", "udp [fd00::1]:40000 > [fd00::2]:53 behind routing,hop-by-hop"),
        ("udp 53 fragment 0 more", "udp 10.0.0.1:40000 > 10.0.0.2:53 fragment 0 more"),
        ("udp6 > :53 fragment 0 more", "udp [fd00::1]:40000 > [fd00::2]:53 fragment 0 more"),
        ("udp > 224.0.0.251:5353", "udp 10.0.0.1:40000 > 224.0.0.251:5353"),
        ("broadcast udp 9", "broadcast udp 10.0.0.1:40000 > 10.0.0.2:9"),
        ("multicast 01:00:5e:00:00:fb udp 9", "multicast 01:00:5e:00:00:fb udp 10.0.0.1:40000 > 10.0.0.2:9"),
        ("udp 9 to 02:00:00:00:00:09", "to 02:00:00:00:00:09 udp 10.0.0.1:40000 > 10.0.0.2:9"),
        ("udp 9 from 02:00:00:00:00:02", "from 02:00:00:00:00:02 udp 10.0.0.1:40000 > 10.0.0.2:9"),
        ("icmp", "icmp echo-request 10.0.0.1 > 10.0.0.2"),
        ("ping", "icmp echo-request 10.0.0.1 > 10.0.0.2"),
        ("ping6", "icmp6 echo-request fd00::1 > fd00::2"),
        ("icmp unreachable/1", "icmp unreachable/1 10.0.0.1 > 10.0.0.2"),
        ("icmp6 99 > fd00::9", "icmp6 99 fd00::1 > fd00::9"),
        ("arp", "arp who-has 10.0.0.2 tell 10.0.0.1"),
        ("arp who-has 10.0.0.7 tell 10.0.0.8", "arp who-has 10.0.0.7 tell 10.0.0.8"),
        ("arp reply", "arp reply 10.0.0.1 is-at 02:00:00:00:00:01"),
        ("ndp solicit", "ndp solicit fd00::2 fd00::1 > ff02::1:ff00:2"),
        ("ndp advertise fe80::7", "ndp advertise fe80::7 fe80::7 > fd00::2"),
        ("ndp router-solicit", "ndp router-solicit fe80::ff:fe00:1 > ff02::2"),
        ("ndp router-advertise", "ndp router-advertise fe80::ff:fe00:1 > ff02::1"),
        ("dhcp discover", "dhcp discover 0.0.0.0 > 255.255.255.255"),
        ("dhcp offer", "dhcp offer 10.0.0.1 > 255.255.255.255"),
        ("ipv4 gre", "ipv4 proto gre 10.0.0.1 > 10.0.0.2"),
        ("ipv4 proto 0xfd", "ipv4 proto 253 10.0.0.1 > 10.0.0.2"),
        ("ipv6 proto esp fe80::1 > fe80::2", "ipv6 proto esp fe80::1 > fe80::2"),
        ("ethertype lldp", "ethertype lldp 46 bytes"),
        ("ethertype 0x9999 10 bytes", "ethertype 0x9999 10 bytes"),
        ("vlan 5 pcp 3 dei tcp 22", "vlan 5 pcp 3 dei tcp 10.0.0.1:40000 > 10.0.0.2:22 syn"),
        ("vlan 5 vlan 6 ethertype 0x9999 20 bytes", "vlan 5 vlan 6 ethertype 0x9999 20 bytes"),
        ("hex 0x0800 4500", "ethertype ipv4 2 bytes"),
        ("tcp 22 12 bytes", "ethertype ipv4 12 bytes"),
    ] {
        let frame = read(short);
        let words = frame.words(&ends());
        assert_eq!(words, long, "{short}");
        if !short.starts_with("hex") && long != "ethertype ipv4 12 bytes" {
            assert_eq!(read(&words), frame, "{short}");
        }
    }
}

/// As a host writes them, checksums included.
#[test]
fn the_bytes_are_those_of_a_host() {
    let frame = read("icmp echo-request 10.0.0.1 > 10.0.0.2");
    assert_eq!(hex(&frame.payload), "4500001c00000000400166df0a0000010a0000020800f7ff00000000");
    assert_eq!(hex(&frame.to_bytes()[..14]), "0200000000020200000000010800");
    let frame = read("udp 10.0.0.1:40000 > 10.0.0.2:53");
    assert_eq!(hex(&frame.payload), "4500001c00000000401166cf0a0000010a0000029c40003500084f66");
    let frame = read("udp6 53 fragment 2 more");
    assert_eq!(hex(&frame.payload[4..8]), "00102c40");
    assert_eq!(hex(&frame.payload[40..48]), "1100001100000000");
    let frame = read("arp");
    assert_eq!(hex(&frame.payload), "00010800060400010200000000010a0000010000000000000a000002");
    assert_eq!(frame.destination, Mac::BROADCAST);
    assert_eq!(read("ndp solicit").destination, Mac([0x33, 0x33, 0xff, 0, 0, 2]));
    assert_eq!(read("vlan 5 pcp 1 tcp 22").payload[..4], [0x20, 5, 8, 0]);
    assert_eq!(read("tcp 22 9000 bytes").payload.len(), 9000);
    assert_eq!(read("hex 0x88cc 0102 03").payload, [1, 2, 3]);
}

#[test]
fn a_mistake_is_shown_where_it_is() {
    let nobody = Ends::default();
    for (words, at, expected) in [
        ("", 1, "a kind of frame: tcp"),
        ("tpc 22", 1, "a kind of frame: tcp"),
        ("tcp", 4, "a destination port"),
        ("tcp 70000", 5, "a destination port"),
        ("tcp 10.0.0.1 > 10.0.0.2", 16, "address:port, or :port"),
        ("tcp 10.0.0.1:1 > 10.0.0.2:twenty", 18, "address:port, or :port"),
        ("tcp 10.0.0.1:1 > [fd00::2]:1", 18, "IPv4 addresses on both sides"),
        ("tcp6 10.0.0.1:1 > 10.0.0.2:1", 19, "IPv6 addresses on both sides"),
        ("tcp 22 sin", 8, "flags (syn, ack"),
        ("udp 22 syn", 8, "tos N"),
        ("udp 22 behind routing", 8, "tos N, fragment N, options N"),
        ("udp6 22 options 1", 9, "tos N, fragment N, behind HEADERS"),
        ("udp6 22 behind hop", 16, "extension headers: hop-by-hop"),
        ("icmp ecco", 6, "a type: echo-request"),
        ("ipv4 proto nonsense", 12, "an IP protocol"),
        ("arp who-is 10.0.0.1", 5, "who-has ADDRESS"),
        ("ndp sollicit", 5, "one of router-solicit"),
        ("ethertype lldb", 11, "an ethertype such as 0x88cc"),
        ("ethertype lldp 20000 bytes", 16, "N bytes"),
        ("ethertype lldp 20 bites", 19, "bytes"),
        ("vlan 4096 tcp 22", 6, "a VLAN ID"),
        ("from 02:00 tcp 22", 6, "a MAC such as"),
        ("multicast 02:00:00:00:00:01 tcp 22", 11, "a group MAC"),
        ("tcp 22 more", 8, "flags (syn"),
        ("é tcp", 1, "a kind of frame"),
    ] {
        let wrong = Frame::read(words, &ends()).expect_err(words);
        assert!(wrong.column == at && wrong.expected.starts_with(expected), "{words}: {wrong}");
    }
    let wrong = Frame::read("tcp 22", &nobody).expect_err("no addresses");
    assert_eq!(wrong.column, 5);
    assert!(wrong.expected.contains("the sender has no IPv4 address"), "{wrong}");
    assert_eq!(
        Frame::read("tcp 22 sin", &ends()).expect_err("no flag").marked("tcp 22 sin").lines().nth(1),
        Some(
            "       ^ expected flags (syn, ack, fin, rst, psh, urg, ece, cwr, ns, rs2, rs1, rs0, no-flags), tos N, fragment N, options N, N bytes, from MAC, to MAC, broadcast, multicast MAC, vlan ID, or the end"
        )
    );
}

proptest! {
    /// Any bytes have words, and words of a frame give a frame of the same words.
    #[test]
    fn words_of_any_frame_are_understood(ethertype in prop_oneof![Just(0x800u16), Just(0x806), Just(0x86dd), Just(0x8100), any::<u16>()],
        first in any::<u8>(), payload in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut payload = payload;
        if let Some(byte) = payload.first_mut() {
            *byte = match first % 4 { 0 => 0x45, 1 => 0x60, 2 => 0x46, _ => *byte };
        }
        let frame = Frame { source: Mac([2, 1, 1, 1, 1, 1]), destination: Mac([2, 1, 1, 1, 1, 2]), ethertype, payload };
        let words = frame.words(&Ends::default());
        let again = Frame::read(&words, &Ends::default());
        let again = again.unwrap_or_else(|wrong| panic!("{}", wrong.marked(&words)));
        prop_assert_eq!(again.ethertype, frame.ethertype, "{}", words);
        prop_assert_eq!(again.payload.len(), frame.payload.len(), "{}", words);
    }

    /// No text makes it panic.
    #[test]
    fn any_text_has_an_answer(words in prop::collection::vec(prop_oneof![
        "tcp|udp|icmp|icmp6|ping6|arp|ndp|dhcp|ipv4|ipv6|ethertype|hex|vlan|from|to|>|syn|tos|fragment|options|behind|bytes|more",
        "[0-9]{1,6}", "10.0.0.1(:[0-9]{1,5})?", "fd00::1", "[a-f0-9]{0,8}", "\\PC{0,4}",
    ], 0..8)) {
        let words = words.join(" ");
        match Frame::read(&words, &ends()) {
            Ok(frame) => _ = frame.words(&ends()),
            Err(wrong) => prop_assert!(wrong.column <= words.chars().count() + 1 && !wrong.marked(&words).is_empty()),
        }
    }
}
