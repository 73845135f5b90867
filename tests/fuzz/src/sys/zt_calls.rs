//! Calls of the ZT interface.

use super::host::{get, put, zt_callbacks};
use super::stage::Stage;
use super::zt1_calls::{damage, keep, mac};
use super::{address, call, handle, look_at, network, odd_length, request};
use crate::input::Input;
use libc::{c_char, c_uint, c_ulong, c_void};
use std::ptr;
use ztcore::sys::zt;
use ztcore::sys::zt::abi::*;

/// Deleted handles that are remembered.
const STALE: usize = 64;

pub(super) fn act(stage: &mut Stage, input: &mut Input<'_>) {
    match input.below(26) {
        0 => make(stage, input),
        1 => delete(stage, input),
        2..=5 => wire(stage, input),
        6..=8 => frame(stage, input),
        9 => background(stage, input),
        10 | 11 => membership(stage, input),
        12 | 13 => groups(stage, input),
        14 => moons(stage, input),
        15 => status(stage, input),
        16 => peers(stage, input),
        17 => networks(stage, input),
        18 => config(stage, input),
        19 => free(stage, input),
        20 => local(stage, input),
        21 => message(stage, input),
        22 => controller(stage, input),
        23 => physical(stage, input),
        _ => ask(stage, input),
    }
}

fn any(stage: &Stage, input: &mut Input<'_>) -> *mut c_void {
    let right = if input.bool() { &stage.zts } else { &stage.own_zts };
    let other: &[usize] = match input.below(4) {
        0 => &stage.zt1s,
        1 => &stage.masters,
        2 => &stage.own_zts,
        _ => &stage.stale,
    };
    handle(right, other, input)
}

/// The time: the four have that of the stage, others any.
fn now(stage: &Stage, node: *mut c_void, input: &mut Input<'_>) -> i64 {
    if stage.zts.contains(&node.addr()) {
        return stage.now as i64;
    }
    (i64::from(input.u32()) - (1 << 31)) << (input.u8() & 31)
}

fn check(result: c_uint) {
    assert!([0, 1, 101, 1000, 1002].contains(&result), "a function says {result}");
}

fn make(stage: &mut Stage, input: &mut Input<'_>) {
    if stage.own_zts.len() >= 4 {
        return;
    }
    let mut functions = zt_callbacks(input.bool());
    let mut node = ptr::without_provenance_mut(1);
    match input.below(16) {
        0 => functions.version = 1,
        1 => functions.statePutFunction = None,
        2 => functions.stateGetFunction = None,
        3 => functions.wirePacketSendFunction = None,
        4 => functions.virtualNetworkFrameFunction = None,
        5 => functions.virtualNetworkConfigFunction = None,
        6 => functions.eventCallback = None,
        _ => {}
    }
    let (user, null) = (stage.scratch.user(), ptr::null_mut());
    let now = [stage.now as i64, 0, i64::MIN, i64::MAX][input.below(4)];
    let place = if input.below(16) == 0 { ptr::null_mut() } else { &raw mut node };
    let result = call!(zt::ZT_Node_new(place, user, null, &raw const functions, now));
    assert_eq!(result == ZT_RESULT_OK, !place.is_null() && !node.is_null());
    if result == ZT_RESULT_OK {
        stage.own_zts.push(node.addr());
    }
}

/// Deletes a node of the fuzzer's own, or something that is none.
fn delete(stage: &mut Stage, input: &mut Input<'_>) {
    let node = handle(&stage.own_zts, &stage.stale, input);
    if stage.zts.contains(&node.addr()) {
        return;
    }
    call!(zt::ZT_Node_delete(node));
    if stage.own_zts.contains(&node.addr()) && stage.stale.len() < STALE {
        stage.stale.push(node.addr());
    }
    stage.own_zts.retain(|own| *own != node.addr());
    assert_eq!(call!(zt::ZT_Node_address(node)), 0);
}

fn wire(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    let (from, back) = (input.below(stage.hosts.len()), input.below(16));
    let sent = stage.hosts[from].sent.borrow().iter().rev().nth(back).cloned();
    let mut bytes = sent.map(|wire| wire.bytes).unwrap_or_default();
    damage(&mut bytes, input);
    let remote = address(input);
    let remote = if input.below(16) == 0 { ptr::null() } else { &raw const remote };
    let socket = [-1, 0, 1, 2, i64::from(input.u16()), i64::MIN][input.below(6)];
    let mut deadline = i64::MAX;
    let place = if input.bool() { &raw mut deadline } else { ptr::null_mut() };
    let length = match odd_length(bytes.len(), input) {
        10_001 => bytes.len() as c_uint,
        length => length,
    };
    let (now, data, null) = (now(stage, node, input), bytes.as_ptr().cast(), ptr::null_mut());
    check(call!(zt::ZT_Node_processWirePacket(node, null, now, socket, remote, data, length, place)));
}

