//! TCP segments of a network that asks for it (`clampMss`).

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use socket2::SockRef;
use zt_test_e2e::Host;
use zt_test_e2e::rig::Rig;

const WAIT: Duration = Duration::from_secs(60);
/// The option with the time, which every segment of Linux has.
const TIMESTAMPS: u32 = 12;

/// Segment sizes of a connection at the end that asks for it and at the other.
fn segments(from: &Host, to: &Host, address: IpAddr) -> Result<[u32; 2]> {
    let listener = to.namespace().run(|| TcpListener::bind((address, 0)))??;
    let target: SocketAddr = listener.local_addr()?;
    let near = from.namespace().run(|| TcpStream::connect_timeout(&target, WAIT))??;
    let (far, _) = listener.accept()?;
    Ok([SockRef::from(&near).tcp_mss()? + TIMESTAMPS, SockRef::from(&far).tcp_mss()? + TIMESTAMPS])
}

#[test]
fn segments_go_in_one_datagram_both_ways_when_one_end_asks_for_it() -> Result<()> {
    let Some(rig) = Rig::new("mss")? else { return Ok(()) };
    let addresses = rig.join(WAIT)?;
    let [a, b] = &rig.hosts;
    rig.hosts[0].ping(addresses[1][0].address(), zt_test_e2e::Ping { patience: WAIT, ..Default::default() })?;
    let path = format!("/network/{}", rig.network);
    let set = |clamp: bool| rig.members[0].api().post(&path, &json!({ "clampMss": clamp }));
    for list in [&addresses[0], &addresses[1]] {
        assert!(list.iter().any(|cidr| cidr.address().is_ipv6()), "both families are tried");
    }
    for (to, headers) in addresses[1].iter().map(|cidr| (cidr.address(), if cidr.is_ipv4() { 40 } else { 60 })) {
        let back = addresses[0].iter().find(|cidr| cidr.is_ipv4() == to.is_ipv4()).expect("checked").address();
        assert_eq!(set(false)?["clampMss"], json!(null), "off, and not shown");
        assert_eq!(segments(a, b, to)?, [2800 - headers; 2], "the MTU of the network");
        assert_eq!(set(true)?["clampMss"], json!(true));
        for [near, far] in [segments(a, b, to)?, segments(b, a, back)?] {
            // 51 bytes stand before the frame's payload, in a datagram of 1,432 or what a cable of 1,500 carries.
            let fits = 1432 - 51 - headers..=1472 - 51 - headers;
            assert!(fits.contains(&near) && fits.contains(&far), "{to}: {near} {far}, not within {fits:?}");
        }
    }
    Ok(())
}
