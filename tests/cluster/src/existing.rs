//! A cluster that was given: `MB_TEST_CLUSTER=existing` and KUBECONFIG. For contributors who are not root on Linux.

use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

use crate::{ClusterError, command};

/// Whether tests are to use a cluster that is there.
pub(crate) fn wanted() -> bool {
    std::env::var_os("MB_TEST_CLUSTER").is_some_and(|value| value == "existing")
}

/// The KUBECONFIG of that cluster: one file.
pub(crate) fn kubeconfig() -> Result<PathBuf, ClusterError> {
    std::env::var_os("KUBECONFIG")
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .ok_or_else(|| ClusterError::Missing {
            what: "KUBECONFIG, one file: MB_TEST_CLUSTER=existing uses the cluster that it names"
                .to_owned(),
            fix: "export KUBECONFIG=$(mktemp) && kind get kubeconfig > \"$KUBECONFIG\"".to_owned(),
        })
}

/// Loads an image where it is known how; `MB_TEST_IMAGES=loaded` says that it is there already.
pub(crate) async fn load_image(kubeconfig: &Path, archive: &Path) -> Result<(), ClusterError> {
    if std::env::var_os("MB_TEST_IMAGES").is_some_and(|value| value == "loaded") {
        return Ok(());
    }
    let context = Kubeconfig::read_from(kubeconfig)
        .ok()
        .and_then(|file| file.current_context)
        .unwrap_or_default();
    let Some((program, args)) = loader(&context) else {
        return Err(ClusterError::Unsupported {
            what: "loading an image",
            instead: "load target/images/*.tar into its nodes yourself and set MB_TEST_IMAGES=loaded",
        });
    };
    let mut load = tokio::process::Command::new(program);
    load.args(args).arg(archive);
    command::run(load, None).await?.ok().map(drop)
}

/// The command that loads an image archive, told by the context's name; the archive is its last argument.
fn loader(context: &str) -> Option<(&'static str, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    if let Some(name) = context.strip_prefix("kind-") {
        return Some(("kind", words(&["load", "image-archive", "--name", name])));
    }
    context
        .strip_prefix("k3d-")
        .map(|name| ("k3d", words(&["image", "import", "--cluster", name])))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kind-kind", Some("kind load image-archive --name kind"))]
    #[case("k3d-dev", Some("k3d image import --cluster dev"))]
    #[case("production", None)]
    fn the_context_tells_how_an_image_is_loaded(
        #[case] context: &str,
        #[case] command: Option<&str>,
    ) {
        let found = loader(context).map(|(program, args)| format!("{program} {}", args.join(" ")));
        assert_eq!(found.as_deref(), command);
    }
}