fn frame(stage: &mut Stage, input: &mut Input<'_>) {
    let (node, nwid) = (any(stage, input), network(stage, input));
    let (from, to, payload) = (mac(stage, input), mac(stage, input), input.some_bytes());
    let kind = [0x800, 0x86dd, 0x806, c_uint::MAX][input.below(4)];
    let length = match odd_length(payload.len(), input) {
        65_536 => payload.len() as c_uint,
        length => length,
    };
    let mut deadline = i64::MAX;
    let (now, vlan) = (now(stage, node, input), c_uint::from(input.below(8) == 7));
    let (data, null, place) = (payload.as_ptr().cast(), ptr::null_mut(), &raw mut deadline);
    let result =
        call!(zt::ZT_Node_processVirtualNetworkFrame(node, null, now, nwid, from, to, kind, vlan, data, length, place));
    check(result);
}

fn background(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    let mut deadlines = [0i64; 2];
    let place = match input.below(8) {
        0 => ptr::null_mut(),
        1 => (&raw mut deadlines).cast::<u8>().wrapping_add(3).cast(),
        _ => &raw mut deadlines[0],
    };
    let now = now(stage, node, input);
    check(call!(zt::ZT_Node_processBackgroundTasks(node, ptr::null_mut(), now, place)));
}

fn membership(stage: &mut Stage, input: &mut Input<'_>) {
    let (node, nwid) = (any(stage, input), network(stage, input));
    let mut pointer = ptr::without_provenance_mut(usize::from(input.u8()));
    let null = ptr::null_mut();
    if input.bool() {
        check(call!(zt::ZT_Node_join(node, nwid, pointer, null)));
    } else {
        let place = if input.bool() { &raw mut pointer } else { ptr::null_mut() };
        check(call!(zt::ZT_Node_leave(node, nwid, place, null)));
    }
}

fn groups(stage: &mut Stage, input: &mut Input<'_>) {
    let (node, nwid) = (any(stage, input), network(stage, input));
    let (group, adi) = (u64::from(input.u32()) << 24 | u64::from(input.u16()), c_ulong::from(input.u32()) << 4);
    if input.bool() {
        check(call!(zt::ZT_Node_multicastSubscribe(node, ptr::null_mut(), nwid, group, adi)));
    } else {
        check(call!(zt::ZT_Node_multicastUnsubscribe(node, nwid, group, adi)));
    }
}

/// Roots are unknown nodes or the four, whose identities need no check.
fn moons(stage: &mut Stage, input: &mut Input<'_>) {
    let (node, null) = (any(stage, input), ptr::null_mut());
    let world = if input.bool() { u64::from(input.u8() & 7) } else { u64::from(input.u32()) };
    let root = [0, stage.addresses[input.below(4)], u64::MAX, u64::from(input.u8())][input.below(4)];
    if input.bool() {
        check(call!(zt::ZT_Node_orbit(node, null, world, root)));
    } else {
        check(call!(zt::ZT_Node_deorbit(node, null, world)));
    }
}

fn status(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    // SAFETY: integers and pointers, for which all zeros is a value.
    let mut status: ZT_NodeStatus = unsafe { std::mem::zeroed() };
    call!(zt::ZT_Node_status(node, &raw mut status));
    call!(zt::ZT_Node_status(node, ptr::null_mut()));
    assert_eq!(status.address, call!(zt::ZT_Node_address(node)));
    if status.address != 0 {
        // SAFETY: texts of a living node.
        let text = unsafe { std::ffi::CStr::from_ptr(status.secretIdentity) };
        assert!(text.count_bytes() > 250);
    }
    call!(zt::ZT_version(ptr::null_mut(), ptr::null_mut(), ptr::null_mut()));
}

fn peers(stage: &mut Stage, input: &mut Input<'_>) {
    let list = call!(zt::ZT_Node_peers(any(stage, input)));
    if !list.is_null() {
        // SAFETY: an answer of the library.
        let list = unsafe { &*list };
        for n in 0..list.peerCount as usize {
            // SAFETY: the same.
            let peer = unsafe { &*list.peers.add(n) };
            assert!(peer.pathCount <= 64);
        }
    }
    keep(stage, list.cast(), input);
}

fn networks(stage: &mut Stage, input: &mut Input<'_>) {
    let list = call!(zt::ZT_Node_networks(any(stage, input)));
    if !list.is_null() {
        // SAFETY: an answer of the library.
        let list = unsafe { &*list };
        for n in 0..list.networkCount as usize {
            // SAFETY: the same.
            assert!(unsafe { &*list.networks.add(n) }.multicastSubscriptionCount <= 1024);
        }
    }
    keep(stage, list.cast(), input);
}

