//! The operator at an API server without a node: the schema and its rules, what is made for a bridge, and what its
//! status says of everything that can be wrong without a pod.
//!
//! The operator runs as a process with the rights of the chart's ServiceAccount, and both platforms in this one. Tests
//! run side by side; those that concern everybody run alone. When all are done, the operator is asked to end, and
//! nothing that it did may have been refused. It takes the usual arguments of a test binary.
//!
//! On a cluster that was given (`MB_TEST_CLUSTER=existing`) only the schema's rules are tried, and that is said: the
//! rest reads the audit log and plays the kubelet.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accepted;
mod annotations;
mod children;
mod credentials;
mod deletion;
mod drift;
mod integration;
mod kubelet;
mod malformed;
mod news;
mod objects;
mod patience;
mod platforms;
mod policy;
mod relay;
mod rights;
mod rules;
mod scene;
mod volume;
mod webhooks;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Failed, Trial};
use messaging_bridge_cluster::Cluster;
use messaging_bridge_crds::{ConditionStatus, Reason};
use messaging_bridge_operator_suites::{conditions, control_plane};
use tokio::runtime::{Builder, Runtime};

/// How many run side by side: they spend their time waiting.
const TOGETHER: usize = 8;
/// A test that takes longer hangs.
const LONGEST: Duration = Duration::from_mins(5);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap()
});

/// Whether other tests may run meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Company {
    Beside,
    Alone,
    /// Apart from the shared setting.
    Apart,
}

fn trial<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    company: Company,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    // Without the line breaks of a long path.
    let name: String = name.split_whitespace().collect();
    Trial::test(name, move || {
        RUNTIME.block_on(async {
            let guarded = AssertUnwindSafe(guarded(company, test));
            match tokio::time::timeout(LONGEST, guarded.catch_unwind()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(panic)) => Err(failure(&words(panic.as_ref())).await),
                Err(_) => Err(failure(&format!("not done within {LONGEST:?}")).await),
            }
        })
    })
}

async fn guarded<F: Future<Output = ()>>(company: Company, test: impl FnOnce() -> F) {
    if company == Company::Apart {
        return test().await;
    }
    let plane = scene::plane().await;
    let _guards = match company {
        Company::Alone => (None, Some(plane.alone().await)),
        _ => (Some(plane.beside().await), None),
    };
    test().await;
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let word = || panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(word).unwrap_or_default()
}

/// What went wrong, and what the operator said.
async fn failure(what: &str) -> Failed {
    match control_plane::started() {
        Some(plane) => format!("{what}\nthe operator's last lines:\n{}", plane.log().await).into(),
        None => what.into(),
    }
}

/// What holds for all tests together: the operator ends when it is asked to, was never refused a verb, and, when all
/// tests ran, used every right that it has and gave every reason that it can.
async fn in_the_end(all_ran: bool) -> Result<(), String> {
    let Some(plane) = control_plane::started() else {
        return Ok(());
    };
    let (code, requests) = plane.end().await;
    if code != Some(0) {
        return Err(format!(
            "the operator ended with {code:?}\n{}",
            plane.log().await
        ));
    }
    let refused: Vec<String> = requests
        .iter()
        .filter(|request| request.code == 403 && !by_admission(request))
        .map(|request| format!("{} {}", request.verb, request.uri))
        .collect();
    if requests.is_empty() || !refused.is_empty() {
        return Err(format!(
            "of {} requests refused: {refused:?}",
            requests.len()
        ));
    }
    if all_ran {
        rights::compare(plane.cluster, &requests).await?;
        every_reason_was_seen()?;
    }
    Ok(())
}

/// Every reason by which a condition is not `True` was provoked, but for those that need a pod: the node's suite sees
/// them.
fn every_reason_was_seen() -> Result<(), String> {
    let wanted = Reason::ALL.iter().copied().filter(|reason| {
        reason.status() != ConditionStatus::True && !conditions::NEED_A_POD.contains(reason)
    });
    match conditions::never_seen(wanted)[..] {
        [] => Ok(()),
        ref missing => Err(format!("never provoked: {missing:?}")),
    }
}

