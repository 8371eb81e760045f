//! The commands of the README, run as they stand there: what a stranger types is what is tested.

use std::path::PathBuf;
use std::process::Stdio;

use messaging_bridge_cluster::{Binary, Cluster};
use tokio::process::Command;

use crate::repository;

/// The commands of the fenced block of the README that holds this text.
///
/// # Panics
///
/// When there is not exactly one such block.
pub fn block(with: &str) -> String {
    let text = std::fs::read_to_string(repository("README.md")).expect("the repository is whole");
    let mut found: Vec<String> = blocks(&text)
        .into_iter()
        .filter(|block| block.contains(with))
        .collect();
    assert_eq!(found.len(), 1, "blocks of the README with {with:?}");
    found.remove(0)
}

fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_start();
        match (&mut block, line.starts_with("```")) {
            (None, true) if line == "```sh" => block = Some(String::new()),
            (Some(_), true) => blocks.extend(block.take()),
            (Some(block), false) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// Runs commands in the repository's folder, with this cluster, its `kubectl` and its `helm`; returns what they wrote.
///
/// # Panics
///
/// When one fails.
pub async fn run(cluster: &Cluster, commands: &str) -> String {
    let tools = tokio::task::spawn_blocking(|| [Binary::Kubectl, Binary::Helm].map(Binary::path));
    let mut path = std::env::var("PATH").unwrap_or_default();
    for tool in tools.await.expect("tools can be looked for") {
        let tool: PathBuf = tool.unwrap_or_else(|error| panic!("{error}"));
        let folder = tool.parent().expect("a tool lies in a folder");
        path = format!("{}:{path}", folder.display());
    }
    let home = tempfile::tempdir().expect("a folder can be made");
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(repository("."))
        .env("PATH", path)
        .env("HOME", home.path())
        .env("KUBECONFIG", cluster.kubeconfig())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("bash runs");
    let [out, error] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{commands}\n{out}\n{error}");
    out
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn a_block_is_found_where_it_is_indented_too() {
        let text = "a\n   ```sh\n   one \\\n     two\n   ```\n```yaml\nb\n```\n```sh\nthree\n```\n";
        assert_eq!(blocks(text), ["one \\\ntwo\n", "three\n"]);
    }
}
