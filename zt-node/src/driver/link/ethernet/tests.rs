//! Two nodes' sources at both ends of a cable, in a namespace.

use super::*;
use crate::driver::link::{LinkIo, Outgoing, Received, SendError};
use crate::status::Unsent;
use std::future::poll_fn;
use zt_tap::netns::Namespace;
use zt_tap::{InterfaceWatch as _, LinuxInterfaces};
use zt_wire::time::Mono;

/// One end of the cable, and its link while it is open.
struct End {
    source: Ethernet,
    handle: EthernetHandle,
    link: Option<NewLink>,
    buffer: Vec<u8>,
}

impl End {
    fn new(own: u64, interface: &str) -> Self {
        let (source, handle) = Ethernet::new(Address::new(own), vec![interface.to_owned()]);
        Self { source, handle, link: None, buffer: vec![0; 512 << 10] }
    }

    /// What a node does when it looks at its interfaces.
    fn look(&mut self, host: &HostView) {
        self.source.handle_host(host, &InterfaceFilter::default());
    }

    /// Waits for the link to open.
    async fn opened(&mut self) -> Mac {
        let link = poll_fn(|cx| self.source.poll_link(cx)).await;
        assert_eq!((link.kind, link.rank, link.role), (LinkKind::Ethernet, -1, LinkRole::Full));
        let Endpoint::Mac(mac) = link.local else { panic!("{:?}", link.local) };
        self.link = Some(link);
        mac
    }

    /// Whether the link has ended, once the source has looked.
    fn has_ended(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = self.source.poll_link(&mut cx);
        let Some(link) = &mut self.link else { return true };
        let ended = matches!(link.io.poll_receive(&mut cx, &mut self.buffer, &mut |_| {}), Poll::Ready(Err(_)));
        if ended {
            self.link = None;
        }
        ended
    }

    fn io(&mut self) -> &mut dyn LinkIo {
        self.link.as_mut().expect("open").io.as_mut()
    }

    async fn send(&mut self, remote: Endpoint, bytes: &[u8], segment: usize) -> Result<usize, SendError> {
        let mut done = 0;
        while done < bytes.len().div_ceil(segment) {
            let bytes = &bytes[done * segment..];
            let train = Outgoing { remote, bytes, segment, ttl: None, dont_fragment: false };
            done += poll_fn(|cx| self.io().poll_send(Mono::ZERO, cx, &train)).await?;
        }
        Ok(done)
    }

    /// So many datagrams, and who sent them.
    async fn receive(&mut self, count: usize) -> Vec<(Endpoint, Vec<u8>)> {
        let Self { link, buffer, .. } = self;
        let io = &mut link.as_mut().expect("open").io;
        let mut came = Vec::new();
        while came.len() < count {
            let mut each = |received: Received<'_>| {
                assert_eq!(received.bytes.len(), received.stride);
                came.push((received.remote, received.bytes.to_vec()));
            };
            poll_fn(|cx| io.poll_receive(cx, buffer, &mut each)).await.expect("open");
        }
        came
    }
}

/// A packet for a node, of so many bytes.
fn packet(to: u64, len: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..=255).cycle().take(len).collect();
    packet[8..13].copy_from_slice(&to.to_be_bytes()[3..]);
    packet
}

/// Runs a test in a namespace with a cable from `x` to `y`, if this machine lets us make one.
fn with_cable(mtu: u32, test: impl AsyncFnOnce(Namespace, LinuxInterfaces) + Send) {
    let Ok(namespace) = Namespace::new() else { return };
    namespace
        .run(|| {
            let inside = Namespace::current().expect("a namespace");
            inside.connect("x", &inside, "y").expect("a cable");
            for end in ["x", "y"] {
                inside.set_mtu(end, mtu).expect("a device");
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(test(inside, LinuxInterfaces::new()));
        })
        .expect("entered");
}

#[test]
fn datagrams_of_any_length_cross_a_cable_whole() {
    with_cable(9000, async |_, mut host| {
        let view = host.view().expect("interfaces");
        let (mut x, mut y) = (End::new(1, "x"), End::new(2, "y"));
        x.look(&view);
        y.look(&view);
        let (from, to) = (x.opened().await, y.opened().await);
        assert_eq!(x.link.as_ref().map(|link| link.mtu), Some(8996));
        for (len, segment) in [(1, 1), (17, 17), (60, 60), (8996, 8996), (40 * 1400 + 3, 1400), (100, 1)] {
            let sent = packet(2, len.max(28))[..len].to_vec();
            let count = x.send(Endpoint::Mac(to), &sent, segment).await.expect("sent");
            let came = y.receive(count).await;
            assert!(came.iter().all(|(sender, _)| *sender == Endpoint::Mac(from)));
            assert_eq!(came.iter().flat_map(|(_, bytes)| bytes).copied().collect::<Vec<u8>>(), sent);
        }
        let refused = x.send(Endpoint::Mac(to), &packet(2, 8997), 8997).await.expect_err("longer than the cable takes");
        assert!(matches!(refused, SendError::Unsent { datagrams: 1, cause: Unsent::TooLong }), "{refused}");
        let elsewhere = x.send(Endpoint::Ip("192.0.2.1:9993".parse().expect("an address")), &[1], 1).await;
        assert!(matches!(elsewhere, Err(SendError::Unsent { cause: Unsent::NoRoute, .. })));
    });
}

#[test]
fn what_goes_to_all_stations_is_for_the_node_that_it_names() {
    with_cable(1500, async |_, mut host| {
        let view = host.view().expect("interfaces");
        let (mut x, mut y) = (End::new(1, "x"), End::new(2, "y"));
        x.look(&view);
        y.look(&view);
        let (_, to) = (x.opened().await, y.opened().await);
        let everybody = Endpoint::Mac(Mac::BROADCAST);
        for named in [3, 2] {
            assert_eq!(x.send(everybody, &packet(named, 100), 100).await.expect("sent"), 1);
        }
        assert_eq!(y.receive(1).await[0].1, packet(2, 100));
        assert_eq!(y.handle.drops(), [("ethernet-other-node", 1)]);
        // What is sent to it alone may be for others: it hands it on.
        x.send(Endpoint::Mac(to), &packet(3, 100), 100).await.expect("sent");
        assert_eq!(y.receive(1).await[0].1, packet(3, 100));
    });
}

#[test]
fn a_link_ends_with_its_cable_and_comes_back_with_it() {
    with_cable(1500, async |namespace, mut host| {
        let mut x = End::new(1, "x");
        let view = host.view().expect("interfaces");
        x.look(&view);
        let mac = x.opened().await;
        assert_eq!(x.handle.ports()[0].state, Ok((mac, 1496)));
        // The other end is what a cable is plugged into.
        namespace.set_up("y", false).expect("a device");
        x.look(&host.view().expect("interfaces"));
        assert!(x.has_ended());
        assert_eq!(x.handle.ports()[0].state, Err("nothing is plugged in".to_owned()));
        namespace.set_up("y", true).expect("a device");
        x.look(&host.view().expect("interfaces"));
        assert_eq!(x.opened().await, mac);
        // Another size is another link.
        namespace.set_mtu("x", 1400).expect("a device");
        x.look(&host.view().expect("interfaces"));
        assert!(x.has_ended());
        x.opened().await;
        assert_eq!(x.handle.ports()[0].state, Ok((mac, 1396)));
        x.handle.set(vec!["nowhere".to_owned()]);
        assert!(x.has_ended());
        assert_eq!(x.handle.ports()[0].state, Err("there is no such interface now".to_owned()));
    });
}
