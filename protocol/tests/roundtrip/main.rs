//! Any frame with any legal values reads back as it was written, alone and in a stream.

mod values;

use bytes::BytesMut;
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::*;
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{MessageId, Millis, crc, handle};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use values::values;

/// Enough cases for every frame to come up some fifty times. What fails is printed in full, so no
/// file of seeds is kept beside the source.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_frame_reads_back_as_it_was_written(
        values in values(),
        appended in vec(any::<u8>(), 0..9),
    ) {
        let frame = values.frame();
        let mut out = BytesMut::new();
        codec::encode(&frame, &mut out);
        let mut input = &out[..];
        prop_assert_eq!(Decoder::new(FRAME_BYTES_MAX).next(&mut input), Ok(Some(frame.clone())));
        prop_assert!(input.is_empty());

        // [M-2.9] The same with fields that a later version appended.
        let payload = [&out[8..], &appended].concat();
        prop_assert_eq!(Frame::decode(frame.kind(), &payload), Ok(frame));
    }

    #[test]
    fn frames_in_a_stream_come_out_in_order_however_it_is_cut(
        all in vec(values(), 1..8),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let mut stream = BytesMut::new();
        all.iter().for_each(|values| codec::encode(&values.frame(), &mut stream));
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        ends.push(stream.len());
        ends.sort_unstable();

        let (mut decoder, mut seen, mut begin) = (Decoder::new(FRAME_BYTES_MAX), 0, 0);
        for end in ends {
            let mut input = &stream[begin..end];
            while let Some(frame) = decoder.next(&mut input).expect("only whole frames") {
                prop_assert_eq!(frame, all[seen].frame());
                seen += 1;
            }
            begin = end - input.len();
        }
        prop_assert_eq!(seen, all.len());
    }

    #[test]
    fn a_frame_of_two_parts_is_the_frame_in_one(values in values(), cut in any::<Index>()) {
        let frame = values.frame();
        let mut whole = BytesMut::new();
        codec::encode(&frame, &mut whole);
        let payload = &whole[8..];
        let (head, body) = payload.split_at(cut.index(payload.len() + 1));
        let mut parts = BytesMut::new();
        codec::encode_parts(frame.kind(), head, body, crc::of_body(body), &mut parts);
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn a_handle_is_legal_exactly_when_it_has_the_form_of_the_specification(
        text in "[a-zA-Z0-9_.+ -]{0,70}",
    ) {
        // [M-7.10]
        const FIRST: &str = "abcdefghijklmnopqrstuvwxyz0123456789+";
        let first = text.starts_with(|c| FIRST.contains(c));
        let rest = text.chars().all(|c| FIRST.contains(c) || "_.-".contains(c));
        prop_assert_eq!(handle::is_valid(&text), first && rest && text.len() <= 64);
    }

    #[test]
    fn a_message_id_keeps_its_time_and_has_one_spelling(
        ms in 0..(1u64 << 48),
        random in any::<[u8; 10]>(),
    ) {
        // [M-8.3]
        let id = MessageId::new(Millis(ms), random);
        prop_assert_eq!(id.time(), Some(Millis(ms)));
        prop_assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        prop_assert_eq!(id.0[6] >> 4, 7);
        prop_assert_eq!(id.0[8] >> 6, 2);
    }
}
