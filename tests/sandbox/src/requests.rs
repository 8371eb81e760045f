//! Every request to the platforms' APIs, by who made it: an operator and its relays are told apart by `User-Agent`.
//!
//! Apart from the log, because it also counts what no message causes: tokens, look-ups, what was refused or lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::log::Platform;

/// One request, noted when it arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlatformRequest {
    /// Where to.
    pub platform: Platform,
    /// `GET`, `POST` …
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    /// `User-Agent`; empty when there was none.
    pub user_agent: String,
    /// When.
    pub at: Timestamp,
}

impl PlatformRequest {
    pub(crate) fn new(platform: Platform, call: &Call) -> Self {
        let user_agent = call.headers.get(http::header::USER_AGENT);
        Self {
            platform,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.iter().cloned().collect(),
            user_agent: user_agent
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            at: Timestamp::now(),
        }
    }
}

/// All requests since the start or the last reset.
#[derive(Default)]
pub(crate) struct Requests(Vec<PlatformRequest>);

impl Requests {
    pub(crate) fn note(&mut self, request: PlatformRequest) {
        self.0.push(request);
    }

    /// How many there were so far: what a later question starts from.
    pub(crate) fn mark(&self) -> usize {
        self.0.len()
    }

    /// Those after a mark, oldest first. A mark of before a reset may lie beyond the end: nothing came since.
    pub(crate) fn since(&self, mark: usize) -> &[PlatformRequest] {
        self.0.get(mark..).unwrap_or_default()
    }
}

/// How many of these requests each caller made.
pub fn by_user_agent(requests: &[PlatformRequest]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(request.user_agent.clone()).or_default() += 1;
    }
    counts
}
