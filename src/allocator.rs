//! Where the process takes memory from.

use mimalloc::MiMalloc;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::{
    alloc::{GlobalAlloc, Layout},
    ptr,
};

/// From here on a piece of memory comes from the system by itself, and goes back to it.
const LARGE: usize = 2 << 20;
/// What the system aligns it to at least.
const PAGE: usize = 4096;

/// Compiling a set, binding users and working out a search allocate much and briefly, on several threads: that is mimalloc's.
///
/// sled asks for 6.8 MB of zeroes for each of its files, and then uses some pages of them. What the system has just given is zero and
/// takes no memory before it is used; mimalloc would hand out what it had in use before, and write the zeroes.
#[derive(Debug)]
pub struct Allocator;

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE
}

// SAFETY: each piece goes back to where it came from: its layout tells, and whoever gives it back names the layout that was asked for.
// `realloc` is the trait's own, which asks for another piece, copies and gives the first one back, so a piece may change sides.
#[expect(unsafe_code, reason = "an allocator is unsafe by its interface")]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            // SAFETY: without an address and without `FIXED` it is memory that nobody has.
            unsafe {
                mmap_anonymous(ptr::null_mut(), layout.size(), ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
            }
            .map_or(ptr::null_mut(), <*mut _>::cast)
        } else {
            // SAFETY: the caller's.
            unsafe { MiMalloc.alloc(layout) }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's. What the system gives is zero.
        unsafe { if is_large(layout) { self.alloc(layout) } else { MiMalloc.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if is_large(layout) {
            // SAFETY: the caller says that it was allocated here with this layout, so it is a whole mapping. A refusal loses address space
            // and nothing else.
            let _refused = unsafe { munmap(memory.cast(), layout.size()) };
        } else {
            // SAFETY: the caller's.
            unsafe { MiMalloc.dealloc(memory, layout) }
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's: a size that is no layout is not asked for.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if !is_large(layout) && !is_large(new) {
            // SAFETY: the caller's.
            return unsafe { MiMalloc.realloc(memory, layout, size) };
        }
        // SAFETY: both pieces are as long as what is copied, and one of them is new.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(memory, moved, layout.size().min(size));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, hint::black_box, os::unix::fs::FileExt};

    /// All unit tests run on it.
    #[global_allocator]
    static ALLOCATOR: Allocator = Allocator;

    fn byte_at(at: usize) -> u8 {
        at.to_le_bytes()[0] ^ at.to_le_bytes()[1]
    }

    #[test]
    fn what_grows_and_shrinks_over_the_limit_keeps_its_content() {
        let mut bytes: Vec<u8> = Vec::new();
        for length in [1, PAGE, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE, 8 * LARGE + 7] {
            let from = bytes.len();
            bytes.reserve_exact(length - from);
            bytes.extend((from..length).map(byte_at));
        }
        for length in [7 * LARGE, LARGE + 1, LARGE, LARGE - 1, 3, 0] {
            bytes.truncate(length);
            bytes.shrink_to_fit();
            assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == byte_at(at)), "{length} bytes");
        }
    }

    #[test]
    fn zeroes_are_zeroes_whatever_was_there_before() {
        for length in [PAGE, LARGE - 1, LARGE, 3 * LARGE] {
            for _ in 0..4 {
                let mut zeroes = black_box(vec![0_u8; length]);
                assert!(zeroes.iter().all(|byte| *byte == 0), "{length} bytes");
                zeroes.fill(0xA5);
                black_box(zeroes);
            }
        }
    }

    #[test]
    fn what_must_be_aligned_to_more_than_a_page_is() {
        #[derive(Clone)]
        #[repr(align(8192))]
        struct Wide([u8; 8192]);
        let wide = vec![Wide([7; 8192]); LARGE / 4096];
        assert!(wide.iter().all(|wide| ptr::from_ref(wide).addr() % 8192 == 0 && wide.0.ends_with(&[7])));
    }

    /// Linux tells of each page whether it is in memory (`proc_pid_pagemap(5)`).
    #[test]
    #[cfg(target_os = "linux")]
    fn zeroes_that_nobody_uses_take_no_memory() {
        let pagemap = File::open("/proc/self/pagemap").unwrap();
        let in_memory = |bytes: &[u8]| {
            let is_there = |page: usize| {
                let mut entry = [0; 8];
                let place = (bytes.as_ptr().addr() / PAGE + page) * entry.len();
                pagemap.read_exact_at(&mut entry, place as u64).unwrap();
                u64::from_le_bytes(entry) >> 63 == 1
            };
            (0..bytes.len() / PAGE).filter(|page| is_there(*page)).count()
        };
        let mut zeroes = black_box(vec![0xA5_u8; 3 * LARGE]);
        assert_eq!(in_memory(&zeroes), 3 * LARGE / PAGE);
        drop(zeroes);
        zeroes = black_box(vec![0_u8; 3 * LARGE]);
        assert_eq!(in_memory(&zeroes), 0);
        zeroes[LARGE] = 1;
        assert_eq!(in_memory(&zeroes), 1);
    }
}
