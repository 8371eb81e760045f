//! The fourth phase: what was built becomes what is in the cluster.
//!
//! It guarantees: nothing is written where the live object already says what was built ([`diff`]); nothing that is not
//! the bridge's is taken over ([`ownership`]); what is no longer built is removed only after everything else was
//! applied; a volume's claim is never removed, never shrunk, and never one that somebody else made.
//!
//! It does not decide what a bridge consists of, and does not read the resource.

mod claim;
pub mod diff;
mod error;
mod object;
pub mod ownership;
mod prune;
mod rewritten;
mod workload;

use kube::Client;

pub use self::error::ApplyError;
pub use self::rewritten::Rewritten;
use crate::build::{Applied, Built, Objects, Parts};
use crate::dereference::LiveChildren;

/// Applies everything, in the order in which the objects need each other: the pod's identity, configuration and
/// network rules stand before the workload that runs with them; Services before it, so that no webhook finds a pod
/// without a way in.
pub async fn apply(
    client: &Client,
    objects: Objects<Built>,
    live: &LiveChildren,
    rewritten: &Rewritten,
) -> Result<Objects<Applied>, ApplyError> {
    // The objects are large; they wait on the heap while the API server answers.
    Box::pin(each(client, objects, live, rewritten)).await
}

async fn each(
    client: &Client,
    objects: Objects<Built>,
    live: &LiveChildren,
    rewritten: &Rewritten,
) -> Result<Objects<Applied>, ApplyError> {
    // Taken apart without `..`: what is built and not applied does not compile.
    let Parts {
        bridge,
        service_account,
        config_map,
        public_service,
        admin_service,
        network_policy,
        stateful_set,
    } = objects.into_parts();
    let one = object::Writer::new(client, &bridge, rewritten);
    let service_account = one.apply(service_account, &live.service_accounts).await?;
    let config_map = one.apply(config_map, &live.config_maps).await?;
    let network_policy = match network_policy {
        Some(policy) => Some(one.apply(policy, &live.network_policies).await?),
        None => None,
    };
    let public_service = one.apply(public_service, &live.services).await?;
    let admin_service = one.apply(admin_service, &live.services).await?;
    if live.stateful_sets.is_empty() {
        claim::ensure_ours(client, &bridge, &live.claims).await?;
    }
    let grown = claim::grow(client, &bridge, &stateful_set, &live.claims).await;
    let stateful_set = Box::pin(workload::apply(&one, stateful_set, &live.stateful_sets)).await?;
    prune::remove(
        client,
        &bridge,
        network_policy.as_ref(),
        &live.network_policies,
    )
    .await?;
    // A volume that cannot grow is told when all else stands.
    grown?;
    Ok(Objects::applied(
        bridge,
        service_account,
        config_map,
        [public_service, admin_service],
        network_policy,
        stateful_set,
    ))
}

#[cfg(test)]
mod tests;
