//! What a tool's source changed in the memory that all tools begin with, as a WebAssembly module. It is what is stored of a tool.
//!
//! The module imports the base's memory, by the base's name, and has one piece of data: `pages of the whole memory (u32, little-endian) ||
//! number of runs (u32) || (address (u32) || length (u32)) of each run || the bytes of all runs`. Its start function, the same for
//! every tool but for four numbers, grows the memory, copies the table of runs to the idle stack, and the runs to their places.

use std::ops::Range;

use wasm_encoder::{
    BlockType, CodeSection, DataCountSection, DataSection, EntityType, Function, FunctionSection, ImportSection, MemArg,
    MemoryType, Module, StartSection, TypeSection, ValType,
};
use wasmparser::{DataKind, Parser, Payload};

use crate::data_module::{InspectError, MEMORY, PAGE_BYTES, WORD_BYTES};

/// As many equal bytes end a run. From 32 to 1 024, what a call costs differs by less than
/// measurements do, and what is stored grows with it.
const GAP_BYTES: usize = 64;
/// Beyond this number of runs, gaps are filled instead: their table must fit on the stack.
const RUNS_MAX: usize = 4096;
const HEAD_BYTES: usize = 8;
const RUN_BYTES: usize = 8;

/// The memory that all tools begin with.
#[derive(Debug)]
pub(crate) struct Base {
    /// What differences import it by ([`sandbox::BASE_NAME_PREFIX`]).
    pub(crate) name: String,
    /// All of it. Its length is a multiple of [`PAGE_BYTES`].
    pub(crate) memory: Vec<u8>,
    /// Where the stack ends, which begins at 0: between two calls nothing on it lives. At least [`RUNS_MAX`] times [`RUN_BYTES`].
    pub(crate) stack_end: usize,
}

/// A piece of the memory: where it goes, and where its bytes are in the data.
struct Run {
    place: Range<usize>,
    bytes: Range<usize>,
}

/// Writes how `memory`, which began as `base`, differs from it; nothing if that is more than `bytes_max` bytes. What is on the stack is left out.
pub(crate) fn encode(base: &Base, memory: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let runs = find_runs(base, memory);
    let bytes: usize = runs.iter().map(Range::len).sum();
    if bytes > bytes_max {
        return None;
    }
    let mut data = Vec::with_capacity(HEAD_BYTES + runs.len() * RUN_BYTES + bytes);
    put(&mut data, memory.len() / PAGE_BYTES);
    put(&mut data, runs.len());
    for run in &runs {
        put(&mut data, run.start);
        put(&mut data, run.len());
    }
    for run in runs {
        data.extend_from_slice(memory.get(run).unwrap_or_default());
    }
    Some(write(base, &data))
}

/// Holds `artifact` against the form that [`encode`] writes on `base`: nothing in it can run but the copying, and a memory of
/// `memory_bytes_max` takes it.
pub(crate) fn inspect(artifact: &[u8], base: &Base, memory_bytes_max: u64) -> Result<(), InspectError> {
    let data = read_data(artifact, base)?;
    let (pages, runs) = read_runs(data)?;
    if (pages * PAGE_BYTES) as u64 > memory_bytes_max {
        return Err(InspectError::Unfit("a memory that is too large"));
    }
    if pages * PAGE_BYTES < base.memory.len() {
        return Err(InspectError::Unfit("a memory that is smaller than the one that it began with"));
    }
    if runs.iter().any(|run| run.place.start < base.stack_end || run.place.end > pages * PAGE_BYTES) {
        return Err(InspectError::Unfit("data beside its memory"));
    }
    // Whatever else there could be in it, is not in what is written of the same data.
    if write(base, data) == artifact { Ok(()) } else { Err(InspectError::Unfit("more than its data and what copies it")) }
}

