//! What is owed, in a file: a line for each call, and one for each debt that was charged.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use domain::CustomerId;
use uuid::Uuid;

use super::Debt;

/// The file. A kill of the process costs nothing of what was added before, a power cut what the system had not written yet.
#[derive(Debug)]
pub(super) struct Page {
    path: PathBuf,
    /// Open, and this process's own, for as long as something is on it.
    file: Option<File>,
    bytes: u64,
    /// At this length it is written anew, with one line for each debt.
    bytes_max: u64,
    /// The last line was not written to its end.
    is_torn: bool,
    /// That something is not written down was told.
    told: bool,
}

impl Page {
    /// The debts of 100 000 customers take 12 MB.
    const BYTES_MAX: u64 = 4 * 1024 * 1024;
    /// What is longer was not written by this program.
    const READ_BYTES_MAX: u64 = 256 * 1024 * 1024;

    /// The page at `path`, and the debts on it that were not charged.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Debt>)> {
        // There is none as long as nobody owes anything.
        let file = if path.try_exists()? { Some(open_alone(path)?) } else { None };
        let mut text = Vec::new();
        if let Some(file) = &file {
            file.take(Self::READ_BYTES_MAX).read_to_end(&mut text)?;
        }
        let debts = read(&String::from_utf8_lossy(&text));
        let is_torn = text.last().is_some_and(|last| *last != b'\n');
        let bytes = text.len() as u64;
        let file = file.filter(|_| bytes > 0);
        Ok((Self { path: path.to_owned(), file, bytes, bytes_max: Self::BYTES_MAX, is_torn, told: false }, debts))
    }

    /// Writes a call down, or several. What cannot be written, because the disk is full, is owed all the same for as long as the process lives.
    pub(super) fn add(&mut self, debt: &Debt) {
        self.write(&line(debt));
    }

    /// Writes down that a debt was charged.
    pub(super) fn cross_out(&mut self, id: Uuid) {
        self.write(&format!("charged {id}\n"));
    }

    /// There are no debts any more.
    pub(super) fn clear(&mut self) {
        let cleared = match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
        if cleared.is_ok() {
            self.file = None;
        }
        self.bytes = if cleared.is_ok() { 0 } else { self.bytes };
        self.is_torn &= cleared.is_err();
        self.tell(cleared);
    }

    /// Whether it is time to write it anew.
    pub(super) const fn is_long(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// Writes these debts, and nothing else.
    pub(super) fn write_anew(&mut self, debts: impl Iterator<Item = Debt>) {
        let text: String = debts.map(|debt| line(&debt)).collect();
        let unfinished = self.path.with_extension("new");
        let written = fs::write(&unfinished, &text).and_then(|()| {
            let file = open_alone(&unfinished)?;
            fs::rename(&unfinished, &self.path)?;
            Ok(file)
        });
        let written = written.map(|file| {
            self.file = Some(file);
            self.bytes = text.len() as u64;
            self.is_torn = false;
        });
        // One that stays long is not tried again with each line.
        self.bytes_max = Self::BYTES_MAX.max(self.bytes.saturating_mul(2));
        self.tell(written);
    }

    fn write(&mut self, line: &str) {
        let text = if self.is_torn { format!("\n{line}") } else { line.to_owned() };
        let written = self.append(text.as_bytes());
        // How much of it was written is not known.
        self.is_torn = written.is_err();
        self.bytes += text.len() as u64;
        self.tell(written);
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open_alone(&self.path)?,
        };
        let written = file.write_all(text);
        self.file = Some(file);
        written
    }

    fn tell(&mut self, written: io::Result<()>) {
        match written {
            Ok(()) => self.told = false,
            Err(error) if !self.told => {
                self.told = true;
                let path = self.path.display();
                tracing::error!(%error, %path, "calls that are owed are not written down: a crash before they are charged would lose them");
            }
            Err(_) => {}
        }
    }
}

/// The file at `path`, which nobody else has open.
fn open_alone(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process of this program uses it")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn line(debt: &Debt) -> String {
    let mut line = String::with_capacity(128);
    // Writing to a string does not fail.
    let _ = writeln!(line, "owed {} {} {} {}", debt.id, debt.customer.as_uuid(), debt.month, debt.calls);
    line
}

/// What is owed by a text; a line that is none, because it was torn, says nothing.
fn read(text: &str) -> Vec<Debt> {
    let mut debts: HashMap<Uuid, Debt> = HashMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["owed", id, customer, month, calls] => {
                let (Ok(id), Ok(customer), Ok(month), Ok(calls)) =
                    (id.parse(), customer.parse::<Uuid>(), month.parse(), calls.parse::<u64>())
                else {
                    continue;
                };
                let debt = Debt { id, customer: CustomerId::from_uuid(customer), month, calls: 0 };
                let calls_before = &mut debts.entry(id).or_insert(debt).calls;
                *calls_before = calls_before.saturating_add(calls);
            }
            ["charged", id] => {
                id.parse().ok().and_then(|id: Uuid| debts.remove(&id));
            }
            _ => {}
        }
    }
    debts.into_values().filter(|debt| debt.calls > 0).collect()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn debt(calls: u64) -> Debt {
        let month = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap();
        Debt { id: Uuid::now_v7(), customer: CustomerId::new(), month, calls }
    }

    #[test]
    fn what_was_torn_says_nothing_and_harms_no_other_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owed");
        let (first, second) = (debt(3), debt(1));
        let torn = line(&second);
        fs::write(&path, format!("{}{}", line(&first), &torn[..torn.len() / 2])).unwrap();

        let (mut page, debts) = Page::open(&path).unwrap();
        page.add(&second);
        drop(page);

        assert_eq!(debts, [first]);
        let mut debts = Page::open(&path).unwrap().1;
        debts.sort_by_key(|debt| debt.id);
        assert_eq!(debts, [first, second]);
    }

    #[test]
    fn a_page_that_has_grown_long_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owed");
        let owed = debt(1);
        let (mut page, _) = Page::open(&path).unwrap();
        let mut calls = 0;
        while !page.is_long() {
            page.add(&owed);
            calls += 1;
        }

        page.write_anew([Debt { calls, ..owed }].into_iter());
        page.add(&owed);
        let bytes = fs::metadata(&path).unwrap().len();
        drop(page);

        assert!(calls > 10_000 && bytes < 300, "{calls} calls, {bytes} bytes");
        assert_eq!(Page::open(&path).unwrap().1, [Debt { calls: calls + 1, ..owed }]);
    }

    #[test]
    fn a_page_is_one_processes_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owed");
        let (mut page, _) = Page::open(&path).unwrap();
        page.add(&debt(1));

        assert!(Page::open(&path).is_err());
        page.clear();
        assert!(Page::open(&path).unwrap().1.is_empty(), "nothing is held that says nothing");
    }
}
