//! Ids of messages as people write them: whole, or as much as no other message has.

use martlet_client::{Client, History, MessageId};

/// Fewer digits than this name nothing.
const DIGITS_MIN: usize = 4;
/// Digits of a short id. They are the last ones: the first are the time and nearly the same for
/// all messages of a day.
const SHORT_DIGITS: usize = 6;
/// How far back a short id is looked for.
const MESSAGES_MAX: usize = 1_000;

/// The short form of an id.
pub(crate) fn short(id: MessageId) -> String {
    let digits = digits(id);
    digits[digits.len() - SHORT_DIGITS..].to_owned()
}

/// The message that `text` names among these: by its id, or the beginning or end of it.
///
/// # Errors
/// A sentence for the person when it is none, or more than one.
pub(crate) fn find(ids: impl Iterator<Item = MessageId>, text: &str) -> Result<MessageId, String> {
    if let Some(id) = MessageId::parse(text) {
        return Ok(id);
    }
    let wanted: String = text.chars().filter(|c| !matches!(c, '-' | '#')).collect();
    let wanted = wanted.to_ascii_lowercase();
    let is_hex = wanted.chars().all(|c| c.is_ascii_hexdigit());
    if wanted.len() < DIGITS_MIN || !is_hex {
        return Err(format!(
            "{text} is no message id: give it, or at least {DIGITS_MIN} of its last or first digits"
        ));
    }
    let named = |id: &MessageId| {
        let digits = digits(*id);
        digits.ends_with(&wanted) || digits.starts_with(&wanted)
    };
    let mut found = ids.filter(named);
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(format!("no message of this conversation has the id {text}")),
        (Some(_), Some(_)) => Err(format!(
            "more than one message of this conversation has an id like {text}: give more digits"
        )),
    }
}

/// As [`find`], among the newest messages of the conversation with `peer`.
///
/// # Errors
/// The client's, or that sentence.
pub(crate) async fn resolve(client: &Client, peer: &str, text: &str) -> anyhow::Result<MessageId> {
    if let Some(id) = MessageId::parse(text) {
        return Ok(id);
    }
    let page = History {
        limit: MESSAGES_MAX,
        before: None,
    };
    let messages = client.history(peer, page).await?;
    find(messages.iter().map(|message| message.id), text).map_err(anyhow::Error::msg)
}

fn digits(id: MessageId) -> String {
    id.to_string().replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_as_much_of_its_id_as_no_other_one_has() {
        let ids = [
            "01900000-1234-7fff-bfff-0123456789ab",
            "01900000-1234-7fff-bfff-0123456789cd",
        ]
        .map(|id| MessageId::parse(id).unwrap());
        let find = |text: &str| find(ids.into_iter(), text);
        assert_eq!(short(ids[0]), "6789ab");
        assert_eq!(find("6789ab"), Ok(ids[0]));
        assert_eq!(find("#89CD"), Ok(ids[1]));
        assert_eq!(find(&ids[1].to_string()), Ok(ids[1]));
        assert_eq!(find("01900000-1234-7fff-bfff-0123456789c"), Ok(ids[1]));
        assert!(find("0190").unwrap_err().contains("more than one"));
        assert!(find("abcdef").unwrap_err().contains("no message"));
        for unusable in ["cd", "hello", ""] {
            assert!(find(unusable).unwrap_err().contains("no message id"));
        }
    }
}
