//! Hostile bytes: whatever comes, the decoder gives frames or one final error, and never panics.

mod support;

use martlet_protocol::codec::Decoder;
use martlet_protocol::fuzzing;
use martlet_protocol::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_UNAUTHENTICATED, HEADER_BYTES};
use martlet_protocol::{DecodeError, Kind};
use support::{bytes, cases};

/// xorshift64: the same hostile bytes on every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Every valid frame of the vectors.
fn frames() -> Vec<Vec<u8>> {
    cases("frames.json")
        .iter()
        .map(|case| bytes(case, "hex"))
        .collect()
}

/// The header of a frame of this many payload bytes, with a CRC that cannot be right.
fn header(payload_bytes: usize, kind: Kind) -> [u8; HEADER_BYTES] {
    let [a, b, c, ..] = payload_bytes.to_le_bytes();
    [a, b, c, kind.0, 0xde, 0xad, 0xbe, 0xef]
}

#[test]
fn random_bytes_never_panic_the_decoder() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..20_000 {
        let len = (noise.next() % 200) as usize;
        let mut data = noise.bytes(len);
        fuzzing::payload(&data);
        fuzzing::parts(&data);
        fuzzing::text(&data);
        fuzzing::lists(&data);
        fuzzing::records(&data);
        fuzzing::rosters(&data);
        // A short length every other time, so that the payload is looked at, too.
        if round % 2 == 0 && len > HEADER_BYTES {
            data[..4].copy_from_slice(&[(len - HEADER_BYTES) as u8, 0, 0, 0x10]);
        }
        fuzzing::stream(&data);
        fuzzing::chunks(&data);
    }
}

#[test]
fn random_payloads_of_every_type_never_panic_a_frame() {
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    for code in 0..=255 {
        for _ in 0..200 {
            let len = (noise.next() % 160) as usize;
            let mut data = noise.bytes(len);
            data.insert(0, code);
            fuzzing::payload(&data);
        }
    }
}

#[test]
fn no_changed_byte_makes_a_list_that_has_two_spellings() {
    let mut noise = Noise(0x5851_f42d_4c95_7f2d);
    for case in cases("device_lists.json") {
        let list = bytes(&case, "hex");
        for at in 0..list.len() {
            let mut changed = list.clone();
            changed[at] = noise.next() as u8;
            fuzzing::lists(&changed);
            changed.truncate(at);
            fuzzing::lists(&changed);
        }
        fuzzing::lists(&list);
    }
}

#[test]
fn no_changed_byte_makes_a_record_that_has_two_spellings() {
    let mut noise = Noise(0x1405_7b7e_f767_814f);
    for case in cases("group_records.json") {
        let record = bytes(&case, "hex");
        for at in 0..record.len() {
            let mut changed = record.clone();
            changed[at] = noise.next() as u8;
            fuzzing::records(&changed);
            changed.truncate(at);
            fuzzing::records(&changed);
        }
        fuzzing::records(&record);
    }
}

// [M-18.1]
#[test]
fn a_flipped_bit_is_always_noticed() {
    for frame in frames() {
        for bit in 0..frame.len() * 8 {
            let mut bent = frame.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            fuzzing::stream(&bent);
            let got = Decoder::new(FRAME_BYTES_MAX).next(&mut &bent[..]);
            assert!(
                !matches!(got, Ok(Some(_))),
                "bit {bit} of {frame:02x?} went unnoticed"
            );
        }
    }
}

// [M-18.6]
#[test]
fn a_huge_length_is_refused_by_the_header_alone() {
    for limit in [FRAME_BYTES_MAX, FRAME_BYTES_MAX_UNAUTHENTICATED] {
        for payload_bytes in [limit - HEADER_BYTES + 1, 1 << 20, (1 << 24) - 1] {
            let head = header(payload_bytes, Kind::SEND);
            let mut decoder = Decoder::new(limit);
            assert_eq!(decoder.frame_bytes(&head), Err(DecodeError::FrameTooLarge));
            assert_eq!(
                decoder.next(&mut &head[..]),
                Err(DecodeError::FrameTooLarge)
            );
        }
        let fits = header(limit - HEADER_BYTES, Kind::SEND);
        assert_eq!(Decoder::new(limit).frame_bytes(&fits), Ok(Some(limit)));
        assert_eq!(Decoder::new(limit).next(&mut &fits[..]), Ok(None));
    }
}

#[test]
fn every_truncation_of_a_conversation_ends_quietly() {
    let stream = frames().concat();
    let whole = count(&stream);
    assert_eq!(whole, frames().len());
    let mut before = 0;
    for cut in 0..stream.len() {
        let frames = count(&stream[..cut]);
        assert!(
            frames == before || frames == before + 1,
            "a byte completes one frame at most"
        );
        before = frames;
    }
}

/// How many frames `stream` holds. What is behind them must not be an error.
fn count(mut stream: &[u8]) -> usize {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let next = || {
        decoder
            .next(&mut stream)
            .expect("a prefix of valid frames")
            .map(drop)
    };
    std::iter::from_fn(next).count()
}

#[test]
fn an_error_is_final_even_when_good_frames_follow() {
    let good = frames().concat();
    for case in cases("malformed.json") {
        let limit = case["frame_bytes_max"].as_u64().unwrap() as usize;
        let data = [bytes(&case, "hex"), good.clone()].concat();
        let mut decoder = Decoder::new(limit);
        let mut input = &data[..];
        let first = decoder.next(&mut input).expect_err("malformed");
        for _ in 0..3 {
            assert_eq!(decoder.next(&mut input), Err(first));
            assert_eq!(decoder.next(&mut &good[..]), Err(first));
        }
    }
}

// [M-2.3]
#[test]
fn a_frame_at_the_limit_passes_and_the_limit_can_be_raised_between_frames() {
    let big = vec![0; FRAME_BYTES_MAX - HEADER_BYTES];
    let mut frame = header(big.len(), Kind(0xc0)).to_vec();
    frame.extend(&big);
    let crc = martlet_protocol::crc::of_frame(
        martlet_protocol::header::Header {
            payload_bytes: big.len() as u32,
            kind: Kind(0xc0),
        },
        &big,
    );
    frame[4..8].copy_from_slice(&crc.to_le_bytes());

    let mut decoder = Decoder::new(FRAME_BYTES_MAX_UNAUTHENTICATED);
    decoder.set_frame_bytes_max(FRAME_BYTES_MAX);
    let mut input = &frame[..];
    assert_eq!(
        decoder.next(&mut input),
        Ok(None),
        "skipped: its type is not known"
    );
    assert!(input.is_empty());

    let mut strict = Decoder::new(FRAME_BYTES_MAX_UNAUTHENTICATED);
    assert_eq!(
        strict.next(&mut &frame[..]),
        Err(DecodeError::FrameTooLarge)
    );
}
