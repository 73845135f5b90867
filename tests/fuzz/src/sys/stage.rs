//! Four nodes that know each other, two of each interface, and whatever the fuzzer makes beside them.

use super::host::{Host, Wire, keep_sent, zt_callbacks, zt1_host};
use super::{call, look_at};
use crate::input::Input;
use libc::{c_uint, c_ulong, sockaddr_in, sockaddr_storage};
use std::ptr;
use std::sync::OnceLock;
use zt_crypto::{KeyPair, SeededEntropy, sign_world};
use zt_wire::world::{Root, WorldKind};
use zt_wire::{Emit as _, InetAddress, Signature, World};
use ztcore::sys::zt1::abi::{ZT1_VirtualLanFrame, ZT1_WireMessage};
use ztcore::sys::{zt, zt::abi as zt_abi, zt1};

/// Milliseconds of the host's clock at the start.
const START: u64 = 1_700_000_000_000;
/// Nodes that live as long as the stage: two of the ZT1 interface, then two of the ZT one.
const NODES: usize = 4;

pub(super) struct Stage {
    /// Never longer or shorter: nodes have the addresses of what is in it.
    pub(super) hosts: Vec<Host>,
    /// Handles of the four, and of what the fuzzer made, living and gone.
    pub(super) zt1s: Vec<usize>,
    pub(super) zts: Vec<usize>,
    pub(super) own_zt1s: Vec<usize>,
    pub(super) own_zts: Vec<usize>,
    pub(super) controllers: Vec<usize>,
    /// Controllers that the four have: not to be deleted.
    pub(super) masters: Vec<usize>,
    pub(super) stale: Vec<usize>,
    /// Answers that were not freed yet.
    pub(super) answers: Vec<usize>,
    pub(super) networks: Vec<u64>,
    pub(super) addresses: [u64; NODES],
    pub(super) now: u64,
    /// A host of the fuzzer's own nodes.
    pub(super) scratch: Box<Host>,
}

pub(super) fn ipv4(first: u8, last: u8, port: u16) -> sockaddr_storage {
    // SAFETY: integers, for which all zeros is a value.
    let mut storage: sockaddr_storage = unsafe { std::mem::zeroed() };
    let address = sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_be_bytes([first, 0, 0, last]).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: the storage has room for it.
    unsafe { (&raw mut storage).cast::<sockaddr_in>().write(address) };
    storage
}

/// Which of the four is at an address.
fn node_at(address: &sockaddr_storage) -> Option<usize> {
    // SAFETY: integers, whatever the family.
    let address: sockaddr_in = unsafe { ptr::from_ref(address).cast::<sockaddr_in>().read() };
    let [.., last] = u32::from_be(address.sin_addr.s_addr).to_be_bytes();
    usize::from(last).checked_sub(1).filter(|number| *number < NODES)
}

/// All four as roots of one planet.
fn planet() -> &'static [u8] {
    static PLANET: OnceLock<Vec<u8>> = OnceLock::new();
    PLANET.get_or_init(|| {
        let key = KeyPair::generate(&mut SeededEntropy::new(5));
        let roots = (0..NODES).map(|number| Root {
            identity: *zt_test_sim::identity(number).identity(),
            endpoints: vec![InetAddress::V4([10, 0, 0, number as u8 + 1].into(), 9993)],
        });
        let roots = roots.collect();
        let signature = Signature([0; Signature::LEN]);
        let mut world =
            World { kind: WorldKind::Planet, id: 9, timestamp: 1, update_key: *key.public_key(), signature, roots };
        sign_world(&mut world, &key);
        world.to_vec()
    })
}

impl Stage {
    pub(super) fn new() -> Self {
        let mut stage = Self {
            hosts: (0..NODES).map(|_| Host::default()).collect(),
            zt1s: Vec::new(),
            zts: Vec::new(),
            own_zt1s: Vec::new(),
            own_zts: Vec::new(),
            controllers: Vec::new(),
            masters: Vec::new(),
            stale: Vec::new(),
            answers: Vec::new(),
            networks: Vec::new(),
            addresses: [0; NODES],
            now: START,
            scratch: Box::default(),
        };
        for number in 0..NODES {
            stage.open(number);
        }
        let secret = zt_test_sim::identity(NODES);
        for name in ["identity.secret", "2"] {
            stage.scratch.put(name, secret.to_text().as_bytes());
        }
        // A planet that is none: no node of the fuzzer has a root, whose identity would have to be checked.
        stage.scratch.put("planet", b"none");
        stage.scratch.put("3", b"none");
        stage.scratch.is_scripted.set(true);
        stage.make_networks();
        for _ in 0..400 {
            stage.pass(10);
        }
        stage.hosts.iter().for_each(|host| host.is_scripted.set(true));
        stage
    }

