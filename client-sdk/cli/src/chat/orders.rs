//! Lines of a chat that are no message but say what to do with one.

use crate::args::life;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Answer a message.
    Reply { id: String, text: String },
    /// Put an emoji to one.
    React { id: String, emoji: String },
    /// Give an own one another text.
    Edit { id: String, text: String },
    /// Delete an own one for everyone.
    Delete { id: String },
    /// Let messages disappear after so many seconds; 0: let them stay.
    Timer { seconds: u32 },
    /// Show the ids of messages, or hide them.
    Ids,
}

/// The order that a line is; `None` for a message, also when it begins with a stroke.
///
/// # Errors
/// How the order is written, when it is not written so.
pub(crate) fn parse(line: &str) -> Option<Result<Order, String>> {
    let (word, rest) = first_word(line);
    let (id, more) = first_word(rest);
    let (id, more) = (id.to_owned(), more.to_owned());
    let (order, usage) = match word {
        "/reply" => {
            let is_whole = !id.is_empty() && !more.is_empty();
            let order = is_whole.then_some(Order::Reply { id, text: more });
            (order, "/reply ID TEXT")
        }
        "/react" => {
            let emoji = if more == "off" {
                String::new()
            } else {
                more.clone()
            };
            let is_whole = !id.is_empty() && !more.is_empty();
            let order = is_whole.then_some(Order::React { id, emoji });
            (order, "/react ID EMOJI, or /react ID off")
        }
        "/edit" => {
            let is_whole = !id.is_empty() && !more.is_empty();
            let order = is_whole.then_some(Order::Edit { id, text: more });
            (order, "/edit ID TEXT")
        }
        "/delete" => {
            let is_whole = !id.is_empty() && more.is_empty();
            let order = is_whole.then_some(Order::Delete { id });
            (order, "/delete ID")
        }
        "/timer" => {
            let seconds = life(rest).ok();
            let order = seconds.map(|seconds| Order::Timer { seconds });
            (order, "/timer 1h, or another time, or /timer off")
        }
        "/ids" => (Some(Order::Ids), ""),
        _ => return None,
    };
    Some(order.ok_or_else(|| format!("say {usage}; /ids shows the ids")))
}

/// The first word, and what follows it.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_its_parts_or_says_how_it_is_written() {
        let id = || "ab12cd".to_owned();
        let text = || "well, yes".to_owned();
        for (line, order) in [
            (
                "/reply ab12cd well, yes",
                Order::Reply {
                    id: id(),
                    text: text(),
                },
            ),
            (
                "/edit  ab12cd  well, yes ",
                Order::Edit {
                    id: id(),
                    text: text(),
                },
            ),
            ("/delete ab12cd", Order::Delete { id: id() }),
            ("/timer 1h", Order::Timer { seconds: 3_600 }),
            ("/timer off", Order::Timer { seconds: 0 }),
            ("/ids", Order::Ids),
        ] {
            assert_eq!(parse(line), Some(Ok(order)), "{line}");
        }
        let react = |emoji: &str| {
            let emoji = emoji.to_owned();
            Some(Ok(Order::React { id: id(), emoji }))
        };
        assert_eq!(parse("/react ab12cd 👍"), react("👍"));
        assert_eq!(parse("/react ab12cd off"), react(""));
        for line in ["/reply", "/edit ab12cd", "/delete", "/timer", "/timer soon"] {
            let told = parse(line).unwrap().unwrap_err();
            assert!(told.starts_with("say /"), "{told}");
        }
    }

    #[test]
    fn what_only_begins_with_a_stroke_is_a_message() {
        for line in ["/etc/hosts", "/shrug", "either /or", "/editor is open"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
