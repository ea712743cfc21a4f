//! What is sent to a compiler to hurt it. Each is answered within a bound of time, and either taken or refused by a reason that says why; the
//! worker lives or is killed; another customer's next build is made.

use std::{fmt::Write as _, fs, time::Duration};

use compiler::{BuildError, BuildRequest, UploadRequest, Waiter, WorkersConfig};
use domain::CustomerId;
use sandbox::ToolForm;

use super::{Pool, cache_dir, chance::Chance, config, customer, request, tool_that};

/// Many times what any of them takes, on a machine under load.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the allocator keeps, and the neighbours' tests.
const MEMORY_KEPT_BYTES: u64 = 96 << 20;

/// A thousand characters, of four bytes at most.
const REASON_BYTES_MAX: usize = 4_000;

/// What has to come of a bomb.
#[derive(Debug, Clone, Copy)]
enum End {
    /// A reason with these words in it.
    Reason(&'static str),
    /// It is none: what could be much is little.
    Harmless,
    /// What becomes of it has more bytes than an artifact may have.
    TooLarge,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_a_bomb_is_told_what_is_wrong_with_it_and_harms_nobody_else() {
    let pool = Pool::start(bounded()).await;
    let before = memory_bytes();
    let mut misses = Vec::new();

    for (name, component, end) in components() {
        let upload = UploadRequest { customer: customer(), component, artifact_bytes_max: 32 << 20, fuel_per_call_max: u64::MAX };
        let answer = tokio::time::timeout(PATIENCE, pool.workers.inspect(upload)).await.expect(name);
        misses.extend(check(name, &answer.map(drop), end));
        build_of_a_neighbour(&pool, name).await;
    }

    assert!(misses.is_empty(), "{}", misses.join("\n"));
    nothing_is_left(pool, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_a_bomb_is_told_what_is_wrong_with_it_and_harms_nobody_else() {
    let pool = Pool::start(bounded()).await;
    let before = memory_bytes();
    let mut misses = Vec::new();

    for (name, source, end) in sources() {
        let answer = tokio::time::timeout(PATIENCE, pool.build(&source)).await.expect(name);
        misses.extend(check(name, &answer.map(drop), end));
        build_of_a_neighbour(&pool, name).await;
    }

    assert!(misses.is_empty(), "{}", misses.join("\n"));
    nothing_is_left(pool, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_made_of_the_bytes_of_a_component_is_taken_or_refused_and_kills_no_worker() {
    const MUTANTS: u32 = 250;
    let pool = Pool::start(bounded()).await;
    let whole = wat::parse_str(usual_component("")).unwrap();
    let mut chance = Chance::new(0x5eed);

    let (mut taken, mut refused) = (0, 0);
    for mutant in 0..MUTANTS {
        let component = chance.mutate(&whole);
        let upload = UploadRequest { customer: customer(), component, artifact_bytes_max: 1 << 20, fuel_per_call_max: u64::MAX };
        match tokio::time::timeout(PATIENCE, pool.workers.inspect(upload)).await.unwrap() {
            Ok(_) => taken += 1,
            Err(BuildError::Rejected(reasons)) if !reasons.is_empty() => refused += 1,
            Err(error) => panic!("mutant {mutant}: {error:?}"),
        }
    }

    assert!(taken > 0 && refused > MUTANTS / 2, "{taken} taken, {refused} refused");
    let by_age = u64::from(MUTANTS / 64 + 1);
    assert_eq!(pool.workers.usage().started_total, by_age, "a worker is replaced after so many requests, and none died");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_code_that_somebody_forged_is_no_artifact_and_no_component() {
    let pool = Pool::start(bounded()).await;
    let built = pool.build(&tool_that("return {};")).await.unwrap();

    // What wasmtime would load, if anybody gave it the bytes.
    let upload = UploadRequest {
        customer: customer(),
        component: built.native.clone(),
        artifact_bytes_max: 1 << 20,
        fuel_per_call_max: u64::MAX,
    };
    let uploaded = pool.workers.inspect(upload).await;
    assert_eq!(check("as a component", &uploaded.map(drop), End::Reason("not a WebAssembly component")), None);
    let stored = pool.workers.precompile(Waiter::Call, customer(), &ToolForm::JavaScript, built.native.clone()).await;
    assert!(matches!(stored, Err(BuildError::Worker(_))), "{stored:?}");
    let component = ToolForm::Component { export: None };
    let stored = pool.workers.precompile(Waiter::Call, customer(), &component, built.native).await;
    assert!(matches!(stored, Err(BuildError::Worker(_))), "{stored:?}");

    pool.end().await;
}

/// What is quick to see in a test: of time and memory, less than the smallest node gives.
fn bounded() -> WorkersConfig {
    WorkersConfig { wall_ms_max: 15_000, cpu_s_max: 10, data_bytes_max: 768 << 20, ..config() }
}

fn components() -> Vec<(&'static str, Vec<u8>, End)> {
    let text = |text: String| wat::parse_str(text).unwrap();
    let core = |fields: &str| text(usual_component(fields));
    vec![
        ("a function of eight megabytes", core(&format!("(func {})", "nop ".repeat(8_000_000))), End::Reason("size")),
        ("50 001 locals", core(&format!("(func (local {}))", "i32 ".repeat(50_001))), End::Reason("too many locals")),
        ("50 000 locals", core(&format!("(func (local {}))", "i64 ".repeat(50_000))), End::Harmless),
        ("a million types", of_core(&counted_section(1, 1_000_001, &[0x60, 0, 0])), End::Reason("types")),
        (
            "a million functions",
            of_core(&[counted_section(1, 1, &[0x60, 0, 0]), counted_section(3, 1_000_001, &[0])].concat()),
            End::Reason("code section"),
        ),
        (
            "functions without code",
            of_core(&[counted_section(1, 1, &[0x60, 0, 0]), counted_section(3, 100_000, &[0])].concat()),
            End::Reason("code"),
        ),
        (
            "a table of 200 000 branches",
            core(&format!("(func (param i32) (br_table {} (local.get 0)))", "0 ".repeat(200_000))),
            End::Reason("br_table"),
        ),
        (
            "a table of 60 000 branches",
            core(&format!("(func (param i32) (br_table {} (local.get 0)))", "0 ".repeat(60_000))),
            End::Harmless,
        ),
        ("5 000 blocks in one another", core(&nested_blocks(5_000)), End::Harmless),
        ("50 000 blocks in one another", core(&nested_blocks(50_000)), End::Reason("more than 5000 blocks in one another")),
        ("components in one another", nested_components(3_000), End::Harmless),
        ("types in one another", text(deep_type(2_000)), End::Reason("deep")),
        ("a custom section of eight megabytes", with_custom_section(8 << 20), End::Harmless),
        (
            "a section that is longer than the file",
            [wat::parse_str(usual_component("")).unwrap(), vec![0, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, b'a']].concat(),
            End::Reason("unexpected end"),
        ),
        ("four gigabytes to begin with", text(with_memory("(memory 65536)")), End::Reason("memory")),
        ("more than there is", text(with_memory("(memory 65537)")), End::Reason("memory size")),
        ("a table of four thousand million places", core("(table 4000000000 funcref)"), End::Reason("table")),
        ("two memories in a module", core("(memory 1) (memory 1)"), End::Reason("multi")),
        ("a thousand memories", text(many_instances(1_001)), End::Reason("instance")),
        ("a hundred instances with a memory each", text(many_instances(100)), End::Reason("memor")),
        ("a start that recurses for ever", core("(func $deep (call $deep)) (start $deep)"), End::Reason("stack")),
        (
            "data for all of a memory",
            core(&format!("(data (i32.const 0) \"{}\")", "a".repeat(70_000))),
            End::Reason("out of bounds"),
        ),
    ]
}

fn sources() -> Vec<(&'static str, String, End)> {
    let tool = tool_that("return {};");
    let with = |before: &str| format!("{before}\n{tool}");
    let many = |count: usize, write: fn(&mut String, usize)| {
        (0..count).fold(String::new(), |mut text, index| {
            write(&mut text, index);
            text
        })
    };
    let union = many(60_000, |text, index| write!(text, "|\"{index}\"").unwrap());
    let generics = format!("type Deep = {}1{};", "Array<".repeat(20_000), ">".repeat(20_000));
    let template = format!("type Text = {}a{};", "`${".repeat(20_000), "}`".repeat(20_000));
    let conditional = format!("type Which<T> = {}never;", "T extends 1 ? 2 : ".repeat(20_000));
    vec![
        ("a union of 60 000", with(&format!("type One = {union};")), End::Harmless),
        ("generics in one another", with(&generics), End::Harmless),
        ("template types in one another", with(&template), End::Harmless),
        ("conditional types in one another", with(&conditional), End::Harmless),
        ("a type that is itself", with("type Self<T> = { of: Self<Self<T>> };"), End::Harmless),
        (
            "interfaces without end",
            with(&many(15_000, |text, index| {
                writeln!(text, "interface I{index} extends I{} {{ a: {{ b: {{ c: 1 }} }} }}", index + 1).unwrap();
            })),
            End::Harmless,
        ),
        ("one huge function", with(&format!("function huge(a) {{ {} return a; }}", "a = a + 1;".repeat(60_000))), End::TooLarge),
        (
            "70 000 locals",
            with(&format!("function many() {{ {} }}", many(70_000, |text, index| write!(text, "var v{index};").unwrap()))),
            End::Reason("too many"),
        ),
        (
            "20 000 functions",
            with(&many(20_000, |text, index| write!(text, "function f{index}(){{}}").unwrap())),
            End::Reason("ran too long"),
        ),
        (
            "a switch of 20 000",
            with(&format!(
                "function choose(a) {{ switch (a) {{ {} }} }}",
                many(20_000, |text, index| write!(text, "case {index}: return {index};").unwrap())
            )),
            End::Harmless,
        ),
        (
            "objects in one another",
            with(&format!("const deep = {}1{};", "{a:".repeat(30_000), "}".repeat(30_000))),
            End::Reason("nested too deeply"),
        ),
        ("a pathological regular expression", with("/^(a+)+$/.test('a'.repeat(40) + 'b');"), End::Reason("ran too long")),
        (
            "a regular expression of 20 000 groups",
            with(&format!("const r = /{}a{}/;", "(".repeat(20_000), ")".repeat(20_000))),
            End::Reason("too many captures"),
        ),
        (
            "a loop of promises at the top level",
            with("const again = () => Promise.resolve().then(again); await again();"),
            End::Reason("too much memory"),
        ),
        ("recursion at the top level", with("const deep = () => deep() + 1; deep();"), End::Reason("call stack")),
        ("a string of a gigabyte", with("const s = 'x'.repeat(2 ** 29); globalThis.s = s + s;"), End::Reason("too much memory")),
        (
            "arrays without end",
            with("const all = []; for (;;) all.push(new Array(1000).fill(1));"),
            End::Reason("too much memory"),
        ),
        ("bytes that are no text", "\u{0}\u{feff}\u{2028}".repeat(10_000), End::Reason("Invalid Character")),
    ]
}

/// A core module's fields in a component that could be hosted without them.
fn usual_component(fields: &str) -> String {
    let memory = if fields.contains("(memory") { "" } else { "(memory 1)" };
    with_memory(&format!("{memory} {fields}"))
}

fn with_memory(fields: &str) -> String {
    format!(
        r#"(component
          (core module $Module {fields} (func (export "run") (result i32) (i32.const 1)))
          (core instance $core (instantiate $Module))
          (func (export "run") (result u32) (canon lift (core func $core "run"))))"#
    )
}

fn nested_blocks(depth: usize) -> String {
    format!("(func {} {})", "block ".repeat(depth), "end ".repeat(depth))
}

/// Modules that take a memory each.
fn many_instances(count: usize) -> String {
    let instances = "(core instance (instantiate $Small))".repeat(count);
    with_memory("").replace("(core instance $core", &format!("(core module $Small (memory 1)) {instances} (core instance $core"))
}

fn deep_type(depth: usize) -> String {
    let types: String = (0..depth).fold(String::new(), |mut text, index| {
        let inner = if index == 0 { "u8".to_owned() } else { format!("$t{}", index - 1) };
        write!(text, "(type $t{index} (list {inner}))").unwrap();
        text
    });
    format!(
        r#"(component {types}
          (core module $Module
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
            (func (export "run") (param i32 i32)))
          (core instance $core (instantiate $Module))
          (alias core export $core "memory" (core memory $memory))
          (alias core export $core "realloc" (core func $realloc))
          (func (export "run") (param "all" $t{}) (canon lift (core func $core "run") (memory $memory) (realloc $realloc))))"#,
        depth - 1
    )
}

/// A section of so many equal parts.
fn counted_section(id: u8, count: u32, part: &[u8]) -> Vec<u8> {
    let body = [leb128(count), part.repeat(count as usize)].concat();
    [vec![id], leb128(u32::try_from(body.len()).unwrap()), body].concat()
}

/// A component with a core module of these sections, and nothing else.
fn of_core(sections: &[u8]) -> Vec<u8> {
    let module = [b"\0asm\x01\0\0\0", sections].concat();
    let section = [vec![1], leb128(u32::try_from(module.len()).unwrap()), module].concat();
    [b"\0asm\x0d\0\x01\0", section.as_slice()].concat()
}

fn nested_components(depth: usize) -> Vec<u8> {
    const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
    let usual = wat::parse_str(usual_component("")).unwrap();
    let within = |outer: &[u8], inner: &[u8]| [outer, &[4], &leb128(u32::try_from(inner.len()).unwrap()), inner].concat();
    within(&usual, &(0..depth).fold(HEAD.to_vec(), |inner, _| within(HEAD, &inner)))
}

fn with_custom_section(bytes: usize) -> Vec<u8> {
    let body = [b"\x04name".as_slice(), &vec![0x55; bytes]].concat();
    let length = leb128(u32::try_from(body.len()).unwrap());
    [wat::parse_str(usual_component("")).unwrap(), vec![0], length, body].concat()
}

fn leb128(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

/// What is wrong with an answer.
fn check<T: std::fmt::Debug>(name: &str, answer: &Result<T, BuildError>, end: End) -> Option<String> {
    let is_right = match (answer, end) {
        (Ok(_), End::Harmless) | (Err(BuildError::ArtifactSize { .. }), End::TooLarge) => true,
        (Err(BuildError::Rejected(reasons)), End::Reason(words)) => {
            reasons.iter().all(|reason| reason.message.len() <= REASON_BYTES_MAX)
                && reasons.iter().any(|reason| reason.message.contains(words))
        }
        _ => false,
    };
    (!is_right).then(|| format!("{name}: {answer:?}, and not {end:?}"))
}

async fn build_of_a_neighbour(pool: &Pool, after: &str) {
    let neighbour = BuildRequest { customer: CustomerId::new(), ..request(&tool_that("return {};")) };
    let built = tokio::time::timeout(PATIENCE, pool.workers.build(neighbour)).await;
    assert!(matches!(built, Ok(Ok(_))), "after {after}: {built:?}");
}

/// Neither processes nor files, and of memory what it was.
async fn nothing_is_left(pool: Pool, before: u64) {
    pool.until(|pool| pool.workers.usage().workers == 1).await;
    let after = memory_bytes();
    assert!(after < before + MEMORY_KEPT_BYTES, "{before} bytes before, {after} after");
    assert_eq!(fs::read_dir(cache_dir().join("handover")).unwrap().count(), 0);
    pool.end().await;
}

/// Memory of this process that is there, from proc(5), in pages of 4 KiB at least.
fn memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

impl Chance {
    /// The bytes with some of them changed, left out, said twice, or cut off.
    fn mutate(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1));
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..(at + 4).min(bytes.len()), [])),
                2 => bytes.extend_from_within(at / 2..),
                _ => {
                    let byte = u8::try_from(self.below(256)).unwrap();
                    bytes.get_mut(at).into_iter().for_each(|place| *place = byte);
                }
            }
        }
        bytes
    }
}
