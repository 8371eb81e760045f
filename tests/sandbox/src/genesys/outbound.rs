//! The agent writes: Genesys posts the message to the integration's webhook.
//!
//! One try has 10 s; timeouts, 429 and 5xx are tried again up to five times, 5 s apart; every other answer is the
//! last. A connection that can't be made counts as a timeout: the documentation is silent on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::organisation::Integration;
use super::signature;
use crate::courier::{Outcome, Parcel};
use crate::faults::{Effect, Endpoint};
use crate::ids;
use crate::log::{Answer, Platform, WebhookAttempt};
use crate::options::Profile;
use crate::turns::Turn;
use crate::view::{DeskLine, DeskState, Passage};
use crate::world::World;

const TRIES: u32 = 6;
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

/// The gap between a webhook and its duplicate; about 20 s was seen in the wild.
const DUPLICATE_AFTER: Duration = Duration::from_secs(2);

/// What became of a webhook.
#[derive(Clone, Debug, Serialize)]
pub struct WebhookOutcome {
    /// Some try was answered 2xx.
    pub accepted: bool,
    /// The status of the last try; none when nothing answered in time.
    pub status: Option<u16>,
    /// How often it was tried.
    pub attempts: u32,
}

/// Posts the agent's message to an integration's webhook in the background. Returns its id.
pub(crate) fn agent_sends(world: &Arc<World>, integration: &str, to: &str, text: &str) -> String {
    let (id, body) = compose(world, integration, to, text);
    let job = Job::new(world, integration, id.clone(), to, &body);
    let mut state = world.state();
    state.genesys.note_sent(&id);
    state.view.desk(line(&id, to, text));
    let turn = state.turns.take(&format!("genesys {integration} {to}"));
    drop(state);
    world.spawn(async move {
        job.run(Some(turn)).await;
    });
    id
}

/// Posts any body and waits for what becomes of it. Its `id`, if it has one, is known to receipts.
pub(crate) async fn agent_sends_raw(
    world: &Arc<World>,
    integration: &str,
    body: &Value,
) -> WebhookOutcome {
    let id = body["id"].as_str().map_or_else(ids::hex32, str::to_owned);
    let to = body["channel"]["to"]["id"]
        .as_str()
        .or_else(|| body["recipientId"].as_str())
        .unwrap_or_default();
    {
        let mut state = world.state();
        state.genesys.note_sent(&id);
        if let Some(text) = body["text"].as_str() {
            state.view.desk(line(&id, to, text));
        }
    }
    Job::new(world, integration, id, to, body).run(None).await
}

fn line(id: &str, to: &str, text: &str) -> DeskLine {
    DeskLine {
        id: id.to_owned(),
        customer: to.to_owned(),
        name: None,
        mine: true,
        text: text.to_owned(),
        state: DeskState::Sending,
        reason: None,
        repeat: false,
        at: Timestamp::now(),
    }
}

/// The message as the platform posts it, or as the guide has it.
fn compose(world: &World, integration: &str, to: &str, text: &str) -> (String, Value) {
    let id = ids::hex32();
    if world.options.profile == Profile::Guide {
        return (id, json!({"recipientId": to, "text": text}));
    }
    let mut state = world.state();
    let known = state.genesys.integration(integration);
    let name = known.map(|known| known.name.clone()).unwrap_or_default();
    let time = state.genesys.next_time();
    let conversation = state.genesys.conversation(integration, to);
    let body = json!({
        "id": id,
        "channel": {
            "id": integration,
            "platform": "Open",
            "type": "Private",
            "to": {"id": to, "idType": "Opaque"},
            "from": {"nickname": name, "id": integration, "idType": "Opaque"},
            "time": time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            "messageId": id,
        },
        "type": "Text",
        "text": text,
        "originatingEntity": "Human",
        "direction": "Outbound",
        "conversationId": conversation,
    });
    (id, body)
}

struct Job {
    world: Arc<World>,
    integration: String,
    id: String,
    to: String,
    body: Bytes,
}

impl Job {
    fn new(world: &Arc<World>, integration: &str, id: String, to: &str, body: &Value) -> Self {
        Self {
            world: Arc::clone(world),
            integration: integration.to_owned(),
            id,
            to: to.to_owned(),
            body: body.to_string().into(),
        }
    }

    async fn run(self, turn: Option<Turn>) -> WebhookOutcome {
        let plan = self.world.plan(Endpoint::GenesysWebhook, Some(&self.to));
        tokio::time::sleep(plan.latency).await;
        if plan.says(&Effect::Held) {
            self.world
                .released(Endpoint::GenesysWebhook, &self.to)
                .await;
        }
        let turn = if plan.says(&Effect::Reordered) {
            None
        } else {
            turn
        };
        let outcome = self.deliver(turn).await;
        if plan.says(&Effect::Duplicated) {
            self.world.pause(DUPLICATE_AFTER).await;
            self.attempt(outcome.attempts + 1).await;
        }
        outcome
    }

