//! The commands and examples of the README and the guides, as they stand there: what a stranger types is what is tested.

use std::path::PathBuf;
use std::process::Stdio;

use messaging_bridge_cluster::{Binary, Cluster};
use tokio::process::Command;

use crate::repository;

/// A page of the repository.
///
/// # Panics
///
/// When it is not there.
pub fn read(page: &str) -> String {
    std::fs::read_to_string(repository(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The fenced blocks of a page that are in this language, also where a list indents them.
pub fn fenced(page: &str, language: &str) -> Vec<String> {
    blocks(&read(page), language)
}

/// The commands of the one block that holds all of this.
///
/// # Panics
///
/// When there is not exactly one such block.
pub fn commands(page: &str, with: &[&str]) -> String {
    let mut found = fenced(page, "sh");
    found.retain(|block| with.iter().all(|with| block.contains(with)));
    assert_eq!(found.len(), 1, "blocks of {page} with {with:?}");
    found.remove(0)
}

fn blocks(text: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}");
    let mut blocks: Vec<String> = Vec::new();
    let mut indent = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") {
            indent = (trimmed == start).then(|| line.len() - trimmed.len());
            blocks.extend(indent.map(|_| String::new()));
        } else if let (Some(indent), Some(block)) = (indent, blocks.last_mut()) {
            block.push_str(line.get(indent..).unwrap_or_default());
            block.push('\n');
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
        assert_eq!(blocks(text, "sh"), ["one \\\n  two\n", "three\n"]);
        assert_eq!(blocks(text, "yaml"), ["b\n"]);
    }
}
