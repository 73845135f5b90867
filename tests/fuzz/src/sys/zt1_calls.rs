//! Calls of the ZT1 interface.

use super::host::{Wire, zt1_host};
use super::stage::{Stage, wire_message};
use super::{address, call, handle, look_at, network, odd_length, request};
use crate::input::Input;
use libc::{c_char, c_uint, c_ulong, c_void};
use std::ptr;
use ztcore::sys::zt1;
use ztcore::sys::zt1::abi::*;

/// Deleted handles that are remembered.
const STALE: usize = 64;

pub(super) fn act(stage: &mut Stage, input: &mut Input<'_>) {
    match input.below(24) {
        0 => make(stage, input),
        1 => delete(stage, input),
        2..=5 => run(stage, input),
        6 => run_wrongly(stage, input),
        7 => _ = call!(zt1::ZT1_Node_join(any(stage, input), network(stage, input))),
        8 => _ = call!(zt1::ZT1_Node_leave(any(stage, input), network(stage, input))),
        9 => set_port(stage, input),
        10 | 11 => {
            let (node, nwid) = (any(stage, input), network(stage, input));
            let (group, adi) = (u64::from(input.u32()) << 16 | u64::from(input.u16()), input.u32());
            if input.bool() {
                call!(zt1::ZT1_Node_multicastSubscribe(node, nwid, group, adi));
            } else {
                call!(zt1::ZT1_Node_multicastUnsubscribe(node, nwid, group, adi));
            }
        }
        12 => status(stage, input),
        13 => peers(stage, input),
        14 => networks(stage, input),
        15 => config(stage, input),
        16 => free(stage, input),
        17 => master(stage, input),
        18 | 19 => ask(stage, input),
        20 => planet(stage, input),
        21 => nothing(input),
        _ => implicit(input),
    }
}

/// A call from within a callback; `word` says which.
pub(super) fn from_within(node: *mut c_void, word: u8) {
    let network = 0x88_0000_0000 | u64::from(word & 7);
    match word % 8 {
        0 => _ = call!(zt1::ZT1_Node_join(node, network)),
        1 => _ = call!(zt1::ZT1_Node_leave(node, network)),
        2 => _ = call!(zt1::ZT1_Node_setPort(node, network, c"zt0".as_ptr(), i32::from(word) - 100)),
        3 => call!(zt1::ZT1_Node_freeQueryResult(call!(zt1::ZT1_Node_peers(node)).cast())),
        4 => call!(zt1::ZT1_Node_freeQueryResult(call!(zt1::ZT1_Node_networks(node)).cast())),
        5 => _ = call!(zt1::ZT1_Node_multicastSubscribe(node, network, u64::from(word), 0)),
        6 => {
            let (mut wires, mut frames) = (ptr::null(), ptr::null());
            let (mut wire_count, mut frame_count, mut wait) = (0, 0, 0);
            let (a, b, c, d, e) =
                (&raw mut wires, &raw mut wire_count, &raw mut frames, &raw mut frame_count, &raw mut wait);
            let result = call!(zt1::ZT1_Node_runAt(node, 0, ptr::null(), 0, ptr::null(), 0, a, b, c, d, e));
            assert!(result >= 1000 || node.is_null() || wire_count < 10_000, "a run inside a run says {result}");
        }
        _ => _ = call!(zt1::ZT1_Node_networkConfig(ptr::null_mut(), network)),
    }
}

fn any(stage: &Stage, input: &mut Input<'_>) -> *mut c_void {
    let right = if input.bool() { &stage.zt1s } else { &stage.own_zt1s };
    let other: &[usize] = match input.below(4) {
        0 => &stage.zts,
        1 => &stage.masters,
        2 => &stage.own_zt1s,
        _ => &stage.stale,
    };
    handle(right, other, input)
}

/// Changes bytes, or their number.
pub(super) fn damage(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    match input.below(6) {
        0 if !bytes.is_empty() => {
            let at = usize::from(input.u16()) % bytes.len();
            bytes[at] ^= 1 << (input.u8() & 7);
        }
        1 => bytes.truncate(usize::from(input.u16())),
        2 => bytes.extend_from_slice(input.some_bytes()),
        3 => *bytes = input.some_bytes().to_vec(),
        _ => {}
    }
}

