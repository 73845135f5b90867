//! The boundary of the C library: sequences of calls of its functions, in both interfaces, as a host with mistakes might
//! make them. Four living nodes exchange real packets, which may be changed on the way; handles are valid, stale or
//! nothing; stores fail; callbacks call back.

#![expect(unsafe_code, reason = "what C would call is called")]

mod host;
mod stage;
mod zt1_calls;
mod zt_calls;

use crate::input::Input;
use libc::{c_void, sockaddr_storage};
use stage::Stage;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

/// Actions of one execution.
const ACTIONS: usize = 256;
/// Executions with the same four nodes, which take half a second to meet.
const EXECUTIONS: u32 = 1000;

/// Calls of functions of the library so far.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Counts a call and makes it.
macro_rules! call {
    ($call:expr) => {{
        crate::sys::count();
        // SAFETY: pointers are NULL, or lead to what the header asks for; handles may be anything.
        #[allow(unused_unsafe, reason = "some functions are safe to call")]
        unsafe {
            $call
        }
    }};
}
pub(crate) use call;

/// Another call. `ZT_FUZZ_CALLS=n` ends the process at the n-th.
fn count() {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    if calls.is_multiple_of(1 << 20) {
        eprintln!("capi: {calls} calls");
    }
    if calls.is_multiple_of(1 << 10) && limit().is_some_and(|limit| calls >= limit) {
        eprintln!("capi: {calls} calls, done");
        // SAFETY: ends the process without the exit handlers, which take this for a crash.
        unsafe { libc::_exit(0) }
    }
}

fn limit() -> Option<u64> {
    static LIMIT: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();
    *LIMIT.get_or_init(|| std::env::var("ZT_FUZZ_CALLS").ok()?.parse().ok())
}

thread_local! {
    /// What callbacks do: a byte each, as long as there are some.
    static SCRIPT: RefCell<VecDeque<u8>> = const { RefCell::new(VecDeque::new()) };
    /// Callbacks inside callbacks.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static STAGE: RefCell<Option<(u32, Box<Stage>)>> = const { RefCell::new(None) };
}

/// The next byte of the script for callbacks; 0 when there is none.
fn scripted() -> u8 {
    SCRIPT.with_borrow_mut(VecDeque::pop_front).unwrap_or(0)
}

/// Runs the calls that the bytes describe.
pub fn capi(data: &[u8]) {
    let mut input = Input::new(data);
    SCRIPT.with_borrow_mut(VecDeque::clear);
    let kept = STAGE.take().filter(|(uses, _)| *uses < EXECUTIONS);
    let (uses, mut stage) = kept.unwrap_or_else(|| (0, Box::new(Stage::new())));
    for _ in 0..ACTIONS {
        if input.is_empty() {
            break;
        }
        act(&mut stage, &mut input);
    }
    SCRIPT.with_borrow_mut(VecDeque::clear);
    stage.clean_up();
    STAGE.replace(Some((uses + 1, stage)));
}

fn act(stage: &mut Stage, input: &mut Input<'_>) {
    match input.below(8) {
        0 => {
            let script = input.bytes(8).to_vec();
            SCRIPT.with_borrow_mut(|bytes| bytes.extend(script));
        }
        1 => stage.pass(u64::from(input.u8()) * 10),
        2 => stage.pass(u64::from(input.u16())),
        3 => stage.exchange(input),
        4 | 5 => zt1_calls::act(stage, input),
        _ => zt_calls::act(stage, input),
    }
}

/// A handle for a function: often one that is right.
fn handle(right: &[usize], other: &[usize], input: &mut Input<'_>) -> *mut c_void {
    let from = if input.below(4) < 3 && !right.is_empty() { right } else { other };
    let mut handle = from.get(input.below(from.len())).copied().unwrap_or(0);
    match input.below(16) {
        13 => handle = 0,
        14 => handle = handle.wrapping_add(usize::from(input.u8())),
        15 => handle = usize::MAX - usize::from(input.u8()),
        _ => {}
    }
    std::ptr::without_provenance_mut(handle)
}

/// A socket address: of the nodes, of somebody, or of nobody.
fn address(input: &mut Input<'_>) -> sockaddr_storage {
    let mut storage: sockaddr_storage = stage::ipv4(10, input.u8() & 7, 9993);
    match input.below(8) {
        0..=3 => {}
        4 => storage = stage::ipv4(10, input.u8(), input.u16()),
        5 => {
            let mut bytes = [0u8; 26];
            for byte in &mut bytes {
                *byte = input.u8();
            }
            let family = [libc::AF_INET6, libc::AF_PACKET, libc::AF_INET, libc::AF_UNIX][input.below(4)];
            // SAFETY: a storage has 128 bytes without meaning, and any will do.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut storage).cast::<u8>().add(2), 26) };
            storage.ss_family = family as libc::sa_family_t;
        }
        6 => storage.ss_family = input.u16(),
        _ => storage = stage::ipv4(u8::MAX, u8::MAX, u16::MAX),
    }
    storage
}

/// A network: one of those that exist, or any.
fn network(stage: &Stage, input: &mut Input<'_>) -> u64 {
    match input.below(8) {
        0..=4 => stage.networks[input.below(stage.networks.len())],
        5 => stage.networks[0].wrapping_add(u64::from(input.u8())),
        6 => u64::from(input.u8()),
        _ => u64::from(input.u32()) << 32 | u64::from(input.u32()),
    }
}

/// A length that is too long, or not.
fn odd_length(real: usize, input: &mut Input<'_>) -> u32 {
    match input.below(16) {
        0 => u32::MAX,
        1 => 65_536,
        2 => 10_001,
        _ => real as u32,
    }
}

/// A request to a controller: method, path, body.
fn request(stage: &Stage, input: &mut Input<'_>) -> (&'static std::ffi::CStr, std::ffi::CString, Vec<u8>) {
    let method = [c"POST", c"GET", c"DELETE", c"PUT", c"\xff"][input.below(5)];
    let network = network(stage, input);
    let path = match input.below(6) {
        0 => "/controller/network".to_owned(),
        1 => "/controller".to_owned(),
        2 => format!("/controller/network/{:010x}______", network >> 24),
        3 => format!("/controller/network/{network:016x}/member"),
        4 => format!("/controller/network/{network:016x}/member/{:010x}", stage.addresses[input.below(4)]),
        _ => format!("/controller/network/{network:016x}"),
    };
    let body = match input.below(5) {
        0 => Vec::new(),
        1 => br#"{"authorized":true}"#.to_vec(),
        2 => br#"{"private":false,"name":"n","v4AssignMode":"zt"}"#.to_vec(),
        3 => crate::json::object(input, 0).into_bytes(),
        _ => input.some_bytes().to_vec(),
    };
    (method, std::ffi::CString::new(path).expect("no NUL in it"), body)
}

/// Reads a structure of an answer, byte by byte, as a host would.
fn look_at<T>(at: *const T, count: usize) -> u64 {
    let mut sum = 0;
    for n in 0..count * size_of::<T>() {
        // SAFETY: an answer of the library, which says how many there are.
        sum += u64::from(unsafe { at.cast::<u8>().add(n).read() });
    }
    std::hint::black_box(sum)
}
