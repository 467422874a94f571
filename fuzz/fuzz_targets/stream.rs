//! A byte stream from a peer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| martlet_protocol::fuzzing::stream(data));
