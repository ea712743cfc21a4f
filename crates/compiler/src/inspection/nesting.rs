//! How deep the code of a function is nested. The time that compiling it takes grows with the square of that: fifty thousand blocks in one
//! another, which are no more than a hundred and fifty kilobytes, keep a core busy for many seconds.

use wasmparser::{FunctionBody, Operator};

/// Blocks in one another. What compilers make of the largest `switch` that somebody wrote has some thousands.
pub(super) const BLOCKS_MAX: u32 = 5_000;

/// A block begins with two bytes and ends with one.
const BLOCK_BYTES_MIN: usize = 3;

/// Whether the function has more than [`BLOCKS_MAX`]. Only one that is long enough for it is read; what is wrong with the code, its compiler
/// says.
pub(super) fn is_too_deep(body: &FunctionBody<'_>) -> bool {
    if body.as_bytes().len() < BLOCKS_MAX as usize * BLOCK_BYTES_MIN {
        return false;
    }
    let Ok(mut operators) = body.get_operators_reader() else { return false };
    let mut depth: u32 = 0;
    while !operators.eof() {
        match operators.read() {
            Ok(
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::Try { .. }
                | Operator::TryTable { .. },
            ) => depth = depth.saturating_add(1),
            Ok(Operator::End) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => return false,
        }
        if depth > BLOCKS_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use wasmparser::{Parser, Payload};

    use super::*;

    #[test]
    fn as_many_blocks_as_there_may_be_pass_and_one_more_does_not() {
        let nested = |count: u32| deepest(&format!("{} {}", "block ".repeat(count as usize), "end ".repeat(count as usize)));

        assert!(!nested(BLOCKS_MAX));
        assert!(nested(BLOCKS_MAX + 1));
    }

    #[test]
    fn blocks_beside_one_another_are_not_nested_and_every_kind_counts() {
        let most = BLOCKS_MAX as usize;
        let mixed = format!("{}{}", "i32.const 1 if loop ".repeat(most / 2 + 1), "end end ".repeat(most / 2 + 1));

        assert!(!deepest(&"block end ".repeat(2 * most)));
        assert!(deepest(&mixed));
    }

    /// Whether a function of this code is too deep.
    fn deepest(code: &str) -> bool {
        let module = wat::parse_str(format!("(module (func {code}))")).unwrap();
        let mut payloads = Parser::new(0).parse_all(&module);
        payloads.any(|payload| matches!(payload.unwrap(), Payload::CodeSectionEntry(body) if is_too_deep(&body)))
    }
}
