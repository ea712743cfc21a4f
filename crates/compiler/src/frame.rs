//! What a worker process and its parent say to each other: frames on the worker's standard input and output.
//!
//! A frame is `length of the rest (u32, little-endian) || length of the head (u32) || head (JSON) || body`.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
};

use domain::{Diagnostic, Digest, Language, ModuleName, ToolInterface};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::ModuleBounds;

/// The largest artifact of the largest tier is 32 MiB; its native code is twice as large at most, and both go in one frame.
pub(crate) const FRAME_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A head is what a component says of all its functions, a megabyte at most; it is read into a tree, which takes some times as much.
const HEAD_BYTES_MAX: usize = 4 * 1024 * 1024;

const LENGTH_BYTES: usize = 4;

/// What a worker is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Comes first, once. The native code of the engine lies in `dir`, signed with a key that is this worker's own. Whether the worker is to
    /// confine itself ([`crate::confine`]) before anything else comes.
    Prepare { dir: std::path::PathBuf, key: [u8; 32], js_engine: Digest, engine: Digest, is_confined: bool },
    /// The body is the source.
    Build { language: Language, artifact_bytes_max: u64, modules: ModuleBounds },
    /// The body is the artifact.
    Precompile,
    /// The body is a component that was inspected before.
    PrecompileComponent,
    /// The body is a component, whose start may burn so much fuel.
    Inspect { start_fuel_max: u64 },
    /// The body is the artifact.
    Portable,
}

/// What a worker answers. Each request gets one answer; `Phase` may come before it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// To `Prepare`.
    Ready,
    /// What a build does now: what killed it, if it goes no further.
    Phase(Phase),
    /// To `Build`. The body is the artifact and then its native code.
    Built { interface: Box<ToolInterface>, modules: BTreeSet<ModuleName>, artifact_bytes: usize },
    /// To `Build`: the source is at fault.
    Rejected { diagnostics: Vec<Diagnostic> },
    /// To `Build`: the artifact is larger than it may be.
    ArtifactSize { bytes: u64 },
    /// To `Precompile` and `PrecompileComponent`. The body is the native code.
    Precompiled,
    /// To `Precompile` and `Portable`: the artifact is a difference to another base.
    OtherBase,
    /// To `Inspect`. The body is the native code.
    Inspected { offers: Vec<Offered> },
    /// To `Portable`. The body is the component.
    Portable,
    /// To anything: the platform is at fault.
    Internal { message: String },
}

impl Answer {
    /// Bytes that may follow: most answers say all in their head.
    pub(crate) const fn body_bytes_max(&self) -> usize {
        match self {
            Self::Built { .. } | Self::Precompiled | Self::Inspected { .. } | Self::Portable => FRAME_BYTES_MAX,
            Self::Ready
            | Self::Phase(_)
            | Self::Rejected { .. }
            | Self::ArtifactSize { .. }
            | Self::OtherBase
            | Self::Internal { .. } => 0,
        }
    }
}

/// One thing that a component offers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Offered {
    pub(crate) export: Option<String>,
    pub(crate) interface: ToolInterface,
}

/// What a build does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// A component is held against what can be hosted.
    Inspecting,
    /// TypeScript to JavaScript.
    Translating,
    /// The source's top level runs.
    Evaluating,
    /// Native code is made.
    Compiling,
}

/// A frame that was read.
#[derive(Debug)]
pub(crate) struct Frame<H> {
    pub(crate) head: H,
    pub(crate) body: Vec<u8>,
}

/// The bytes of a frame.
pub(crate) fn encode(head: &impl Serialize, body: &[&[u8]]) -> io::Result<Vec<u8>> {
    let head = serde_json::to_vec(head)?;
    let body_bytes: usize = body.iter().map(|part| part.len()).sum();
    let rest = LENGTH_BYTES + head.len() + body_bytes;
    if rest > FRAME_BYTES_MAX {
        return Err(too_large(rest));
    }
    let mut frame = Vec::with_capacity(LENGTH_BYTES + rest);
    frame.extend_from_slice(&length(rest));
    frame.extend_from_slice(&length(head.len()));
    frame.extend_from_slice(&head);
    for part in body {
        frame.extend_from_slice(part);
    }
    Ok(frame)
}

/// Reads a frame; `None` at the end of the input.
pub(crate) fn read<H: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<Frame<H>>> {
    let mut prefix = [0; LENGTH_BYTES];
    match input.read_exact(&mut prefix) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let expected = check_length(prefix)?;
    // Memory is taken as bytes come, not as they are promised.
    let mut rest = Vec::new();
    input.take(expected as u64).read_to_end(&mut rest)?;
    decode(rest, expected).map(Some)
}

/// Writes a frame.
pub(crate) fn write(output: &mut impl Write, head: &impl Serialize, body: &[&[u8]]) -> io::Result<()> {
    output.write_all(&encode(head, body)?)?;
    output.flush()
}

