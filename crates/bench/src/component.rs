//! A component of a wanted size, all of it code: what Cranelift has to do for an upload.

use wasm_encoder::{
    CodeSection, ComponentBuilder, ComponentExportKind, ComponentValType, ExportKind, ExportSection, Function, FunctionSection,
    Module, PrimitiveValType, TypeSection, ValType,
};

/// Rounds of arithmetic in each function: about a kilobyte of code, as a function of a real program has.
const ROUNDS: u32 = 90;

/// A component with the exported function `add(a: s32, b: s32) -> s32` and `bytes` bytes or a little more.
pub(crate) fn of_size(bytes: usize) -> Vec<u8> {
    let mut functions = u32::try_from(bytes / 1024).unwrap_or(1).max(1);
    loop {
        let component = wrap(&module(functions));
        let Some(missing) = bytes.checked_sub(component.len()).filter(|missing| *missing > 0) else { return component };
        functions += u32::try_from(missing / 1024).unwrap_or(0) + 1;
    }
}

/// A core module that exports its first function, which adds; the others are there to be compiled.
fn module(functions: u32) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    let (mut declared, mut code) = (FunctionSection::new(), CodeSection::new());
    for index in 0..=functions {
        declared.function(0);
        code.function(&if index == 0 { add() } else { arithmetic(index) });
    }
    let mut exports = ExportSection::new();
    exports.export("add", ExportKind::Func, 0);
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&exports).section(&code);
    module
}

fn add() -> Function {
    let mut function = Function::new([]);
    function.instructions().local_get(0).local_get(1).i32_add().end();
    function
}

/// No two functions are alike, or a compiler could make one of them.
fn arithmetic(seed: u32) -> Function {
    let mut function = Function::new([]);
    for round in 0..ROUNDS {
        let constant = seed.wrapping_mul(2_654_435_761).wrapping_add(round).cast_signed();
        function.instructions().local_get(0).i32_const(constant).i32_mul().local_get(1).i32_xor().local_set(0);
    }
    function.instructions().local_get(0).end();
    function
}

fn wrap(module: &Module) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let module = component.core_module(None, module);
    let instance = component.core_instantiate(None, module, []);
    let add = component.core_alias_export(None, instance, "add", ExportKind::Func);
    let number = ComponentValType::Primitive(PrimitiveValType::S32);
    let (signature, mut function) = component.type_function(None);
    function.params([("a", number), ("b", number)]).result(Some(number));
    let lifted = component.lift_func(None, add, signature, []);
    component.export("add", ComponentExportKind::Func, lifted, None);
    component.finish()
}
