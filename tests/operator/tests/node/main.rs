//! The operator on a real node: the images that are shipped, installed by Helm, carry texts both ways whatever happens.
//!
//! The stories spend their time waiting, so that many run side by side; those that concern everybody run alone. It
//! takes the usual arguments of a test binary. On a cluster that was given (`MB_TEST_CLUSTER=existing`), what only an own
//! node can do is left out, and said.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deletion;
mod growth;
mod guide;
mod loss;
mod quiet;
mod relay_available;
mod rollout;
mod secrets;
mod story;
mod trouble;
mod way;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use messaging_bridge_cluster::Cluster;
use messaging_bridge_operator_suites::{conditions, node};
use tokio::runtime::{Builder, Runtime};

/// How many run side by side.
const TOGETHER: usize = 8;
/// A story that takes longer hangs.
const LONGEST: Duration = Duration::from_mins(5);

static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    Arc::new(runtime.unwrap())
});

/// Whether other stories may run meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Company {
    Beside,
    Alone,
}

fn trial<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    company: Company,
    story: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    // Without the line breaks of a long path.
    let name: String = name.split_whitespace().collect();
    Trial::test(name, move || {
        RUNTIME.block_on(async {
            let node = node::shared().await;
            let _guards = match company {
                Company::Beside => (Some(node.beside().await), None),
                Company::Alone => (None, Some(node.alone().await)),
            };
            // The way to them leads through the kubelet, which the story before may have started again.
            node.platforms.answers().await;
            tokio::time::timeout(LONGEST, story())
                .await
                .map_err(|_| format!("not done within {LONGEST:?}").into())
        })
    })
}

/// Says what is not tried here.
#[expect(
    clippy::print_stderr,
    reason = "a story that is left out must not look as if it had been told"
)]
pub(crate) fn left_out(why: &str) {
    eprintln!("left out: {why}");
}

macro_rules! trials {
    ($($company:ident $($part:ident)::+;)+) => {
        vec![$(trial(stringify!($($part)::+), Company::$company, $($part)::+)),+]
    };
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TOGETHER);
    let trials = trials![
        // The longest first.
        Beside growth::a_larger_queue_grows_the_claim_and_keeps_what_is_in_it;
        Beside deletion::a_bridge_for_another_number_does_not_deliver_the_old_ones_messages;
        Beside deletion::a_deleted_bridge_leaves_its_volume_and_made_anew_goes_on_with_the_backlog;
        Beside loss::a_relay_pod_deleted_under_load_loses_nothing;
        Beside relay_available::a_relay_that_ends_again_and_again_is_named_with_its_last_words;
        Beside guide::the_guides_of_a_first_bridge_lead_through_its_whole_life;
        Beside secrets::a_rotated_secret_reaches_the_relay_without_a_restart;
        Beside trouble::the_relay_goes_on_while_genesys_takes_no_message;
        Beside trouble::the_relay_goes_on_when_a_secret_is_deleted;
        Beside trouble::the_relay_goes_on_when_the_integration_is_deleted;
        Beside way::the_quick_start_of_the_readme_works;
        Beside way::texts_go_both_ways_through_an_ingress_that_keeps_the_prefix;
        Beside way::texts_go_both_ways_through_an_ingress_that_strips_the_prefix;
        Beside growth::a_stateful_set_that_cannot_be_corrected_is_made_anew_around_its_pod;
        Beside rollout::a_change_of_the_bridge_rolls_the_relay;
        Beside relay_available::a_volume_that_nobody_provides_is_named;
        Beside relay_available::a_pod_that_a_quota_refuses_is_named;
        Beside quiet::a_restarted_operator_takes_up_everything_without_a_write;
        Alone quiet::an_unchanged_bridge_is_left_alone_while_another_waits_for_the_kubelets_own_pace;
        Alone rollout::a_bad_image_and_a_node_that_nobody_has_are_named_and_a_good_one_recovers;
        Alone loss::a_node_restarted_with_a_backlog_loses_nothing;
        Alone relay_available::a_lost_node_is_named;
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    let all_ran = conclusion.num_filtered_out == 0 && conclusion.num_failed == 0;
    if all_ran && !Cluster::given() {
        let missing = conditions::never_seen(conditions::NEED_A_POD);
        assert!(missing.is_empty(), "never provoked: {missing:?}");
    }
    conclusion.exit();
}