fn make(stage: &mut Stage, input: &mut Input<'_>) {
    if stage.own_zt1s.len() >= 4 {
        return;
    }
    let mut functions = zt1_host(&stage.scratch);
    let mut node = ptr::without_provenance_mut(1);
    match input.below(8) {
        0 => functions.dataStoreGet = None,
        1 => functions.dataStorePut = None,
        2 => functions.portConfig = None,
        3 => functions.status = None,
        4 => {
            let result = call!(zt1::ZT1_Node_newWithStore(ptr::null_mut(), 0, &raw const functions));
            assert_eq!(result, ZT1_ERROR_BAD_PARAMETER);
        }
        5 => _ = call!(zt1::ZT1_Node_newWithStore(&raw mut node, 0, ptr::null())),
        _ => {}
    }
    let now = [stage.now, 0, u64::MAX, 1][input.below(4)];
    let result = call!(zt1::ZT1_Node_newWithStore(&raw mut node, now, &raw const functions));
    assert_eq!(result == ZT1_OK, !node.is_null());
    if !node.is_null() {
        stage.own_zt1s.push(node.addr());
    }
}

/// Deletes a node of the fuzzer's own, or something that is none.
fn delete(stage: &mut Stage, input: &mut Input<'_>) {
    let other = if input.bool() { &stage.stale } else { &stage.masters };
    let node = handle(&stage.own_zt1s, other, input);
    if stage.zt1s.contains(&node.addr()) {
        return;
    }
    let result = call!(zt1::ZT1_Node_delete(node));
    let had = stage.own_zt1s.contains(&node.addr());
    assert_eq!(result == ZT1_OK, had);
    stage.own_zt1s.retain(|own| *own != node.addr());
    if had && stage.stale.len() < STALE {
        stage.stale.push(node.addr());
    }
}

fn run(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    let mut wires: Vec<Wire> = Vec::new();
    let from = input.below(stage.hosts.len());
    for _ in 0..input.below(4) {
        let back = input.below(16);
        let Some(mut wire) = stage.hosts[from].sent.borrow().iter().rev().nth(back).cloned() else { break };
        damage(&mut wire.bytes, input);
        wire.level = [0, 0, 1, 2, -1, 7, i32::MIN, i32::MAX][input.below(8)];
        wires.push(wire);
    }
    let messages: Vec<_> = wires.iter().map(|wire| wire_message(address(input), wire)).collect();
    let payload = input.some_bytes();
    let frame = ZT1_VirtualLanFrame {
        networkId: network(stage, input),
        sourceMac: mac(stage, input),
        destMac: mac(stage, input),
        etherType: [0x800, 0x86dd, 0x806, c_uint::MAX][input.below(4)],
        vlanId: c_uint::from(input.below(8) == 7),
        frameData: payload.as_ptr().cast(),
        frameLength: payload.len() as c_uint,
    };
    let frames = if input.bool() { std::slice::from_ref(&frame) } else { &[] };
    let own = stage.own_zt1s.contains(&node.addr());
    let host = stage.zt1s.iter().position(|handle| *handle == node.addr()).map_or(&*stage.scratch, |n| &stage.hosts[n]);
    let now = if own { u64::from(input.u32()) << (input.u8() & 31) } else { stage.now };
    stage.run(node.addr(), host, now, &messages, frames);
}

/// MAC of a member, or of nobody.
pub(super) fn mac(stage: &Stage, input: &mut Input<'_>) -> u64 {
    let network = stage.networks[input.below(stage.networks.len())];
    match input.below(4) {
        0 => 0xffff_ffff_ffff,
        1 => u64::from(input.u32()) << 16,
        _ => {
            let member = zt_wire::Address::new(stage.addresses[input.below(4)]);
            zt_wire::Mac::for_member(member, zt_wire::NetworkId(network)).as_u64()
        }
    }
}

