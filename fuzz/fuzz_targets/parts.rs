//! A frame put together from two parts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| martlet_protocol::fuzzing::parts(data));
