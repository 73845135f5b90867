//! Memory of large tables.

#![expect(unsafe_code, reason = "an allocator cannot be written otherwise")]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, and pages of 2 MB for what takes two of them and more: for programs that hold the tables of very many
/// peers.
///
/// A packet to one of 100,000 peers needs one line out of 16 MB. In pages of 4 kB the processor first looks for the page, in memory
/// that it has not in its caches either, and that takes as long as the line itself.
///
/// The kernel may have none to give: they are pages of 4 kB then, as they would have been. Outside of Linux it is the system's
/// allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct LargePages;

/// A large page of the processors of today (x86-64, and aarch64 with 4 kB pages), in bytes.
const PAGE: usize = 2 << 20;

/// Bytes from which on a request is one of large pages: below, what lies between two of them would be most of it.
const LEAST: usize = 2 * PAGE;

impl LargePages {
    const fn serves(layout: Layout) -> bool {
        cfg!(target_os = "linux") && layout.size() >= LEAST && layout.align() <= PAGE
    }
}

// SAFETY: what is served here is memory of its own from the kernel, aligned for every layout that `serves` takes, and given back by the
// same layout; all else goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if Self::serves(layout) {
            return pages::take(layout.size());
        }
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if Self::serves(layout) {
            // Fresh from the kernel, so it is zero already; pages that nobody writes to stay untouched.
            return pages::take(layout.size());
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if Self::serves(layout) {
            // SAFETY: `alloc` took it by this layout, and the caller gives it up.
            return unsafe { pages::give(pointer, layout.size()) };
        }
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that it is a size of a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if !Self::serves(layout) && !Self::serves(wanted) {
            // SAFETY: as above.
            return unsafe { System.realloc(pointer, layout, size) };
        }
        // SAFETY: `wanted` is not empty, as the caller promises; the two do not overlap, and both have room for what is copied; what is
        // given back came by `layout`.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(pointer, new, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}

#[cfg(target_os = "linux")]
mod pages {
    use super::PAGE;
    use std::ptr;

    /// New memory of the kernel, zero, that begins with a large page. Null: there is none.
    pub(super) fn take(size: usize) -> *mut u8 {
        let used = whole(size);
        let Some(room) = used.checked_add(PAGE) else { return ptr::null_mut() };
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a mapping of its own, wherever the kernel likes, touches nothing that is there.
        let begin =
            unsafe { libc::mmap(ptr::null_mut(), room, rights, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
        if begin == libc::MAP_FAILED {
            return ptr::null_mut();
        }
        let begin = begin.cast::<u8>();
        let before = begin.align_offset(PAGE);
        // SAFETY: all of it lies in the mapping that was just made and that nobody else knows: the parts before and behind are given back,
        // and advice on the rest changes nothing of what is in it. A kernel without such pages says no, and nothing is lost.
        unsafe {
            let place = begin.add(before);
            if before > 0 {
                libc::munmap(begin.cast(), before);
            }
            let behind = room - before - used;
            if behind > 0 {
                libc::munmap(place.add(used).cast(), behind);
            }
            libc::madvise(place.cast(), used, libc::MADV_HUGEPAGE);
            place
        }
    }

    /// Gives it back.
    ///
    /// # Safety
    /// `take` gave it for this size, and nobody uses it any more.
    pub(super) unsafe fn give(place: *mut u8, size: usize) {
        // SAFETY: the mapping is of this length, and the caller's alone.
        unsafe { libc::munmap(place.cast(), whole(size)) };
    }

    /// What is mapped for so many bytes: a multiple of the small pages of every processor, so that the end of it lies in such
    /// and hardly more is taken than was asked for.
    const fn whole(size: usize) -> usize {
        size.next_multiple_of(64 << 10)
    }
}

#[cfg(not(target_os = "linux"))]
mod pages {
    /// Nothing is served here.
    pub(super) fn take(_size: usize) -> *mut u8 {
        std::ptr::null_mut()
    }

    /// Nothing was taken.
    pub(super) unsafe fn give(_place: *mut u8, _size: usize) {}
}

#[cfg(test)]
mod tests {
    use super::{GlobalAlloc as _, LEAST, LargePages, Layout, PAGE};

    /// A block of the allocator, given back at the end.
    struct Block(*mut u8, Layout);

    impl Block {
        fn new(size: usize, align: usize) -> Self {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            // SAFETY: it is not empty.
            let place = unsafe { LargePages.alloc_zeroed(layout) };
            assert!(!place.is_null() && place.addr().is_multiple_of(align), "{size} bytes by {align}");
            Self(place, layout)
        }

        fn resize(&mut self, size: usize) {
            // SAFETY: it came by this layout, and the new one is not empty.
            self.0 = unsafe { LargePages.realloc(self.0, self.1, size) };
            assert!(!self.0.is_null(), "{size} bytes");
            self.1 = Layout::from_size_align(size, self.1.align()).expect("a layout");
        }

        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: all of it was zeroed or written, and it is borrowed as long as the block is.
            unsafe { std::slice::from_raw_parts_mut(self.0, self.1.size()) }
        }
    }

    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: it came by this layout.
            unsafe { LargePages.dealloc(self.0, self.1) }
        }
    }

    #[test]
    fn blocks_are_zero_aligned_and_their_owners_alone() {
        let sizes = [1, 4096, LEAST - 1, LEAST, LEAST + 1, LEAST + 4096, 3 * PAGE - 4096, 5 * PAGE + 12_345];
        let mut blocks: Vec<Block> = Vec::new();
        let layouts = sizes.into_iter().flat_map(|size| [8, 64, 8192, PAGE, 2 * PAGE].map(|align| (size, align)));
        for (number, (size, align)) in layouts.enumerate() {
            let mut block = Block::new(size, align);
            assert!(block.bytes().iter().all(|byte| *byte == 0), "{size} bytes by {align}");
            block.bytes().fill(number as u8 + 1);
            blocks.push(block);
        }
        for (number, block) in blocks.iter_mut().enumerate() {
            assert!(block.bytes().iter().all(|byte| *byte == number as u8 + 1), "block {number}");
        }
    }

    #[test]
    fn what_grows_and_shrinks_keeps_its_bytes() {
        let mut block = Block::new(100, 16);
        for (number, size) in [200, LEAST - 1, LEAST, 3 * LEAST, LEAST + 1, LEAST - 1, 50].into_iter().enumerate() {
            let kept = block.bytes().len().min(size);
            block.bytes().fill(number as u8);
            block.resize(size);
            assert!(block.bytes()[..kept].iter().all(|byte| *byte == number as u8), "{size} bytes");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_is_asked_for_large_pages_from_two_on() {
        assert!(!is_large(&Block::new(LEAST - 1, 8)));
        assert!(is_large(&Block::new(LEAST, 8)));
        // What an allocation that cannot be had is: null, so that the caller decides.
        let layout = Layout::from_size_align(isize::MAX as usize - PAGE, 8).expect("a layout");
        // SAFETY: it is not empty.
        assert!(unsafe { LargePages.alloc(layout) }.is_null());
    }

    /// Whether a block begins a mapping that the kernel was told so of. A kernel without such pages takes no such word.
    #[cfg(target_os = "linux")]
    fn is_large(block: &Block) -> bool {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return block.1.size() >= LEAST;
        }
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("its own mappings");
        let begin = block.0.addr();
        let mut inside = false;
        for line in maps.lines() {
            let place = |text| usize::from_str_radix(text, 16).ok();
            let ends = line.split(' ').next().and_then(|ends| ends.split_once('-'));
            if let Some((from, to)) = ends.and_then(|(from, to)| place(from).zip(place(to))) {
                inside = (from..to).contains(&begin);
            } else if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.split(' ').any(|flag| flag == "hg");
            }
        }
        panic!("the block is in no mapping");
    }
}
