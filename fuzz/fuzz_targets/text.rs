//! Text from a person.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| martlet_protocol::fuzzing::text(data));
