//! What both Twilio webhooks begin with: the signature, then the form.

use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use messaging_bridge_clients::twilio::{FormFields, SignedBody, signature};

use super::{Intake, answer};
use crate::admin::vitals::Verdict;

/// Why a Twilio webhook is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Missing or wrong signature.
    Signature,
    /// Another account or number.
    Misrouted,
    /// Not a form, or not one of a message.
    Malformed,
    /// A form with more fields than Twilio ever sends.
    TooManyFields,
}

/// Twilio's largest forms have some sixty fields. To sort and hash what a stranger sends costs more the more there are.
const MOST_FIELDS: usize = 1000;

impl Refused {
    /// What is counted and answered.
    pub(super) fn answer(self) -> (Verdict, Response) {
        match self {
            Self::Signature => (Verdict::BadSignature, answer::bad_signature()),
            Self::Misrouted => (Verdict::Misrouted, answer::misrouted()),
            Self::Malformed => (Verdict::Malformed, answer::malformed()),
            Self::TooManyFields => (Verdict::Malformed, answer::too_large()),
        }
    }
}

/// The form of a request that Twilio signed.
pub(super) fn verified_form(
    intake: &Intake,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<FormFields, Refused> {
    // Another algorithm means another kind of key, which this relay does not hold.
    if !signature::is_hmac_sha1(text(headers, signature::SETTINGS_HEADER)) {
        return Err(Refused::Signature);
    }
    let url = intake.settings.public_url.called(uri.path(), uri.query());
    let signed_with = text(headers, signature::HEADER);
    let secrets = intake.secrets_now();
    // The branch is chosen by the declared type, never by what the query holds (Twilio: Webhooks security).
    if is_form(headers) {
        if body.split(|byte| *byte == b'&').count() > MOST_FIELDS {
            return Err(Refused::TooManyFields);
        }
        let form = FormFields::parse(body);
        signature::verify(
            &secrets.auth_tokens,
            signed_with,
            &url,
            &SignedBody::Form(&form),
        )
        .map_err(|_| Refused::Signature)?;
        Ok(form)
    } else {
        signature::verify(
            &secrets.auth_tokens,
            signed_with,
            &url,
            &SignedBody::Json(body),
        )
        .map_err(|_| Refused::Signature)?;
        Err(Refused::Malformed)
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE.as_str())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
