//! Where lines of the log go: a place that may be full, closed, or read by nobody, and must hold up nothing.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, fstat},
};

/// How many lines were lost since the start. Clones count the same ones.
#[derive(Debug, Clone, Default)]
pub struct LostLines(Arc<AtomicU64>);

/// Writes whole lines, and loses those that cannot be written.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    place: Mutex<Place<W>>,
    lost: LostLines,
    /// It may have no room for now: a pipe or a socket that somebody reads, or does not.
    can_block: bool,
}

#[derive(Debug)]
struct Place<W> {
    out: W,
    /// Nobody took anything for so long that until then nothing is waited for.
    shunned_until: Option<Instant>,
    /// The last line was not written to its end.
    is_torn: bool,
}

/// How long a line waits for somebody who reads. While it does, so do the lines behind it.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// How long lines are lost without a wait after that.
const SHUNNED: Duration = Duration::from_secs(5);
/// A pipe that can be written to takes this much at once (pipe(7), `PIPE_BUF`).
const PIECE_BYTES: usize = 4096;

impl LostLines {
    /// So many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<W: Write + AsFd> Lines<W> {
    pub(crate) fn to(out: W) -> Self {
        let is_file = fstat(&out).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let place = Mutex::new(Place { out, shunned_until: None, is_torn: false });
        Self { place, lost: LostLines::default(), can_block: !is_file }
    }

    pub(crate) fn lost(&self) -> LostLines {
        self.lost.clone()
    }

    fn place(&self) -> MutexGuard<'_, Place<W>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + AsFd> Place<W> {
    fn write(&mut self, line: &[u8], can_block: bool) -> io::Result<()> {
        if std::mem::take(&mut self.is_torn) {
            self.write_all(b"\n", can_block)?;
        }
        self.write_all(line, can_block)
    }

    fn write_all(&mut self, text: &[u8], can_block: bool) -> io::Result<()> {
        if !can_block {
            return self.out.write_all(text).inspect_err(|_| self.is_torn = true);
        }
        for piece in text.chunks(PIECE_BYTES) {
            // What was written of it is a line without an end.
            self.wait_for_room().and_then(|()| self.out.write_all(piece)).inspect_err(|_| self.is_torn = true)?;
        }
        Ok(())
    }

    fn wait_for_room(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let is_shunned = self.shunned_until.is_some_and(|until| now < until);
        let wait = if is_shunned { Duration::ZERO } else { WAIT_MAX };
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let mut ready = [PollFd::new(&self.out, PollFlags::OUT)];
        if poll(&mut ready, Some(&wait))? == 0 {
            if !is_shunned {
                self.shunned_until = Some(now + WAIT_MAX + SHUNNED);
            }
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.shunned_until = None;
        Ok(())
    }
}

/// One call of `write_all` is one line.
impl<W: Write + AsFd> Write for &Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.place().write(line, self.can_block).is_err() {
            self.lost.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read as _};

    use super::*;

    #[test]
    fn whoever_reads_nothing_holds_up_nothing_and_gets_whole_lines_later() {
        let (mut reader, writer) = io::pipe().unwrap();
        let lines = Lines::to(writer);
        let line = [vec![b'a'; 5_000], vec![b'\n']].concat();
        let begun = Instant::now();

        for _ in 0..100 {
            (&lines).write_all(&line).unwrap();
        }

        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        let lost = lines.lost().count();
        assert!((80..100).contains(&lost), "{lost}");
        let reading = std::thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        loop {
            let before = lines.lost().count();
            (&lines).write_all(b"the last\n").unwrap();
            if lines.lost().count() == before {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(lines);
        let read = String::from_utf8(reading.join().unwrap()).unwrap();
        assert_eq!(read.lines().last(), Some("the last"));
        assert!(read.lines().rev().skip(1).filter(|read| read.len() != 5_000).count() <= 1, "one is torn");
    }

    #[test]
    fn a_place_that_is_closed_or_full_is_no_error() {
        let (reader, closed) = io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (closed, full) = (Lines::to(closed), Lines::to(full));

        (&closed).write_all(b"a line\n").unwrap();
        (&full).write_all(b"a line\n").unwrap();

        assert_eq!((closed.lost().count(), full.lost().count()), (1, 1));
    }

    #[test]
    fn a_file_has_every_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let lines = Lines::to(File::create(&path).unwrap());

        (&lines).write_all(b"one\n").unwrap();
        (&lines).write_all(b"two\n").unwrap();

        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntwo\n");
    }
}
