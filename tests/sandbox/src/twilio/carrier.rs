//! What happens to a message after the 201: the carrier, the customer's phone, and the status callbacks.
//!
//! There is no callback for the initial status `queued`. Each callback is tried as the rules of its URL say and then
//! forgotten; order is kept unless a fault turns it around.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::inbound::bubble;
use super::message::{Message, Status};
use super::webhook::{self, Try};
use crate::faults::{Effect, Endpoint, FinalStatus, Plan};
use crate::log::{CallbackAttempt, Platform};
use crate::view::Passage;
use crate::world::World;

/// From the 201 until the message leaves for the carrier.
const UNTIL_SENT: Duration = Duration::from_millis(300);

/// From there to the carrier's receipt.
const UNTIL_FINAL: Duration = Duration::from_millis(900);

/// One message on its way.
pub(crate) struct Journey {
    world: Arc<World>,
    sid: String,
    from: String,
    to: String,
    callback: Option<String>,
    plan: Plan,
    first_callback: Option<oneshot::Sender<()>>,
}

/// `+155500` and a code: taken, then failed with it. Codes of the 30003 family come from the carrier, the others
/// from Twilio's own queue.
pub(crate) fn destined(to: &str) -> Option<(FinalStatus, Option<u32>)> {
    match to.strip_prefix("+155500")?.parse::<u32>().ok()? {
        code @ 30_003..=30_010 => Some((FinalStatus::Undelivered, Some(code))),
        code @ (30_001..=30_999 | 63_000..=63_999) => Some((FinalStatus::Failed, Some(code))),
        _ => None,
    }
}

impl Journey {
    /// A journey, and what tells that its first callback was answered.
    pub(crate) fn new(
        world: &Arc<World>,
        message: &Message,
        callback: Option<String>,
        plan: Plan,
    ) -> (Self, oneshot::Receiver<()>) {
        let (first_callback, answered) = oneshot::channel();
        let world = Arc::clone(world);
        (
            Self {
                world,
                sid: message.sid.clone(),
                from: message.from.clone(),
                to: message.to.clone(),
                callback,
                plan,
                first_callback: Some(first_callback),
            },
            answered,
        )
    }

    /// Until the carrier's last word.
    pub(crate) async fn run(mut self) {
        let (end, error_code) = self
            .plan
            .final_status
            .unwrap_or((FinalStatus::Delivered, None));
        if !self.plan.says(&Effect::BeforeAnswer) {
            self.world.pause(UNTIL_SENT).await;
        }
        let last = match end {
            FinalStatus::Failed => {
                self.becomes(Status::Failed, error_code);
                self.call_back(Status::Failed, error_code).await;
                return;
            }
            FinalStatus::Sent => None,
            FinalStatus::Delivered => Some(Status::Delivered),
            FinalStatus::Undelivered => Some(Status::Undelivered),
        };
        self.becomes(Status::Sent, None);
        if !self.plan.says(&Effect::Reordered) {
            self.call_back(Status::Sent, None).await;
        }
        if let Some(last) = last {
            self.world.pause(UNTIL_FINAL).await;
            self.becomes(last, error_code);
            self.call_back(last, error_code).await;
        }
        if self.plan.says(&Effect::Reordered) {
            self.call_back(Status::Sent, None).await;
        }
    }

    fn becomes(&self, status: Status, error_code: Option<u32>) {
        let mut state = self.world.state();
        let now = Timestamp::now();
        let Some(message) = state.twilio.message_mut(&self.sid) else {
            return;
        };
        message.status = status;
        message.error_code = error_code;
        message.updated = now;
        if status == Status::Sent {
            message.sent = Some(now);
        }
        if status == Status::Delivered {
            let bubble = bubble(message);
            state.view.phone(bubble);
        }
    }

    async fn call_back(&mut self, status: Status, error_code: Option<u32>) {
        let Some(url) = self.callback.clone() else {
            return;
        };
        tokio::time::sleep(self.plan.latency).await;
        if self.plan.says(&Effect::Held) {
            self.world
                .released(Endpoint::TwilioCallback, &self.to)
                .await;
        }
        let fields = self.fields(status, error_code);
        let copies = if self.plan.says(&Effect::Duplicated) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            webhook::post(&self.world, &url, &fields, |tried| {
                self.record(status, error_code, tried);
            })
            .await;
        }
        if let Some(first_callback) = self.first_callback.take() {
            // Nobody waits unless a fault wants the callback before the answer.
            let _ = first_callback.send(());
        }
    }

    fn record(&self, status: Status, error_code: Option<u32>, tried: &Try<'_>) {
        let answered = webhook::status(tried.outcome);
        let note = error_code.map(|code| format!("error {code}"));
        self.world.show(Passage {
            platform: Platform::Twilio,
            to_bridge: true,
            what: &format!("status {}", status.as_str()),
            customer: Some(&self.to),
            status: answered,
            note,
        });
        self.world.state().log.callbacks.push(CallbackAttempt {
            sid: self.sid.clone(),
            message_status: status.as_str().to_owned(),
            error_code,
            url: tried.url.to_owned(),
            status: answered,
            attempt: tried.number,
            answer: webhook::callback_answer(tried.outcome),
            at: Timestamp::now(),
        });
    }

    fn fields(&self, status: Status, error_code: Option<u32>) -> Vec<(String, String)> {
        let options = &self.world.options;
        let mut fields: Vec<(String, String)> = [
            ("ApiVersion", "2010-04-01"),
            ("MessageStatus", status.as_str()),
            ("SmsSid", &self.sid),
            ("SmsStatus", status.as_str()),
            ("To", &self.to),
            ("From", &self.from),
            ("MessageSid", &self.sid),
            ("AccountSid", &options.account_sid),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if let Some(code) = error_code {
            fields.push(("ErrorCode".into(), code.to_string()));
        }
        if matches!(status, Status::Delivered | Status::Undelivered) {
            fields.push((
                "RawDlrDoneDate".into(),
                Timestamp::now().strftime("%y%m%d%H%M").to_string(),
            ));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_numbers_are_destined_to_fail() {
        let table = [
            (
                "+15550030003",
                Some((FinalStatus::Undelivered, Some(30003))),
            ),
            (
                "+15550030007",
                Some((FinalStatus::Undelivered, Some(30007))),
            ),
            ("+15550030036", Some((FinalStatus::Failed, Some(30036)))),
            ("+15550063016", Some((FinalStatus::Failed, Some(63016)))),
            ("+15550000001", None),
            ("+15557654321", None),
        ];
        for (to, end) in table {
            assert_eq!(destined(to), end, "{to}");
        }
    }
}
