//! Keywords that Twilio itself acts on: case-insensitive, the whole message, and still delivered to the webhook.

/// What a keyword asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Stop,
    Start,
    Help,
}

impl Keyword {
    pub(crate) fn of(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "STOP" | "UNSUBSCRIBE" | "END" | "QUIT" | "STOPALL" | "REVOKE" | "OPTOUT"
            | "CANCEL" => Some(Self::Stop),
            "START" | "YES" | "UNSTOP" => Some(Self::Start),
            "HELP" | "INFO" => Some(Self::Help),
            _ => None,
        }
    }

    /// What Twilio answers the customer with.
    pub(crate) fn answer(self) -> &'static str {
        match self {
            Self::Stop => {
                "You have successfully been unsubscribed. You will not receive any more messages from this number. \
                 Reply START to resubscribe."
            }
            Self::Start => {
                "You have successfully been re-subscribed to messages from this number. Reply STOP to unsubscribe."
            }
            Self::Help => "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_the_whole_message() {
        let table = [
            ("STOP", Some(Keyword::Stop)),
            (" stop ", Some(Keyword::Stop)),
            ("Unsubscribe", Some(Keyword::Stop)),
            ("please stop", None),
            ("unstop", Some(Keyword::Start)),
            ("help", Some(Keyword::Help)),
            ("", None),
        ];
        for (text, keyword) in table {
            assert_eq!(Keyword::of(text), keyword, "{text:?}");
        }
    }
}