    fn open(&mut self, number: usize) {
        let secret = zt_test_sim::identity(number);
        self.addresses[number] = secret.address().as_u64();
        let host = &self.hosts[number];
        let mut handle = ptr::null_mut();
        if number < 2 {
            host.put("identity.secret", secret.to_text().as_bytes());
            host.put("planet", planet());
            let functions = zt1_host(host);
            assert_eq!(call!(zt1::ZT1_Node_newWithStore(&raw mut handle, self.now, &raw const functions)), 0);
            self.zt1s.push(handle.addr());
        } else {
            host.put("2", secret.to_text().as_bytes());
            host.put("3", planet());
            let functions = zt_callbacks(number == 3);
            let (user, now) = (host.user(), self.now as i64);
            let made = call!(zt::ZT_Node_new(&raw mut handle, user, ptr::null_mut(), &raw const functions, now));
            assert_eq!(made, 0);
            self.zts.push(handle.addr());
        }
    }

    /// A controller on the first node of each interface, with a network that all join.
    fn make_networks(&mut self) {
        let master = call!(zt1::ZT1_NetconfMaster_new());
        let first = ptr::without_provenance_mut(self.zt1s[0]);
        assert_eq!(call!(zt1::ZT1_Node_enableNetconfMaster(first, master)), 0);
        let controller = call!(zt::ZT_Controller_new(ptr::null()));
        call!(zt::ZT_Node_setNetconfMaster(ptr::without_provenance_mut(self.zts[0]), controller));
        self.masters = vec![master.addr(), controller.addr()];
        let body = br#"{"private":false,"v4AssignMode":"zt","ipAssignmentPools":[{"ipRangeStart":"10.5.0.1","ipRangeEnd":"10.5.0.99"}],"routes":[{"target":"10.5.0.0/24"}]}"#;
        for (is_zt1, number) in [(true, 0), (false, 2)] {
            let network = self.addresses[number] << 24 | 1;
            let path = std::ffi::CString::new(format!("/controller/network/{network:016x}")).expect("no NUL");
            let (path, body, len) = (path.as_ptr(), body.as_ptr().cast(), body.len() as c_ulong);
            let method = c"POST".as_ptr();
            let status = if is_zt1 {
                call!(zt1::ZT1_NetconfMaster_request(master, method, path, body, len, ptr::null_mut()))
            } else {
                call!(zt::ZT_Controller_request(controller, method, path, body, len, ptr::null_mut()))
            };
            assert_eq!(status, 200);
            self.networks.push(network);
            for handle in self.zt1s.clone() {
                assert_eq!(call!(zt1::ZT1_Node_join(ptr::without_provenance_mut(handle), network)), 0);
            }
            for handle in self.zts.clone() {
                let null = ptr::null_mut();
                assert_eq!(call!(zt::ZT_Node_join(ptr::without_provenance_mut(handle), network, null, null)), 0);
            }
        }
    }

