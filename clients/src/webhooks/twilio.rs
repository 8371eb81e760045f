//! Whether Twilio posts a number's inbound messages to this bridge.
//!
//! Precedence, as Twilio has it: a Messaging Service that does not defer to its senders, an application on the number,
//! the number's own URL.
//!
//! Recommended are retries and the bridge itself as its fallback: it takes what comes twice once.

use super::shown::{address, same_address};
use super::urls::RETRIES;
use super::{Finding, ServiceView, Verdict, WebhookUrls};
use crate::mask;
use crate::twilio::{IncomingPhoneNumber, MessagingService};

/// What is set in the fragment when anything is said about what to retry.
const RETRIES_SET: &str = "rp=";
/// How a service is told to leave its senders their webhooks.
const DEFER: &str = "let it \"Defer to sender's webhook\" (UseInboundWebhookOnNumber=true)";

/// Judges a number as Twilio has it on record, and the Messaging Service that it is in.
pub fn judge_twilio_number(
    number: &IncomingPhoneNumber,
    service: &ServiceView,
    wanted: &WebhookUrls,
) -> Verdict {
    let shown = mask::phone(&number.phone_number);
    if !number.capabilities.sms {
        let message = format!(
            "{shown} cannot send or receive SMS; set spec.twilio.number to a number that can"
        );
        return Verdict::wrong(Finding::NumberWithoutSms, message);
    }
    let wanted = wanted.twilio_inbound();
    match service {
        ServiceView::Missing(sid) => {
            let message = format!(
                "the Twilio account has no Messaging Service {sid} (in this region); correct \
                 spec.twilio.messagingServiceSid, or remove it"
            );
            Verdict::wrong(Finding::MessagingServiceMissing, message)
        }
        ServiceView::NotInPool(service) => {
            let message = format!(
                "{shown} is not in the sender pool of {}; add it there, or remove spec.twilio.messagingServiceSid",
                named(service)
            );
            Verdict::wrong(Finding::NumberNotInService, message)
        }
        ServiceView::In(service) if !service.use_inbound_webhook_on_number => {
            judge_service(service, &wanted)
        }
        ServiceView::In(_) | ServiceView::InNone | ServiceView::NotRead => {
            judge_number(number, &shown, &wanted)
        }
    }
}

fn judge_service(service: &MessagingService, wanted: &str) -> Verdict {
    let does = match service.inbound_request_url.as_deref() {
        Some(url) if same_address(url, wanted) => {
            let handler = Handler {
                owner: named(service),
                url,
                method: service.inbound_method.as_deref(),
                fallback: service.fallback_url.as_deref(),
                url_field: "its request URL (InboundRequestUrl)",
                method_field: "InboundMethod",
                fallback_field: "its fallback URL (FallbackUrl)",
            };
            return handler.judge(wanted);
        }
        Some(url) => format!("posts its messages to {}", address(url)),
        None => "drops its messages".to_owned(),
    };
    let message = format!(
        "{} has the number in its sender pool and {does}, whatever the number says; {DEFER}, or set its request URL \
         (InboundRequestUrl) to {wanted}{RETRIES}",
        named(service)
    );
    Verdict::wrong(Finding::MessagingServiceOverrides, message)
}

fn judge_number(number: &IncomingPhoneNumber, shown: &str, wanted: &str) -> Verdict {
    const URL_FIELD: &str = "\"A message comes in\" (SmsUrl)";
    if let Some(application) = number
        .sms_application_sid
        .as_deref()
        .filter(|sid| !sid.is_empty())
    {
        let message = format!(
            "{shown} uses the application {application}, which overrides its URL; remove it (SmsApplicationSid) and \
             set {URL_FIELD} to {wanted}{RETRIES}"
        );
        return Verdict::wrong(Finding::TwilioApplication, message);
    }
    let Some(url) = number.sms_url.as_deref().filter(|url| !url.is_empty()) else {
        let message = format!("{shown} has no webhook; set {URL_FIELD} to {wanted}{RETRIES}");
        return Verdict::wrong(Finding::TwilioWebhookNotSet, message);
    };
    if !same_address(url, wanted) {
        let message = format!(
            "the messages of {shown} are posted to {}; set {URL_FIELD} to {wanted}{RETRIES}",
            address(url)
        );
        return Verdict::wrong(Finding::TwilioWebhookElsewhere, message);
    }
    let handler = Handler {
        owner: shown.to_owned(),
        url,
        method: number.sms_method.as_deref(),
        fallback: number.sms_fallback_url.as_deref(),
        url_field: URL_FIELD,
        method_field: "SmsMethod",
        fallback_field: "\"Primary handler fails\" (SmsFallbackUrl)",
    };
    handler.judge(wanted)
}

