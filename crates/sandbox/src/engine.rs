//! How wasmtime is set up. Native code made under one of these engines runs under the other: whatever bears on compilation is
//! set in one function for both.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Core modules of one guest: the tool's data, the two that break the circle of the wrapper, the JavaScript engine.
pub(crate) const CORE_INSTANCES_PER_GUEST: u32 = 4;
/// The JavaScript engine's functions and the wrapper's two.
pub(crate) const TABLES_PER_GUEST: u32 = 2;
/// Elements of all tables of one guest: the JavaScript engine has about 1 500 functions that are called through a table.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 16 * 1024;
/// The largest memory of any guest: that of the largest tier.
pub(crate) const MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Stack of the guest's functions. The JavaScript engine checks its own stack at 256 KiB and needs several times that of native
/// stack for it.
const WASM_STACK_BYTES_MAX: usize = 1024 * 1024;
/// Stack of one guest: what is left above the guest's own part belongs to the host functions that it calls.
const GUEST_STACK_BYTES: usize = 2 * 1024 * 1024;
/// Memory that a slot keeps between two calls (overwritten with its first contents), so that the next one meets no page faults.
const MEMORY_BYTES_KEPT: usize = 256 * 1024;
const TABLE_BYTES_KEPT: usize = TABLE_ELEMENTS_MAX * size_of::<usize>();

/// The engine that runs guests: every guest takes a slot of a pool that is laid out when the engine starts.
pub(crate) fn pooled(slots_max: u32) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots_max)
        .total_core_instances(slots_max.saturating_mul(CORE_INSTANCES_PER_GUEST))
        .total_memories(slots_max)
        .total_tables(slots_max.saturating_mul(TABLES_PER_GUEST))
        .total_stacks(slots_max)
        .max_core_instances_per_component(CORE_INSTANCES_PER_GUEST)
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES_PER_GUEST)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        tracing::info!(
            sandbox.pagemap_scan = true,
            "the kernel tells which pages a guest wrote; only these are reset after a call"
        );
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(MEMORY_BYTES_KEPT).table_keep_resident(TABLE_BYTES_KEPT);
    } else {
        // Without the scan, kept memory would be the lowest addresses, whether the guest wrote them or not: the part of the
        // stack that is used last. So all is handed back, at the price of page faults.
        tracing::warn!(
            sandbox.pagemap_scan = false,
            "the kernel cannot tell which pages a guest wrote (PAGEMAP_SCAN needs Linux 6.7 and /proc): calls cost more"
        );
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
