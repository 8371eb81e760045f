//! A bridge that is gone: what it leaves behind is named.
//!
//! There is no finalizer: a bridge can always be deleted, also while the operator is not running; then nobody names the
//! volume, but its claim's labels and annotation do.

use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};

use super::Context;
use super::caches::Guarded;
use crate::names::BRIDGE_ANNOTATION;
use crate::status::events::News;

/// Names the volume that stays.
pub(super) async fn announce(gone: &Guarded, context: &Context) {
    let name = gone.name_any();
    let namespace = gone.namespace().unwrap_or_default();
    let claims: Vec<String> = context
        .caches
        .claims
        .state()
        .iter()
        .filter(|claim| claim.namespace().as_deref() == Some(namespace.as_str()))
        .filter(|claim| claim.annotations().get(BRIDGE_ANNOTATION) == Some(&name))
        .map(|claim| claim.name_any())
        .collect();
    if claims.is_empty() {
        return;
    }
    let claims = claims.join(" ");
    tracing::info!(
        namespace,
        bridge = name,
        claims,
        "the bridge was deleted, its volume is kept"
    );
    let note = format!(
        "the queue of the deleted bridge is kept: a bridge of this name takes it up again; to lose it, run kubectl -n \
         {namespace} delete pvc {claims}"
    );
    let reference = gone.object_ref(&());
    context
        .publish(
            &reference,
            EventType::Normal,
            News::VolumeKept.as_str(),
            &note,
        )
        .await;
}