/// As [`read`], without holding a thread. A head says how long its body may be; no more than that is read.
pub(crate) async fn read_async<H: DeserializeOwned>(
    input: &mut (impl AsyncRead + Unpin),
    body_bytes_max: impl Fn(&H) -> usize,
) -> io::Result<Option<Frame<H>>> {
    let mut prefix = [0; LENGTH_BYTES];
    match input.read_exact(&mut prefix).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let expected = check_length(prefix)?;
    input.read_exact(&mut prefix).await?;
    let head_bytes = check_head_length(prefix)?;
    let body_bytes = expected.checked_sub(LENGTH_BYTES + head_bytes).ok_or_else(|| invalid("a head is longer than its frame"))?;
    let head: H = serde_json::from_slice(&read_some(input, head_bytes).await?)?;
    if body_bytes > body_bytes_max(&head) {
        return Err(invalid(format!("a body of {body_bytes} bytes, of {} at most", body_bytes_max(&head))));
    }
    let body = read_some(input, body_bytes).await?;
    Ok(Some(Frame { head, body }))
}

/// Memory is taken as bytes come, not as they are promised.
async fn read_some(input: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn check_length(prefix: [u8; LENGTH_BYTES]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX { Err(too_large(length)) } else { Ok(length) }
}

fn check_head_length(prefix: [u8; LENGTH_BYTES]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if length > HEAD_BYTES_MAX {
        return Err(invalid(format!("a head of {length} bytes, of {HEAD_BYTES_MAX} at most")));
    }
    Ok(length)
}

fn decode<H: DeserializeOwned>(mut rest: Vec<u8>, expected: usize) -> io::Result<Frame<H>> {
    let broken = || invalid("a frame breaks off");
    if rest.len() != expected {
        return Err(broken());
    }
    let (prefix, inner) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(broken)?;
    let head_bytes = check_head_length(*prefix)?;
    let head = serde_json::from_slice(inner.get(..head_bytes).ok_or_else(broken)?)?;
    rest.drain(..LENGTH_BYTES + head_bytes);
    Ok(Frame { head, body: rest })
}

/// Lengths are below [`FRAME_BYTES_MAX`] wherever this is called.
fn length(bytes: usize) -> [u8; LENGTH_BYTES] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn too_large(bytes: usize) -> io::Error {
    invalid(format!("a frame of {bytes} bytes, of {FRAME_BYTES_MAX} at most"))
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_as_it_was_written() {
        let frame = encode(&Request::Precompile, &[b"some ", b"bytes"]).unwrap();

        let read = read::<Request>(&mut frame.as_slice()).unwrap().unwrap();

        assert!(matches!(read.head, Request::Precompile));
        assert_eq!(read.body, b"some bytes");
    }

    #[tokio::test]
    async fn a_frame_reads_back_without_a_thread_too() {
        let frame = encode(&Answer::Phase(Phase::Compiling), &[]).unwrap();

        let mut input = frame.as_slice();

        let read = read_async(&mut input, Answer::body_bytes_max).await.unwrap().unwrap();
        assert!(matches!(read.head, Answer::Phase(Phase::Compiling)));
        assert!(read_async(&mut input, Answer::body_bytes_max).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn of_an_answer_no_more_is_read_than_its_head_and_the_body_that_belongs_to_it() {
        let long_head = [length(1 << 24), length(1 << 23), *b"\"aaa"].concat();
        let long_body = encode(&Answer::Phase(Phase::Compiling), &[b"a body"]).unwrap();
        let no_body = encode(&Answer::Precompiled, &[b"a body"]).unwrap();
        let error = async |mut frame: &[u8]| {
            let error = read_async(&mut frame, Answer::body_bytes_max).await.unwrap_err();
            (error.kind(), error.to_string(), frame.len())
        };

        let invalid = io::ErrorKind::InvalidData;
        assert_eq!(error(&long_head).await, (invalid, "a head of 8388608 bytes, of 4194304 at most".into(), 4));
        assert_eq!(error(&long_body).await, (invalid, "a body of 6 bytes, of 0 at most".into(), 6));
        let (kind, _, left) = error(&no_body[..no_body.len() - 1]).await;
        assert_eq!((kind, left), (io::ErrorKind::UnexpectedEof, 0), "whoever wrote it was stopped");
    }

    #[test]
    fn a_head_that_is_too_large_is_not_read() {
        let message = "a".repeat(HEAD_BYTES_MAX);
        let frame = encode(&Answer::Internal { message }, &[]).unwrap();

        let error = read::<Answer>(&mut frame.as_slice()).unwrap_err();

        assert!(error.to_string().starts_with("a head of "), "{error}");
    }

    #[test]
    fn a_frame_that_is_too_large_breaks_off_or_makes_no_sense_is_an_error() {
        let whole = encode(&Request::Precompile, &[b"body"]).unwrap();
        let mut head_too_long = whole.clone();
        head_too_long[4..8].copy_from_slice(&1000_u32.to_le_bytes());

        for wrong in [
            u32::MAX.to_le_bytes().to_vec(),
            whole[..whole.len() - 1].to_vec(),
            head_too_long,
            [4_u32.to_le_bytes(), 0_u32.to_le_bytes()].concat(),
            [2_u32.to_le_bytes(), 0_u32.to_le_bytes()].concat(),
        ] {
            assert!(read::<Request>(&mut wrong.as_slice()).is_err(), "{wrong:?}");
        }
        assert!(read::<Request>(&mut [].as_slice()).unwrap().is_none());
    }
}