/// Arrays, lengths and places that cannot be used.
fn run_wrongly(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    let bytes = [0u8; 32];
    let wire = ZT1_WireMessage {
        remoteAddress: address(input),
        desperation: 0,
        spam: 1,
        packetData: if input.bool() { ptr::null() } else { bytes.as_ptr().cast() },
        packetLength: [33, 65_536, c_uint::MAX][input.below(3)].max(65_536),
    };
    let (wires, count): (*const ZT1_WireMessage, c_uint) = match input.below(4) {
        0 => (ptr::null(), 1 + c_uint::from(input.u8())),
        1 => ((&raw const wire).cast::<u8>().wrapping_add(1).cast(), 1),
        2 => (&raw const wire, c_uint::MAX),
        _ => (&raw const wire, 1),
    };
    let (mut out_wires, mut out_frames) = (ptr::null(), ptr::null());
    let (mut wire_count, mut frame_count, mut wait) = (9, 9, 9);
    let missing = input.below(10);
    let place = |number: usize| number == missing;
    let a = if place(0) { ptr::null_mut() } else { &raw mut out_wires };
    let b = if place(1) { ptr::null_mut() } else { &raw mut wire_count };
    let c = if place(2) { ptr::null_mut() } else { &raw mut out_frames };
    let d = if place(3) { ptr::null_mut() } else { &raw mut frame_count };
    let e = if place(4) { ptr::null_mut() } else { &raw mut wait };
    let now = stage.now;
    let result = call!(zt1::ZT1_Node_runAt(node, now, wires, count, ptr::null(), 0, a, b, c, d, e));
    assert!(result >= 1000, "{result}");
}

fn set_port(stage: &mut Stage, input: &mut Input<'_>) {
    let (node, nwid) = (any(stage, input), network(stage, input));
    let mut name = input.some_bytes().to_vec();
    name.retain(|byte| *byte != 0);
    name.push(0);
    let device = if input.bool() { ptr::null() } else { name.as_ptr().cast() };
    call!(zt1::ZT1_Node_setPort(node, nwid, device, [0, -2, 5, i32::MIN][input.below(4)]));
}

fn status(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    let mut status = std::mem::MaybeUninit::<ZT1_Node_Status>::uninit();
    if call!(zt1::ZT1_Node_status(node, status.as_mut_ptr())) == ZT1_OK {
        // SAFETY: filled.
        let status = unsafe { status.assume_init() };
        assert!((0.0..=1.0).contains(&status.directLinkSuccessRate));
    }
    if input.below(8) == 0 {
        assert_ne!(call!(zt1::ZT1_Node_status(node, ptr::null_mut())), ZT1_OK);
    }
}

/// Keeps an answer for later, or frees it.
pub(super) fn keep(stage: &mut Stage, answer: *mut c_void, input: &mut Input<'_>) {
    if !answer.is_null() && stage.answers.len() < 64 && input.bool() {
        stage.answers.push(answer.addr());
    } else {
        call!(zt1::ZT1_Node_freeQueryResult(answer));
    }
}

fn peers(stage: &mut Stage, input: &mut Input<'_>) {
    let list = call!(zt1::ZT1_Node_peers(any(stage, input)));
    if !list.is_null() {
        // SAFETY: an answer of the library.
        let list = unsafe { &*list };
        for n in 0..list.numPeers as usize {
            // SAFETY: the same.
            let peer = unsafe { &*list.peers.add(n) };
            look_at(peer.paths.cast_const(), peer.numPaths as usize);
        }
    }
    keep(stage, list.cast(), input);
}

fn networks(stage: &mut Stage, input: &mut Input<'_>) {
    let list = call!(zt1::ZT1_Node_networks(any(stage, input)));
    if !list.is_null() {
        // SAFETY: an answer of the library.
        let list = unsafe { &*list };
        for n in 0..list.numNetworks as usize {
            // SAFETY: the same.
            let network = unsafe { &*list.networks.add(n) };
            look_at(network.ips.cast_const(), network.numIps as usize);
        }
    }
    keep(stage, list.cast(), input);
}

fn config(stage: &mut Stage, input: &mut Input<'_>) {
    let (node, nwid) = (any(stage, input), network(stage, input));
    let config = call!(zt1::ZT1_Node_networkConfig(node, nwid));
    if !config.is_null() {
        // SAFETY: an answer of the library.
        let config = unsafe { &*config };
        assert_eq!(config.networkId, nwid);
        look_at(config.assignedAddresses, config.assignedAddressCount as usize);
    }
    keep(stage, config.cast(), input);
}

/// Frees answers once, twice, and things that are none.
fn free(stage: &mut Stage, input: &mut Input<'_>) {
    let answer = stage.answers.get(input.below(64)).copied().unwrap_or_else(|| usize::from(input.u16()));
    stage.answers.retain(|kept| *kept != answer);
    for _ in 0..=input.below(2) {
        call!(zt1::ZT1_Node_freeQueryResult(ptr::without_provenance_mut(answer)));
    }
    call!(zt1::ZT1_Node_freeQueryResult(ptr::without_provenance_mut(answer.wrapping_add(usize::from(input.u8() & 1)))));
}

