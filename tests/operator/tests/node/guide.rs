//! The guide of the first bridge, followed to the letter: its commands, and the Ingress of the guide on exposing it.

use messaging_bridge_cluster::Output;
use messaging_bridge_crds::SecretState;
use messaging_bridge_operator_suites::node::Way;
use messaging_bridge_operator_suites::pages::{self, fenced};
use messaging_bridge_sandbox::Options;
use serde_json::Value;

use crate::story::{CLAIM, POD, Story};

const FIRST: &str = "docs/guides/first-bridge.md";
const EXPOSING: &str = "docs/guides/exposing.md";

/// A reader at work: what a guide leaves open is filled in.
struct Reader {
    story: Story,
    filled_in: Vec<(&'static str, String)>,
}

impl Reader {
    async fn new() -> Self {
        let story = Story::unborn("guided", Way::Straight).await;
        let (options, tenant) = (Options::default(), &story.tenant);
        let filled_in = vec![
            ("tenant-acme", tenant.name.clone()),
            (
                "integrationName: acme-sms",
                format!("integrationName: {}", tenant.name),
            ),
            ("+15551230000", tenant.number.clone()),
            ("https://bridge.example.com/acme", tenant.public_url.clone()),
            ("clientId=...", format!("clientId={}", options.client_id)),
            (
                "clientSecret=...",
                format!("clientSecret={}", options.client_secret),
            ),
            (
                "accountSid=AC...",
                format!("accountSid={}", options.account_sid),
            ),
            ("authToken=...", format!("authToken={}", options.auth_token)),
            (
                "$(openssl rand -hex 24)",
                options.integration.webhook_secret.clone(),
            ),
            (
                r"OLD\nNEW",
                format!(
                    r"{}\nthe-next-secret-0123456789",
                    options.integration.webhook_secret
                ),
            ),
            // It goes on until it is ended.
            ("get messagingbridges -w", "get messagingbridges".to_owned()),
        ];
        Self { story, filled_in }
    }

    fn fill_in(&self, text: &str) -> String {
        let fill = |text: String, (open, value): &(&str, String)| text.replace(open, value);
        self.filled_in.iter().fold(text.to_owned(), fill)
    }

    /// The block of the first bridge's guide with this in it; returns what its commands wrote.
    async fn runs(&self, with: &str) -> String {
        let commands = self.fill_in(&pages::commands(FIRST, &[with]));
        pages::run(self.story.cluster(), &commands).await
    }

    /// Applies an example as the guide says.
    async fn applies(&self, example: &str) {
        let applied = self
            .story
            .cluster()
            .kubectl_with(
                &["apply", "--server-side", "-f", "-"],
                &self.fill_in(example),
            )
            .await;
        if let Err(error) = applied.and_then(Output::ok) {
            panic!("{error}");
        }
    }
}

pub(crate) async fn the_guides_of_a_first_bridge_lead_through_its_whole_life() {
    let reader = Reader::new().await;
    reader.runs("create namespace").await;
    let examples = fenced(FIRST, "yaml");
    assert_eq!(examples.len(), 1);
    reader.applies(&examples[0]).await;
    reader.runs("wait --for=condition=Ready").await;
    becomes_ready(&reader).await;
    is_exposed(&reader).await;
    reader.story.until_ready().await;
    reader.story.texts_go_both_ways("as the guide says").await;
    is_tended(&reader).await;
    ends(&reader).await;
    reader.story.end().await;
}

async fn becomes_ready(reader: &Reader) {
    let objects = reader.runs("get services,statefulsets").await;
    for name in [
        "service/acme-relay",
        "statefulset.apps/acme-relay",
        POD,
        CLAIM,
    ] {
        assert!(objects.contains(name), "{name}: {objects}");
    }
    let webhooks = reader.runs(".status.webhooks}").await;
    let webhooks: Value = serde_json::from_str(&webhooks).unwrap();
    for platform in ["genesys", "twilio"] {
        let url = webhooks[platform].as_str().unwrap();
        assert!(url.starts_with(&reader.story.tenant.public_url), "{url}");
    }
    let table = reader.runs("get messagingbridges -w").await;
    assert!(table.contains("Available"), "{table}");
    let described = reader.runs("describe messagingbridge").await;
    assert!(described.contains("WebhooksConfigured"), "{described}");
}

/// Both ways of the guide lead to the Service's port, and the relay answers there as the guide says.
async fn is_exposed(reader: &Reader) {
    let [ingress, route] = &fenced(EXPOSING, "yaml")[..] else {
        panic!("an Ingress and an HTTPRoute are expected");
    };
    reader.applies(ingress).await;
    let story = &reader.story;
    let port = [
        "get",
        "service",
        "acme-relay",
        "-o=jsonpath={.spec.ports[0].name} {.spec.ports[0].port}",
    ];
    let port = story.kubectl(&port).await;
    assert!(ingress.contains("name: acme-relay\n"), "{ingress}");
    assert!(ingress.contains("name: http\n"), "{ingress}");
    let route: Value = serde_saphyr::from_str(route).unwrap();
    let backend = &route["spec"]["rules"][0]["backendRefs"][0];
    assert_eq!(backend["name"], "acme-relay");
    assert_eq!(port, format!("http {}", backend["port"]));

    let address = story
        .cluster()
        .port_forward(&story.tenant.name, POD, 8080)
        .await;
    let address = address.unwrap_or_else(|error| panic!("{error}"));
    let ask = pages::commands(EXPOSING, &["curl"])
        .replace("https://bridge.example.com", &format!("http://{address}"));
    let answer = pages::run(story.cluster(), &ask).await;
    assert_eq!(answer.trim(), r#"{"challenge":"check"}"#);
}

async fn is_tended(reader: &Reader) {
    reader.runs("patch secret genesys").await;
    reader
        .story
        .until_status("the Secret with both values is loaded", |status| {
            let mut secrets = status.secrets.iter();
            secrets.any(|secret| secret.name == "genesys" && secret.state == SecretState::Loaded)
        })
        .await;
    reader.runs("reconcile-at").await;
    let asked = r"-o=jsonpath={.metadata.annotations.messagingbridge\.io/reconcile-at}";
    let asked = reader
        .story
        .kubectl(&["get", "messagingbridge", "acme", asked])
        .await;
    reader
        .story
        .until_status("the look that was asked for is done", |status| {
            status.last_handled_reconcile_at.as_deref() == Some(&asked)
        })
        .await;
    let letters = reader.runs("dead-letters list").await;
    assert!(letters.contains("no dead letters"), "{letters}");
}

async fn ends(reader: &Reader) {
    reader.runs("delete messagingbridge acme").await;
    let kept = ["get", "events", "--field-selector", "reason=VolumeKept"];
    reader
        .story
        .until_kubectl("the kept volume is named", &kept, |events| {
            events.contains(CLAIM)
        })
        .await;
    let events = reader.runs("reason=VolumeKept").await;
    assert!(events.contains(CLAIM), "{events}");
}
