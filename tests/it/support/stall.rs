//! Stops one thread of a process from outside, as a disk that never answers would.

use super::wait::wait_until;
use nix::{
    sys::{
        ptrace,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use std::{fs, marker::PhantomData, path::PathBuf, time::Duration};

const DEADLINE: Duration = Duration::from_secs(20);

/// The number of the system call in which a thread waits for another.
const FUTEX: &str = if cfg!(target_arch = "aarch64") { "98 " } else { "202 " };

/// A thread that stands still until this is dropped.
#[derive(Debug)]
pub struct Stalled {
    thread: Pid,
    // The system lets only the thread that stopped another let it go on.
    _here: PhantomData<*const ()>,
}

impl Stalled {
    /// Stops the thread of this name while it waits for work, so that it holds no lock that others need.
    pub fn new(process: u32, name: &str) -> Self {
        let stalled = wait_until(DEADLINE, || {
            let (thread, folder) = find(process, name)?;
            ptrace::seize(thread, ptrace::Options::empty()).expect("the thread can be traced");
            let stalled = Self { thread, _here: PhantomData };
            ptrace::interrupt(thread).expect("the thread can be interrupted");
            waitpid(thread, Some(WaitPidFlag::__WALL)).expect("the thread stops");
            let call = fs::read_to_string(folder.join("syscall")).expect("what the thread does");
            call.starts_with(FUTEX).then_some(stalled)
        });
        stalled.unwrap_or_else(|| panic!("no thread `{name}` that waits for work"))
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        // A process that has been killed meanwhile has no thread to let go.
        drop(ptrace::detach(self.thread, None));
    }
}

fn find(process: u32, name: &str) -> Option<(Pid, PathBuf)> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    threads.flatten().find_map(|thread| {
        let path = thread.path();
        let found = fs::read_to_string(path.join("comm")).ok()?.trim_end() == name;
        let id = thread.file_name().to_str()?.parse().ok()?;
        found.then(|| (Pid::from_raw(id), path))
    })
}
