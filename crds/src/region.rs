//! The regions of Genesys Cloud: from what people write to the two hosts the bridge calls.
//!
//! The table is the one of the official SDKs (`PureCloudRegionHosts`, 18 entries, the same in Python and JavaScript).
//! A region may be written as the AWS region, as the org's domain, or as the short code in that domain. A domain that
//! is not in the table is accepted only below Genesys' own suffixes: credentials are sent to `login.<domain>`, and who
//! may write a bridge must not be able to send a Secret elsewhere. The CEL rules are generated from the same table, so
//! that the API server and [`resolve`] refuse the same spellings.

use kube::core::Rule;
use thiserror::Error;

/// A region of Genesys Cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The AWS region, for example `us-west-2`.
    pub aws: &'static str,
    /// The domain of its orgs, for example `usw2.pure.cloud`; the hosts are `login.<domain>` and `api.<domain>`.
    pub domain: &'static str,
}

/// All regions, in the order of the SDKs.
pub const REGIONS: [Region; 18] = [
    Region::new("us-east-1", "mypurecloud.com"),
    Region::new("eu-west-1", "mypurecloud.ie"),
    Region::new("ap-southeast-2", "mypurecloud.com.au"),
    Region::new("ap-northeast-1", "mypurecloud.jp"),
    Region::new("eu-central-1", "mypurecloud.de"),
    Region::new("us-west-2", "usw2.pure.cloud"),
    Region::new("ca-central-1", "cac1.pure.cloud"),
    Region::new("ap-northeast-2", "apne2.pure.cloud"),
    Region::new("eu-west-2", "euw2.pure.cloud"),
    Region::new("ap-south-1", "aps1.pure.cloud"),
    Region::new("us-east-2", "use2.us-gov-pure.cloud"),
    Region::new("sa-east-1", "sae1.pure.cloud"),
    Region::new("me-central-1", "mec1.pure.cloud"),
    Region::new("ap-northeast-3", "apne3.pure.cloud"),
    Region::new("eu-central-2", "euc2.pure.cloud"),
    Region::new("mx-central-1", "mxc1.pure.cloud"),
    Region::new("ap-southeast-1", "apse1.pure.cloud"),
    Region::new("eusc-de-east-1", "edee1.eusc-pure.cloud"),
];

/// The suffixes below which Genesys Cloud opens new regions.
const SUFFIXES: [&str; 3] = [".pure.cloud", ".us-gov-pure.cloud", ".eusc-pure.cloud"];

/// Labels in front of the org's domain that people copy along with it.
const HOST_PREFIXES: [&str; 3] = ["api.", "login.", "apps."];

impl Region {
    const fn new(aws: &'static str, domain: &'static str) -> Self {
        Self { aws, domain }
    }

    /// The short code in the domain (`usw2`); the five oldest regions (`mypurecloud.*`) have none.
    pub fn code(&self) -> Option<&'static str> {
        let (code, _) = self.domain.split_once('.')?;
        (code != "mypurecloud").then_some(code)
    }

    fn is_written(&self, spelling: &str) -> bool {
        self.aws == spelling || self.domain == spelling || self.code() == Some(spelling)
    }
}

/// The hosts of a region, without scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionHosts {
    /// The AWS region, where the table knows the domain.
    pub aws: Option<&'static str>,
    /// The host of the platform API.
    pub api_host: String,
    /// The host that hands out tokens.
    pub login_host: String,
}

impl RegionHosts {
    fn of(aws: Option<&'static str>, domain: &str) -> Self {
        Self {
            aws,
            api_host: format!("api.{domain}"),
            login_host: format!("login.{domain}"),
        }
    }
}

/// Why a spelling names no region; the text says what to write.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RegionError {
    /// No region of the table is written like this.
    #[error("{given:?} is no region of Genesys Cloud: write {}", either(.nearest))]
    Unknown {
        /// What was written.
        given: String,
        /// What was probably meant, nearest first; never empty.
        nearest: Vec<String>,
    },
    /// A domain that is not one of Genesys Cloud: the credentials would be sent to a stranger.
    #[error(
        "{given:?} is not a domain of Genesys Cloud: write one of {}, or a domain that ends in {}",
        domains().collect::<Vec<_>>().join(", "),
        either(&SUFFIXES)
    )]
    ForeignDomain {
        /// What was written.
        given: String,
    },
}

/// The hosts for a region as a bridge writes it: AWS region, org's domain, or the short code in the domain.
///
/// Spellings are exact (lower case, no scheme, no `api.`); an error names the spelling that was probably meant.
pub fn resolve(spelling: &str) -> Result<RegionHosts, RegionError> {
    accepted(spelling).ok_or_else(|| refusal(spelling))
}

fn accepted(spelling: &str) -> Option<RegionHosts> {
    if let Some(region) = REGIONS.iter().find(|region| region.is_written(spelling)) {
        return Some(RegionHosts::of(Some(region.aws), region.domain));
    }
    is_below_a_suffix(spelling).then(|| RegionHosts::of(None, spelling))
}

