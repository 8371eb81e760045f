//! Every error code of the Twilio fact sheet: its kind, its Genesys reason, and a sentence that an agent can read.

use messaging_bridge_clients::BlockedCause;
use messaging_bridge_clients::genesys::ReasonCode::{self, *};
use messaging_bridge_clients::twilio::CodeKind::{self, *};
use messaging_bridge_clients::twilio::codes;

const CREDENTIALS: CodeKind = Blocked(BlockedCause::Credentials);
const SUSPENDED: CodeKind = Blocked(BlockedCause::AccountSuspended);
const SENDER: CodeKind = Blocked(BlockedCause::SenderRejected);
const NO_SENDER: CodeKind = Blocked(BlockedCause::NoUsableSender);

/// In the order of the sheet.
const SHEET: &[(u32, CodeKind, ReasonCode)] = &[
    (20003, CREDENTIALS, GeneralError),
    (20404, Permanent, GeneralError),
    (20429, Throttled, RateLimited),
    (20500, Ambiguous, ServerError),
    (20503, Ambiguous, ServerError),
    (21211, Permanent, InvalidDestination),
    (21212, SENDER, GeneralError),
    (21408, Permanent, MessageNotAllowed),
    (21606, Permanent, InvalidDestination),
    (21608, Permanent, MessageNotAllowed),
    (21219, Permanent, MessageNotAllowed),
    (21610, Permanent, RecipientOptedOut),
    (21611, Throttled, RateLimited),
    (21612, Permanent, InvalidDestination),
    (21614, Permanent, InvalidDestination),
    (21617, Permanent, InvalidMessageStructure),
    (21620, Permanent, InvalidMessageStructure),
    (21623, Permanent, InvalidMessageStructure),
    (21654, Permanent, InvalidMessageStructure),
    (21655, Permanent, InvalidMessageStructure),
    (21656, Permanent, InvalidMessageStructure),
    (21703, NO_SENDER, GeneralError),
    (21704, Permanent, GeneralError),
    (21705, Permanent, GeneralError),
    (14107, Throttled, RateLimited),
    (30001, Throttled, RateLimited),
    (30002, SUSPENDED, GeneralError),
    (30003, Transient, InvalidDestination),
    (30004, Permanent, RecipientOptedOut),
    (30005, Permanent, InvalidDestination),
    (30006, Permanent, InvalidDestination),
    (30007, Permanent, DataFiltered),
    (30008, Transient, GeneralError),
    (30019, Permanent, InvalidMediaContentLength),
    (30022, Throttled, RateLimited),
    (30023, Permanent, RateLimited),
    (30027, Permanent, RateLimited),
    (30032, Permanent, MessageNotAllowed),
    (30034, Permanent, MessageNotAllowed),
    (30036, Permanent, MessageExpired),
    (30410, Ambiguous, ServerError),
    (30450, Permanent, DataFiltered),
    (63003, Permanent, InvalidDestination),
    (63007, Permanent, GeneralError),
    (63010, Transient, ServerError),
    (63012, Transient, ServerError),
    (63013, Permanent, MessageNotAllowed),
    (63015, Permanent, MessageNotAllowed),
    (63016, Permanent, MessageNotAllowed),
    (63017, Throttled, RateLimited),
    (63018, Throttled, RateLimited),
    (63019, Permanent, MediaTypeNotAllowed),
    (63021, Permanent, MediaTypeNotAllowed),
    (63034, Permanent, InvalidMediaContentLength),
    (63024, Permanent, InvalidDestination),
    (63032, Permanent, MessageNotAllowed),
    (63033, Permanent, RecipientOptedOut),
    (63038, Permanent, RateLimited),
    (63040, Permanent, MessageNotAllowed),
    (63041, Permanent, MessageNotAllowed),
    (63042, Permanent, MessageNotAllowed),
    (63051, Permanent, GeneralError),
];

#[test]
fn every_code_of_the_sheet_has_its_kind_and_reason() {
    for &(code, kind, reason) in SHEET {
        let entry = codes::lookup(code).unwrap_or_else(|| panic!("{code} is not in the table"));
        assert_eq!((entry.kind, entry.reason), (kind, reason), "{code}");
    }
    assert_eq!(
        codes::all().len(),
        SHEET.len(),
        "a code is in the table but not tested here"
    );
}

#[test]
fn only_a_code_that_blocks_says_something_of_every_message() {
    for (code, kind, _) in SHEET {
        let cause = match kind {
            Blocked(cause) => Some(*cause),
            _ => None,
        };
        assert_eq!(codes::blocking_cause(Some(*code)), cause, "{code}");
    }
    assert_eq!(codes::blocking_cause(Some(99_999)), None);
    assert_eq!(codes::blocking_cause(None), None);
}

#[test]
fn the_table_is_sorted_so_that_look_up_finds_every_row() {
    assert!(
        codes::all()
            .windows(2)
            .all(|pair| pair[0].code < pair[1].code)
    );
}

#[test]
fn every_sentence_is_one_an_agent_can_read() {
    for entry in codes::all() {
        let sentence = entry.sentence;
        assert!(sentence.ends_with('.'), "{sentence}");
        assert!(sentence.len() <= 120, "{sentence}");
        assert!(
            sentence.starts_with(|c: char| c.is_ascii_uppercase()),
            "{sentence}"
        );
        assert!(
            !sentence.contains(|c: char| c.is_ascii_digit()),
            "{sentence}"
        );
    }
}

#[test]
fn the_agent_reads_the_sentence_and_the_code() {
    assert_eq!(
        codes::for_agent(Some(21610)),
        (
            RecipientOptedOut,
            "The customer has opted out of messages (replied STOP). (Twilio 21610)".to_owned()
        )
    );
}

#[test]
fn an_unknown_code_is_named_and_a_missing_one_admitted() {
    let (reason, sentence) = codes::for_agent(Some(99_999));
    assert_eq!(reason, GeneralError);
    assert!(sentence.contains("99999"));
    let (reason, sentence) = codes::for_agent(None);
    assert_eq!(reason, GeneralError);
    assert!(sentence.contains("no reason"));
}
