//! An OCI archive, unpacked: what `make image` leaves and a registry or a node is given.
//!
//! Read by the image layout's specification: `index.json` names the manifest, the manifest the configuration and the
//! layers.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::{read, tool};

/// An image, its layers unpacked into one directory.
pub struct Image {
    /// The configuration's part about running: user, entry point, environment, labels.
    pub config: Value,
    /// The whole reference that a node files the image under.
    pub reference: String,
    root: TempDir,
}

impl Image {
    /// Unpacks `target/images/{name}.tar`.
    ///
    /// # Panics
    ///
    /// When it is not there or not an image.
    pub fn open(name: &str) -> Self {
        let archive = images().join(format!("{name}.tar"));
        assert!(
            archive.exists(),
            "{} is missing; run: make image",
            archive.display()
        );
        let layout = tempfile::tempdir().expect("a directory can be made");
        tool("tar", &[&"-xf", &archive, &"-C", &layout.path()]);
        let index = json(&layout.path().join("index.json"));
        let described = &index["manifests"][0];
        let manifest = json(&blob(layout.path(), described));
        let config = json(&blob(layout.path(), &manifest["config"]));
        let root = tempfile::tempdir().expect("a directory can be made");
        for layer in manifest["layers"]
            .as_array()
            .expect("a manifest has layers")
        {
            tool(
                "tar",
                &[&"-xf", &blob(layout.path(), layer), &"-C", &root.path()],
            );
        }
        Self {
            config: config["config"].clone(),
            reference: reference(described),
            root,
        }
    }

    /// Where the layers were unpacked.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A list of strings of the configuration: `Entrypoint`, `Cmd`, `Env`.
    pub fn strings(&self, key: &str) -> Vec<&str> {
        let list = self.config[key].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect()
    }
}

/// The reference, as containerd looks for it: Docker writes the whole one into an annotation of containerd's own.
fn reference(described: &Value) -> String {
    [
        "io.containerd.image.name",
        "org.opencontainers.image.ref.name",
    ]
    .iter()
    .find_map(|key| described["annotations"][key].as_str())
    .expect("the archive names its image")
    .to_owned()
}

fn blob(layout: &Path, described: &Value) -> PathBuf {
    let digest = described["digest"]
        .as_str()
        .expect("a descriptor has a digest");
    let (algorithm, hash) = digest
        .split_once(':')
        .expect("a digest names its algorithm");
    layout.join("blobs").join(algorithm).join(hash)
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&read(file))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The folder of the archives, beside the one where cargo lets tests keep their files.
fn images() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    workspace
        .join(target.unwrap_or_else(|| "target".into()))
        .join("images")
}