    /// Lets time pass: every node sends, and gets what was sent to it.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        let mut inboxes: [Vec<(sockaddr_storage, Wire)>; NODES] = Default::default();
        for (number, host) in self.hosts.iter().enumerate() {
            for wire in host.sent.borrow_mut().drain(..) {
                if let Some(to) = node_at(&wire.to).filter(|to| *to != number) {
                    inboxes[to].push((ipv4(10, number as u8 + 1, 9993), wire));
                }
            }
        }
        for (number, inbox) in inboxes.iter().enumerate() {
            self.turn(number, inbox);
        }
    }

    /// A node gets packets, and does what is due.
    fn turn(&self, number: usize, inbox: &[(sockaddr_storage, Wire)]) {
        if number < 2 {
            let wires: Vec<ZT1_WireMessage> = inbox.iter().map(|(from, wire)| wire_message(*from, wire)).collect();
            self.run(self.zt1s[number], &self.hosts[number], self.now, &wires, &[]);
            return;
        }
        let node = ptr::without_provenance_mut(self.zts[number - 2]);
        let mut deadline = i64::MAX;
        let (now, null) = (self.now as i64, ptr::null_mut());
        for (from, wire) in inbox {
            let (from, data, len) = (ptr::from_ref(from), wire.bytes.as_ptr().cast(), wire.bytes.len() as c_uint);
            let place = &raw mut deadline;
            assert_eq!(call!(zt::ZT_Node_processWirePacket(node, null, now, -1, from, data, len, place)), 0);
        }
        assert_eq!(call!(zt::ZT_Node_processBackgroundTasks(node, null, now, &raw mut deadline)), 0);
    }

    /// Runs a node of the ZT1 interface and keeps what it sends; its result.
    pub(super) fn run(
        &self,
        node: usize,
        host: &Host,
        now: u64,
        wires: &[ZT1_WireMessage],
        frames: &[ZT1_VirtualLanFrame],
    ) -> c_uint {
        let (mut out_wires, mut out_frames) = (ptr::null(), ptr::null());
        let (mut wire_count, mut frame_count, mut wait) = (0, 0, 0);
        let result = call!(zt1::ZT1_Node_runAt(
            ptr::without_provenance_mut(node),
            now,
            wires.as_ptr(),
            wires.len() as c_uint,
            frames.as_ptr(),
            frames.len() as c_uint,
            &raw mut out_wires,
            &raw mut wire_count,
            &raw mut out_frames,
            &raw mut frame_count,
            &raw mut wait,
        ));
        assert!([0, 1, 3, 1000, 1001].contains(&result), "run says {result}");
        for n in 0..wire_count as usize {
            // SAFETY: an array of the node, valid until its next run.
            let wire = unsafe { &*out_wires.add(n) };
            // SAFETY: the same.
            let bytes = unsafe { std::slice::from_raw_parts(wire.packetData.cast::<u8>(), wire.packetLength as usize) };
            keep_sent(host, Wire { to: wire.remoteAddress, level: wire.desperation, bytes: bytes.to_vec() });
        }
        for n in 0..frame_count as usize {
            // SAFETY: an array of the node, valid until its next run.
            let frame = unsafe { &*out_frames.add(n) };
            look_at(frame.frameData.cast::<u8>(), frame.frameLength as usize);
        }
        result
    }

    /// Packets of one node arrive changed, at the right place or at a wrong one.
    pub(super) fn exchange(&mut self, input: &mut Input<'_>) {
        let (from, to) = (input.below(NODES), input.below(NODES));
        let mut wires: Vec<Wire> = self.hosts[from].sent.borrow().iter().rev().take(4).cloned().collect();
        for wire in &mut wires {
            super::zt1_calls::damage(&mut wire.bytes, input);
            wire.level = i32::from(input.u8() & 3);
        }
        let remote = super::address(input);
        let inbox: Vec<_> = wires.into_iter().map(|wire| (remote, wire)).collect();
        self.turn(to, &inbox);
    }

    /// Ends what the fuzzer made.
    pub(super) fn clean_up(&mut self) {
        for answer in std::mem::take(&mut self.answers) {
            call!(zt1::ZT1_Node_freeQueryResult(ptr::without_provenance_mut(answer)));
        }
        for node in std::mem::take(&mut self.own_zt1s) {
            call!(zt1::ZT1_Node_delete(ptr::without_provenance_mut(node)));
        }
        for node in std::mem::take(&mut self.own_zts) {
            call!(zt::ZT_Node_delete(ptr::without_provenance_mut(node)));
        }
        for controller in std::mem::take(&mut self.controllers) {
            call!(zt1::ZT1_NetconfMaster_delete(ptr::without_provenance_mut(controller)));
        }
        self.stale.truncate(16);
        self.scratch.sent.borrow_mut().clear();
        self.scratch.objects.borrow_mut().retain(|name, _| name.len() == 1 || !name.contains(&b'/'));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clean_up();
        for node in &self.zt1s {
            call!(zt1::ZT1_Node_delete(ptr::without_provenance_mut(*node)));
        }
        for node in &self.zts {
            call!(zt::ZT_Node_delete(ptr::without_provenance_mut(*node)));
        }
        for controller in &self.masters {
            call!(zt::ZT_Controller_delete(ptr::without_provenance_mut(*controller)));
        }
    }
}

/// A datagram as the ZT1 interface takes it; it must outlive the message.
pub(super) fn wire_message(from: sockaddr_storage, wire: &Wire) -> ZT1_WireMessage {
    ZT1_WireMessage {
        remoteAddress: from,
        desperation: wire.level,
        spam: 0,
        packetData: wire.bytes.as_ptr().cast(),
        packetLength: wire.bytes.len() as c_uint,
    }
}

const _: () = assert!(size_of::<zt_abi::ZT_Node_Callbacks>() == 72, "nine words");
