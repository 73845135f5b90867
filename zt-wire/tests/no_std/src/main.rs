//! Reads and writes a message with no standard library: own allocator, own panic handler. Exits with 0 on success.
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use zt_wire::verb::Whois;
use zt_wire::{Address, Body, Emit, Message};

const SIZE: usize = 1 << 16;

/// Hands out a fixed arena from front to back and never takes anything back.
struct Bump {
    arena: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

// SAFETY: every byte of the arena is handed out at most once, by the atomic counter.
unsafe impl Sync for Bump {}

// SAFETY: the ranges handed out are aligned, inside the arena and disjoint.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.arena.get() as usize;
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let start = (base + used).next_multiple_of(layout.align()) - base;
            start.checked_add(layout.size()).filter(|end| *end <= SIZE)
        });
        match taken {
            Ok(used) => {
                let start = (base + used).next_multiple_of(layout.align());
                start as *mut u8
            }
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { arena: UnsafeCell::new([0; SIZE]), used: AtomicUsize::new(0) };

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: `abort` takes nothing and does not return.
    unsafe { abort() }
}

/// Referred to by the precompiled `alloc`; never called, as panics abort.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    let sent = Whois::one(Address::new(0x80_56c2_e21c));
    let bytes = sent.to_vec();
    match Message::parse(sent.verb(), &bytes) {
        Ok(Message::Whois(received)) if received == sent => 0,
        _ => 1,
    }
}
