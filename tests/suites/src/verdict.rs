//! Judges a run from what both platforms saw: was anything lost, texted twice, or out of order? Pure.

use std::collections::{BTreeMap, HashMap};

use messaging_bridge_sandbox::{Log, Platform};

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

fn acknowledged(log: &Log, platform: Platform, id: &str) -> bool {
    log.webhooks
        .iter()
        .any(|try_| try_.platform == platform && try_.message_id == id && try_.status == Some(200))
}

fn judge_inbound(sent: &Sent, log: &Log, verdict: &mut Verdict) {
    let mut first_seen: HashMap<&str, usize> = HashMap::new();
    let mut times = HashMap::new();
    for (index, seen) in log.genesys_inbound.iter().enumerate() {
        let Some(id) = seen.message_id.as_deref() else { continue };
        if first_seen.contains_key(id) {
            verdict.repeats += 1;
            if times.get(id) != Some(&seen.time) {
                verdict.broken.push(format!("{id} was stored twice: it reached Genesys with two times"));
            }
        } else {
            first_seen.insert(id, index);
            times.insert(id, seen.time);
        }
    }
    for messages in sent.by_customers.values() {
        let mut last = None;
        for (sid, _) in messages.iter().filter(|(sid, _)| acknowledged(log, Platform::Twilio, sid)) {
            verdict.acknowledged += 1;
            match first_seen.get(sid.as_str()) {
                None => verdict.broken.push(format!("{sid} was acknowledged and lost")),
                Some(index) if last.is_some_and(|last| *index < last) => {
                    verdict.broken.push(format!("{sid} reached Genesys before an earlier message of its customer"));
                }
                Some(index) => last = Some(*index),
            }
        }
    }
}

fn judge_outbound(sent: &Sent, log: &Log, verdict: &mut Verdict) {
    for (customer, messages) in &sent.by_agents {
        let mut last = None;
        for (id, text) in messages {
            let copies: Vec<usize> = log
                .twilio_sends
                .iter()
                .enumerate()
                .filter(|(_, send)| send.to == *customer && send.body == *text)
                .map(|(index, _)| index)
                .collect();
            if copies.len() > 1 {
                verdict.broken.push(format!("{id} was texted {} times", copies.len()));
            }
            let told = log.genesys_receipts.iter().any(|receipt| receipt.message_id == *id && receipt.status == "Failed");
            if acknowledged(log, Platform::Genesys, id) {
                verdict.acknowledged += 1;
                verdict.told_as_failed += usize::from(told);
                if copies.is_empty() && !told {
                    verdict.broken.push(format!("{id} was acknowledged and lost"));
                }
            }
            if let Some(index) = copies.first().copied() {
                if last.is_some_and(|last| index < last) {
                    verdict.broken.push(format!("{id} was texted before an earlier message to its customer"));
                }
                last = Some(index);
            }
        }
    }
}
