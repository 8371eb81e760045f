//! Images of one static binary, written without a builder: for what only tests run.
//!
//! The format is that of `docker save`, which `ctr`, `kind` and `k3d` load. The product's own images are built from
//! their Dockerfile, not here.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::ClusterError;
use crate::binaries::hex;

/// Writes an image called `name` to `archive`: the static `binary` as `/app`, its entry point, and nothing else. It runs
/// as user 65532.
pub fn write(name: &str, binary: &Path, archive: &Path) -> Result<(), ClusterError> {
    let program = std::fs::read(binary).map_err(ClusterError::file(binary))?;
    let file = File::create(archive).map_err(ClusterError::file(archive))?;
    write_to(name, &program, file).map_err(ClusterError::file(archive))
}

fn write_to(name: &str, program: &[u8], archive: impl Write) -> std::io::Result<()> {
    let mut layer = tar::Builder::new(Vec::new());
    add(&mut layer, "app", 0o755, program)?;
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": ["/app"], "User": "65532:65532"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&Sha256::digest(&layer)))]},
        "history": [{}],
    })
    .to_string();
    let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
    let manifest =
        json!([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).to_string();
    let mut archive = tar::Builder::new(archive);
    add(&mut archive, "layer.tar", 0o644, &layer)?;
    add(&mut archive, &config_name, 0o644, config.as_bytes())?;
    add(&mut archive, "manifest.json", 0o644, manifest.as_bytes())?;
    archive.finish()
}

fn add(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    mode: u32,
    data: &[u8],
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(data.len() as u64);
    header.set_cksum();
    archive.append_data(&mut header, name, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_the_image_its_configuration_and_its_layer() {
        let mut archive = Vec::new();
        write_to("localhost/a:1", b"program", &mut archive).expect("written");
        let mut read = tar::Archive::new(&archive[..]);
        let names: Vec<String> = read
            .entries()
            .expect("entries")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .path()
                    .expect("a path")
                    .display()
                    .to_string()
            })
            .collect();
        assert_eq!(names[0], "layer.tar");
        assert_eq!(names[2], "manifest.json");
        let text = String::from_utf8_lossy(&archive);
        assert!(text.contains(&format!(
            r#"[{{"Config":"{}","Layers":["layer.tar"],"RepoTags":["localhost/a:1"]}}]"#,
            names[1]
        )));
    }
}
