//! From what people write to the two hosts, for every spelling of every region.

use messaging_bridge_crds::{REGIONS, RegionError, RegionHosts, resolve};
use rstest::rstest;

fn hosts(aws: Option<&'static str>, domain: &str) -> RegionHosts {
    RegionHosts {
        aws,
        api_host: format!("api.{domain}"),
        login_host: format!("login.{domain}"),
    }
}

#[rstest]
#[case("us-east-1", "mypurecloud.com", None)]
#[case("eu-west-1", "mypurecloud.ie", None)]
#[case("ap-southeast-2", "mypurecloud.com.au", None)]
#[case("ap-northeast-1", "mypurecloud.jp", None)]
#[case("eu-central-1", "mypurecloud.de", None)]
#[case("us-west-2", "usw2.pure.cloud", Some("usw2"))]
#[case("ca-central-1", "cac1.pure.cloud", Some("cac1"))]
#[case("ap-northeast-2", "apne2.pure.cloud", Some("apne2"))]
#[case("eu-west-2", "euw2.pure.cloud", Some("euw2"))]
#[case("ap-south-1", "aps1.pure.cloud", Some("aps1"))]
#[case("us-east-2", "use2.us-gov-pure.cloud", Some("use2"))]
#[case("sa-east-1", "sae1.pure.cloud", Some("sae1"))]
#[case("me-central-1", "mec1.pure.cloud", Some("mec1"))]
#[case("ap-northeast-3", "apne3.pure.cloud", Some("apne3"))]
#[case("eu-central-2", "euc2.pure.cloud", Some("euc2"))]
#[case("mx-central-1", "mxc1.pure.cloud", Some("mxc1"))]
#[case("ap-southeast-1", "apse1.pure.cloud", Some("apse1"))]
#[case("eusc-de-east-1", "edee1.eusc-pure.cloud", Some("edee1"))]
fn a_region_is_found_by_each_of_its_spellings(
    #[case] aws: &'static str,
    #[case] domain: &str,
    #[case] code: Option<&str>,
) {
    for spelling in [Some(aws), Some(domain), code].into_iter().flatten() {
        assert_eq!(
            resolve(spelling),
            Ok(hosts(Some(aws), domain)),
            "{spelling}"
        );
    }
    assert!(
        REGIONS
            .iter()
            .any(|region| region.aws == aws && region.code() == code)
    );
}

#[test]
fn the_table_has_no_region_twice() {
    for (index, region) in REGIONS.iter().enumerate() {
        for other in &REGIONS[index + 1..] {
            assert!(region.aws != other.aws && region.domain != other.domain);
        }
    }
}

#[rstest]
#[case("usw9.pure.cloud")]
#[case("x.usg9.us-gov-pure.cloud")]
#[case("edee9.eusc-pure.cloud")]
fn a_new_domain_below_a_suffix_of_genesys_is_accepted(#[case] domain: &str) {
    assert_eq!(resolve(domain), Ok(hosts(None, domain)));
}

#[rstest]
#[case::gone_code("use1", &["us-east-1"])]
#[case::gone_code_of_sydney("apse2", &["ap-southeast-2"])]
#[case::slip_in_a_code("usw3", &["usw2"])]
#[case::slip_in_an_aws_name("us-est-1", &["us-east-1"])]
#[case::missing_dash("eu-central1", &["eu-central-1"])]
#[case::capitals("USW2", &["usw2"])]
#[case::blank(" usw2", &["usw2"])]
#[case::api_host("api.usw2.pure.cloud", &["usw2.pure.cloud"])]
#[case::login_host("login.use2.us-gov-pure.cloud", &["use2.us-gov-pure.cloud"])]
#[case::url("https://apps.mypurecloud.ie/directory/#/admin", &["mypurecloud.ie"])]
#[case::url_of_a_new_region("https://api.usw9.pure.cloud:443", &["usw9.pure.cloud"])]
fn a_wrong_spelling_is_answered_with_the_nearest(#[case] given: &str, #[case] expected: &[&str]) {
    let nearest = expected
        .iter()
        .map(|&spelling| spelling.to_owned())
        .collect();
    assert_eq!(
        resolve(given),
        Err(RegionError::Unknown {
            given: given.to_owned(),
            nearest
        })
    );
}

#[rstest]
#[case("example.com")]
#[case("https://login.example.com")]
#[case("mypurecloud.com.example.com")]
#[case("evilpure.cloud")]
#[case("pure.cloud")]
#[case("usw2.pure.cloud.example.com")]
#[case("mypurecloud.com@example.com")]
fn a_foreign_domain_is_refused(#[case] given: &str) {
    assert_eq!(
        resolve(given),
        Err(RegionError::ForeignDomain {
            given: given.to_owned()
        })
    );
}

#[rstest]
#[case("use1", "\"use1\" is no region of Genesys Cloud: write us-east-1")]
#[case("", "\"\" is no region of Genesys Cloud: write usw2, cac1 or euw2")]
#[case(
    "example.com",
    "\"example.com\" is not a domain of Genesys Cloud: write one of mypurecloud.com, mypurecloud.ie, mypurecloud.com.au, \
     mypurecloud.jp, mypurecloud.de, or a domain that ends in .pure.cloud, .us-gov-pure.cloud or .eusc-pure.cloud"
)]
fn an_error_says_what_to_write(#[case] given: &str, #[case] text: &str) {
    assert_eq!(
        resolve(given).map_err(|error| error.to_string()),
        Err(text.to_owned())
    );
}