/// A quota, and a storage class that lets no volume grow, refuse by the same code as a missing right.
fn by_admission(request: &messaging_bridge_cluster::Request) -> bool {
    request.namespace == accepted::WITH_A_QUOTA
        || request.namespace == volume::THAT_CANNOT_GROW
            && request.resource == "persistentvolumeclaims"
}

#[expect(
    clippy::print_stderr,
    reason = "what is left out must not look as if it had been tried"
)]
fn say(text: &str) {
    eprintln!("{text}");
}

macro_rules! trials {
    ($($company:ident $($part:ident)::+;)+) => {
        vec![$(trial(stringify!($($part)::+), Company::$company, $($part)::+)),+]
    };
}

fn all() -> Vec<Trial> {
    let mut trials = trials![
        // The longest first.
        Apart patience::an_operator_waits_for_its_definitions_and_leaves_what_does_not_change_alone;
        Beside rules::the_api_server_accepts_and_refuses_what_the_offline_check_does;
        Beside children::a_bridge_gets_all_its_objects_and_all_conditions_from_the_first_write;
        Beside children::bridges_are_found_by_their_number_and_by_their_integration;
        Beside children::the_longest_and_the_oddest_names_make_valid_objects;
        Beside drift::defaults_and_additions_by_others_are_left_alone;
        Beside drift::a_change_by_hand_is_put_back_once_and_additions_stay;
        Beside drift::a_status_changed_by_hand_is_put_right_and_additions_stay;
        Beside drift::a_field_that_admission_rewrites_is_not_fought_over;
        Beside drift::what_is_deleted_by_hand_is_made_anew;
        Beside accepted::a_name_that_is_taken_is_not_taken_over;
        Beside accepted::an_object_that_a_quota_refuses_is_named;
        Beside credentials::every_secret_that_is_missing_is_named_at_once;
        Beside credentials::a_key_that_is_missing_is_named;
        Beside credentials::a_value_that_cannot_be_right_is_named_and_never_quoted;
        Beside credentials::whoever_knows_only_the_client_id_is_refused;
        Beside credentials::a_secret_whose_values_stay_asks_nobody;
        Beside credentials::a_wrong_auth_token_is_refused;
        Beside credentials::a_missing_right_is_unknown_and_another_client_may_look;
        Beside integration::a_name_that_nobody_has_gets_the_nearest_names;
        Beside integration::a_name_that_two_have_gets_both_ids;
        Beside integration::a_renamed_or_duplicated_integration_is_seen_and_the_relay_stays;
        Beside integration::a_deleted_integration_is_seen_and_one_made_anew_taken_up;
        Beside integration::a_bridge_for_another_integration_waits_with_its_relay_as_it_was;
        Beside relay::a_relay_that_starts_runs_and_rolls_is_told;
        Beside relay::what_a_relay_says_is_told;
        Beside annotations::a_paused_bridge_is_left_as_it_is_and_its_status_is_kept;
        Beside annotations::a_look_that_is_asked_for_is_had_once;
        Beside volume::a_volume_that_cannot_grow_is_named_and_the_workload_is_made_anew;
        Beside deletion::a_deleted_bridge_leaves_its_claim_only;
        Beside news::events_are_for_transitions_only;
        Alone platforms::a_suspended_account_is_named;
        Alone platforms::a_platform_that_does_not_answer_is_unknown;
        Alone platforms::a_bridge_is_told_before_it_is_looked_at_and_one_made_anew_is_another;
        Alone policy::a_policy_that_is_switched_off_is_removed_and_comes_back;
        Alone malformed::an_object_that_cannot_be_read_stops_nobody_and_is_told;
    ];
    trials.extend(webhooks::trials());
    trials
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TOGETHER);
    let trials = if Cluster::given() {
        say("left out: what needs the audit log and no kubelet is for the harness's own cluster");
        let rules = rules::the_api_server_accepts_and_refuses_what_the_offline_check_does;
        vec![trial("rules::on_a_given_cluster", Company::Apart, rules)]
    } else {
        all()
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    let all_ran = conclusion.num_filtered_out == 0 && conclusion.num_failed == 0;
    if let Err(error) = RUNTIME.block_on(in_the_end(all_ran)) {
        say(&format!("in the end: {error}"));
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
