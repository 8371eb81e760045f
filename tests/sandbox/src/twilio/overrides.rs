//! Connection overrides: how long Twilio waits for a webhook and what it tries again, from the URL's fragment.
//!
//! Documented at <https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>. `ct`, `sni` and `e` (the
//! connect timeout, the server name and the egress edge) are not modelled.

use std::time::Duration;

use crate::courier::Outcome;

/// The rules for one webhook URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `rc`: 0 to 5.
    pub(crate) retries: u32,
    /// `rt`: for one try.
    pub(crate) read: Duration,
    /// `tt`: for all tries.
    pub(crate) total: Duration,
    on: Vec<Failure>,
}

/// What `rp` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Connect,
    Read,
    ClientError,
    ServerError,
}

impl Overrides {
    /// Reads the fragment of a webhook URL. What is malformed or out of range counts as not given.
    pub(crate) fn of(url: &str, limit: Duration) -> Self {
        let mut overrides = Self {
            retries: 1,
            read: limit,
            total: limit,
            on: vec![Failure::Connect],
        };
        let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
        for (key, value) in form_urlencoded::parse(fragment.as_bytes()) {
            match (key.as_ref(), value.parse::<u64>()) {
                ("rc", Ok(count @ 0..=5)) => overrides.retries = u32::try_from(count).unwrap_or(5),
                ("rt", Ok(millis @ 100..=15_000)) => {
                    overrides.read = Duration::from_millis(millis).min(limit);
                }
                ("tt", Ok(millis @ 100..=15_000)) => {
                    overrides.total = Duration::from_millis(millis).min(limit);
                }
                ("rp", _) => overrides.on = Failure::list(&value),
                _ => {}
            }
        }
        overrides
    }

    /// Whether this outcome is tried again.
    pub(crate) fn retries(&self, outcome: &Outcome) -> bool {
        Failure::of(outcome).is_some_and(|failure| self.on.contains(&failure))
    }
}

impl Failure {
    fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Unreachable => Some(Self::Connect),
            Outcome::TimedOut => Some(Self::Read),
            Outcome::Answered {
                status: 400..500, ..
            } => Some(Self::ClientError),
            Outcome::Answered { status: 500.., .. } => Some(Self::ServerError),
            Outcome::Answered { .. } => None,
        }
    }

    fn list(words: &str) -> Vec<Self> {
        let one = |word: &str| match word.trim() {
            "ct" => vec![Self::Connect],
            "rt" => vec![Self::Read],
            "4xx" => vec![Self::ClientError],
            "5xx" => vec![Self::ServerError],
            "all" => vec![
                Self::Connect,
                Self::Read,
                Self::ClientError,
                Self::ServerError,
            ],
            _ => vec![],
        };
        words.split(',').flat_map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    fn answered(status: u16) -> Outcome {
        Outcome::Answered {
            status,
            content_type: None,
            body: bytes::Bytes::new(),
        }
    }

    #[rstest]
    #[case("https://h/p", Outcome::Unreachable, true)]
    #[case("https://h/p", Outcome::TimedOut, false)]
    #[case("https://h/p", answered(503), false)]
    #[case("https://h/p#rc=3&rp=ct,rt,5xx", answered(503), true)]
    #[case("https://h/p#rc=3&rp=ct,rt,5xx", answered(429), false)]
    #[case("https://h/p#rp=4xx", answered(429), true)]
    #[case("https://h/p#rp=4xx", Outcome::Unreachable, false)]
    #[case("https://h/p#rp=all", Outcome::TimedOut, true)]
    #[case("https://h/p#rp=all", answered(200), false)]
    fn only_what_the_fragment_names_is_tried_again(
        #[case] url: &str,
        #[case] outcome: Outcome,
        #[case] again: bool,
    ) {
        assert_eq!(Overrides::of(url, LIMIT).retries(&outcome), again);
    }

    #[rstest]
    #[case("https://h/p", 1, 15_000, 15_000)]
    #[case("https://h/p#rc=5&rt=4000&tt=9000", 5, 4_000, 9_000)]
    #[case("https://h/p#rc=6&rt=99&tt=20000", 1, 15_000, 15_000)]
    #[case("https://h/p#rc=zero", 1, 15_000, 15_000)]
    fn limits_out_of_range_count_as_not_given(
        #[case] url: &str,
        #[case] retries: u32,
        #[case] read: u64,
        #[case] total: u64,
    ) {
        let overrides = Overrides::of(url, LIMIT);
        let read_and_total = (Duration::from_millis(read), Duration::from_millis(total));
        assert_eq!(
            (overrides.retries, (overrides.read, overrides.total)),
            (retries, read_and_total)
        );
    }
}
