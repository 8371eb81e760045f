#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| messaging_bridge_fuzzing::genesys_signature(bytes));
