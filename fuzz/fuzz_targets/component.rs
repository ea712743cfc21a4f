#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzzing::forgive_the_decoder(), |bytes: &[u8]| fuzzing::check("component", bytes));
