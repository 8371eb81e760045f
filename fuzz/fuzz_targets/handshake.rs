#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| messaging_bridge_fuzzing::handshake(bytes));
