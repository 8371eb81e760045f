//! Webhooks signed by the tests themselves, for requests that neither platform would send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Response, StatusCode};
use sha1::Sha1;
use sha2::Sha256;

use crate::process::reqwest_client;
use crate::tenant::Tenant;

/// The fields of a plain text message to the tenant's number.
pub fn sms(tenant: &Tenant, sid: &str, text: &str) -> Vec<(String, String)> {
    let options = tenant.sandbox.options();
    [
        ("MessageSid", sid),
        ("AccountSid", &options.account_sid),
        ("From", &options.customer),
        ("To", &options.number),
        ("Body", text),
        ("NumMedia", "0"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Replaces or adds a field.
#[must_use]
pub fn with(mut fields: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    fields.retain(|(other, _)| other != name);
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

/// Removes a field.
#[must_use]
pub fn without(mut fields: Vec<(String, String)>, name: &str) -> Vec<(String, String)> {
    fields.retain(|(other, _)| other != name);
    fields
}

/// Twilio's signature of a form (Twilio: Webhooks security).
///
/// # Panics
///
/// Never: HMAC takes any key.
pub fn twilio_signature(token: &str, url: &str, fields: &[(String, String)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort();
    let text = sorted
        .iter()
        .fold(url.to_owned(), |text, (name, value)| text + name + value);
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Genesys' signature of a body (Genesys: Open Messaging, validating webhooks).
///
/// # Panics
///
/// Never: HMAC takes any key.
pub fn genesys_signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(body.as_bytes());
    format!("sha256={}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Posts a form as Twilio would, signed for the public URL with this path.
pub async fn post_twilio(tenant: &Tenant, path: &str, fields: &[(String, String)]) -> Response {
    let options = tenant.sandbox.options();
    let url = format!(
        "{}{path}",
        options.public_url.as_str().trim_end_matches('/')
    );
    let signature = twilio_signature(&options.auth_token, &url, fields);
    post_form(tenant, &format!("/acme{path}"), fields, Some(&signature)).await
}

/// The same as a request that is still to be sent, by a client of the caller's: for many.
///
/// # Panics
///
/// When the path is none.
pub fn twilio_request(
    client: &reqwest::Client,
    tenant: &Tenant,
    path: &str,
    fields: &[(String, String)],
) -> reqwest::RequestBuilder {
    let options = tenant.sandbox.options();
    let url = format!(
        "{}{path}",
        options.public_url.as_str().trim_end_matches('/')
    );
    let signature = twilio_signature(&options.auth_token, &url, fields);
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    client
        .post(tenant.public().join(path).expect("a valid path"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", signature)
        .body(body)
}

/// Posts a form to any path of the relay.
///
/// # Panics
///
/// When the relay does not answer.
pub async fn post_form(
    tenant: &Tenant,
    path: &str,
    fields: &[(String, String)],
    signature: Option<&str>,
) -> Response {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let mut request = reqwest_client()
        .post(tenant.public().join(path).expect("a valid path"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    if let Some(signature) = signature {
        request = request.header("x-twilio-signature", signature);
    }
    request.send().await.expect("the relay answers")
}

/// Posts a body as Genesys would, signed with the tenant's secret.
pub async fn post_genesys(tenant: &Tenant, body: &str) -> StatusCode {
    let signature = genesys_signature(&tenant.sandbox.options().integration.webhook_secret, body);
    post_json(tenant, "/acme/genesys/outbound", body, Some(&signature))
        .await
        .status()
}

/// Posts JSON to any path of the relay.
///
/// # Panics
///
/// When the relay does not answer.
pub async fn post_json(
    tenant: &Tenant,
    path: &str,
    body: &str,
    signature: Option<&str>,
) -> Response {
    let mut request = reqwest_client()
        .post(tenant.public().join(path).expect("a valid path"))
        .header("content-type", "application/json")
        .body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("x-hub-signature-256", signature);
    }
    request.send().await.expect("the relay answers")
}
