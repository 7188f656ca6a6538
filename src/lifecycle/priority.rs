//! How important a thread is beside those that decide.

use std::mem::size_of;

/// How much less the processor is theirs: a third of what a decider of the same appetite gets.
const NICENESS: i32 = 5;

/// The longest slice that Linux knows.
const LONGEST_SLICE_NS: u64 = 100_000_000;

/// `SCHED_FLAG_KEEP_POLICY`: what is not said stays as it is.
const KEEP_POLICY: u64 = 0x08;

/// `struct sched_attr` of Linux, as far as its first version goes.
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Makes the calling thread, and those that it starts, give way to threads that wait for little.
///
/// It gets less of a processor that others want as well, and since Linux 6.12 a thread that wakes up takes the processor from it
/// at once: there a thread asks for a long or a short slice, and one with a short slice need not wait for the end of a long one.
/// Without it, a decision that arrives while a set is compiled on its processor waits for up to three milliseconds.
/// Where this is not permitted, the thread is as important as others.
pub fn give_way() {
    // On Linux niceness is the thread's own.
    if let Ok(nice) = rustix::process::nice(NICENESS) {
        let _permitted = set_slice(nice, LONGEST_SLICE_NS);
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe interface to this system call is known to us")]
fn set_slice(nice: i32, slice_ns: u64) -> bool {
    let attributes = Attributes {
        size: u32::try_from(size_of::<Attributes>()).unwrap_or_default(),
        policy: 0,
        flags: KEEP_POLICY,
        nice,
        priority: 0,
        runtime: slice_ns,
        deadline: 0,
        period: 0,
    };
    let this_thread: libc::pid_t = 0;
    let no_flags: libc::c_uint = 0;
    // SAFETY: the kernel reads `size` bytes from the pointer, which are all there and outlive the call, and keeps nothing of them.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags) };
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn set_slice(_nice: i32, _slice_ns: u64) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_gives_way_is_nicer_and_the_others_are_not() {
        let nice = || std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let niceness =
            |stat: &str| stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse::<i32>().unwrap();
        let before = niceness(&nice());
        let there = std::thread::spawn(move || {
            give_way();
            niceness(&nice())
        });
        assert_eq!(there.join().unwrap(), (before + NICENESS).min(19));
        assert_eq!(niceness(&nice()), before);
    }

    /// Older kernels take the slice and do nothing with it; what none may do is to refuse how it is asked for.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_takes_the_slice() {
        let took = std::thread::spawn(|| set_slice(19, LONGEST_SLICE_NS)).join().unwrap();
        assert!(took, "{}", std::io::Error::last_os_error());
    }
}
