//! The one error of every platform call, and the five kinds that decide what may be done next.
//!
//! The kind is chosen where the answer is read (`genesys::answer`, `twilio::answer`) and nowhere else. It never holds
//! a message body or a full number: the platform's words are masked and bounded before they are kept.

use std::fmt;
use std::time::Duration;

use crate::mask;

/// Longest text of a platform that an error keeps, in characters.
const MESSAGE_LIMIT: usize = 300;
/// Longest error code or correlation id that an error keeps, in characters.
const TOKEN_LIMIT: usize = 100;

/// The platform that a call was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Genesys Cloud.
    Genesys,
    /// Twilio.
    Twilio,
}

impl Platform {
    /// The name as people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Genesys => "Genesys",
            Self::Twilio => "Twilio",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a failed call means for the message it carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// This message can never succeed as it is.
    Permanent,
    /// Nothing was done; the same call may succeed later.
    Transient,
    /// Nothing was done; the platform asks for patience.
    Throttled {
        /// The wait that the platform named, as it named it (not clamped); `None` if it named none.
        retry_after: Option<Duration>,
    },
    /// It may have been done. Repeating it blindly could text a customer twice.
    Ambiguous,
    /// The answer says nothing about the message: no call in this direction can succeed until somebody acts.
    Blocked(BlockedCause),
}

impl ErrorKind {
    /// A short, stable word for logs and metric labels.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Throttled { .. } => "throttled",
            Self::Ambiguous => "ambiguous",
            Self::Blocked(_) => "blocked",
        }
    }
}

/// Why a whole direction cannot work. A closed list: everything else concerns one message only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockedCause {
    /// The platform refuses every credential we hold.
    Credentials,
    /// The credentials are valid but lack a right.
    Permission,
    /// The Genesys integration does not exist (any more).
    IntegrationGone,
    /// The Twilio account is suspended.
    AccountSuspended,
    /// Twilio does not let this account send from this number.
    SenderRejected,
    /// The Twilio Messaging Service has no sender that could be used.
    NoUsableSender,
}

impl BlockedCause {
    /// A stable name, fit for a condition reason or a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "Credentials",
            Self::Permission => "Permission",
            Self::IntegrationGone => "IntegrationGone",
            Self::AccountSuspended => "AccountSuspended",
            Self::SenderRejected => "SenderRejected",
            Self::NoUsableSender => "NoUsableSender",
        }
    }

    /// What a person has to do so that messages flow again.
    pub const fn fix(self) -> &'static str {
        match self {
            Self::Credentials => {
                "put valid credentials into the Secret; the bridge reads it again by itself"
            }
            Self::Permission => {
                "give the OAuth client's role the missing permission (sending needs conversation:message:receive, \
                 finding the integration messaging:integration:view)"
            }
            Self::IntegrationGone => {
                "create the Open Messaging integration again or correct its name in the bridge"
            }
            Self::AccountSuspended => {
                "reactivate the account in the Twilio console (billing or compliance)"
            }
            Self::SenderRejected => {
                "use a sender that this Twilio account owns and that is not on a do-not-originate list"
            }
            Self::NoUsableSender => "add a usable sender to the Twilio Messaging Service",
        }
    }
}

impl fmt::Display for BlockedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A platform call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ApiError {
    /// The platform called.
    pub platform: Platform,
    /// What was attempted, as a phrase: "send message".
    pub operation: &'static str,
    /// What it means for the message.
    pub kind: ErrorKind,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// The platform's own error code, if it gave one.
    pub code: Option<String>,
    /// The platform's own words (or the transport's): numbers masked, at most 300 characters.
    pub message: String,
    /// The platform's id of the request, to quote to its support.
    pub correlation_id: Option<String>,
    /// Whether the platform may have acted on the request: its answer was lost or is a server error.
    pub may_have_acted: bool,
}

impl ApiError {
    /// An error without an HTTP answer; `message` is masked and bounded here.
    pub fn new(
        platform: Platform,
        operation: &'static str,
        kind: ErrorKind,
        message: &str,
    ) -> Self {
        let may_have_acted = kind == ErrorKind::Ambiguous;
        Self {
            platform,
            operation,
            kind,
            status: None,
            code: None,
            // Masked before it is cut: a number cut short might no longer look like one.
            message: bounded(&mask::numbers_in(message.trim()), MESSAGE_LIMIT).to_owned(),
            correlation_id: None,
            may_have_acted,
        }
    }

    /// The same error without these words, should the platform have quoted them: a body, an opaque customer id. Words
    /// of fewer than three characters are left, since they say nothing and stand in every sentence.
    #[must_use]
    pub fn without(mut self, words: &[&str]) -> Self {
        for word in words
            .iter()
            .map(|word| word.trim())
            .filter(|word| word.chars().count() >= 3)
        {
            self.message = mask::withheld(&self.message, word);
        }
        self
    }