/// A domain that Genesys Cloud may open tomorrow: DNS labels below one of its suffixes, and no host's prefix.
fn is_below_a_suffix(domain: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.chars().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !HOST_PREFIXES
        .iter()
        .any(|prefix| domain.starts_with(prefix))
        && SUFFIXES
            .iter()
            .filter_map(|suffix| domain.strip_suffix(suffix))
            .any(|labels| labels.split('.').all(is_label))
}

fn refusal(given: &str) -> RegionError {
    let bare = bare_domain(given);
    if bare != given && accepted(&bare).is_some() {
        return RegionError::Unknown {
            given: given.to_owned(),
            nearest: vec![bare],
        };
    }
    if bare.contains('.') {
        return RegionError::ForeignDomain {
            given: given.to_owned(),
        };
    }
    RegionError::Unknown {
        given: given.to_owned(),
        nearest: nearest(&bare),
    }
}

/// What is left of a pasted URL or host when everything but the org's domain is taken away.
fn bare_domain(given: &str) -> String {
    let lower = given.trim().to_ascii_lowercase();
    let without_scheme = lower
        .split_once("://")
        .map_or(lower.as_str(), |(_, rest)| rest);
    let host = without_scheme
        .split(['/', ':', '?', '#'])
        .next()
        .unwrap_or_default();
    let domain = HOST_PREFIXES
        .iter()
        .find_map(|prefix| host.strip_prefix(prefix))
        .unwrap_or(host);
    domain.to_owned()
}

/// The spellings nearest to `given`, at most three. A code made after the pattern of the others (`use1`) is taken for
/// the AWS region that it abbreviates, though Genesys Cloud has no such host.
fn nearest(given: &str) -> Vec<String> {
    if let Some(region) = REGIONS
        .iter()
        .find(|region| abbreviation(region.aws) == given)
    {
        return vec![region.aws.to_owned()];
    }
    let spellings = || {
        REGIONS
            .iter()
            .flat_map(|region| [Some(region.aws), region.code()])
            .flatten()
    };
    let distance = |spelling: &str| strsim::osa_distance(given, spelling);
    let least = spellings().map(distance).min();
    spellings()
        .filter(|spelling| Some(distance(spelling)) == least)
        .take(3)
        .map(str::to_owned)
        .collect()
}

/// `ap-southeast-2` → `apse2`, the pattern of Genesys Cloud's short codes.
fn abbreviation(aws: &str) -> String {
    let direction = |part: &str| match part {
        "northeast" => "ne".to_owned(),
        "southeast" => "se".to_owned(),
        "northwest" => "nw".to_owned(),
        "southwest" => "sw".to_owned(),
        other => other.chars().take(1).collect(),
    };
    let mut parts = aws.split('-');
    let area = parts.next().unwrap_or_default().to_owned();
    parts.fold(area, |code, part| code + &direction(part))
}

fn domains() -> impl Iterator<Item = &'static str> {
    REGIONS
        .iter()
        .filter(|region| region.code().is_none())
        .map(|region| region.domain)
}

fn either<S: AsRef<str>>(options: &[S]) -> String {
    let options: Vec<&str> = options.iter().map(AsRef::as_ref).collect();
    match options.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Refuses a URL.
pub(crate) fn no_url_rule() -> Rule {
    Rule::new(format!("!({IS_URL})")).message(
        "write the org's domain alone, without https://, port or path: for https://api.usw2.pure.cloud write \
         usw2.pure.cloud",
    )
}

/// Refuses a host in front of the org's domain.
pub(crate) fn no_host_rule() -> Rule {
    Rule::new(format!("({IS_URL}) || !({IS_HOST})"))
        .message("remove api., login. or apps. in front of the org's domain: write usw2.pure.cloud")
}

/// Refuses what neither the table nor a suffix of Genesys Cloud knows; silent where the other two rules speak.
pub(crate) fn known_rule() -> Rule {
    let spellings = REGIONS
        .iter()
        .flat_map(|r| [Some(r.aws), r.code(), Some(r.domain)])
        .flatten();
    let listed: Vec<String> = spellings.map(|spelling| format!("'{spelling}'")).collect();
    let suffixes: Vec<String> = SUFFIXES
        .iter()
        .map(|suffix| suffix.replace('.', "[.]"))
        .collect();
    let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let aws: Vec<&str> = REGIONS.iter().map(|region| region.aws).collect();
    let rule = format!(
        "{IS_URL} || {IS_HOST} || self in [{}] || self.matches('^{label}([.]{label})*({})$')",
        listed.join(", "),
        suffixes.join("|"),
    );
    let fix = format!(
        "unknown region: write the org's AWS region ({}), its domain (mypurecloud.com, usw2.pure.cloud) or the code \
         in its domain (usw2)",
        aws.join(", ")
    );
    Rule::new(rule).message(fix.as_str())
}

const IS_URL: &str = "self.contains('/') || self.contains(':')";
const IS_HOST: &str = "self.matches('^(api|login|apps)[.]')";
