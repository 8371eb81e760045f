//! What follows from a failed platform call: one pure decision for all five kinds of error.
//!
//! Nothing here waits, writes or knows a platform's codes: those were classified where the answer was read.

use std::time::Duration;

use messaging_bridge_clients::genesys::ReasonCode;
use messaging_bridge_clients::{ApiError, BlockedCause, ErrorKind, twilio};

use super::gate::Refusal;
use super::retry;
use crate::outbox::{Direction, Head, ReceiptLevel, ReceiptReason};

/// A message that failed this often while others got through is given up.
pub const MOST_STRIKES: u32 = 10;
/// A message to Genesys is given up after this age.
pub const INBOUND_LIFE: Duration = Duration::from_hours(72);
/// Nothing is sent with less than this left to live: Twilio advises more than 5 s of `ValidityPeriod`.
pub const LEAST_VALIDITY: Duration = Duration::from_secs(5);

/// What to do with a head whose call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Try again later.
    Retry {
        /// In how long.
        wait: Duration,
        /// Whether the try counts against the message.
        strike: bool,
        /// Whether the platform asked everybody to wait.
        everybody: bool,
    },
    /// Give the message up.
    Bury(Ending),
    /// The direction waits; the message is untouched.
    Block(BlockedCause),
    /// Find out first whether it was done.
    Settle,
}

/// How a message ends without delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The stable word.
    pub word: &'static str,
    /// The sentence for people who operate the relay.
    pub sentence: String,
    /// What the agent is told.
    pub receipt: Option<(ReceiptLevel, ReceiptReason)>,
}

/// What is known beside the error itself.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// Which way the message goes.
    pub direction: Direction,
    /// How old it is.
    pub age: Duration,
    /// At which age it is given up.
    pub life: Duration,
    /// How often it was tried before.
    pub tries: u32,
    /// How often a try counted against it.
    pub strikes: u32,
    /// Whether another conversation got through since its last try.
    pub others_got_through: bool,
    /// What a blocking refusal would mean.
    pub refusal: Refusal,
    /// Random, in `0.0..1.0`.
    pub fraction: f64,
}

impl Circumstances {
    /// Those of a head.
    pub fn of(head: &Head, direction: Direction, age: Duration, life: Duration) -> Self {
        Self {
            direction,
            age,
            life,
            tries: head.tries,
            strikes: head.strikes,
            others_got_through: false,
            refusal: Refusal::Blocks,
            fraction: 0.5,
        }
    }
}

/// Decides.
pub fn after_failure(error: &ApiError, now: &Circumstances) -> Step {
    match &error.kind {
        ErrorKind::Ambiguous => Step::Settle,
        ErrorKind::Blocked(cause) => match now.refusal {
            Refusal::Blocks => Step::Block(*cause),
            Refusal::Permanent => Step::Bury(refused(error)),
        },
        ErrorKind::Permanent => Step::Bury(refused(error)),
        ErrorKind::Throttled { retry_after } => match expired(now) {
            Some(ending) => Step::Bury(ending),
            None => Step::Retry {
                wait: retry::throttled(*retry_after),
                strike: false,
                everybody: true,
            },
        },
        ErrorKind::Transient => after_transient(error, now),
    }
}

fn after_transient(error: &ApiError, now: &Circumstances) -> Step {
    if let Some(ending) = expired(now) {
        return Step::Bury(ending);
    }
    let strike = now.others_got_through;
    if strike && now.strikes + 1 >= MOST_STRIKES {
        return Step::Bury(Ending {
            word: "exhausted",
            sentence: format!(
                "Failed {MOST_STRIKES} times while other conversations got through; last: {error}"
            ),
            receipt: Some((
                ReceiptLevel::Failed,
                ReceiptReason {
                    code: ReasonCode::ServerError,
                    sentence: "The message could not be sent.".into(),
                },
            )),
        });
    }
    Step::Retry {
        wait: retry::after(now.tries, now.fraction),
        strike,
        everybody: false,
    }
}

/// The ending of a message that the platform refused for itself.
fn refused(error: &ApiError) -> Ending {
    let code = error.code.as_deref().and_then(|code| code.parse().ok());
    let (reason, sentence) = twilio::for_agent(code);
    Ending {
        word: "refused",
        sentence: error.to_string(),
        receipt: Some((
            ReceiptLevel::Failed,
            ReceiptReason {
                code: reason,
                sentence,
            },
        )),
    }
}

/// The ending of a message that is too old to be tried again, if it is.
pub fn expired(now: &Circumstances) -> Option<Ending> {
    (now.age >= now.life).then(|| too_old(now.direction))
}

/// The ending of a message that waited for longer than a message of its direction lives.
pub fn too_old(direction: Direction) -> Ending {
    let what = match direction {
        Direction::Inbound => "Genesys did not take it within 72 hours.",
        Direction::Outbound => "It could not be sent within its validity.",
    };
    Ending {
        word: "expired",
        sentence: what.into(),
        receipt: Some((
            ReceiptLevel::Failed,
            ReceiptReason {
                code: ReasonCode::MessageExpired,
                sentence: "The message waited too long and was not sent.".into(),
            },
        )),
    }
}

