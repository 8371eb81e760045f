//! The relay's status as one JSON document: what an operator (human or not) needs to know, without bodies and full
//! numbers. Times, not ages: a reader with another clock can still tell.

use jiff::Timestamp;
use serde::Serialize;

use super::gaps::{AskedStatus, GapStatus};
use super::vitals::PlatformHealth;
use crate::dispatch::gate::Blocked;
use crate::outbox::{Direction, Stats};
use crate::secrets::Fingerprints;

/// `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `namespace/name`.
    pub bridge: String,
    /// This relay's version.
    pub version: &'static str,
    /// The integration's id, once known.
    pub integration_id: Option<String>,
    /// Towards Genesys and towards Twilio.
    pub lanes: Vec<LaneStatus>,
    /// Receipts that wait.
    pub receipts_waiting: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// Bytes of messages that wait.
    pub outbox_bytes: u64,
    /// How Genesys fares.
    pub genesys: PlatformHealth,
    /// How Twilio fares.
    pub twilio: PlatformHealth,
    /// Customers' messages that the webhooks missed.
    pub gaps: GapStatus,
    /// Statuses that were asked for.
    pub statuses: AskedStatus,
    /// Which Secrets are loaded.
    pub secrets: Fingerprints,
}

/// The lanes of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
    /// Which way.
    pub direction: Direction,
    /// Messages that wait.
    pub backlog: u64,
    /// When the oldest of them arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_pending_time: Option<Timestamp>,
    /// Of messages to Twilio, how many have a send without a known answer: under way, or lost and being looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<u64>,
    /// Why nothing flows, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<BlockedStatus>,
    /// Since when the platform does not answer, if so: then it is only probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage_since: Option<Timestamp>,
}

/// Why a direction is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockedStatus {
    /// A stable word.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Since when.
    pub since: Timestamp,
}

impl From<Blocked> for BlockedStatus {
    fn from(blocked: Blocked) -> Self {
        Self {
            cause: blocked.cause.as_str(),
            fix: blocked.cause.fix(),
            since: blocked.since,
        }
    }
}

/// Both directions.
pub fn lanes(
    stats: &Stats,
    blocked: [Option<Blocked>; 2],
    outages: [Option<Timestamp>; 2],
) -> Vec<LaneStatus> {
    let counts = [
        (stats.inbound, stats.oldest_inbound, None),
        (stats.outbound, stats.oldest_outbound, Some(stats.in_doubt)),
    ];
    Direction::ALL
        .map(|direction| {
            let at = direction as usize;
            let (backlog, oldest_pending_time, in_doubt) = counts[at];
            LaneStatus {
                direction,
                backlog,
                oldest_pending_time,
                in_doubt,
                blocked: blocked[at].map(Into::into),
                outage_since: outages[at],
            }
        })
        .into()
}
