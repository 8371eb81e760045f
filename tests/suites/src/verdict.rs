//! Judges a run from what both platforms saw: was anything lost, texted twice, or out of order? Pure.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_sandbox::{Log, Platform, ReceiptSeen};

/// What was sent, in the order in which each conversation sent it.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Customer → (`MessageSid`, text).
    pub by_customers: BTreeMap<String, Vec<(String, String)>>,
    /// Customer → (Genesys id, text).
    pub by_agents: BTreeMap<String, Vec<(String, String)>>,
}

/// What went wrong, as sentences; and what is allowed but counted.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Broken promises.
    pub broken: Vec<String>,
    /// Repeats towards Genesys: the same message again, with the same time.
    pub repeats: usize,
    /// Messages that were acknowledged.
    pub acknowledged: usize,
    /// Outbound messages that ended as a `Failed` receipt instead of a text.
    pub told_as_failed: usize,
}

impl Verdict {
    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }
}

/// Judges.
pub fn judge(sent: &Sent, log: &Log) -> Verdict {
    let mut verdict = Verdict::default();
    judge_inbound(sent, log, &mut verdict);
    judge_outbound(sent, log, &mut verdict);
    verdict
}

/// Two webhooks overlapped when the later began within this of the earlier's answer: a relay that is held inside a
/// step answers late.
const OVERLAP: Duration = Duration::from_millis(250);

/// A message as its platform saw it go: when it was first tried, when it was first acknowledged, and where in the
/// order of arrivals it came out on the other side.
struct Passage<'m> {
    id: &'m str,
    first_try: Timestamp,
    acknowledged: Option<Timestamp>,
    arrived: Option<usize>,
}

impl<'m> Passage<'m> {
    fn of(id: &'m str, platform: Platform, arrived: Option<usize>, log: &Log) -> Option<Self> {
        let mut tries = log
            .webhooks
            .iter()
            .filter(|try_| try_.platform == platform && try_.message_id == id)
            .peekable();
        let first_try = tries.peek()?.at;
        let acknowledged = tries
            .find(|try_| try_.status == Some(200))
            .map(|try_| try_.at);
        Some(Self {
            id,
            first_try,
            acknowledged,
            arrived,
        })
    }

    /// Whether this message was in before the other one was first tried. Neither platform promises more: a retry may
    /// overtake.
    fn is_before(&self, other: &Self) -> bool {
        self.acknowledged
            .is_some_and(|at| at + OVERLAP < other.first_try)
    }
}

fn judge_order(conversation: &[Passage<'_>], verdict: &mut Verdict) {
    for earlier in conversation {
        for later in conversation.iter().filter(|later| earlier.is_before(later)) {
            if let (Some(first), Some(second)) = (earlier.arrived, later.arrived)
                && second < first
            {
                verdict.broken.push(format!(
                    "{} arrived before {}, which was in earlier",
                    later.id, earlier.id
                ));
            }
        }
    }
}

fn judge_inbound(sent: &Sent, log: &Log, verdict: &mut Verdict) {
    let mut first_seen: HashMap<&str, usize> = HashMap::new();
    let mut times = HashMap::new();
    for (index, seen) in log.genesys_inbound.iter().enumerate() {
        let Some(id) = seen.message_id.as_deref() else {
            continue;
        };
        if first_seen.contains_key(id) {
            verdict.repeats += 1;
            if times.get(id) != Some(&seen.time) {
                verdict.broken.push(format!(
                    "{id} was stored twice: it reached Genesys with two times"
                ));
            }
        } else {
            first_seen.insert(id, index);
            times.insert(id, seen.time);
        }
    }
    for messages in sent.by_customers.values() {
        let passages: Vec<Passage<'_>> = messages
            .iter()
            .filter_map(|(sid, _)| {
                Passage::of(
                    sid,
                    Platform::Twilio,
                    first_seen.get(sid.as_str()).copied(),
                    log,
                )
            })
            .collect();
        for passage in passages
            .iter()
            .filter(|passage| passage.acknowledged.is_some())
        {
            verdict.acknowledged += 1;
            if passage.arrived.is_none() {
                verdict
                    .broken
                    .push(format!("{} was acknowledged and lost", passage.id));
            }
        }
        judge_order(&passages, verdict);
    }
}

fn judge_outbound(sent: &Sent, log: &Log, verdict: &mut Verdict) {
    for (customer, messages) in &sent.by_agents {
        let mut passages = Vec::new();
        for (id, text) in messages {
            let mut copies = log
                .twilio_sends
                .iter()
                .enumerate()
                .filter(|(_, send)| send.to == *customer && send.body == *text)
                .map(|(index, _)| index);
            let arrived = copies.next();
            let again = copies.count();
            if again > 0 {
                verdict
                    .broken
                    .push(format!("{id} was texted {} times", again + 1));
            }
            passages.extend(Passage::of(id, Platform::Genesys, arrived, log));
        }
        for passage in passages
            .iter()
            .filter(|passage| passage.acknowledged.is_some())
        {
            let of_this = |receipt: &&ReceiptSeen| {
                receipt.message_id == passage.id && receipt.status == "Failed"
            };
            let told = log.genesys_receipts.iter().any(|receipt| of_this(&receipt));
            verdict.acknowledged += 1;
            verdict.told_as_failed += usize::from(told);
            if passage.arrived.is_some() && told {
                verdict.broken.push(format!(
                    "{} was texted, and the agent was told that it failed",
                    passage.id
                ));
            }
            if passage.arrived.is_none() && !told {
                verdict
                    .broken
                    .push(format!("{} was acknowledged and lost", passage.id));
            }
        }
        judge_order(&passages, verdict);
    }
}