fn master(stage: &mut Stage, input: &mut Input<'_>) {
    match input.below(3) {
        0 if stage.controllers.len() < 4 => {
            stage.controllers.push(call!(zt1::ZT1_NetconfMaster_new()).addr());
        }
        1 => {
            let master = handle(&stage.controllers, &stage.stale, input);
            let had = stage.controllers.contains(&master.addr());
            if !stage.masters.contains(&master.addr()) {
                assert_eq!(call!(zt1::ZT1_NetconfMaster_delete(master)) == ZT1_OK, had);
            }
            stage.controllers.retain(|own| *own != master.addr());
        }
        _ => {
            let (node, other) = (any(stage, input), stage.own_zt1s.clone());
            let master = handle(&stage.controllers, &other, input);
            call!(zt1::ZT1_Node_enableNetconfMaster(node, master));
        }
    }
}

fn ask(stage: &mut Stage, input: &mut Input<'_>) {
    let right = if input.bool() { &stage.masters } else { &stage.controllers };
    let master = handle(right, &stage.zt1s, input);
    let (method, path, body) = request(stage, input);
    let mut answer: *mut c_char = ptr::null_mut();
    let length = if input.below(16) == 0 { c_ulong::MAX } else { body.len() as c_ulong };
    let place = if input.below(8) == 0 { ptr::null_mut() } else { &raw mut answer };
    let (method, path) = (method.as_ptr(), if input.below(16) == 0 { ptr::null() } else { path.as_ptr() });
    let status = call!(zt1::ZT1_NetconfMaster_request(master, method, path, body.as_ptr().cast(), length, place));
    assert!(status == 0 || (200..=500).contains(&status), "status {status}");
    keep(stage, answer.cast(), input);
}

fn planet(stage: &mut Stage, input: &mut Input<'_>) {
    let endpoints = [address(input), address(input)];
    let identity = stage.scratch.objects.borrow().get(&b"2"[..]).cloned().unwrap_or_default();
    let mut text = if input.bool() { identity } else { input.some_bytes().to_vec() };
    text.retain(|byte| *byte != 0);
    text.push(0);
    let root = ZT1_PlanetRoot {
        identity: if input.below(8) == 0 { ptr::null() } else { text.as_ptr().cast() },
        endpoints: if input.below(8) == 0 { ptr::null() } else { endpoints.as_ptr() },
        endpointCount: [0, 1, 2, 2, 33, c_uint::MAX][input.below(6)],
    };
    let roots = [root, root];
    let mut out = vec![0u8; usize::from(input.u16() % 1000)];
    let count = [0, 1, 2, 2, 5, c_uint::MAX][input.below(6)];
    let (place, cap) = (out.as_mut_ptr().cast(), out.len() as c_ulong);
    let length = call!(zt1::ZT1_newPlanet(stage.now, roots.as_ptr(), count, place, cap));
    assert!(length <= out.len() as i64);
}

/// Functions that are given nothing.
fn nothing(input: &mut Input<'_>) {
    let (mut major, mut minor) = (-1, -1);
    call!(zt1::ZT1_version(&raw mut major, &raw mut minor, ptr::null_mut()));
    assert!(major >= 0 && minor >= 0);
    let mut node = ptr::null_mut();
    let home = [ptr::null(), c"".as_ptr(), c"/dev/null/x".as_ptr()][input.below(3)];
    let result = call!(zt1::ZT1_Node_new(&raw mut node, home, ptr::null_mut(), ptr::null_mut()));
    assert_ne!(result, ZT1_OK);
    assert_ne!(call!(zt1::ZT1_Node_new(ptr::null_mut(), home, ptr::null_mut(), ptr::null_mut())), ZT1_OK);
}

/// The run that names no node: there is none.
fn implicit(input: &mut Input<'_>) {
    let (mut wires, mut frames) = (ptr::null(), ptr::null());
    let (mut wire_count, mut frame_count, mut wait) = (9, 9, 9);
    let count = odd_length(0, input);
    let (a, b, c, d, e) = (&raw mut wires, &raw mut wire_count, &raw mut frames, &raw mut frame_count, &raw mut wait);
    let result = call!(zt1::ZT1_Node_run(ptr::null(), count, ptr::null(), 0, a, b, c, d, e));
    assert_eq!(result, ZT1_ERROR_BAD_PARAMETER);
}
