//! Judges a run from what both platforms saw: was anything lost, texted twice, or out of order? Pure.
//!
//! What is judged: acknowledged messages arrive once (towards Genesys: at least once) or have a recorded end that the
//! agent was told; messages of one conversation arrive in the order in which they were in; a repeat towards Genesys
//! follows a lost answer or the end of the process, and only the message under way at that moment is repeated.
//!
//! Not judged: receipts beyond the last one of each message, and messages that no webhook handed over.

mod index;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_sandbox::{GenesysInbound, Log, Platform, ReceiptSeen};

use self::index::Index;

/// What was sent, in the order in which each conversation sent it.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Customer → (`MessageSid`, text).
    pub by_customers: BTreeMap<String, Vec<(String, String)>>,
    /// Customer → (Genesys id, text).
    pub by_agents: BTreeMap<String, Vec<(String, String)>>,
}

/// The end of a process by force: not before the first, not after the second.
pub type Kill = (Timestamp, Timestamp);

/// What went wrong, as sentences; and what is allowed but counted.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Broken promises.
    pub broken: Vec<String>,
    /// Repeats towards Genesys: the same message again, with the same time.
    pub repeats: usize,
    /// Of these, those that followed an answer that was lost on the way.
    pub repeats_after_lost_answers: usize,
    /// Messages that were acknowledged.
    pub acknowledged: usize,
    /// Acknowledged messages of customers that reached Genesys.
    pub delivered_to_genesys: usize,
    /// Acknowledged messages of agents that Twilio took.
    pub delivered_to_twilio: usize,
    /// Outbound messages that ended as a `Failed` receipt instead of a text.
    pub told_as_failed: usize,
    /// Why, by what the agent was told last.
    pub told: BTreeMap<String, usize>,
}

impl Verdict {
    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("acknowledged", self.acknowledged),
            ("delivered to Genesys", self.delivered_to_genesys),
            ("delivered to Twilio", self.delivered_to_twilio),
            ("the agent was told that it failed", self.told_as_failed),
            ("repeats towards Genesys", self.repeats),
            ("  after a lost answer", self.repeats_after_lost_answers),
            ("broken promises", self.broken.len()),
        ];
        for (what, count) in lines {
            writeln!(f, "{what:<36}{count:>8}")?;
        }
        for (why, count) in &self.told {
            writeln!(f, "  told: {why:<60}{count:>8}")?;
        }
        Ok(())
    }
}

/// Judges a run of which it is not known when its processes ended: a repeat towards Genesys is then only counted.
pub fn judge(sent: &Sent, log: &Log) -> Verdict {
    let index = Index::of(log);
    let mut verdict = Verdict::default();
    judge_inbound(sent, &index, None, &mut verdict);
    judge_outbound(sent, &index, &mut verdict);
    verdict
}

/// Judges a run whose processes were ended by force at these times, and at no other.
pub fn judge_killed(sent: &Sent, log: &Log, kills: &[Kill]) -> Verdict {
    let index = Index::of(log);
    let mut verdict = Verdict::default();
    judge_inbound(sent, &index, Some(kills), &mut verdict);
    judge_outbound(sent, &index, &mut verdict);
    verdict
}

/// Two webhooks overlapped when the later began within this of the earlier's answer: a relay that is held inside a
/// step answers late.
const OVERLAP: Duration = Duration::from_millis(250);

/// A message as its platform saw it go: when it was first tried, when it was first acknowledged, and where in the
/// order of arrivals it came out on the other side.
#[derive(Debug)]
struct Passage<'m> {
    id: &'m str,
    first_try: Timestamp,
    acknowledged: Option<Timestamp>,
    arrived: Option<usize>,
}

impl<'m> Passage<'m> {
    fn of(
        id: &'m str,
        platform: Platform,
        arrived: Option<usize>,
        index: &Index<'_>,
    ) -> Option<Self> {
        let tries = index.tries(platform, id);
        let first_try = tries.first()?.at;
        let acknowledged = tries
            .iter()
            .find(|try_| try_.status == Some(200))
            .map(|try_| try_.at);
        Some(Self {
            id,
            first_try,
            acknowledged,
            arrived,
        })
    }

    /// Whether this message was in before the other one was first tried.
    fn is_before(&self, other: &Self) -> bool {
        self.acknowledged
            .is_some_and(|at| at + OVERLAP < other.first_try)
    }
}

/// How a conversation is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ordered {
    /// By the order in which the messages came in.
    ByArrival,
    /// So, but one that was written before another is never behind it as long as both wait.
    ByTime,
}