/// The whole memory of an artifact that was inspected.
pub(crate) fn apply(artifact: &[u8], base: &Base) -> Result<Vec<u8>, InspectError> {
    let data = read_data(artifact, base)?;
    let (pages, runs) = read_runs(data)?;
    let mut memory = base.memory.clone();
    memory.resize(pages * PAGE_BYTES, 0);
    for Run { place, bytes } in runs {
        match (memory.get_mut(place), data.get(bytes)) {
            (Some(place), Some(bytes)) => place.copy_from_slice(bytes),
            _ => return Err(InspectError::Unfit("data beside its memory")),
        }
    }
    Ok(memory)
}

/// The parts of `memory` above the stack that are not as in `base`, in order; one at least.
fn find_runs(base: &Base, memory: &[u8]) -> Vec<Range<usize>> {
    let mut gap_bytes = GAP_BYTES;
    loop {
        let runs = split_at_gaps(base, memory, gap_bytes);
        match runs.len() {
            0 => return std::iter::once(base.stack_end..base.stack_end).collect(),
            1..=RUNS_MAX => return runs,
            _ => gap_bytes *= 4,
        }
    }
}

/// The memory is read in words, for speed: a run begins and ends at one.
fn split_at_gaps(base: &Base, memory: &[u8], gap_bytes: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let first = base.memory.chunks(WORD_BYTES).chain(std::iter::repeat([0; WORD_BYTES].as_slice()));
    let words = memory.chunks(WORD_BYTES).zip(first).enumerate().skip(base.stack_end / WORD_BYTES);
    for (index, _) in words.filter(|(_, (now, then))| now != then) {
        let start = index * WORD_BYTES;
        let end = start + WORD_BYTES;
        match runs.last_mut() {
            Some(last) if start - last.end < gap_bytes => last.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

fn write(base: &Base, data: &[u8]) -> Vec<u8> {
    let (pages, runs) = (read(data, 0), read(data, 4));
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    let memory = MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import(&base.name, MEMORY, EntityType::Memory(memory));
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    code.function(&write_start(base, pages, runs));
    let mut segments = DataSection::new();
    segments.passive(data.iter().copied());

    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&StartSection { function_index: 0 });
    module.section(&DataCountSection { count: 1 }).section(&code).section(&segments);
    module.finish()
}

fn write_start(base: &Base, pages: usize, runs: usize) -> Function {
    const AT: u32 = 0;
    const SOURCE: u32 = 1;
    let table_bytes = runs * RUN_BYTES;
    let table_at = base.stack_end.saturating_sub(table_bytes);
    let word = |offset| MemArg { offset, align: 2, memory_index: 0 };
    let mut function = Function::new([(2, ValType::I32)]);
    let mut code = function.instructions();
    let more = pages.saturating_sub(base.memory.len() / PAGE_BYTES);
    if more > 0 {
        code.i32_const(constant(more)).memory_grow(0).i32_const(-1).i32_eq().if_(BlockType::Empty).unreachable().end();
    }
    code.i32_const(constant(table_at)).i32_const(constant(HEAD_BYTES)).i32_const(constant(table_bytes)).memory_init(0, 0);
    code.i32_const(constant(table_at)).local_set(AT);
    code.i32_const(constant(HEAD_BYTES + table_bytes)).local_set(SOURCE);
    code.loop_(BlockType::Empty);
    code.local_get(AT).i32_load(word(0)).local_get(SOURCE).local_get(AT).i32_load(word(4)).memory_init(0, 0);
    code.local_get(SOURCE).local_get(AT).i32_load(word(4)).i32_add().local_set(SOURCE);
    code.local_get(AT).i32_const(constant(RUN_BYTES)).i32_add().local_tee(AT);
    code.i32_const(constant(base.stack_end)).i32_lt_u().br_if(0);
    code.end().end();
    function
}

fn read_data<'a>(artifact: &'a [u8], base: &Base) -> Result<&'a [u8], InspectError> {
    let mut data = None;
    for payload in Parser::new(0).parse_all(artifact) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if import?.module != base.name {
                        return Err(InspectError::OtherBase);
                    }
                }
            }
            Payload::DataSection(segments) => {
                for segment in segments {
                    let segment = segment?;
                    if !matches!(segment.kind, DataKind::Passive) || data.is_some() {
                        return Err(InspectError::Unfit("other data than one that is copied"));
                    }
                    data = Some(segment.data);
                }
            }
            _ => {}
        }
    }
    data.ok_or(InspectError::Unfit("no data"))
}