fn config(stage: &mut Stage, input: &mut Input<'_>) {
    let (node, nwid) = (any(stage, input), network(stage, input));
    let config = call!(zt::ZT_Node_networkConfig(node, nwid));
    if !config.is_null() {
        // SAFETY: an answer of the library.
        assert_eq!(unsafe { (*config).nwid }, nwid);
        look_at(config.cast_const().cast::<u8>(), 256);
    }
    keep(stage, config.cast(), input);
}

fn free(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    let answer = stage.answers.pop().unwrap_or_else(|| usize::from(input.u16()));
    call!(zt::ZT_Node_freeQueryResult(node, ptr::without_provenance_mut(answer)));
    call!(zt::ZT_Node_freeQueryResult(node, ptr::without_provenance_mut(answer)));
}

fn local(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    let at = address(input);
    match input.below(4) {
        0 => call!(zt::ZT_Node_clearLocalInterfaceAddresses(node)),
        1 => assert_eq!(call!(zt::ZT_Node_addLocalInterfaceAddress(node, ptr::null())), 0),
        _ => assert!((0..=1).contains(&call!(zt::ZT_Node_addLocalInterfaceAddress(node, &raw const at)))),
    }
}

fn message(stage: &mut Stage, input: &mut Input<'_>) {
    let (node, to) = (any(stage, input), stage.addresses[input.below(4)]);
    let to = if input.below(8) == 0 { u64::from(input.u32()) } else { to };
    let data = input.some_bytes();
    let length = match odd_length(data.len(), input) {
        65_536 => data.len() as c_uint,
        length => length,
    };
    let (text, null) = (data.as_ptr().cast(), ptr::null_mut());
    let sent = call!(zt::ZT_Node_sendUserMessage(node, null, to, u64::from(input.u8()), text, length));
    assert!((0..=1).contains(&sent));
}

fn controller(stage: &mut Stage, input: &mut Input<'_>) {
    match input.below(3) {
        0 if stage.controllers.len() < 4 => {
            let store = ZT_Controller_Store {
                user: stage.scratch.user(),
                get: if input.below(8) == 0 { None } else { Some(get) },
                put: if input.below(8) == 0 { None } else { Some(put) },
            };
            let store = if input.bool() { ptr::null() } else { &raw const store };
            let made = call!(zt::ZT_Controller_new(store));
            if !made.is_null() {
                stage.controllers.push(made.addr());
            }
        }
        1 => {
            let controller = handle(&stage.controllers, &stage.stale, input);
            let had = stage.controllers.contains(&controller.addr());
            if !stage.masters.contains(&controller.addr()) {
                assert_eq!(call!(zt::ZT_Controller_delete(controller)) == ZT_RESULT_OK, had);
            }
            stage.controllers.retain(|own| *own != controller.addr());
        }
        _ => {
            let (node, other) = (any(stage, input), stage.own_zts.clone());
            let controller = handle(&stage.controllers, &other, input);
            call!(zt::ZT_Node_setNetconfMaster(node, controller));
        }
    }
}

fn physical(stage: &mut Stage, input: &mut Input<'_>) {
    let node = any(stage, input);
    let mut network = address(input);
    if input.bool() {
        network = super::stage::ipv4(input.u8(), 0, input.u16() % 40);
    }
    let settings = ZT_PhysicalPathConfiguration {
        trustedPathId: u64::from(input.u8() & 3),
        mtu: [0, -1, 1400, 9000, i32::MAX][input.below(5)],
    };
    let at = if input.below(8) == 0 { ptr::null() } else { &raw const network };
    let how = if input.below(4) == 0 { ptr::null() } else { &raw const settings };
    check(call!(zt::ZT_Node_setPhysicalPathConfiguration(node, at, how)));
}

fn ask(stage: &mut Stage, input: &mut Input<'_>) {
    let right = if input.bool() { &stage.masters } else { &stage.controllers };
    let controller = handle(right, &stage.zts, input);
    let (method, path, body) = request(stage, input);
    let mut answer: *mut c_char = ptr::null_mut();
    let length = if input.below(16) == 0 { c_ulong::MAX } else { body.len() as c_ulong };
    let place = if input.below(8) == 0 { ptr::null_mut() } else { &raw mut answer };
    let (method, path) = (method.as_ptr(), path.as_ptr());
    let status = call!(zt::ZT_Controller_request(controller, method, path, body.as_ptr().cast(), length, place));
    assert!(status == 0 || (200..=500).contains(&status), "status {status}");
    keep(stage, answer.cast(), input);
}
