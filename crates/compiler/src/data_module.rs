//! A memory as a WebAssembly module that has nothing else: `(memory) (export "memory") (data)*`.

use std::ops::Range;

use wasm_encoder::{ConstExpr, Encode as _, ExportKind, ExportSection, MemorySection, MemoryType, Module, RawSection, SectionId};
use wasmparser::{DataKind, DataSectionReader, Export, ExternalKind, MemorySectionReader, Operator, Parser, Payload, Validator};

/// Bytes of a page of memory (WebAssembly core specification, 4.2.8).
pub(crate) const PAGE_BYTES: usize = 64 * 1024;

/// The name under which the shared engine's wrapper finds the memory.
pub(crate) const MEMORY: &str = "memory";

/// Memories are read in words of this many bytes, for speed.
pub(crate) const WORD_BYTES: usize = 16;

/// Zeros of this many bytes end a segment; fewer cost less than a segment's head and the time that it takes to place one.
const GAP_BYTES: usize = 64;

/// WebAssembly's implementations take 100 000 segments. Beyond this number, gaps are filled instead.
const SEGMENTS_MAX: usize = 20_000;

/// Why bytes are not a data module of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    /// They are no module.
    #[error("it is not WebAssembly")]
    Parse(#[from] wasmparser::BinaryReaderError),
    /// They are a module with more, or less, in it.
    #[error("it has {0}")]
    Unfit(&'static str),
    /// They are the difference to another memory than the one that tools of this engine begin with: it must be made again.
    #[error("it was made on another base")]
    OtherBase,
}

/// Writes `memory`, whose length is a multiple of [`PAGE_BYTES`]. What lies below `live_from` is left out: it reads as zeros. The memory
/// is exported as `memory` and under `names`.
pub(crate) fn encode(memory: &[u8], live_from: usize, names: &[&str]) -> Vec<u8> {
    let pages = memory.len() / PAGE_BYTES;
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: pages as u64, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export(MEMORY, ExportKind::Memory, 0);
    for name in names {
        exports.export(name, ExportKind::Memory, 0);
    }
    let data = encode_segments(memory, &find_segments(memory, live_from));

    let mut module = Module::new();
    module.section(&memories).section(&exports).section(&RawSection { id: SectionId::Data.into(), data: &data });
    module.finish()
}

/// Whether a module has a memory of its own.
pub(crate) fn has_memory(artifact: &[u8]) -> Result<bool, InspectError> {
    for payload in Parser::new(0).parse_all(artifact) {
        if matches!(payload?, Payload::MemorySection(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Holds `artifact` against the form that [`encode`] writes: nothing in it can run, and a memory of `memory_bytes_max` takes it.
pub(crate) fn inspect(artifact: &[u8], memory_bytes_max: u64) -> Result<(), InspectError> {
    Validator::new().validate_all(artifact)?;
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(artifact) {
        match payload? {
            Payload::Version { .. } | Payload::End(_) => continue,
            Payload::MemorySection(memories) => check_memory(memories, memory_bytes_max)?,
            Payload::ExportSection(exports) => {
                let exports = exports.into_iter().collect::<Result<Vec<_>, _>>()?;
                if !matches!(exports.as_slice(), [Export { name: MEMORY, kind: ExternalKind::Memory, index: 0 }]) {
                    return Err(InspectError::Unfit("other exports than its memory"));
                }
            }
            Payload::DataSection(segments) => check_segments(segments)?,
            _ => return Err(InspectError::Unfit("more than a memory, its export and its data")),
        }
        sections.push(());
    }
    if sections.len() == 3 { Ok(()) } else { Err(InspectError::Unfit("less than a memory, its export and its data")) }
}

fn check_memory(memories: MemorySectionReader<'_>, memory_bytes_max: u64) -> Result<(), InspectError> {
    let memories = memories.into_iter().collect::<Result<Vec<_>, _>>()?;
    let [memory] = memories.as_slice() else { return Err(InspectError::Unfit("more than one memory")) };
    if memory.memory64 || memory.shared || memory.maximum.is_some() || memory.page_size_log2.is_some() {
        return Err(InspectError::Unfit("a memory of another kind"));
    }
    if memory.initial.saturating_mul(PAGE_BYTES as u64) > memory_bytes_max {
        return Err(InspectError::Unfit("a memory that is too large"));
    }
    Ok(())
}

/// That each segment lies within the memory is seen when the memory is made.
fn check_segments(segments: DataSectionReader<'_>) -> Result<(), InspectError> {
    for segment in segments {
        let DataKind::Active { memory_index: 0, offset_expr } = segment?.kind else {
            return Err(InspectError::Unfit("data that is not placed"));
        };
        let operators = offset_expr.get_operators_reader().into_iter().collect::<Result<Vec<_>, _>>()?;
        if !matches!(operators.as_slice(), [Operator::I32Const { .. }, Operator::End]) {
            return Err(InspectError::Unfit("data whose place is computed"));
        }
    }
    Ok(())
}

/// The parts of `memory` from `live_from` on that are not zero, in order.
fn find_segments(memory: &[u8], live_from: usize) -> Vec<Range<usize>> {
    let mut gap_bytes = GAP_BYTES;
    loop {
        let segments = split_at_gaps(memory, live_from, gap_bytes);
        if segments.len() <= SEGMENTS_MAX {
            return segments;
        }
        gap_bytes *= 4;
    }
}

/// The memory is read in words, for speed: a segment begins and ends at one.
fn split_at_gaps(memory: &[u8], live_from: usize, gap_bytes: usize) -> Vec<Range<usize>> {
    let mut segments: Vec<Range<usize>> = Vec::new();
    for (index, word) in memory.chunks(WORD_BYTES).enumerate().skip(live_from / WORD_BYTES) {
        if word.iter().fold(0, |any, byte| any | byte) == 0 {
            continue;
        }
        let start = index * WORD_BYTES;
        let end = start + word.len();
        match segments.last_mut() {
            Some(last) if start - last.end < gap_bytes => last.end = end,
            _ => segments.push(start..end),
        }
    }
    segments
}

fn encode_segments(memory: &[u8], segments: &[Range<usize>]) -> Vec<u8> {
    const ACTIVE_IN_MEMORY_0: u32 = 0;
    let mut data = Vec::with_capacity(segments.iter().map(|segment| segment.len() + 16).sum());
    segments.len().encode(&mut data);
    for segment in segments {
        ACTIVE_IN_MEMORY_0.encode(&mut data);
        // Offsets are unsigned, and constants are written as if signed (WebAssembly core specification, 5.5.14).
        let offset = u32::try_from(segment.start).unwrap_or(u32::MAX).cast_signed();
        ConstExpr::i32_const(offset).encode(&mut data);
        memory.get(segment.clone()).unwrap_or_default().encode(&mut data);
    }
    data
}

#[cfg(test)]
mod tests {
    use wasmtime::{Engine, Instance, Module, Store};

    use super::*;

    const ANY: u64 = u64::MAX;

    #[test]
    fn a_memory_reads_back_as_it_was_written() {
        let mut memory = vec![0; 3 * PAGE_BYTES];
        memory[0] = 1;
        memory[1000..1900].fill(7);
        memory[1950] = 2;
        memory[2 * PAGE_BYTES - 1] = 3;
        memory[3 * PAGE_BYTES - 1] = 4;

        let module = encode(&memory, 0, &[]);

        assert_eq!(load(&module), memory);
        assert!(module.len() < 1200, "{}", module.len());
        inspect(&module, ANY).unwrap();
    }

    #[test]
    fn what_is_not_live_reads_as_zeros() {
        let memory = vec![5; 2 * PAGE_BYTES];

        let read = load(&encode(&memory, PAGE_BYTES, &[]));

        assert_eq!(read[..PAGE_BYTES], vec![0; PAGE_BYTES]);
        assert_eq!(read[PAGE_BYTES..], memory[PAGE_BYTES..]);
    }

    #[test]
    fn an_empty_memory_is_a_module_too() {
        let module = encode(&vec![0; PAGE_BYTES], 0, &[]);

        assert_eq!(load(&module), vec![0; PAGE_BYTES]);
        inspect(&module, ANY).unwrap();
    }

    #[test]
    fn a_memory_in_shreds_stays_below_the_number_of_segments_there_may_be() {
        let mut memory = vec![0; 128 * PAGE_BYTES];
        memory.iter_mut().step_by(128).for_each(|byte| *byte = 9);

        let module = encode(&memory, 0, &[]);

        assert!(split_at_gaps(&memory, 0, GAP_BYTES).len() > SEGMENTS_MAX);
        assert!(find_segments(&memory, 0).len() <= SEGMENTS_MAX);
        assert_eq!(load(&module), memory);
    }

    #[test]
    fn only_what_a_build_writes_passes_the_inspection() {
        for unfit in [
            "(module)",
            "(module (memory (export \"memory\") 1))",
            "(module (memory (export \"other\") 1) (data (i32.const 0) \"a\"))",
            "(module (memory (export \"memory\") 1 2) (data (i32.const 0) \"a\"))",
            "(module (memory (export \"memory\") i64 1) (data (i64.const 0) \"a\"))",
            "(module (memory (export \"memory\") 1) (data \"a\"))",
            "(module (memory (export \"memory\") 1) (data (i32.add (i32.const 0) (i32.const 0)) \"a\"))",
            "(module (memory (export \"memory\") 1) (data (i32.const 0) \"a\") (func (export \"f\")))",
            "(module (memory (export \"memory\") 1) (memory 1) (data (i32.const 0) \"a\"))",
            "(module (import \"a\" \"memory\" (memory 1)) (export \"memory\" (memory 0)) (data (i32.const 0) \"a\"))",
            "(module (memory (export \"memory\") 1) (data (i32.const 0) \"a\") (@custom \"note\" \"x\"))",
            "(module (memory (export \"memory\") 1) (global (mut i32) (i32.const 0)) (data (i32.const 0) \"a\"))",
        ] {
            assert!(inspect(&wat::parse_str(unfit).unwrap(), ANY).is_err(), "{unfit}");
        }
    }

    #[test]
    fn bytes_that_are_no_module_are_refused() {
        let whole = encode(&vec![1; PAGE_BYTES], 0, &[]);
        for bytes in [b"".as_slice(), b"\0asm", b"\x7fELF", &[0xff; 4096], &whole[..whole.len() - 1], &whole[..40]] {
            assert!(matches!(inspect(bytes, ANY), Err(InspectError::Parse(_) | InspectError::Unfit(_))));
        }
        assert!(matches!(inspect(&whole, PAGE_BYTES as u64 - 1), Err(InspectError::Unfit("a memory that is too large"))));
    }

    fn load(module: &[u8]) -> Vec<u8> {
        let mut store = Store::new(&Engine::default(), ());
        let module = Module::new(store.engine(), module).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        instance.get_memory(&mut store, MEMORY).unwrap().data(&store).to_vec()
    }
}
