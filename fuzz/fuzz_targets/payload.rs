//! One payload of any type.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| martlet_protocol::fuzzing::payload(data));