    async fn deliver(&self, mut turn: Option<Turn>) -> WebhookOutcome {
        if let Some(turn) = &mut turn {
            turn.wait().await;
        }
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(attempt).await;
            // The next message of this customer waits for the first try only.
            turn = None;
            let verdict = Verdict::of(&outcome);
            if verdict == Verdict::TryAgain && attempt < TRIES {
                attempt += 1;
                self.world.pause(BETWEEN_TRIES).await;
                continue;
            }
            let accepted = verdict == Verdict::Accepted;
            self.conclude(accepted, status(&outcome));
            drop(turn);
            return WebhookOutcome {
                accepted,
                status: status(&outcome),
                attempts: attempt,
            };
        }
    }

    async fn attempt(&self, number: u32) -> Outcome {
        let Some(integration) = self.integration() else {
            return Outcome::Unreachable;
        };
        let parcel = Parcel {
            connect: self.world.connect_for(&integration.webhook_url),
            headers: headers(&integration, &self.body),
            body: self.body.clone(),
            time_limit: self.world.options.genesys_time_limit,
            url: integration.webhook_url.clone(),
        };
        let outcome = self.world.carry(parcel).await;
        self.record(number, integration.webhook_url, &outcome);
        outcome
    }

    /// As it is configured now: a changed webhook applies to the next try, and one that is gone posts no more.
    fn integration(&self) -> Option<Integration> {
        let state = self.world.state();
        state.genesys.integration(&self.integration).cloned()
    }

    fn record(&self, attempt: u32, url: String, outcome: &Outcome) {
        let answer = match (Verdict::of(outcome), outcome) {
            (Verdict::Accepted, _) => Answer::Accepted,
            (_, Outcome::Answered { .. }) => Answer::Refused,
            (_, Outcome::Unreachable) => Answer::Unreachable,
            (_, Outcome::TimedOut) => Answer::TimedOut,
        };
        let note = match &answer {
            Answer::Unreachable => Some("no connection".to_owned()),
            Answer::TimedOut => Some("no answer in time".to_owned()),
            _ if attempt > 1 => Some(format!("try {attempt}")),
            _ => None,
        };
        let status = status(outcome);
        self.world.show(Passage {
            platform: Platform::Genesys,
            to_bridge: true,
            what: "agent’s message",
            customer: Some(&self.to),
            status,
            note,
        });
        self.world.state().log.webhooks.push(WebhookAttempt {
            platform: Platform::Genesys,
            message_id: self.id.clone(),
            url,
            status,
            attempt,
            answer,
            at: Timestamp::now(),
        });
    }

    fn conclude(&self, accepted: bool, status: Option<u16>) {
        let (state, reason) = if accepted {
            (DeskState::Taken, None)
        } else {
            let why = status.map_or("no answer".to_owned(), |status| format!("status {status}"));
            (
                DeskState::Failed,
                Some(format!("The bridge did not take it: {why}")),
            )
        };
        self.world.state().view.raise_desk(&self.id, state, reason);
    }
}

/// What Genesys makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    TryAgain,
    Lost,
}

impl Verdict {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Answered {
                status: 200..300, ..
            } => Self::Accepted,
            Outcome::Answered {
                status: 429 | 500..,
                ..
            }
            | Outcome::Unreachable
            | Outcome::TimedOut => Self::TryAgain,
            Outcome::Answered { .. } => Self::Lost,
        }
    }
}

fn status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answered { status, .. } => Some(*status),
        Outcome::Unreachable | Outcome::TimedOut => None,
    }
}

fn headers(integration: &Integration, body: &[u8]) -> HeaderMap {
    let signature = signature::sign(&integration.webhook_secret, body);
    let mut headers = HeaderMap::new();
    for (name, value) in &integration.webhook_headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.insert(name, value);
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static("GenesysCloud-OpenMessaging"),
    );
    headers.insert(
        "x-hub-signature-256",
        signature.parse().expect("Base64 is visible ASCII"),
    );
    headers
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(200, Verdict::Accepted)]
    #[case(202, Verdict::Accepted)]
    #[case(204, Verdict::Accepted)]
    #[case(301, Verdict::Lost)]
    #[case(400, Verdict::Lost)]
    #[case(403, Verdict::Lost)]
    #[case(408, Verdict::Lost)]
    #[case(429, Verdict::TryAgain)]
    #[case(500, Verdict::TryAgain)]
    #[case(503, Verdict::TryAgain)]
    fn only_429_and_5xx_are_tried_again(#[case] status: u16, #[case] verdict: Verdict) {
        let outcome = Outcome::Answered {
            status,
            content_type: None,
            body: Bytes::new(),
        };
        assert_eq!(Verdict::of(&outcome), verdict);
    }

    #[test]
    fn silence_is_tried_again() {
        assert_eq!(Verdict::of(&Outcome::TimedOut), Verdict::TryAgain);
        assert_eq!(Verdict::of(&Outcome::Unreachable), Verdict::TryAgain);
    }
}
