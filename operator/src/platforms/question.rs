//! What the answers about a bridge depend on. Pure.
//!
//! An answer stays as long as its question is the same: a Twilio Secret that changes says nothing about Genesys Cloud,
//! and what Genesys Cloud said last still stands while it is down.

use sha2::{Digest as _, Sha256};

use super::orgs::{self, Key};
use super::{FactsRequest, Remembering};

/// What is asked for one bridge, in a form that can be compared and not read back. `None`: there is nothing to ask
/// with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Questions {
    token: Option<Key>,
    integration: Option<Key>,
    number: Option<Key>,
}

impl Questions {
    pub(super) fn of(request: &FactsRequest) -> Self {
        let org = |clients: &[_]| orgs::key(&request.hosts, request.profile, clients);
        let twilio = request.twilio.as_ref();
        let service = request.messaging_service.as_ref();
        Self {
            token: request.relay_clients.as_deref().map(org),
            integration: request
                .lookup_clients
                .as_deref()
                .map(|clients| print(&[&org(clients), request.integration_name.as_bytes()])),
            number: twilio.map(|secret| {
                print(&[
                    secret.fingerprint.as_bytes(),
                    request.twilio_api.as_str().as_bytes(),
                    request.number.as_bytes(),
                    service.map_or("", |sid| sid.as_str()).as_bytes(),
                ])
            }),
        }
    }
}

/// Forgets the answers to questions that are not asked any more.
pub(super) fn attune(remembering: &mut Remembering, questions: Questions) {
    let before = &remembering.questions;
    let facts = &mut remembering.facts;
    if before.token != questions.token {
        facts.token = after(before.token.as_ref());
    }
    if before.integration != questions.integration {
        facts.integration = after(before.integration.as_ref());
    }
    if before.number != questions.number {
        facts.number = after(before.number.as_ref());
        remembering.pools = None;
    }
    remembering.questions = questions;
}

/// What is known when a question has changed: one that was not asked before may have been, by an operator before this.
fn after<T>(before: Option<&Key>) -> super::Remembered<T> {
    before.map_or_else(super::Remembered::default, |_| super::Remembered::anew())
}

fn print(parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
