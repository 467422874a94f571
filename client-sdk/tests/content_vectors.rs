//! What messages say, against the vectors of `protocol/`, which another implementation has written.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a vector that cannot be read fails the test"
)]

use std::path::Path;

use data_encoding::HEXLOWER;
use martlet_client::content::{
    Content, GroupInfo, GroupResent, GroupRetry, MessageName, Saying, SenderKey,
};
use martlet_client::crypto::payload::kind;
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

/// The same of contents that members of a group tell each other, and what encodes to them again;
/// `None` for another kind.
fn group_fields(content: &Content) -> Result<Option<(Value, Content)>, DecodeError> {
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
    let about = |asked: &GroupRetry| {
        json!({
            "message_id": hex(&asked.id.0),
            "group": asked.group.0.to_string(),
            "sequence": asked.sequence.to_string(),
        })
    };
    Ok(Some(match content.kind {
        kind::GROUP_INFO => {
            let info = GroupInfo::decode(&content.data)?;
            let fields = json!({"name": info.name, "picture": hex(&info.picture)});
            (fields, info.encode())
        }
        kind::SENDER_KEY => {
            let key = SenderKey::decode(&content.data)?;
            let fields = json!({
                "group": key.group.0.to_string(),
                "share": hex(key.share.as_slice()),
                "info": hex(&key.info),
            });
            (fields, key.encode())
        }
        kind::GROUP_RETRY => {
            let asked = GroupRetry::decode(&content.data)?;
            (about(&asked), asked.encode())
        }
        kind::GROUP_RESENT => {
            let resent = GroupResent::decode(&content.data)?;
            let mut fields = about(&resent.asked);
            fields["timestamp"] = json!(resent.timestamp.0.to_string());
            fields["kind"] = json!(resent.content.kind);
            fields["contents"] = json!(hex(&resent.content.data));
            (fields, resent.encode())
        }
        _ => return Ok(None),
    }))
}

#[test]
fn contents_read_as_the_vectors_say_and_are_written_alike() {
    let cases = cases("contents.json");
    assert!(cases.len() > 10, "they were found");
    for (content, case) in cases {
        if let Some((fields, again)) = group_fields(&content).unwrap() {
            assert_eq!(fields, case["fields"], "{}", case["name"]);
            assert_eq!(again, content, "{}", case["name"]);
            continue;
        }
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
        let error = match (group_fields(&content), content.limit()) {
            (Err(error), _) | (_, Err(error)) => error,
            (Ok(_), Ok(_)) => Saying::decode(&content).unwrap_err(),
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
