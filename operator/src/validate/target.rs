//! Where a bridge leads: hosts, URLs and the relay's configuration, as far as the resource alone says them. Pure.
//!
//! The API server has checked the same rules; an object that was stored under an older schema, or while validation was
//! off, is checked here.

use messaging_bridge_clients::genesys::{GenesysHosts, WireProfile};
use messaging_bridge_clients::twilio::{E164, MessagingServiceSid, api_base};
use messaging_bridge_clients::webhooks::WebhookUrls;
use messaging_bridge_crds::{MessagingBridge, RelayConfig, WireProfile as Profile};
use url::Url;

use crate::settings::PlatformSettings;

/// Where a bridge leads.
#[derive(Clone, Debug)]
pub struct Target {
    /// The relay's configuration, without the integration's id.
    pub config: RelayConfig,
    /// What the platforms are to call.
    pub urls: WebhookUrls,
    /// Where the organisation is.
    pub genesys: GenesysHosts,
    /// The shape of its API.
    pub profile: WireProfile,
    /// Where Twilio's API is.
    pub twilio: Url,
    /// The Messaging Service that the number is said to be in.
    pub messaging_service: Option<MessagingServiceSid>,
}

/// Reads the resource; the error names field and fix.
pub fn target(bridge: &MessagingBridge, platforms: &PlatformSettings) -> Result<Target, String> {
    let spec = &bridge.spec;
    let config = RelayConfig::from_bridge(bridge, "default")
        .map_err(|error| format!("spec.genesys.region: {error}"))?;
    let urls =
        WebhookUrls::parse(&spec.public_url).map_err(|error| format!("spec.publicUrl: {error}"))?;
    let host = |host: &str| {
        Url::parse(&format!("https://{host}"))
            .map_err(|error| format!("spec.genesys.region: {host:?} is no host: {error}"))
    };
    let genesys = match &platforms.genesys_base_url {
        Some(base) => GenesysHosts {
            api: base.clone(),
            login: base.clone(),
        },
        None => GenesysHosts {
            api: host(&config.genesys.api_host)?,
            login: host(&config.genesys.login_host)?,
        },
    };
    let places = [("region", &spec.twilio.region), ("edge", &spec.twilio.edge)];
    for (field, place) in places {
        if place.as_deref().is_some_and(|place| !is_host_label(place)) {
            return Err(format!(
                "spec.twilio.{field}: write Twilio's name for it, for example ie1 or dublin"
            ));
        }
    }
    spec.twilio
        .number
        .parse::<E164>()
        .map_err(|error| format!("spec.twilio.number: {error}"))?;
    let twilio = platforms
        .twilio_base_url
        .clone()
        .unwrap_or_else(|| api_base(spec.twilio.region.as_deref(), spec.twilio.edge.as_deref()));
    Ok(Target {
        urls,
        genesys,
        profile: match spec.genesys.wire_profile {
            Profile::Current => WireProfile::Current,
            Profile::Guide => WireProfile::Guide,
        },
        twilio,
        messaging_service: spec
            .twilio
            .messaging_service_sid
            .clone()
            .map(MessagingServiceSid::new),
        config,
    })
}

fn is_host_label(text: &str) -> bool {
    (2..=20).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
