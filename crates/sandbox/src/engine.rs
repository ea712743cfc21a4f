//! How wasmtime is set up. Native code made under one of these engines runs under the other: whatever bears on compilation is
//! set in one function for both.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Core modules of one guest. A tool in JavaScript has five; one in Python comes as some twenty libraries, each with its own.
pub(crate) const CORE_INSTANCES_PER_GUEST: u32 = 64;
/// A tool in JavaScript has two; a component has one, and one more for the functions that it imports.
pub(crate) const TABLES_PER_GUEST: u32 = 4;
/// Components that were joined from two have a memory each.
pub(crate) const MEMORIES_PER_GUEST: u32 = 2;
/// Elements of all tables of one guest. The JavaScript engine has about 1 500 functions that are called through a table, Python about
/// 15 000. Only those that are used take memory.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 64 * 1024;
/// Bytes of linear memory that any guest can have, whatever its tier allows: that of the largest tier.
pub const MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Stack of the guest's functions. The JavaScript engine checks its own stack at 320 KiB and needs nearly three times that of
/// native stack for it.
const WASM_STACK_BYTES_MAX: usize = 1024 * 1024;
/// Stack of one guest: what is left above the guest's own part belongs to the host functions that it calls.
const GUEST_STACK_BYTES: usize = 2 * 1024 * 1024;
/// Memory that a slot keeps between two calls (overwritten with its first contents), so that the next one meets no page faults. The
/// difference of the smallest tool in JavaScript and its call write about 360 KiB in pages of 4 KiB; with a quarter of a megabyte, calls
/// cost twice as much.
const MEMORY_BYTES_KEPT: usize = 1024 * 1024;
const TABLE_BYTES_KEPT: usize = 16 * 1024 * size_of::<usize>();

/// How a slot gets its first contents back after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reset {
    /// The kernel tells which pages were written, and these are overwritten.
    Scan,
    /// All pages are handed back to the kernel.
    Decommit,
}

/// The engine that runs guests: every guest takes a slot of a pool that is laid out when the engine starts.
pub(crate) fn pooled(slots_max: u32) -> wasmtime::Result<Engine> {
    let reset = if PoolingAllocationConfig::is_pagemap_scan_available() {
        tracing::info!(sandbox.pagemap_scan = true, "only the pages that a guest wrote are reset after its call");
        Reset::Scan
    } else {
        tracing::warn!(
            sandbox.pagemap_scan = false,
            "calls cost more, because the kernel cannot tell which pages a guest wrote: PAGEMAP_SCAN needs Linux 6.7 and /proc"
        );
        Reset::Decommit
    };
    pooled_with(slots_max, reset)
}

fn pooled_with(slots_max: u32, reset: Reset) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots_max)
        .total_core_instances(slots_max.saturating_mul(CORE_INSTANCES_PER_GUEST))
        .total_memories(slots_max.saturating_mul(MEMORIES_PER_GUEST))
        .total_tables(slots_max.saturating_mul(TABLES_PER_GUEST))
        .total_stacks(slots_max)
        .max_core_instances_per_component(CORE_INSTANCES_PER_GUEST)
        .max_memories_per_component(MEMORIES_PER_GUEST)
        .max_tables_per_component(TABLES_PER_GUEST)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX);
    // Without the scan, what is kept would be the lowest addresses, whether the guest wrote them or not: there lies the part of
    // the JavaScript engine's stack that is used last. Then nothing is kept, at the price of page faults.
    if reset == Reset::Scan {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(MEMORY_BYTES_KEPT).table_keep_resident(TABLE_BYTES_KEPT);
    }
    let mut config = shared_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// The engine that only compiles, or runs a few modules without a pool.
pub(crate) fn on_demand() -> wasmtime::Result<Engine> {
    Engine::new(&shared_config())
}

fn shared_config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .async_stack_size(GUEST_STACK_BYTES)
        .memory_init_cow(true)
        // A trap is told by its kind alone, so nothing walks a guest's stack. Unwind tables would be registered with the system's
        // unwinder for every tool, which takes longer the more there are.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        // What the JavaScript engine does not use is no surface for a guest.
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false);
    config
}

#[cfg(test)]
mod tests {
    use wasmtime::{Instance, Module, Store};

    use super::*;

    /// Answers with what it finds, and leaves something else.
    const SOILS: &[u8] = br#"(module (memory 8) (data (i32.const 300000) "a")
        (func (export "soil") (result i32)
          (i32.load8_u (i32.const 300000))
          (memory.fill (i32.const 0) (i32.const 255) (i32.const 524288))))"#;

    #[test]
    fn a_slot_has_its_first_contents_again_however_it_is_reset() {
        let is_scan_available = PoolingAllocationConfig::is_pagemap_scan_available();
        let resets = [Reset::Decommit, Reset::Scan].into_iter().take(1 + usize::from(is_scan_available));
        for reset in resets {
            let engine = pooled_with(1, reset).unwrap();
            let module = Module::new(&engine, wat::parse_bytes(SOILS).unwrap()).unwrap();

            for call in 0..3 {
                let mut store = Store::new(&engine, ());
                store.set_fuel(10_000_000).unwrap();
                store.set_epoch_deadline(1);
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let soil = instance.get_typed_func::<(), i32>(&mut store, "soil").unwrap();

                assert_eq!(soil.call(&mut store, ()).unwrap(), i32::from(b'a'), "{reset:?}, call {call}");
            }
        }
    }

    #[test]
    fn code_for_one_engine_is_code_for_the_other() {
        let fingerprint = |engine: &Engine| {
            use std::hash::{DefaultHasher, Hash as _, Hasher as _};
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };

        assert_eq!(fingerprint(&pooled(1).unwrap()), fingerprint(&on_demand().unwrap()));
    }
}
