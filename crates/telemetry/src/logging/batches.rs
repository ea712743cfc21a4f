//! Lines written many at a time, to a place that may be full or closed.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Bytes that are written at once, where that many are there.
const WRITTEN_AT_ONCE: usize = 64 * 1024;

/// How long lines gather. A line is seen so much later at most; and whoever logs a line meanwhile need not wake the thread that writes.
const GATHERING: Duration = Duration::from_millis(5);

/// Writes what it is given when it is flushed or enough, and rests after each flush while the next lines gather. What cannot be written is lost, and
/// counted. It belongs to a thread that does nothing else.
#[derive(Debug)]
pub(super) struct Batches<W> {
    target: W,
    /// Whole lines.
    waiting: Vec<u8>,
    lost: Arc<AtomicU64>,
}

impl<W: Write> Batches<W> {
    /// `lost` counts the lines that could not be written.
    pub(super) fn new(target: W, lost: Arc<AtomicU64>) -> Self {
        Self { target, waiting: Vec::with_capacity(WRITTEN_AT_ONCE), lost }
    }

    fn write_waiting(&mut self) {
        if self.target.write_all(&self.waiting).and_then(|()| self.target.flush()).is_err() {
            let lines = self.waiting.split(|byte| *byte == b'\n').count() - 1;
            self.lost.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        self.waiting.clear();
    }
}

/// One call of `write` is one line.
impl<W: Write> Write for Batches<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(line);
        if self.waiting.len() >= WRITTEN_AT_ONCE {
            self.write_waiting();
        }
        Ok(line.len())
    }

    #[expect(clippy::disallowed_methods, reason = "the thread that writes the log is not the runtime's")]
    fn flush(&mut self) -> io::Result<()> {
        self.write_waiting();
        thread::sleep(GATHERING);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, sync::Mutex};

    use super::*;

    /// Keeps each write apart.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_gathered_are_one_write() {
        let writes = Writes::default();
        let mut batches = Batches::new(writes.clone(), Arc::default());

        for _ in 0..100 {
            batches.write_all(b"a line\n").unwrap();
        }
        assert!(writes.0.lock().unwrap().is_empty());
        batches.flush().unwrap();

        assert_eq!(*writes.0.lock().unwrap(), [b"a line\n".repeat(100)]);
    }

    #[test]
    fn what_a_place_that_is_full_or_closed_does_not_take_is_counted_and_not_kept() {
        let (reader, closed) = io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let lost = Arc::new(AtomicU64::new(0));
        let (mut closed, mut full) = (Batches::new(closed, Arc::clone(&lost)), Batches::new(full, Arc::clone(&lost)));

        for _ in 0..10_000 {
            closed.write_all(b"one line\n").unwrap();
            full.write_all(b"another line\n").unwrap();
        }
        closed.flush().unwrap();
        full.flush().unwrap();

        assert_eq!(lost.load(Ordering::Relaxed), 20_000);
        assert!(closed.waiting.capacity() <= 2 * WRITTEN_AT_ONCE, "{}", closed.waiting.capacity());
    }
}
