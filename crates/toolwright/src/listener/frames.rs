//! How many frames of HTTP/2 a client sends that carry nothing of a request.
//!
//! h2 bounds what it keeps of them, and not how many there may be: resets of requests that were begun (CVE-2023-44487, where the client waits for
//! each to be looked at), SETTINGS and PING, which are answered each (CVE-2019-9512, -9515), PRIORITY, empty DATA (CVE-2019-9518), CONTINUATION
//! (CVE-2024-27316). Each costs its sender nine bytes, and us the work. So they are counted before h2 sees them.

use std::time::Duration;

use tokio::time::Instant;

/// What a client of HTTP/2 says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame's header (RFC 9113, section 4.1).
const HEADER_BYTES: usize = 9;

/// Over which time frames are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// Frames of a window, window updates apart: a gateway that cancels and pings on behalf of hundreds of people stays far below.
pub(super) const CONTROL_FRAMES_MAX: u32 = 1_000;

/// Window updates of a window that weigh as much as one other frame: a client that downloads sends two for each 16 KiB if it is careless, which
/// is 50 MB a second then.
const UPDATES_A_FRAME: u32 = 64;

/// Bytes below which a piece of a body that is not its end counts as empty.
const DATA_BYTES_SMALL: usize = 32;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

/// What a client has said so far, as far as its frames are counted.
#[derive(Debug)]
pub(super) struct Frames {
    said: Said,
    window_since: Option<Instant>,
    /// In [`UPDATES_A_FRAME`]ths of a frame.
    weight: u32,
}

#[derive(Debug)]
enum Said {
    /// So many bytes of the preface.
    Preface(usize),
    /// Something else: HTTP/1 has no frames.
    Other,
    /// Part of a frame's header.
    Header { bytes: [u8; HEADER_BYTES], have: usize },
    /// A frame of which so many bytes are to come.
    Payload(usize),
}

/// A client sends more such frames than any honest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flood;

impl Frames {
    pub(super) const fn new() -> Self {
        Self { said: Said::Preface(0), window_since: None, weight: 0 }
    }

    /// Looks through bytes as they come.
    pub(super) fn look(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Flood> {
        while !bytes.is_empty() {
            match &mut self.said {
                Said::Other => return Ok(()),
                Said::Preface(have) => {
                    let wanted = PREFACE.get(*have..).unwrap_or_default();
                    let common = wanted.len().min(bytes.len());
                    if wanted.get(..common) != bytes.get(..common) {
                        self.said = Said::Other;
                        return Ok(());
                    }
                    *have += common;
                    bytes = bytes.get(common..).unwrap_or_default();
                    if *have == PREFACE.len() {
                        self.said = next_header();
                    }
                }
                Said::Header { bytes: header, have } => {
                    let taken = (HEADER_BYTES - *have).min(bytes.len());
                    for (place, byte) in header.iter_mut().skip(*have).zip(bytes) {
                        *place = *byte;
                    }
                    *have += taken;
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if *have == HEADER_BYTES {
                        let [high, middle, low, kind, flags, ..] = *header;
                        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                        self.said = if length == 0 { next_header() } else { Said::Payload(length) };
                        self.count(kind, flags, length, now)?;
                    }
                }
                Said::Payload(left) => {
                    let taken = (*left).min(bytes.len());
                    *left -= taken;
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if *left == 0 {
                        self.said = next_header();
                    }
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, kind: u8, flags: u8, length: usize, now: Instant) -> Result<(), Flood> {
        let weight = match kind {
            DATA if length >= DATA_BYTES_SMALL || flags & END_STREAM != 0 => return Ok(()),
            // A request is bounded as such.
            HEADERS => return Ok(()),
            WINDOW_UPDATE => 1,
            _ => UPDATES_A_FRAME,
        };
        if self.window_since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            self.window_since = Some(now);
            self.weight = 0;
        }
        self.weight += weight;
        if self.weight > CONTROL_FRAMES_MAX * UPDATES_A_FRAME { Err(Flood) } else { Ok(()) }
    }
}

const fn next_header() -> Said {
    Said::Header { bytes: [0; HEADER_BYTES], have: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER_BYTES + usize::from(length), b'x');
        frame
    }

    /// The frame at which a client that says the preface and then this frame for ever is cut; `None` if it never is.
    fn cut_at(frame: &[u8], frames_max: u32) -> Option<u32> {
        let (mut frames, now) = (Frames::new(), Instant::now());
        frames.look(PREFACE, now).unwrap();
        (1..=frames_max).find(|_| frames.look(frame, now).is_err())
    }

    #[test]
    fn frames_that_carry_nothing_are_counted_and_others_are_not() {
        for (kind, flags, length) in [(2, 0, 5), (3, 0, 4), (4, 0, 0), (6, 0, 8), (9, 0, 1), (0, 0, 0), (0, 0, 1), (0xbe, 0, 3)] {
            assert_eq!(cut_at(&frame(kind, flags, length), 5_000), Some(CONTROL_FRAMES_MAX + 1), "type {kind}");
        }
        for (kind, flags, length) in [(0, 0, 100), (0, END_STREAM, 0), (1, 5, 20), (8, 0, 4)] {
            assert_eq!(cut_at(&frame(kind, flags, length), 5_000), None, "type {kind}");
        }
        assert_eq!(cut_at(&frame(WINDOW_UPDATE, 0, 4), 100_000), Some(CONTROL_FRAMES_MAX * UPDATES_A_FRAME + 1));
    }

    #[test]
    fn a_window_that_is_over_counts_no_more() {
        let (mut frames, mut now) = (Frames::new(), Instant::now());
        frames.look(PREFACE, now).unwrap();
        for _ in 0..3 {
            for _ in 0..CONTROL_FRAMES_MAX {
                assert_eq!(frames.look(&frame(6, 0, 8), now), Ok(()));
            }
            now += WINDOW;
        }
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut() {
        let mut bytes = PREFACE.to_vec();
        for _ in 0..=CONTROL_FRAMES_MAX {
            bytes.extend(frame(0, 0, 200));
            bytes.extend(frame(6, 0, 8));
        }
        let now = Instant::now();
        for size in [1, 7, 1024, bytes.len()] {
            let mut frames = Frames::new();
            let cut = bytes.chunks(size).position(|piece| frames.look(piece, now).is_err());

            assert_eq!(cut, Some((bytes.len() - 1 - 8) / size), "pieces of {size}");
        }
    }

    #[test]
    fn http_1_has_no_frames() {
        let (mut frames, now) = (Frames::new(), Instant::now());

        for _ in 0..10_000 {
            assert_eq!(frames.look(b"PRI / HTTP/1.1\r\n\r\n\x00\x00\x00\x06\x00\x00\x00\x00\x00", now), Ok(()));
        }
    }
}
