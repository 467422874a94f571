//! A decoder that knows nothing but the tables of SPEC.md: no line of it is shared with the codec.
//! What it reads out of the vectors shows that the text is enough to write a client.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::tables::table;

/// The frame table: code to name and fields, each a name and a type.
pub(crate) struct Spec {
    frames: BTreeMap<u8, (String, Vec<(String, String)>)>,
    frame_bytes_max: usize,
}

type Result<T> = std::result::Result<T, String>;

impl Spec {
    pub(crate) fn read(text: &str) -> Self {
        let rows = table(text, &["code", "name", "direction", "fields"]);
        let frames = rows.iter().map(|row| {
            let code = u8::from_str_radix(row[0].trim_start_matches("0x"), 16).expect("a code");
            (code, (row[1].clone(), names_and_types(&row[3], "` · `")))
        });
        let limits = table(text, &["name", "value", "what it bounds"]);
        let limit = limits
            .iter()
            .find(|row| row[0] == "FRAME_BYTES_MAX")
            .expect("in §17");
        Self {
            frames: frames.collect(),
            frame_bytes_max: limit[1].parse().expect("a number"),
        }
    }

    /// The first frame in `input` that is not skipped (§2).
    pub(crate) fn decode(&self, mut input: &[u8]) -> Result<(String, Value)> {
        loop {
            let head = take(&mut input, 8)?;
            let length = number(&[&head[..3], &[0]].concat()) as usize;
            if length + 8 > self.frame_bytes_max {
                return Err("too large".to_owned());
            }
            let payload = take(&mut input, length)?;
            if u64::from(crc32(&[&head[..4], payload].concat())) != number(&head[4..]) {
                return Err("the CRC differs".to_owned());
            }
            match self.frames.get(&head[3]) {
                Some((name, fields)) => {
                    return Ok((name.clone(), decode_fields(fields, &mut { payload })?));
                }
                None if head[3] >= 0xc0 => {}
                None => return Err(format!("type {:#x} is unknown", head[3])),
            }
        }
    }
}

/// A structure of the table whose first column is `field of {name}`, with nothing behind it.
pub(crate) fn structure(spec: &str, name: &str, mut input: &[u8]) -> Result<Value> {
    let rows = table(spec, &[&format!("field of {name}"), "type", "meaning"]);
    let fields: Vec<_> = rows
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let value = decode_fields(&fields, &mut input)?;
    if input.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes are left", input.len()))
    }
}

/// The contents of a message of this kind.
pub(crate) fn contents(spec: &str, kind: &Value, mut input: &[u8]) -> Result<Value> {
    let kind = format!("0x{:02X}", kind.as_u64().expect("a number"));
    let rows = table(spec, &["kind", "name", "contents"]);
    let row = rows.iter().find(|row| row[0] == kind).expect("in §23");
    let value = decode_fields(&names_and_types(&row[2], " · "), &mut input)?;
    if input.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes are left", input.len()))
    }
}

fn decode_fields(fields: &[(String, String)], payload: &mut &[u8]) -> Result<Value> {
    let mut object = Map::new();
    for (name, kind) in fields {
        let value = decode_field(kind, payload).map_err(|error| format!("{name}: {error}"))?;
        object.insert(name.clone(), value);
    }
    Ok(Value::Object(object))
}

/// One field of a type of §3, as the vectors show it.
fn decode_field(kind: &str, payload: &mut &[u8]) -> Result<Value> {
    let value = match kind {
        "u8" => json!(number(take(payload, 1)?)),
        "u16" => json!(number(take(payload, 2)?)),
        "u32" => json!(number(take(payload, 4)?)),
        "u64" | "timestamp" | "millis" => json!(number(take(payload, 8)?).to_string()),
        "user" | "group" => json!(not_zero(number(take(payload, 8)?))?.to_string()),
        "device" => json!(not_zero(number(take(payload, 2)?))?),
        "varint" | "position" => json!(varint(payload)?.to_string()),
        "message_id" => json!(hex(take(payload, 16)?)),
        "rest" => json!(hex(take(payload, payload.len())?)),
        other => return decode_sized(other, payload),
    };
    Ok(value)
}

fn names_and_types(text: &str, between: &str) -> Vec<(String, String)> {
    let field = |field: &str| {
        let (name, kind) = field.split_once(' ').expect("name and type");
        (name.to_owned(), kind.to_owned())
    };
    text.split(between).map(field).collect()
}

/// `[n]`, `list<=n of x`, `bytes<=n` and `str<=n`.
fn decode_sized(kind: &str, payload: &mut &[u8]) -> Result<Value> {
    if let Some(size) = kind
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return Ok(json!(hex(take(payload, size.parse().expect("a size"))?)));
    }
    if let Some(list) = kind.strip_prefix("list<=") {
        return decode_list(list, payload);
    }
    let (name, max) = kind
        .split_once("<=")
        .unwrap_or_else(|| panic!("§3 has no type {kind}"));
    let length = varint(payload)?;
    if length > max.parse().expect("a limit") {
        return Err(format!("{length} bytes are over the limit"));
    }
    let data = take(payload, length as usize)?;
    match name {
        "bytes" => Ok(json!(hex(data))),
        "str" => Ok(json!(
            std::str::from_utf8(data).map_err(|error| error.to_string())?
        )),
        other => panic!("§3 has no type {other}"),
    }
}

/// What follows `list<=`: a limit, and a type or fields in parentheses.
fn decode_list(list: &str, payload: &mut &[u8]) -> Result<Value> {
    let (max, element) = list.split_once(" of ").expect("a limit and an element");
    let count = varint(payload)?;
    if count > max.parse().expect("a limit") {
        return Err(format!("{count} elements are over the limit"));
    }
    let inner = element
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let elements = (0..count).map(|_| match inner {
        Some(fields) => decode_fields(&names_and_types(fields, " · "), payload),
        None => decode_field(element, payload),
    });
    elements.collect()
}

fn varint(payload: &mut &[u8]) -> Result<u64> {
    let first = *payload.first().ok_or("nothing left")?;
    let size = 1 << (first & 3);
    let value = number(take(payload, size)?) >> 2;
    let fits_half = size > 1 && value < 1 << (4 * size - 2);
    if fits_half {
        Err("not the smallest size".to_owned())
    } else {
        Ok(value)
    }
}

fn take<'a>(input: &mut &'a [u8], size: usize) -> Result<&'a [u8]> {
    if size > input.len() {
        return Err(format!("{size} bytes wanted, {} left", input.len()));
    }
    let (taken, rest) = input.split_at(size);
    *input = rest;
    Ok(taken)
}

fn not_zero(value: u64) -> Result<u64> {
    if value == 0 {
        Err("0 names nobody".to_owned())
    } else {
        Ok(value)
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The CRC of §2, bit by bit, as its text has it.
fn crc32(bytes: &[u8]) -> u32 {
    let polynomial = 0x04c1_1db7_u32.reverse_bits();
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ polynomial
            } else {
                crc >> 1
            }
        })
    })
}
