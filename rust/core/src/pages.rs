//! How does the system hear that memory will be written to? In one question for many pages, where it can be asked: each
//! page that is first met by a write costs a fault, two or three times what handing it out with others does.

/// Less than this is not worth a call to the system.
#[cfg(target_os = "linux")]
const WORTH_ASKING: usize = 1 << 16;

/// Pages of this size are asked for where much lies together: one fault in place of 512.
pub(crate) const LARGE: usize = 1 << 21;

/// Memory that is filled bit by bit gets large pages from this size on: what is left unused of the last one is little beside it.
pub(crate) const LARGE_SINCE: usize = 2 * LARGE;

/// Has the system hand out the pages of this memory now, which is all written to soon. Nothing in it changes, and a
/// system that cannot does not.
pub(crate) fn hand_out<T: Copy>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    if size_of_val(memory) >= WORTH_ASKING {
        advise(memory, 1 << 12, libc::MADV_POPULATE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Has the system hand out this memory, when it is written to, in large pages. It may be one that does not.
pub(crate) fn make_large<T: Copy>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    advise(memory, LARGE, libc::MADV_HUGEPAGE);
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Tells the system about the whole pages of this size inside the memory.
#[cfg(target_os = "linux")]
fn advise<T>(memory: &mut [T], page: usize, advice: libc::c_int) {
    let range = memory.as_mut_ptr_range();
    let start = (range.start as usize).next_multiple_of(page);
    let end = range.end as usize / page * page;
    if start < end {
        // SAFETY: these pages lie inside memory that is borrowed to be changed, and either advice leaves what is in it
        // as it is. Whether the system takes it makes no difference here.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, advice) };
    }
}
