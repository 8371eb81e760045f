//! A customer texts the number: Twilio stores the message, acts on keywords, and calls the number's webhook.
//!
//! TwiML in the answer is not executed: a bridge answers an empty `<Response/>`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::account::Destination;
use super::message::Message;
use super::opt_out::Keyword;
use super::webhook::{self, Try};
use crate::faults::{Effect, Endpoint};
use crate::log::{Answer, Platform, WebhookAttempt};
use crate::turns::Turn;
use crate::view::{Bubble, BubbleState, Passage};
use crate::world::World;

/// The gap between a webhook and its duplicate, when a fault sends both.
const DUPLICATE_AFTER: Duration = Duration::from_millis(500);

/// Stores the message and calls the webhook of `number` in the background. Fields given in `extra` replace those of the
/// webhook. Returns the `MessageSid`.
pub(crate) fn customer_sends(
    world: &Arc<World>,
    number: &str,
    from: &str,
    text: &str,
    extra: &[(&str, &str)],
) -> String {
    let media = extra
        .iter()
        .find(|(name, _)| *name == "NumMedia")
        .and_then(|(_, count)| count.parse().ok());
    let mut message = Message::received(&world.options, number, from, text, media.unwrap_or(0));
    message.media_types = extra
        .iter()
        .filter(|(name, _)| name.starts_with("MediaContentType"))
        .map(|(_, kind)| (*kind).to_owned())
        .collect();
    let sid = message.sid.clone();
    let mut state = world.state();
    let (destination, service) = state.twilio.destination(number);
    message.service.clone_from(&service);
    let fields = fields(&message, service, extra);
    state.view.phone(bubble(&message));
    if destination == Destination::Dropped {
        state.view.change_phone(&sid, |bubble| {
            bubble.state = BubbleState::Lost;
            bubble.note = Some("Its Messaging Service drops what comes in".to_owned());
        });
        return sid;
    }
    state.twilio.add(message);
    let turn = state.turns.take(&format!("twilio {number} {from}"));
    drop(state);
    if let Some(keyword) = Keyword::of(text) {
        obey(world, keyword, number, from);
    }
    let plan = world.plan(Endpoint::TwilioWebhook, Some(from));
    let job = Job {
        world: Arc::clone(world),
        sid: sid.clone(),
        number: number.to_owned(),
        from: from.to_owned(),
        fields,
    };
    world.spawn(async move {
        tokio::time::sleep(plan.latency).await;
        if plan.says(&Effect::Held) {
            job.world.released(Endpoint::TwilioWebhook, &job.from).await;
        }
        job.deliver(turn, plan.says(&Effect::Reordered)).await;
        if plan.says(&Effect::Duplicated) {
            job.world.pause(DUPLICATE_AFTER).await;
            job.call().await;
        }
    });
    sid
}

struct Job {
    world: Arc<World>,
    sid: String,
    number: String,
    from: String,
    fields: Vec<(String, String)>,
}

impl Job {
    async fn deliver(&self, mut turn: Turn, out_of_turn: bool) {
        if !out_of_turn {
            turn.wait().await;
        }
        let answer = self.call().await;
        drop(turn);
        self.conclude(answer);
    }

    /// The webhook, then the fallback if that failed.
    async fn call(&self) -> Answer {
        let (destination, _) = self.world.state().twilio.destination(&self.number);
        let Destination::Webhook { url, fallback } = destination else {
            return Answer::Unreachable;
        };
        let answer = self.post(&url, &self.fields).await;
        let failed = matches!(
            answer,
            Answer::Refused | Answer::Unreachable | Answer::TimedOut
        );
        if !failed || fallback.is_empty() {
            return answer;
        }
        let mut fields = self.fields.clone();
        fields.push(("ErrorCode".into(), "11200".into()));
        fields.push(("ErrorUrl".into(), url));
        self.post(&fallback, &fields).await
    }

    async fn post(&self, url: &str, fields: &[(String, String)]) -> Answer {
        let outcome = webhook::post(&self.world, url, fields, |tried| self.record(tried)).await;
        webhook::inbound_answer(&outcome)
    }

