use messaging_bridge_sandbox::{Answer, CallbackAttempt, ReceiptSeen, TwilioSend, WebhookAttempt};

use super::*;

const CUSTOMER: &str = "+15557654000";

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).expect("a valid time")
}

#[derive(Default)]
struct Story {
    sent: Sent,
    log: Log,
}

impl Story {
    fn acknowledged(mut self, platform: Platform, id: &str, millis: i64) -> Self {
        self.log.webhooks.push(WebhookAttempt {
            platform,
            message_id: id.into(),
            url: String::new(),
            status: Some(200),
            attempt: 1,
            answer: Answer::Accepted,
            at: at(millis),
        });
        let sent = match platform {
            Platform::Twilio => &mut self.sent.by_customers,
            Platform::Genesys => &mut self.sent.by_agents,
        };
        let message = (id.to_owned(), format!("text {id}"));
        sent.entry(CUSTOMER.into()).or_default().push(message);
        self
    }

    fn reached_genesys(mut self, id: &str, millis: i64, answered: bool) -> Self {
        self.log.genesys_inbound.push(GenesysInbound {
            integration_id: String::new(),
            message_id: Some(id.into()),
            customer: CUSTOMER.into(),
            text: String::new(),
            nickname: None,
            attributes: BTreeMap::new(),
            time: Some(at(0)),
            at: at(millis),
            repeat: false,
            answered,
        });
        self
    }

    fn texted(mut self, id: &str) -> Self {
        self.log.twilio_sends.push(TwilioSend {
            sid: format!("SM{id}"),
            to: CUSTOMER.into(),
            from: String::new(),
            body: format!("text {id}"),
            status_callback: None,
            validity: None,
            at: at(0),
            answered: true,
        });
        self
    }

    fn told(mut self, id: &str, status: &str) -> Self {
        self.log.genesys_receipts.push(ReceiptSeen {
            message_id: id.into(),
            customer: CUSTOMER.into(),
            status: status.into(),
            is_final: true,
            reasons: Vec::new(),
            at: at(0),
            accepted: true,
        });
        self
    }

    fn undelivered(mut self, id: &str) -> Self {
        self.log.callbacks.push(CallbackAttempt {
            sid: format!("SM{id}"),
            message_status: "undelivered".into(),
            error_code: Some(30003),
            url: String::new(),
            status: Some(200),
            attempt: 1,
            answer: Answer::Accepted,
            at: at(0),
        });
        self
    }

    fn broken(&self, kills: &[(i64, i64)]) -> Vec<String> {
        let kills: Vec<Kill> = kills
            .iter()
            .map(|(from, to)| (at(*from), at(*to)))
            .collect();
        judge_killed(&self.sent, &self.log, &kills).broken
    }
}

fn story() -> Story {
    Story::default()
}

#[test]
fn what_was_acknowledged_and_did_not_arrive_is_lost() {
    let story = story()
        .acknowledged(Platform::Twilio, "i1", 0)
        .acknowledged(Platform::Genesys, "o1", 0);
    let broken = story.broken(&[]);
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(
        broken
            .iter()
            .all(|why| why.ends_with("acknowledged and lost"))
    );
}

#[test]
fn a_reply_that_the_agent_was_told_about_is_not_lost() {
    let story = story()
        .acknowledged(Platform::Genesys, "o1", 0)
        .told("o1", "Failed");
    assert!(story.broken(&[]).is_empty());
}

#[test]
fn a_text_that_the_agent_takes_for_failed_is_a_lie_unless_the_carrier_said_so_or_it_was_corrected()
{
    let texted = || {
        story()
            .acknowledged(Platform::Genesys, "o1", 0)
            .texted("o1")
    };
    assert_eq!(texted().told("o1", "Failed").broken(&[]).len(), 1);
    let corrected = texted().told("o1", "Failed").told("o1", "Delivered");
    assert!(corrected.broken(&[]).is_empty());
    let undelivered = texted().undelivered("o1").told("o1", "Failed");
    assert!(undelivered.broken(&[]).is_empty());
}

#[test]
fn a_text_that_was_sent_twice_is_seen() {
    let story = story()
        .acknowledged(Platform::Genesys, "o1", 0)
        .texted("o1")
        .texted("o1");
    assert_eq!(story.broken(&[]), ["o1 was texted 2 times"]);
}

#[test]
fn what_was_in_before_another_was_tried_arrives_before_it() {
    let in_turn = |first: &str, second: &str| {
        story()
            .acknowledged(Platform::Twilio, "i1", 0)
            .acknowledged(Platform::Twilio, "i2", 1000)
            .reached_genesys(first, 0, true)
            .reached_genesys(second, 0, true)
            .broken(&[])
    };
    assert!(in_turn("i1", "i2").is_empty());
    assert_eq!(
        in_turn("i2", "i1"),
        ["i2 arrived before i1, which was in earlier"]
    );
}

#[test]
fn a_reply_that_was_written_earlier_may_be_placed_before_one_that_came_in_earlier() {
    let written = |ids: [&str; 2], times: [i64; 2]| {
        let story = story()
            .acknowledged(Platform::Genesys, ids[0], times[0])
            .acknowledged(Platform::Genesys, ids[1], times[1]);
        story.texted("o1").texted("o2").broken(&[])
    };
    assert!(written(["o1", "o2"], [1000, 0]).is_empty());
    assert_eq!(
        written(["o2", "o1"], [0, 1000]),
        ["o1 arrived before o2, which was in earlier"]
    );
}

#[test]
fn webhooks_that_overlapped_may_arrive_in_either_order() {
    let story = story()
        .acknowledged(Platform::Twilio, "i1", 0)
        .acknowledged(Platform::Twilio, "i2", 100)
        .reached_genesys("i2", 0, true)
        .reached_genesys("i1", 0, true);
    assert!(story.broken(&[]).is_empty());
}

#[test]
fn a_repeat_needs_a_lost_answer_or_a_kill_between_the_copies() {
    let repeated = |answered| {
        story()
            .acknowledged(Platform::Twilio, "i1", 0)
            .reached_genesys("i1", 100, answered)
            .reached_genesys("i1", 900, true)
    };
    assert!(repeated(false).broken(&[]).is_empty());
    assert!(repeated(true).broken(&[(400, 500)]).is_empty());
    for kills in [&[][..], &[(950, 960)], &[(10, 20)]] {
        assert_eq!(repeated(true).broken(kills).len(), 1, "{kills:?}");
    }
}

#[test]
fn a_kill_explains_one_repeat_in_a_lane() {
    let story = ["i1", "i2"].into_iter().fold(story(), |story, id| {
        story
            .acknowledged(Platform::Twilio, id, 0)
            .reached_genesys(id, 100, true)
            .reached_genesys(id, 900, true)
    });
    assert_eq!(story.broken(&[(400, 500)]).len(), 1);
}
