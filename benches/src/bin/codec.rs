//! What a frame costs in the codec beside its checksum, and whether it allocates.
//!
//! For each frame: nanoseconds to encode and to decode one, nanoseconds of its checksum alone,
//! the differences (the budget is 25 ns), and heap allocations per frame (the budget is none).
//! Times are the fastest of many short rounds, because everything that disturbs a round only
//! makes it slower; the candidates of a round take turns. It runs for a few seconds.
//!
//! `codec`, `codec --json`

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, bail};
use bytes::BytesMut;
use clap::Parser;
use martlet_bench::output::{print_json, print_line};
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::crc;
use martlet_protocol::frame::{Ack, Event, EventKind, Frame, Receipt, Send, SendScope, Sent};
use martlet_protocol::header::Header;
use martlet_protocol::limits::{FRAME_BYTES_MAX, HEADER_BYTES};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, MessageId, Millis, Position, State, Timestamp, UserId};
use serde::Serialize;

/// Measures the protocol's codec: nanoseconds and allocations per frame.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds of each frame; the fastest counts.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Report as one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// The figures of one frame.
#[derive(Clone, Debug, Serialize)]
struct Row {
    frame: String,
    frame_bytes: usize,
    encode_ns: f64,
    decode_ns: f64,
    checksum_ns: f64,
    encode_allocations: f64,
    decode_allocations: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let bodies = [64, 256, 1024].map(|bytes| vec![0xa5; bytes]);
    if !arguments.json {
        print_line(format_args!(
            "{:<14}{:>8}{:>10}{:>10}{:>10}{:>16}{:>16}{:>12}",
            "ns per frame",
            "bytes",
            "encode",
            "decode",
            "checksum",
            "encode beside",
            "decode beside",
            "allocations"
        ))?;
    }
    for (name, frame) in frames(&bodies) {
        let row = measure(&name, &frame, arguments.rounds)?;
        if arguments.json {
            print_json(&row)?;
        } else {
            print_row(&row)?;
        }
    }
    Ok(())
}

fn print_row(row: &Row) -> Result<()> {
    let beside = |nanos: f64| nanos - row.checksum_ns;
    print_line(format_args!(
        "{:<14}{:>8}{:>10.1}{:>10.1}{:>10.1}{:>16.1}{:>16.1}{:>12}",
        row.frame,
        row.frame_bytes,
        row.encode_ns,
        row.decode_ns,
        row.checksum_ns,
        beside(row.encode_ns),
        beside(row.decode_ns),
        row.encode_allocations + row.decode_allocations,
    ))
}

/// The five frames of a direct message; those with a body in three sizes.
fn frames(bodies: &[Vec<u8>]) -> Vec<(String, Frame<'_>)> {
    let message_id = MessageId::new(Millis(1_700_000_000_000), [7; 10]);
    let timestamp = Timestamp(1_700_000_000_000_000);
    let peer = Address {
        user: UserId(0x0123_4567_89ab_cdef),
        device: DeviceId(1),
    };
    let position = Position(1_000_000);
    let (state, up_to, at) = (State::DELIVERED, timestamp, timestamp.millis());
    let mut frames = Vec::new();
    for body in bodies {
        let envelope = &body[..];
        let (to, after) = (peer.user, timestamp);
        let send = Send {
            message_id,
            to,
            after,
            ttl_ms: 0,
            scope: SendScope::ALL,
            to_version: 0,
            own_version: 0,
            to_parts: List::EMPTY,
            own_parts: List::EMPTY,
            envelope,
        };
        frames.push((format!("SEND {}", body.len()), Frame::Send(send)));
        let kind = EventKind::INCOMING;
        let event = Event {
            position,
            kind,
            peer,
            message_id,
            timestamp,
            envelope,
            part: &[],
        };
        frames.push((format!("EVENT {}", body.len()), Frame::Event(event)));
    }
    frames.push((
        "SENT".to_owned(),
        Frame::Sent(Sent {
            message_id,
            timestamp,
            devices: 1,
        }),
    ));
    frames.push(("ACK".to_owned(), Frame::Ack(Ack { position })));
    let receipt = Receipt {
        position,
        state,
        peer,
        up_to,
        at,
    };
    frames.push(("RECEIPT".to_owned(), Frame::Receipt(receipt)));
    frames
}

fn measure(name: &str, frame: &Frame<'_>, rounds: u32) -> Result<Row> {
    let mut buffer = BytesMut::new();
    (0..BATCH).for_each(|_| codec::encode(frame, &mut buffer));
    let encoded = buffer.clone();
    let payload = &encoded[HEADER_BYTES..encoded.len() / BATCH];
    let header = Header {
        payload_bytes: payload.len() as u32,
        kind: frame.kind(),
    };
    let (mut encode, mut decode, mut checksum) = (Fastest::new(), Fastest::new(), Fastest::new());
    for _ in 0..rounds {
        encode.time(|| {
            buffer.clear();
            (0..BATCH).for_each(|_| codec::encode(black_box(frame), &mut buffer));
        });
        let decoded = decode.time(|| count_frames(black_box(&encoded)));
        if decoded != BATCH {
            bail!("{name}: {decoded} of {BATCH} frames were decoded");
        }
        checksum.time(|| {
            for _ in 0..BATCH {
                black_box(crc::of_frame(black_box(header), black_box(payload)));
            }
        });
    }
    Ok(Row {
        frame: name.to_owned(),
        frame_bytes: encoded.len() / BATCH,
        encode_ns: encode.nanos,
        decode_ns: decode.nanos,
        checksum_ns: checksum.nanos,
        encode_allocations: encode.allocations,
        decode_allocations: decode.allocations,
    })
}

fn count_frames(mut input: &[u8]) -> usize {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let mut count = 0;
    while let Ok(Some(frame)) = decoder.next(&mut input) {
        black_box(&frame);
        count += 1;
    }
    count
}

/// The fastest round so far, per frame, and its allocations.
struct Fastest {
    nanos: f64,
    allocations: f64,
}

impl Fastest {
    fn new() -> Self {
        Self {
            nanos: f64::INFINITY,
            allocations: 0.0,
        }
    }

    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let allocations = allocations();
        let start = Instant::now();
        let result = work();
        let nanos = start.elapsed().as_nanos() as f64 / BATCH as f64;
        if nanos < self.nanos {
            self.nanos = nanos;
            self.allocations = (self::allocations() - allocations) as f64 / BATCH as f64;
        }
        result
    }
}

/// Counts what the thread allocates; frees are not counted.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Frames per round: long enough for the clock, short enough to fit a first-level cache.
const BATCH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_of_the_work_are_counted_and_no_others() {
        let mut fastest = Fastest::new();
        fastest.time(|| ());
        assert_eq!(fastest.allocations, 0.0);
        let mut fastest = Fastest::new();
        fastest.time(|| (0..BATCH).for_each(|size| drop(black_box(vec![0_u8; size + 1]))));
        assert_eq!(fastest.allocations, 1.0);
    }

    #[test]
    fn no_frame_of_a_direct_message_allocates() {
        let bodies = [vec![0; 256]];
        for (name, frame) in frames(&bodies) {
            let row = measure(&name, &frame, 3).unwrap();
            assert_eq!(
                row.encode_allocations + row.decode_allocations,
                0.0,
                "{name}"
            );
        }
    }
}
