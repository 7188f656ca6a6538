//! Whether somebody keeps the system's clock.

/// Whether the kernel takes its clock for synchronised; `None` where it does not tell, or not this process.
#[must_use]
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe interface to this system call is known to us")]
pub fn is_clock_synchronised() -> Option<bool> {
    // SAFETY: every field is a number or an array of numbers, for which zeros are a value.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: without a mode nothing is set: the kernel writes to the structure, which is whole and outlives the call, and keeps nothing
    // of it.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    (result >= 0).then(|| result != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0)
}

/// No other system is asked.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub fn is_clock_synchronised() -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever it says, it says the same to everybody: the machine's tools read the same state.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_answers_or_refuses_and_the_answer_does_not_waver() {
        assert_eq!(is_clock_synchronised(), is_clock_synchronised());
    }
}
