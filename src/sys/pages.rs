//! Pages of memory.

use std::mem::MaybeUninit;

/// What the system calls a huge page on x86-64, and on most aarch64.
const LARGE: usize = 2 << 20;

/// Asks the system to fill this memory, which nobody has touched yet, with pages of 2 MB: for a body of 64 MB those are 32 page faults
/// instead of 16,384, which cost more than receiving it. A hint: where the system has none, or was told not to
/// (`/sys/kernel/mm/transparent_hugepage/enabled`), nothing changes.
pub fn prefer_large(untouched: &mut [MaybeUninit<u8>]) {
    let range = untouched.as_mut_ptr_range();
    let skipped = range.start.align_offset(LARGE);
    let length = untouched.len().saturating_sub(skipped) / LARGE * LARGE;
    if length > 0 {
        // SAFETY: the range lies within the slice, and what a hint of this kind changes is not its content.
        unsafe { libc::madvise(range.start.add(skipped).cast(), length, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The flags of the mapping that an address is in.
    fn flags(address: usize) -> String {
        let maps = fs::read_to_string("/proc/self/smaps").expect("Linux");
        let mut is_here = false;
        for line in maps.lines() {
            let bounds = line.split(' ').next().and_then(|range| range.split_once('-'));
            let bound = |text: &str| usize::from_str_radix(text, 16).ok();
            if let Some((Some(from), Some(to))) = bounds.map(|(from, to)| (bound(from), bound(to))) {
                is_here = (from..to).contains(&address);
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| is_here) {
                return flags.to_owned();
            }
        }
        panic!("{address:x} is not mapped");
    }

    #[test]
    fn only_whole_large_pages_within_the_memory_are_asked_for() {
        if !fs::exists("/sys/kernel/mm/transparent_hugepage").expect("Linux") {
            return;
        }
        let mut memory: Vec<u8> = Vec::with_capacity(5 * LARGE);
        prefer_large(&mut memory.spare_capacity_mut()[1..]);
        let start = memory.as_ptr() as usize;
        let first = (start + 1).next_multiple_of(LARGE);
        let is_large = |address: usize| flags(address).contains(" hg");
        assert!(is_large(first) && is_large(first + 3 * LARGE));
        assert!(!is_large(start) && !is_large(start + 5 * LARGE - 1));
    }

    #[test]
    fn what_is_too_small_is_left_alone() {
        prefer_large(&mut []);
        prefer_large(&mut [MaybeUninit::uninit(); 100]);
    }
}