/// A message that was in before another one was first tried arrives before it. Neither platform promises more: a retry
/// may overtake. The conversation is in the order in which it was written.
fn judge_order(conversation: &[Passage<'_>], ordered: Ordered, verdict: &mut Verdict) {
    for (number, earlier) in conversation.iter().enumerate() {
        let later = match ordered {
            Ordered::ByArrival => conversation,
            Ordered::ByTime => &conversation[number + 1..],
        };
        for later in later.iter().filter(|later| earlier.is_before(later)) {
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

fn judge_inbound(sent: &Sent, index: &Index<'_>, kills: Option<&[Kill]>, verdict: &mut Verdict) {
    for (id, copies) in index.inbound() {
        verdict.repeats += copies.len() - 1;
        if copies
            .iter()
            .any(|copy| copy.seen.time != copies[0].seen.time)
        {
            verdict.broken.push(format!(
                "{id} was stored twice: it reached Genesys with two times"
            ));
        }
    }
    judge_repeats(index, kills, verdict);
    for messages in sent.by_customers.values() {
        let passages: Vec<Passage<'_>> = messages
            .iter()
            .filter_map(|(sid, _)| {
                Passage::of(sid, Platform::Twilio, index.first_inbound(sid), index)
            })
            .collect();
        for passage in passages.iter().filter(|one| one.acknowledged.is_some()) {
            verdict.acknowledged += 1;
            if passage.arrived.is_some() {
                verdict.delivered_to_genesys += 1;
            } else {
                verdict
                    .broken
                    .push(format!("{} was acknowledged and lost", passage.id));
            }
        }
        judge_order(&passages, Ordered::ByArrival, verdict);
    }
}

/// A repeat follows a lost answer; or a kill, and then only the head of the lane at that moment is repeated.
fn judge_repeats(index: &Index<'_>, kills: Option<&[Kill]>, verdict: &mut Verdict) {
    let mut repeated_at: BTreeSet<(&str, usize)> = BTreeSet::new();
    for (id, copies) in index.inbound() {
        for pair in copies.windows(2) {
            let (before, again): (&GenesysInbound, &GenesysInbound) = (pair[0].seen, pair[1].seen);
            if !before.answered {
                verdict.repeats_after_lost_answers += 1;
                continue;
            }
            let Some(kills) = kills else { continue };
            let ended = kills
                .iter()
                .position(|(_, latest)| *latest >= before.at)
                .filter(|kill| kills[*kill].0 <= again.at);
            match ended {
                None => verdict.broken.push(format!(
                    "{id} was repeated towards Genesys, and no answer was lost"
                )),
                Some(kill) if !repeated_at.insert((&before.customer, kill)) => {
                    verdict.broken.push(format!(
                        "{id} was repeated towards Genesys after a kill, and so was another of its lane"
                    ));
                }
                Some(_) => {}
            }
        }
    }
}

fn judge_outbound(sent: &Sent, index: &Index<'_>, verdict: &mut Verdict) {
    for (customer, messages) in &sent.by_agents {
        let mut passages = Vec::new();
        for (id, text) in messages {
            let copies = index.texts(customer, text);
            if copies.len() > 1 {
                verdict
                    .broken
                    .push(format!("{id} was texted {} times", copies.len()));
            }
            let arrived = copies.first().map(|copy| copy.place);
            let passage = Passage::of(id, Platform::Genesys, arrived, index);
            let failed_on_the_way = copies
                .iter()
                .any(|copy| index.carrier_failed(&copy.seen.sid));
            if let Some(passage) = &passage
                && passage.acknowledged.is_some()
            {
                judge_end(passage, failed_on_the_way, index, verdict);
            }
            passages.extend(passage);
        }
        judge_order(&passages, Ordered::ByTime, verdict);
    }
}

/// An acknowledged message was texted, or the agent was told that it was not; not both, unless the carrier said so.
fn judge_end(
    passage: &Passage<'_>,
    failed_on_the_way: bool,
    index: &Index<'_>,
    verdict: &mut Verdict,
) {
    verdict.acknowledged += 1;
    let told = index
        .last_receipt(passage.id)
        .filter(|receipt| receipt.status == "Failed");
    match (passage.arrived, told) {
        (Some(_), Some(receipt)) if !failed_on_the_way => verdict.broken.push(format!(
            "{} was texted, and the agent was told that it failed: {}",
            passage.id,
            why(receipt)
        )),
        (Some(_), _) => verdict.delivered_to_twilio += 1,
        (None, Some(receipt)) => {
            verdict.told_as_failed += 1;
            *verdict.told.entry(why(receipt)).or_default() += 1;
        }
        (None, None) => verdict
            .broken
            .push(format!("{} was acknowledged and lost", passage.id)),
    }
}

/// What the agent reads of a failure.
fn why(receipt: &ReceiptSeen) -> String {
    receipt.reasons.first().map_or_else(String::new, |reason| {
        let code = reason.code.as_deref().unwrap_or_default();
        format!("{code}: {}", reason.message)
    })
}