/// A webhook that leads to the bridge, of a number or of a service.
struct Handler<'a> {
    owner: String,
    url: &'a str,
    method: Option<&'a str>,
    fallback: Option<&'a str>,
    url_field: &'static str,
    method_field: &'static str,
    fallback_field: &'static str,
}

impl Handler<'_> {
    fn judge(&self, wanted: &str) -> Verdict {
        let Self {
            owner,
            url_field,
            method_field,
            fallback_field,
            ..
        } = self;
        if !self.method.unwrap_or("POST").eq_ignore_ascii_case("POST") {
            let message = format!(
                "the webhook of {owner} is called by HTTP GET; set its method to HTTP POST ({method_field}=POST)"
            );
            return Verdict::wrong(Finding::TwilioMethod, message);
        }
        let fallback = self.fallback.filter(|url| !url.is_empty());
        if let Some(elsewhere) = fallback.filter(|fallback| !same_address(fallback, wanted)) {
            let message = format!(
                "what the bridge cannot take at once goes to the fallback of {owner}, {}, and never reaches an \
                 agent; set {fallback_field} to {wanted}{RETRIES}",
                address(elsewhere)
            );
            return Verdict::Advice { message };
        }
        let fragment = self
            .url
            .split_once('#')
            .map_or("", |(_, fragment)| fragment);
        let retries = (!fragment.contains(RETRIES_SET)).then(|| {
            format!(
                "with {url_field} set to {wanted}{RETRIES} Twilio also retries slow and failed answers"
            )
        });
        let again = fallback.is_none().then(|| {
            format!(
                "with {fallback_field} set to {wanted}{RETRIES} as well, Twilio tries once more after that (what comes \
                 twice is taken once)"
            )
        });
        let better: Vec<String> = retries.into_iter().chain(again).collect();
        if better.is_empty() {
            return Verdict::Right;
        }
        let message = format!("the webhook of {owner} is right; {}", better.join("; "));
        Verdict::Advice { message }
    }
}

