//! Has the C library give large blocks of memory back to the system. The one place with unsafe code.
//!
//! Buffers of megabytes come and go on many threads. glibc raises the size from which on a block is mapped by itself to that of
//! the largest such block that was freed, up to 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`): after the first pack is gone, every
//! buffer lies in the heap of some thread, and what is free there is lost to the others. Measured with a dump and a restore of
//! 1.3 GB through buffers of about 50 MiB: the process takes 95 to 145 MiB with the rising threshold and 60 MiB with a fixed one.

/// Blocks of this many bytes and more are mapped by themselves, and go back to the system when they are freed. The buffers of
/// the pipeline are several times larger, what is smaller is freed soon or kept for good.
pub const LARGE_BLOCK: u32 = 256 << 10;

/// From now on blocks of [`LARGE_BLOCK`] and more go back to the system when they are freed. To be called when the program
/// starts. Other C libraries than glibc need no telling; with them this does nothing.
///
/// Gives whether the C library took it. A person who set `MALLOC_MMAP_THRESHOLD_` or a glibc tunable wanted something else, but
/// our bound on memory is worth more than that: it wins over both.
pub fn return_large_blocks() -> bool {
    #[cfg(target_env = "gnu")]
    {
        let Ok(bytes) = libc::c_int::try_from(LARGE_BLOCK) else {
            return false;
        };
        // SAFETY: `mallopt` may be called at any time and by any thread (mallopt(3): MT-Unsafe only in that it initialises the
        // allocator, which Rust's runtime has done before `main`); it takes two integers and keeps no pointer.
        #[expect(unsafe_code, reason = "there is no safe way to reach mallopt(3)")]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, bytes) == 1
        }
    }
    #[cfg(not(target_env = "gnu"))]
    true
}

#[cfg(test)]
mod tests {
    use std::fs;

    /// The memory that this process has in use as the system sees it, in bytes.
    fn resident() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    #[test]
    fn what_is_freed_goes_back() {
        assert!(super::return_large_blocks());
        // A freed block that was mapped by itself is what raises the threshold.
        drop(std::hint::black_box(vec![1_u8; 16 << 20]));
        let before = resident();
        let mut blocks: Vec<_> = (0..64).map(|_| vec![1_u8; 1 << 20]).collect();
        assert!(resident() > before + (60 << 20));
        // The last one stays: in a heap it would hold all below it.
        let last = blocks.pop();
        drop(blocks);
        assert!(
            resident() < before + (8 << 20),
            "{} bytes stay",
            resident() - before
        );
        drop(last);
    }
}