/// The ending of a send of which nobody can say whether it was done.
pub fn unresolved(why: &str) -> Ending {
    Ending {
        word: "unresolved",
        sentence: format!("Whether it was sent is not known: {why}. It is not sent again."),
        receipt: Some((
            ReceiptLevel::FailedInferred,
            ReceiptReason {
                code: ReasonCode::GeneralError,
                sentence: "It is not known whether the message was sent. Ask the customer before sending it again.".into(),
            },
        )),
    }
}

/// The ending of a row that this relay cannot read.
pub fn unreadable(why: &impl std::fmt::Display) -> Ending {
    Ending {
        word: "unreadable",
        sentence: why.to_string(),
        receipt: Some((
            ReceiptLevel::Failed,
            ReceiptReason {
                code: ReasonCode::GeneralError,
                sentence: "The message could not be sent.".into(),
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messaging_bridge_clients::Platform;
    use rstest::rstest;

    fn error(kind: ErrorKind, code: Option<&str>) -> ApiError {
        ApiError {
            platform: Platform::Twilio,
            operation: "send message",
            kind,
            status: Some(400),
            code: code.map(Into::into),
            message: "words".into(),
            correlation_id: None,
            may_have_acted: false,
        }
    }

    const LIFE: Duration = Duration::from_hours(4);

    const FRESH: Circumstances = Circumstances {
        direction: Direction::Outbound,
        age: Duration::from_secs(1),
        life: LIFE,
        tries: 0,
        strikes: 0,
        others_got_through: false,
        refusal: Refusal::Blocks,
        fraction: 0.5,
    };

    fn retry(seconds: u64, strike: bool, everybody: bool) -> Step {
        Step::Retry {
            wait: Duration::from_secs(seconds),
            strike,
            everybody,
        }
    }

    #[rstest]
    #[case(
        "transient, alone",
        ErrorKind::Transient,
        FRESH,
        retry(1, false, false)
    )]
    #[case("transient, others got through", ErrorKind::Transient,
        Circumstances { others_got_through: true, tries: 3, ..FRESH }, retry(10, true, false))]
    #[case("throttled without a time", ErrorKind::Throttled { retry_after: None }, FRESH, retry(10, false, true))]
    #[case("throttled never counts", ErrorKind::Throttled { retry_after: Some(Duration::from_secs(30)) },
        Circumstances { others_got_through: true, strikes: 9, ..FRESH }, retry(30, false, true))]
    #[case("ambiguous", ErrorKind::Ambiguous, FRESH, Step::Settle)]
    #[case(
        "blocked",
        ErrorKind::Blocked(BlockedCause::Credentials),
        FRESH,
        Step::Block(BlockedCause::Credentials)
    )]
    fn each_kind_has_its_step(
        #[case] case: &str,
        #[case] kind: ErrorKind,
        #[case] now: Circumstances,
        #[case] expected: Step,
    ) {
        assert_eq!(after_failure(&error(kind, None), &now), expected, "{case}");
    }

    fn word(step: Step) -> Option<(&'static str, ReasonCode)> {
        match step {
            Step::Bury(Ending {
                word,
                receipt: Some((_, reason)),
                ..
            }) => Some((word, reason.code)),
            _ => None,
        }
    }

    #[rstest]
    #[case(
        "permanent",
        ErrorKind::Permanent,
        Some("21610"),
        FRESH,
        "refused",
        ReasonCode::RecipientOptedOut
    )]
    #[case("the tenth strike", ErrorKind::Transient, None,
        Circumstances { others_got_through: true, strikes: 9, ..FRESH }, "exhausted", ReasonCode::ServerError)]
    #[case("too old", ErrorKind::Transient, None,
        Circumstances { age: LIFE, ..FRESH }, "expired", ReasonCode::MessageExpired)]
    #[case("too old and throttled", ErrorKind::Throttled { retry_after: None }, None,
        Circumstances { age: INBOUND_LIFE, life: INBOUND_LIFE, direction: Direction::Inbound, ..FRESH }, "expired", ReasonCode::MessageExpired)]
    fn what_cannot_succeed_is_given_up_and_told(
        #[case] case: &str,
        #[case] kind: ErrorKind,
        #[case] code: Option<&str>,
        #[case] now: Circumstances,
        #[case] expected: &str,
        #[case] reason: ReasonCode,
    ) {
        assert_eq!(
            word(after_failure(&error(kind, code), &now)),
            Some((expected, reason)),
            "{case}"
        );
    }

    #[test]
    fn an_outage_alone_never_ends_a_message_before_its_age_does() {
        let now = Circumstances {
            tries: 10_000,
            ..FRESH
        };
        assert_eq!(
            after_failure(&error(ErrorKind::Transient, None), &now),
            retry(300, false, false)
        );
    }

    #[test]
    fn refused_again_after_another_got_through_is_permanent() {
        let now = Circumstances {
            refusal: Refusal::Permanent,
            ..FRESH
        };
        let step = after_failure(
            &error(
                ErrorKind::Blocked(BlockedCause::SenderRejected),
                Some("21212"),
            ),
            &now,
        );
        assert!(
            matches!(
                step,
                Step::Bury(Ending {
                    word: "refused",
                    ..
                })
            ),
            "{step:?}"
        );
    }

    #[test]
    fn what_we_only_infer_is_told_below_what_a_callback_can_prove() {
        let level = unresolved("no listing").receipt.map(|(level, _)| level);
        assert_eq!(level, Some(ReceiptLevel::FailedInferred));
        assert!(level < Some(ReceiptLevel::Sent));
    }
}
