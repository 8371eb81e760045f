//! A log, looked up by message: a run of thousands of messages is judged in a moment.

use std::collections::{BTreeMap, HashMap, HashSet};

use messaging_bridge_sandbox::{
    GenesysInbound, Log, Platform, ReceiptSeen, TwilioSend, WebhookAttempt,
};

/// Something that arrived, and where in the order of arrivals.
pub(super) struct Arrival<'l, T> {
    pub(super) place: usize,
    pub(super) seen: &'l T,
}

type ByKey<'l, T> = HashMap<&'l str, T>;

/// The log by message.
pub(super) struct Index<'l> {
    tries: HashMap<Platform, ByKey<'l, Vec<&'l WebhookAttempt>>>,
    inbound: BTreeMap<&'l str, Vec<Arrival<'l, GenesysInbound>>>,
    /// By customer, then by body.
    texts: ByKey<'l, ByKey<'l, Vec<Arrival<'l, TwilioSend>>>>,
    receipts: HashMap<&'l str, &'l ReceiptSeen>,
    carrier_failed: HashSet<&'l str>,
}

impl<'l> Index<'l> {
    pub(super) fn of(log: &'l Log) -> Self {
        let mut index = Self {
            tries: HashMap::new(),
            inbound: BTreeMap::new(),
            texts: HashMap::new(),
            receipts: HashMap::new(),
            carrier_failed: HashSet::new(),
        };
        for try_ in &log.webhooks {
            let tries = index.tries.entry(try_.platform).or_default();
            tries.entry(&try_.message_id).or_default().push(try_);
        }
        for (place, seen) in log.genesys_inbound.iter().enumerate() {
            if let Some(id) = seen.message_id.as_deref() {
                let arrivals = index.inbound.entry(id).or_default();
                arrivals.push(Arrival { place, seen });
            }
        }
        for (place, seen) in log.twilio_sends.iter().enumerate() {
            let to_this_customer = index.texts.entry(&seen.to).or_default();
            let copies = to_this_customer.entry(&seen.body).or_default();
            copies.push(Arrival { place, seen });
        }
        for receipt in &log.genesys_receipts {
            index.receipts.insert(&receipt.message_id, receipt);
        }
        for callback in &log.callbacks {
            if matches!(callback.message_status.as_str(), "undelivered" | "failed") {
                index.carrier_failed.insert(&callback.sid);
            }
        }
        index
    }

    /// Every try of a message's webhook, oldest first.
    pub(super) fn tries(&self, platform: Platform, id: &str) -> &[&'l WebhookAttempt] {
        self.tries
            .get(&platform)
            .and_then(|tries| tries.get(id))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// What reached Genesys, by message id.
    pub(super) fn inbound(
        &self,
    ) -> impl Iterator<Item = (&'l str, &[Arrival<'l, GenesysInbound>])> {
        self.inbound
            .iter()
            .map(|(id, copies)| (*id, copies.as_slice()))
    }

    /// When a customer's message reached Genesys first, as a place in the order of arrivals.
    pub(super) fn first_inbound(&self, id: &str) -> Option<usize> {
        Some(self.inbound.get(id)?.first()?.place)
    }

    /// Every text to a customer with this body.
    pub(super) fn texts(&self, customer: &str, body: &str) -> &[Arrival<'l, TwilioSend>] {
        self.texts
            .get(customer)
            .and_then(|texts| texts.get(body))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// What the agent was told last of a message.
    pub(super) fn last_receipt(&self, id: &str) -> Option<&'l ReceiptSeen> {
        self.receipts.get(id).copied()
    }

    /// Whether Twilio reported that the carrier did not deliver it.
    pub(super) fn carrier_failed(&self, sid: &str) -> bool {
        self.carrier_failed.contains(sid)
    }
}
