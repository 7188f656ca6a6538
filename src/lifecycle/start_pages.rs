//! Memory that only the start has used.

use std::{fs, path::Path};

/// Gives back the pages of the program itself that the start has touched: compilers and parsers that may not run again for weeks.
///
/// They stay in the system's cache of the file, and what is needed again is mapped again when it is, without a read. Says how many
/// bytes of the program that was about; 0 where the system does not tell what is mapped.
pub fn give_back_start_pages() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let Ok(program) = std::env::current_exe() else { return 0 };
    let untouched = maps.lines().filter_map(|line| untouched(line, &program));
    untouched.filter(|&(start, length)| give_back(start, length)).map(|(_, length)| length).sum()
}

/// The start and the length of a mapping of the program that nobody can have written to since the file was mapped: the code, and the
/// constants, which are where the file begins. What the linker has filled in and then protected is neither.
fn untouched(line: &str, program: &Path) -> Option<(usize, usize)> {
    let mut fields = line.splitn(6, ' ');
    let (range, rights, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let path = fields.nth(2)?.trim_start();
    let is_constant = rights == "r-xp" || (rights == "r--p" && offset.bytes().all(|digit| digit == b'0'));
    if !is_constant || Path::new(path) != program {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let [start, end] = [start, end].map(|digits| usize::from_str_radix(digits, 16).ok());
    Some((start?, end?.checked_sub(start?)?))
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe interface to this system call is known to us")]
fn give_back(start: usize, length: usize) -> bool {
    let start = std::ptr::with_exposed_provenance_mut::<libc::c_void>(start);
    // SAFETY: the pages are those of a private mapping of a file that was never writable, so each of them is what the file holds, and
    // the next access maps the same bytes again. Nothing of the program can tell the difference.
    unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn give_back(_: usize, _: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_constants_are_given_back_and_nothing_that_was_written() {
        let program = Path::new("/usr/bin/side gate");
        let cases = [
            ("5600-5700 r--p 00000000 fd:00 12 /usr/bin/side gate", Some((0x5600, 0x100))),
            ("5700-5900 r-xp 00100000 fd:00 12                         /usr/bin/side gate", Some((0x5700, 0x200))),
            ("5900-5a00 r--p 00300000 fd:00 12 /usr/bin/side gate", None),
            ("5a00-5b00 rw-p 00400000 fd:00 12 /usr/bin/side gate", None),
            ("5b00-5c00 rw-p 00000000 00:00 0", None),
            ("5c00-5d00 r-xp 00000000 fd:00 13 /lib/libc.so.6", None),
            ("5d00-5e00 r-xp 00100000 fd:00 12 /usr/bin/side gate (deleted)", None),
            ("nonsense", None),
            ("zz-5e00 r-xp 00100000 fd:00 12 /usr/bin/side gate", None),
        ];
        for (line, expected) in cases {
            assert_eq!(untouched(line, program), expected, "{line}");
        }
    }

    /// The program goes on: this is code, and what it compares are constants.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_that_gave_its_pages_back_works_as_before() {
        let before = include_str!("start_pages.rs").to_owned();
        assert!(give_back_start_pages() > 0);
        assert_eq!(before, include_str!("start_pages.rs"));
    }
}
