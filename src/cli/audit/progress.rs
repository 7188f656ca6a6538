//! How far an export is, for people at a terminal.

use super::figures::bytes;
use std::{
    io::{self, IsTerminal as _, Write},
    time::{Duration, Instant},
};

/// Time between two lines.
const EVERY: Duration = Duration::from_millis(200);

/// Whether somebody is there to see it: standard error is a terminal, and the data goes elsewhere.
pub(super) fn is_wanted() -> bool {
    io::stderr().is_terminal() && !io::stdout().is_terminal()
}

/// Passes on what is written, and says now and then how much it was.
pub(super) struct Progress<'o> {
    out: &'o mut dyn Write,
    // Where it is said; `None` where nobody sees it.
    screen: Option<Box<dyn Write>>,
    written: u64,
    begun: Instant,
    next: Instant,
}

impl<'o> Progress<'o> {
    /// Says it on standard error, where it is wanted.
    pub(super) fn new(out: &'o mut dyn Write, wanted: bool) -> Self {
        let screen = wanted.then(|| Box::new(io::stderr()) as Box<dyn Write>);
        Self::on(out, screen, EVERY)
    }

    fn on(out: &'o mut dyn Write, screen: Option<Box<dyn Write>>, first: Duration) -> Self {
        let begun = Instant::now();
        Self { out, screen, written: 0, begun, next: begun + first }
    }

    /// Says it over what was said before. Where the terminal has gone there is nobody left to tell.
    fn say(&mut self, end: &str) {
        let Some(screen) = &mut self.screen else { return };
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is shown with three digits"
        )]
        let rate = (self.written as f64 / seconds) as u64;
        let said = write!(screen, "\r\x1b[K{} written, {}/s{end}", bytes(self.written), bytes(rate));
        drop(said.and_then(|()| screen.flush()));
    }
}

impl Write for Progress<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(data)?;
        self.written += taken as u64;
        if self.screen.is_some() && Instant::now() >= self.next {
            self.next = Instant::now() + EVERY;
            self.say("");
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.say("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(data)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_says_how_much_was_written_and_changes_nothing_of_it() {
        let (screen, mut out) = (Screen::default(), Vec::new());
        {
            let mut progress = Progress::on(&mut out, Some(Box::new(screen.clone())), Duration::ZERO);
            progress.write_all(&[b'x'; 2048]).unwrap();
            progress.write_all(b"y").unwrap();
        }
        assert_eq!(out.len(), 2049);
        let said = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        assert!(said.starts_with("\r\x1b[K2.0 KiB written, "), "{said:?}");
        assert!(said.ends_with("/s\n"), "{said:?}");
    }

    #[test]
    fn nobody_is_told_where_it_is_not_wanted() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, false);
        progress.write_all(b"x").unwrap();
        assert!(progress.screen.is_none());
    }
}
