//! What messages say, against the vectors of `protocol/`, which another implementation has written.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a vector that cannot be read fails the test"
)]

use std::path::Path;

use data_encoding::HEXLOWER;
use martlet_client::content::{Content, MessageName, Saying};
use martlet_protocol::DecodeError;
use serde_json::{Map, Value, json};

fn cases(file: &str) -> Vec<(Content, Value)> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/vectors");
    let text = std::fs::read_to_string(vectors.join(file)).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let read = |case: &Value| {
        let hex = case["hex"].as_str().unwrap();
        let content = Content {
            kind: case["kind"].as_u64().unwrap().try_into().unwrap(),
            data: HEXLOWER.decode(hex.as_bytes()).unwrap(),
        };
        (content, case.clone())
    };
    cases.iter().map(read).collect()
}

/// Fields as the vectors show them.
fn fields(content: &Content) -> Value {
    if let Some((seconds, inner)) = content.limit().unwrap() {
        let contents = HEXLOWER.encode(&inner.data);
        return json!({"seconds": seconds, "kind": inner.kind, "contents": contents});
    }
    let about = |name: &MessageName, more: &[(&str, &str)]| {
        let mut fields = Map::new();
        let id = HEXLOWER.encode(&name.id.0);
        fields.insert("message_id".to_owned(), json!(id));
        let user = name.author.user.0.to_string();
        fields.insert("author".to_owned(), json!(user));
        fields.insert("author_device".to_owned(), json!(name.author.device.0));
        for (field, text) in more {
            fields.insert((*field).to_owned(), json!(text));
        }
        Value::Object(fields)
    };
    let hex = |text: &str| HEXLOWER.encode(text.as_bytes());
    match Saying::decode(content).unwrap().unwrap() {
        Saying::Reply { to, quote, text } => {
            about(&to, &[("quote", &quote), ("text", &hex(&text))])
        }
        Saying::Reaction { to, emoji } => about(&to, &[("emoji", &emoji)]),
        Saying::Edit { of, text } => about(&of, &[("text", &hex(&text))]),
        Saying::Delete { of } => about(&of, &[]),
        Saying::Timer { seconds } => json!({ "seconds": seconds }),
        Saying::Contact(card) => json!({
            "user": card.user.0.to_string(), "handle": card.handle, "name": card.name
        }),
        Saying::Location(place) => json!({
            "latitude": place.latitude.cast_unsigned(),
            "longitude": place.longitude.cast_unsigned(),
            "accuracy_m": place.accuracy_m,
            "label": place.label,
        }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn contents_read_as_the_vectors_say_and_are_written_alike() {
    let cases = cases("contents.json");
    assert!(cases.len() > 10, "they were found");
    for (content, case) in cases {
        assert_eq!(fields(&content), case["fields"], "{}", case["name"]);
        let again = match content.limit().unwrap() {
            Some((life_s, inner)) => inner.limited(life_s),
            None => Saying::decode(&content).unwrap().unwrap().encode(),
        };
        assert_eq!(again, content, "{}", case["name"]);
    }
}

#[test]
fn what_cannot_be_shown_gives_the_error_that_is_named() {
    for (content, case) in cases("contents_malformed.json") {
        let error = match content.limit() {
            Ok(_) => Saying::decode(&content).unwrap_err(),
            Err(error) => error,
        };
        let name = match error {
            DecodeError::FieldTooLong => "FieldTooLong",
            DecodeError::FieldValueForbidden => "FieldValueForbidden",
            DecodeError::PayloadTruncated => "PayloadTruncated",
            DecodeError::TextNotUtf8 => "TextNotUtf8",
            other => panic!("{}: {other:?}", case["name"]),
        };
        assert_eq!(name, case["error"], "{}", case["name"]);
    }
}