    /// The same error without the id of its request: what is written down again and again must not differ each time.
    #[must_use]
    pub fn without_correlation_id(mut self) -> Self {
        self.correlation_id = None;
        self
    }

    pub(crate) fn that_may_have_acted(mut self, may: bool) -> Self {
        self.may_have_acted = may;
        self
    }

    pub(crate) fn with_status(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_code(mut self, code: Option<String>) -> Self {
        self.code = code.map(|code| mask::numbers_in(bounded(&code, TOKEN_LIMIT)));
        self
    }

    pub(crate) fn with_correlation_id(mut self, id: Option<&str>) -> Self {
        self.correlation_id = id.map(|id| bounded(id, TOKEN_LIMIT).to_owned());
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.platform, self.operation)?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, "HTTP {status}, code {code}: ")?,
            (Some(status), None) => write!(f, "HTTP {status}: ")?,
            (None, Some(code)) => write!(f, "code {code}: ")?,
            (None, None) => {}
        }
        if self.message.is_empty() {
            f.write_str("no explanation given")?;
        } else {
            f.write_str(&self.message)?;
        }
        if let Some(id) = &self.correlation_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

/// The first `limit` characters of `text`.
fn bounded(text: &str, limit: usize) -> &str {
    text.char_indices()
        .nth(limit)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_one_sentence_with_the_platforms_code() {
        let error = ApiError::new(
            Platform::Twilio,
            "send message",
            ErrorKind::Permanent,
            "The 'To' number +15551230000 is not a valid phone number.",
        )
        .with_status(Some(400))
        .with_code(Some("21211".to_owned()))
        .with_correlation_id(Some("RQ1"));
        assert_eq!(
            error.to_string(),
            "Twilio send message: HTTP 400, code 21211: The 'To' number +1•••••••00 is not a valid phone number. \
             (request RQ1)"
        );
        let lasting = error.without_correlation_id().to_string();
        assert!(lasting.ends_with("phone number."), "{lasting}");
    }

    #[test]
    fn an_error_without_an_answer_names_the_operation() {
        let error = ApiError::new(
            Platform::Genesys,
            "get token",
            ErrorKind::Transient,
            "timed out",
        );
        assert_eq!(error.to_string(), "Genesys get token: timed out");
    }

    #[test]
    fn the_platforms_words_are_bounded_on_a_character_boundary() {
        let error = ApiError::new(
            Platform::Genesys,
            "send message",
            ErrorKind::Permanent,
            &"ü".repeat(10_000),
        );
        assert_eq!(error.message.chars().count(), MESSAGE_LIMIT);
    }

    #[test]
    fn a_number_cut_by_the_bound_is_still_masked() {
        let text = format!("{}+15551230000", "x".repeat(MESSAGE_LIMIT - 9));
        let error = ApiError::new(
            Platform::Twilio,
            "send message",
            ErrorKind::Permanent,
            &text,
        );
        assert!(!error.message.contains("5551230"), "{}", error.message);
        let text = format!("{}+15551230000", "x".repeat(MESSAGE_LIMIT - 5));
        let error = ApiError::new(
            Platform::Twilio,
            "send message",
            ErrorKind::Permanent,
            &text,
        );
        assert!(!error.message.contains("1555"), "{}", error.message);
    }

    #[test]
    fn every_blocked_cause_names_its_fix() {
        use BlockedCause as B;
        let causes = [
            (B::Credentials, "Credentials", "the Secret"),
            (B::Permission, "Permission", "conversation:message:receive"),
            (B::IntegrationGone, "IntegrationGone", "integration"),
            (B::AccountSuspended, "AccountSuspended", "Twilio console"),
            (B::SenderRejected, "SenderRejected", "a sender"),
            (B::NoUsableSender, "NoUsableSender", "Messaging Service"),
        ];
        for (cause, name, fix) in causes {
            assert!(cause.fix().contains(fix), "{}", cause.fix());
            assert_eq!(cause.as_str(), name);
            assert_eq!(cause.to_string(), name);
        }
    }

    #[test]
    fn every_kind_has_its_word_for_logs_and_metrics() {
        let kinds = [
            (ErrorKind::Permanent, "permanent"),
            (ErrorKind::Transient, "transient"),
            (ErrorKind::Throttled { retry_after: None }, "throttled"),
            (ErrorKind::Ambiguous, "ambiguous"),
            (ErrorKind::Blocked(BlockedCause::Permission), "blocked"),
        ];
        for (kind, word) in kinds {
            assert_eq!(kind.as_str(), word);
        }
    }

    #[test]
    fn what_a_platform_quotes_of_a_message_is_withheld() {
        let error = ApiError::new(
            Platform::Twilio,
            "send message",
            ErrorKind::Permanent,
            "The body 'see you at 8' for ann@x is not allowed",
        );
        let shown = error.without(&["see you at 8", "ann@x", "is"]).to_string();
        assert!(
            shown.ends_with("The body '[withheld]' for [withheld] is not allowed"),
            "{shown}"
        );
    }
}
