//! What both platforms said about a bridge, remembered across failed checks. Pure.
//!
//! A check that gets no answer changes nothing at first: the last answer stands, until three checks in a row have
//! failed. A refusal is an answer.

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{IntegrationLookupError, OpenIntegration};
use messaging_bridge_clients::twilio::{IncomingPhoneNumber, ServiceView};
use messaging_bridge_clients::{ApiError, BlockedCause, ErrorKind};

/// Failed checks in a row after which the last answer is not believed any more.
const PATIENCE: u32 = 3;

/// What came of asking a platform for something.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// It said this.
    Said(T),
    /// It refuses the credentials.
    Refused(String),
    /// The account is suspended or closed.
    Suspended(String),
    /// The credentials are right, and lack a right.
    Forbidden(String),
    /// No answer that could be used.
    None(String),
}

impl<T> Answer<T> {
    /// Sorts a failed call. The words hold no request id: a condition's message must not change with each check.
    pub fn of_error(error: ApiError) -> Self {
        let words = error.clone().without_correlation_id().to_string();
        match (error.kind, error.status) {
            (ErrorKind::Blocked(BlockedCause::Credentials), _) | (_, Some(401)) => {
                Self::Refused(words)
            }
            (ErrorKind::Blocked(BlockedCause::AccountSuspended), _) => Self::Suspended(words),
            (ErrorKind::Blocked(BlockedCause::Permission), _) | (_, Some(403)) => {
                Self::Forbidden(words)
            }
            _ => Self::None(words),
        }
    }

    /// Whether nothing usable came.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None(_))
    }
}

/// The answers to one question over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered<T> {
    answer: Option<Answer<T>>,
    failures: u32,
    /// Something else was asked before: what was believed then is no answer to this.
    anew: bool,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self {
            answer: None,
            failures: 0,
            anew: false,
        }
    }
}

impl<T> Remembered<T> {
    /// Nothing is known, since the question has changed.
    pub fn anew() -> Self {
        Self {
            anew: true,
            ..Self::default()
        }
    }

    /// Takes the newest answer in.
    pub fn hear(&mut self, answer: Answer<T>) {
        if !answer.is_none() {
            self.failures = 0;
            self.answer = Some(answer);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.answer.is_none() || self.failures >= PATIENCE {
            self.answer = Some(answer);
        }
    }

    /// Whether the last answer is missing, and not often enough to give up what was believed, here or before the
    /// operator started.
    pub fn is_unsettled(&self) -> bool {
        let unheard = self.anew && self.believed().is_none_or(Answer::is_none);
        !unheard && (1..PATIENCE).contains(&self.failures)
    }

    /// What is believed; `None` before the first answer.
    pub fn believed(&self) -> Option<&Answer<T>> {
        self.answer.as_ref()
    }
}

impl<T> From<Answer<T>> for Remembered<T> {
    fn from(answer: Answer<T>) -> Self {
        let mut remembered = Self::default();
        remembered.hear(answer);
        remembered
    }
}

/// The number as Twilio has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFacts {
    /// The number; `None` if the account does not have it.
    pub number: Option<IncomingPhoneNumber>,
    /// The Messaging Service that it is in.
    pub service: ServiceView,
    /// Why the Messaging Services could not be read, if so.
    pub service_unread: Option<String>,
}

/// All that both platforms said about a bridge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlatformFacts {
    /// Whether Genesys Cloud gives the relay's OAuth client a token.
    pub token: Remembered<()>,
    /// The integration that the name leads to.
    pub integration: Remembered<Result<OpenIntegration, IntegrationLookupError>>,
    /// The number.
    pub number: Remembered<NumberFacts>,
    /// When they were last asked.
    pub checked: Option<Timestamp>,
    /// Whether they were not asked although it is due: too many others wait for them.
    pub deferred: bool,
}

impl PlatformFacts {
    /// Nothing is known, and will be soon.
    pub fn deferred() -> Self {
        Self {
            deferred: true,
            ..Self::default()
        }
    }

    /// Whether some answer is missing, and not often enough to be told.
    pub fn are_unsettled(&self) -> bool {
        self.token.is_unsettled() || self.integration.is_unsettled() || self.number.is_unsettled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_bridge_clients::Platform;
    use rstest::rstest;

    fn none() -> Answer<u8> {
        Answer::None("timed out".to_owned())
    }

    #[test]
    fn the_last_answer_stands_until_three_checks_have_failed() {
        let mut remembered = Remembered::from(Answer::Said(1));
        for _ in 0..2 {
            remembered.hear(none());
            assert_eq!(remembered.believed(), Some(&Answer::Said(1)));
        }
        remembered.hear(none());
        assert_eq!(remembered.believed(), Some(&none()));
        remembered.hear(Answer::Said(2));
        remembered.hear(none());
        assert_eq!(remembered.believed(), Some(&Answer::Said(2)));
    }

    #[test]
    fn without_any_answer_the_failure_is_told_at_once() {
        let mut remembered = Remembered::default();
        assert_eq!(remembered.believed(), None);
        remembered.hear(none());
        assert_eq!(remembered.believed(), Some(&none()));
        assert!(remembered.is_unsettled());
        remembered.hear(none());
        remembered.hear(none());
        assert!(!remembered.is_unsettled());
    }

    #[test]
    fn an_answer_to_another_question_is_not_waited_for() {
        let mut remembered = Remembered::anew();
        remembered.hear(none());
        assert!(!remembered.is_unsettled());
        remembered.hear(Answer::Said(1));
        remembered.hear(none());
        assert!(remembered.is_unsettled());
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let mut remembered = Remembered::from(Answer::Said(1));
        remembered.hear(Answer::Refused("no".to_owned()));
        assert_eq!(
            remembered.believed(),
            Some(&Answer::Refused("no".to_owned()))
        );
    }

    #[rstest]
    #[case::credentials(ErrorKind::Blocked(BlockedCause::Credentials), "refused")]
    #[case::a_right(ErrorKind::Blocked(BlockedCause::Permission), "forbidden")]
    #[case::suspended(ErrorKind::Blocked(BlockedCause::AccountSuspended), "suspended")]
    #[case::down(ErrorKind::Transient, "none")]
    #[case::throttled(ErrorKind::Throttled { retry_after: None }, "none")]
    fn failed_calls_are_sorted(#[case] kind: ErrorKind, #[case] expected: &str) {
        let error = ApiError::new(Platform::Genesys, "list integrations", kind, "words");
        let sorted = match Answer::<()>::of_error(error) {
            Answer::Said(()) => "said",
            Answer::Refused(_) => "refused",
            Answer::Suspended(_) => "suspended",
            Answer::Forbidden(_) => "forbidden",
            Answer::None(_) => "none",
        };
        assert_eq!(sorted, expected);
    }
}