fn named(service: &MessagingService) -> String {
    let name: String = mask::numbers_in(&service.friendly_name)
        .chars()
        .take(64)
        .collect();
    format!("the Messaging Service {name:?} ({})", service.sid)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::twilio::MessagingServiceSid;
    use Finding as F;

    const WANTED: &str = "https://b.example.com/acme/twilio/inbound";
    const BEST: &str = "https://b.example.com/acme/twilio/inbound#rc=3&rp=ct,rt,5xx&rt=4000";

    fn number(changes: Value) -> IncomingPhoneNumber {
        let mut record = json!({
            "sid": "PN1", "phone_number": "+15551230000", "sms_url": BEST, "sms_method": "POST",
            "sms_fallback_url": BEST, "sms_application_sid": "", "capabilities": {"sms": true},
        });
        merge(&mut record, changes);
        serde_json::from_value(record).unwrap()
    }

    fn service(changes: Value) -> MessagingService {
        let mut record = json!({
            "sid": "MG1", "friendly_name": "Support", "inbound_request_url": BEST, "inbound_method": "POST",
            "fallback_url": BEST, "use_inbound_webhook_on_number": false,
        });
        merge(&mut record, changes);
        serde_json::from_value(record).unwrap()
    }

    fn merge(record: &mut Value, changes: Value) {
        let Value::Object(changes) = changes else {
            panic!("changes are an object");
        };
        record.as_object_mut().unwrap().extend(changes);
    }

    fn judge(number: &IncomingPhoneNumber, service: &ServiceView) -> Verdict {
        let wanted = WebhookUrls::parse("https://b.example.com/acme").unwrap();
        judge_twilio_number(number, service, &wanted)
    }

    fn assert_wrong(verdict: &Verdict, expected: Finding, says: &[&str]) {
        let Verdict::Wrong { finding, message } = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(*finding, expected, "{message}");
        for words in says {
            assert!(message.contains(words), "{message}");
        }
        assert!(!message.contains("5551230"), "{message}");
    }

    fn assert_advice(verdict: &Verdict, says: &str) {
        assert!(
            matches!(verdict, Verdict::Advice { message } if message.contains(says)),
            "{verdict:?}"
        );
    }

    #[rstest]
    #[case::in_no_service(ServiceView::InNone)]
    #[case::service_not_read(ServiceView::NotRead)]
    #[case::service_defers(ServiceView::In(service(json!(
        {"use_inbound_webhook_on_number": true, "inbound_request_url": "https://old.example/"}
    ))))]
    fn a_number_that_posts_here_is_right(#[case] service: ServiceView) {
        assert_eq!(judge(&number(json!({})), &service), Verdict::Right);
    }

    #[rstest]
    #[case::no_sms(json!({"capabilities": {"sms": false}}), F::NumberWithoutSms, &["+1•••••••00", "spec.twilio.number"])]
    #[case::not_set(json!({"sms_url": ""}), F::TwilioWebhookNotSet, &["SmsUrl", BEST])]
    #[case::elsewhere(
        json!({"sms_url": "https://demo.twilio.com/welcome?key=1"}), F::TwilioWebhookElsewhere,
        &["https://demo.twilio.com/welcome?…", BEST]
    )]
    #[case::by_get(json!({"sms_url": WANTED, "sms_method": "GET"}), F::TwilioMethod, &["SmsMethod=POST"])]
    #[case::an_application(
        json!({"sms_application_sid": "AP1", "sms_url": "https://old.example/"}), F::TwilioApplication, &["AP1", BEST]
    )]
    fn what_is_wrong_with_a_number_is_named_with_its_fix(
        #[case] changes: Value,
        #[case] finding: Finding,
        #[case] says: &[&str],
    ) {
        assert_wrong(
            &judge(&number(changes), &ServiceView::InNone),
            finding,
            says,
        );
    }

    #[rstest]
    #[case::without_retries(json!({"sms_url": WANTED}), BEST)]
    #[case::without_a_method(json!({"sms_url": WANTED, "sms_method": null}), BEST)]
    #[case::without_a_fallback(json!({"sms_fallback_url": ""}), "(SmsFallbackUrl) set to https://b.example.com/acme")]
    #[case::with_a_fallback(
        json!({"sms_fallback_url": "https://old.example/?key=1"}), "https://old.example/?…, and never reaches"
    )]
    fn what_could_be_better_is_advice(#[case] changes: Value, #[case] says: &str) {
        assert_advice(&judge(&number(changes), &ServiceView::InNone), says);
    }

    #[rstest]
    #[case::posts_elsewhere(
        json!({"inbound_request_url": "https://old.example/sms"}), F::MessagingServiceOverrides,
        &["\"Support\" (MG1)", "posts its messages to https://old.example/sms", "UseInboundWebhookOnNumber=true", BEST]
    )]
    #[case::drops(json!({"inbound_request_url": null}), F::MessagingServiceOverrides, &["drops its messages"])]
    #[case::by_get(json!({"inbound_method": "GET"}), F::TwilioMethod, &["\"Support\" (MG1)", "InboundMethod=POST"])]
    fn a_service_that_does_not_defer_is_judged_instead_of_the_number(
        #[case] changes: Value,
        #[case] finding: Finding,
        #[case] says: &[&str],
    ) {
        let view = ServiceView::In(service(changes));
        assert_wrong(&judge(&number(json!({})), &view), finding, says);
    }

    #[test]
    fn a_service_that_posts_here_is_right_whatever_the_number_says() {
        let number =
            number(json!({"sms_url": "https://old.example/", "sms_application_sid": "AP1"}));
        let view = ServiceView::In(service(json!({})));
        assert_eq!(judge(&number, &view), Verdict::Right);
        let view = ServiceView::In(service(json!({"inbound_request_url": WANTED})));
        assert_advice(&judge(&number, &view), "InboundRequestUrl");
    }

    #[test]
    fn a_service_that_defers_leaves_a_wrong_number_wrong() {
        let view = ServiceView::In(service(json!({"use_inbound_webhook_on_number": true})));
        let verdict = judge(&number(json!({"sms_url": ""})), &view);
        assert_wrong(&verdict, F::TwilioWebhookNotSet, &[BEST]);
    }

    #[test]
    fn a_named_service_must_exist_and_have_the_number() {
        let missing = ServiceView::Missing(MessagingServiceSid::new("MG9"));
        let verdict = judge(&number(json!({})), &missing);
        assert_wrong(
            &verdict,
            F::MessagingServiceMissing,
            &["MG9", "spec.twilio.messagingServiceSid"],
        );
        let outside = ServiceView::NotInPool(service(json!({})));
        let verdict = judge(&number(json!({})), &outside);
        assert_wrong(&verdict, F::NumberNotInService, &["MG1", "add it there"]);
    }
}