fn read_runs(data: &[u8]) -> Result<(usize, Vec<Run>), InspectError> {
    let (pages, count) = (read(data, 0), read(data, 4));
    if !(1..=RUNS_MAX).contains(&count) {
        return Err(InspectError::Unfit("no runs, or more than fit on the stack"));
    }
    let mut source = HEAD_BYTES + count * RUN_BYTES;
    let mut runs = Vec::with_capacity(count);
    for index in 0..count {
        let entry = HEAD_BYTES + index * RUN_BYTES;
        let (start, length) = (read(data, entry), read(data, entry + 4));
        runs.push(Run { place: start..start + length, bytes: source..source + length });
        source += length;
    }
    if source == data.len() { Ok((pages, runs)) } else { Err(InspectError::Unfit("another number of bytes than its runs")) }
}

/// A number of the data; 0 beyond its end.
fn read(data: &[u8], at: usize) -> usize {
    data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, |bytes| u32::from_le_bytes(bytes) as usize)
}

/// Addresses, lengths and numbers of pages are below 2^32, as memories are.
fn put(data: &mut Vec<u8>, number: usize) {
    data.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

/// Constants are written as if signed (WebAssembly core specification, 5.4.9).
fn constant(number: usize) -> i32 {
    u32::try_from(number).unwrap_or(u32::MAX).cast_signed()
}

#[cfg(test)]
mod tests {
    use wasmtime::{Engine, Instance, Memory, MemoryType, Module, Store};

    use super::*;

    const ANY: u64 = u64::MAX;
    const STACK_END: usize = PAGE_BYTES;

    #[test]
    fn a_difference_makes_of_the_base_what_it_was_made_of() {
        let base = base();
        let mut memory = base.memory.clone();
        memory[STACK_END] = 1;
        memory[STACK_END + 1000..STACK_END + 1900].fill(0);
        memory[STACK_END + 1950] = 9;
        memory[3 * PAGE_BYTES - 1] = 3;

        let artifact = encode(&base, &memory, usize::MAX).unwrap();

        assert_eq!(load(&artifact, &base)[STACK_END..], memory[STACK_END..]);
        assert_eq!(apply(&artifact, &base).unwrap()[STACK_END..], memory[STACK_END..]);
        assert!(artifact.len() < 1300, "{}", artifact.len());
        inspect(&artifact, &base, ANY).unwrap();
    }

    #[test]
    fn a_memory_that_grew_is_grown_again() {
        let base = base();
        let mut memory = base.memory.clone();
        memory.resize(6 * PAGE_BYTES, 0);
        memory[4 * PAGE_BYTES + 7] = 1;

        let artifact = encode(&base, &memory, usize::MAX).unwrap();

        assert_eq!(load(&artifact, &base)[STACK_END..], memory[STACK_END..]);
        assert_eq!(apply(&artifact, &base).unwrap(), memory);
        inspect(&artifact, &base, 6 * PAGE_BYTES as u64).unwrap();
        let too_large = inspect(&artifact, &base, 6 * PAGE_BYTES as u64 - 1);
        assert!(matches!(too_large, Err(InspectError::Unfit("a memory that is too large"))), "{too_large:?}");
    }

    #[test]
    fn what_is_on_the_stack_is_no_difference() {
        let base = base();
        let mut memory = base.memory.clone();
        memory[..STACK_END].fill(7);

        let artifact = encode(&base, &memory, 0).unwrap();

        assert_eq!(apply(&artifact, &base).unwrap(), base.memory);
        assert_eq!(load(&artifact, &base)[STACK_END..], base.memory[STACK_END..]);
    }

    #[test]
    fn a_memory_in_shreds_has_as_many_runs_as_their_table_has_room_for() {
        let base = base();
        let mut memory = base.memory.clone();
        memory.resize(32 * PAGE_BYTES, 0);
        memory.iter_mut().skip(STACK_END).step_by(128).for_each(|byte| *byte = 9);

        let artifact = encode(&base, &memory, usize::MAX).unwrap();

        assert!(split_at_gaps(&base, &memory, GAP_BYTES).len() > RUNS_MAX);
        assert_eq!(load(&artifact, &base)[STACK_END..], memory[STACK_END..]);
        inspect(&artifact, &base, ANY).unwrap();
    }

    #[test]
    fn what_differs_more_than_it_may_is_not_written() {
        let base = base();
        let mut memory = base.memory.clone();
        memory[STACK_END..STACK_END + 4096].fill(9);

        assert!(encode(&base, &memory, 4095).is_none());
        assert!(encode(&base, &memory, 4096).is_some());
    }

    #[test]
    fn the_difference_to_another_base_is_told_from_what_is_no_artifact() {
        let base = base();
        let other = Base { name: "base:other".into(), ..self::base() };
        let artifact = encode(&other, &other.memory, usize::MAX).unwrap();

        assert!(matches!(inspect(&artifact, &base, ANY), Err(InspectError::OtherBase)));
    }

    #[test]
    fn only_what_is_written_of_its_data_passes_the_inspection() {
        let base = base();
        let artifact = encode(&base, &[base.memory.clone(), vec![1; PAGE_BYTES]].concat(), usize::MAX).unwrap();
        inspect(&artifact, &base, ANY).unwrap();

        let table_and_bytes = RUN_BYTES + PAGE_BYTES;
        for at in 8..artifact.len() - table_and_bytes {
            let mut changed = artifact.clone();
            changed[at] ^= 1;
            assert!(inspect(&changed, &base, ANY).is_err(), "byte {at}");
        }
        for length in [0, 4, 8, 40, artifact.len() - PAGE_BYTES, artifact.len() - 1] {
            assert!(inspect(&artifact[..length], &base, ANY).is_err(), "{length} bytes");
        }
        let with_more = [artifact.as_slice(), &[0, 2, 1, b'n']].concat();
        assert!(inspect(&with_more, &base, ANY).is_err());
    }

    #[test]
    fn runs_beside_the_memory_or_on_the_stack_are_refused() {
        let base = base();
        for (pages, start, length) in
            [(2, STACK_END, 0), (3, STACK_END - 8, 8), (3, 3 * PAGE_BYTES - 4, 8), (3, u32::MAX as usize, 8)]
        {
            let mut data = Vec::new();
            for number in [pages, 1, start, length] {
                put(&mut data, number);
            }
            data.resize(data.len() + length, 1);

            assert!(matches!(inspect(&write(&base, &data), &base, ANY), Err(InspectError::Unfit(_))), "{pages} {start} {length}");
        }
    }

    /// Three pages, of which the first is the stack.
    fn base() -> Base {
        let mut memory = vec![0; 3 * PAGE_BYTES];
        memory[STACK_END..STACK_END + 1500].fill(5);
        memory[2 * PAGE_BYTES..2 * PAGE_BYTES + 64].fill(6);
        Base { name: "base:test".into(), memory, stack_end: STACK_END }
    }

    fn load(artifact: &[u8], base: &Base) -> Vec<u8> {
        let mut store = Store::new(&Engine::default(), ());
        let pages = u32::try_from(base.memory.len() / PAGE_BYTES).unwrap();
        let memory = Memory::new(&mut store, MemoryType::new(pages, None)).unwrap();
        memory.data_mut(&mut store).copy_from_slice(&base.memory);
        let module = Module::new(store.engine(), artifact).unwrap();
        Instance::new(&mut store, &module, &[memory.into()]).unwrap();
        memory.data(&store).to_vec()
    }
}
