//! What time a platform says it is: the `Date` header of its last answer, and when that was read here.
//!
//! A clock of a machine may be wrong or jump; two platforms that agree are hardly both wrong. Whether to believe them
//! is the caller's decision.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::time::Instant;

use crate::http::header_text;

/// A platform's time, and the moment at which it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// What the platform said, in whole seconds.
    pub told: Timestamp,
    /// When its answer came, on the monotonic clock.
    pub read: Instant,
}

/// The last one of a platform.
#[derive(Debug, Default)]
pub(crate) struct LastServerTime(Mutex<Option<ServerTime>>);

impl LastServerTime {
    /// Notes the time of an answer that came now, if it has one.
    pub(crate) fn note(&self, headers: &HeaderMap) {
        if let Some(told) = date(headers) {
            let read = Instant::now();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(ServerTime { told, read });
        }
    }

    pub(crate) fn get(&self) -> Option<ServerTime> {
        // A plain value: it cannot be left half-written.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time in a `Date` header: the one form that RFC 9110 has senders use.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let text = header_text(headers, header::DATE.as_str())?;
    PARSER.parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::as_it_is_sent("Sun, 06 Nov 1994 08:49:37 GMT", Some("1994-11-06T08:49:37Z"))]
    #[case::with_room_around_it(" Sun, 06 Nov 1994 08:49:37 GMT ", Some("1994-11-06T08:49:37Z"))]
    #[case::a_number("784111777", None)]
    #[case::nothing("", None)]
    #[case::a_wrong_day("Mon, 06 Nov 1994 08:49:37 GMT", None)]
    fn the_date_of_an_answer_is_read(#[case] header: &'static str, #[case] expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert("date", HeaderValue::from_static(header));
        assert_eq!(date(&headers), expected.and_then(|time| time.parse().ok()));
    }

    #[test]
    fn an_answer_without_a_date_leaves_the_last_one() {
        let last = LastServerTime::default();
        let mut headers = HeaderMap::new();
        headers.insert(
            "date",
            HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"),
        );
        last.note(&headers);
        let before = last.get();
        last.note(&HeaderMap::new());
        assert!(before.is_some() && last.get() == before);
    }
}