    fn record(&self, tried: &Try<'_>) {
        let answer = webhook::inbound_answer(tried.outcome);
        let status = webhook::status(tried.outcome);
        let note = match &answer {
            Answer::Accepted => None,
            Answer::TextedToCustomer(_) => Some("answer texted to the customer".to_owned()),
            Answer::Warning(warning) => Some(warning.clone()),
            Answer::Refused => Some("not taken".to_owned()),
            Answer::Unreachable => Some("no connection".to_owned()),
            Answer::TimedOut => Some("no answer in time".to_owned()),
        };
        self.world.show(Passage {
            platform: Platform::Twilio,
            to_bridge: true,
            what: "customer’s message",
            customer: Some(&self.from),
            status,
            note,
        });
        self.world.state().log.webhooks.push(WebhookAttempt {
            platform: Platform::Twilio,
            message_id: self.sid.clone(),
            url: tried.url.to_owned(),
            status,
            attempt: tried.number,
            answer,
            at: Timestamp::now(),
        });
    }

    fn conclude(&self, answer: Answer) {
        let mut state = self.world.state();
        let (bubble_state, note) = match answer {
            Answer::Accepted | Answer::Warning(_) => (BubbleState::Taken, None),
            Answer::TextedToCustomer(text) => {
                let message = Message::reply(&self.world.options, &self.number, &self.from, &text);
                let note = "The bridge answered in text/plain: Twilio texts that to the customer"
                    .to_owned();
                state.view.phone(Bubble {
                    note: Some(note),
                    ..bubble(&message)
                });
                state.twilio.add(message);
                (BubbleState::Taken, None)
            }
            Answer::Refused => (BubbleState::Lost, Some("Refused by the bridge")),
            Answer::Unreachable => (BubbleState::Lost, Some("The bridge can’t be reached")),
            Answer::TimedOut => (BubbleState::Lost, Some("The bridge did not answer in time")),
        };
        state.view.change_phone(&self.sid, |bubble| {
            bubble.state = bubble_state;
            bubble.note = note.map(str::to_owned);
        });
    }
}

/// Twilio acts on the keyword before anybody else sees it.
fn obey(world: &World, keyword: Keyword, number: &str, from: &str) {
    let pair = (number.to_owned(), from.to_owned());
    let mut state = world.state();
    match keyword {
        Keyword::Stop => {
            state.twilio.opted_out.insert(pair);
        }
        Keyword::Start => {
            // Twilio confirms only what changed.
            if !state.twilio.opted_out.remove(&pair) {
                return;
            }
        }
        Keyword::Help => {}
    }
    let message = Message::reply(&world.options, number, from, keyword.answer());
    state.view.phone(Bubble {
        note: Some("Answered by Twilio itself".into()),
        ..bubble(&message)
    });
    state.twilio.add(message);
}

/// The message as it lies on the phone. What is not from our number is the customer's own.
pub(crate) fn bubble(message: &Message) -> Bubble {
    let mine = message.direction == super::message::Direction::Inbound;
    Bubble {
        id: message.sid.clone(),
        customer: if mine { &message.from } else { &message.to }.clone(),
        mine,
        text: message.body.clone(),
        state: if mine {
            BubbleState::Sending
        } else {
            BubbleState::Received
        },
        note: None,
        at: Timestamp::now(),
    }
}

fn fields(
    message: &Message,
    service: Option<String>,
    extra: &[(&str, &str)],
) -> Vec<(String, String)> {
    let media = message.media.to_string();
    let mut fields: Vec<(String, String)> = [
        ("ToCountry", "US"),
        ("ToState", ""),
        ("SmsMessageSid", &message.sid),
        ("NumMedia", &media),
        ("ToCity", ""),
        ("FromZip", ""),
        ("SmsSid", &message.sid),
        ("FromState", ""),
        ("SmsStatus", "received"),
        ("FromCity", ""),
        ("Body", &message.body),
        ("FromCountry", "US"),
        ("To", &message.to),
        ("ToZip", ""),
        ("NumSegments", "1"),
        ("MessageSid", &message.sid),
        ("AccountSid", &message.account),
        ("From", &message.from),
        ("ApiVersion", "2010-04-01"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if let Some(sid) = service {
        fields.push(("MessagingServiceSid".into(), sid));
    }
    for (name, value) in extra {
        fields.retain(|(known, _)| known != name);
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    fields
}
