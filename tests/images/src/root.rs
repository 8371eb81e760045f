//! An image's root as a node makes it: read-only, with a few mounts, and its program as its user.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::{Image, tool};

/// Something of the outside that the program sees.
pub struct Mount {
    /// The file or directory outside.
    pub from: PathBuf,
    /// Its place inside, without the slash at the front.
    pub to: &'static str,
    /// Whether the program may write to it, as to its volume.
    pub writable: bool,
}

/// Of the devices that the runtime specification gives to every container, those that a program may rely on: a
/// statically linked one finds its randomness there.
const DEVICES: [&str; 3] = ["null", "random", "urandom"];

/// A read-only root, mounted as long as this lives.
pub struct Root {
    path: PathBuf,
    user: String,
    environment: Vec<(String, String)>,
    program: String,
}

impl Root {
    /// Mounts the image's root read-only, and these into it.
    ///
    /// # Panics
    ///
    /// When the machine refuses a mount, or the image names no user or no program.
    pub fn of(image: &Image, mounts: &[Mount]) -> Self {
        let path = image.root().to_owned();
        tool("mount", &[&"--bind", &path, &path]);
        for device in DEVICES {
            let from = Path::new("/dev").join(device);
            bind(&from, &path.join("dev").join(device));
        }
        for mount in mounts {
            let place = path.join(mount.to);
            bind(&mount.from, &place);
            if !mount.writable {
                tool("mount", &[&"-o", &"remount,bind,ro", &place]);
            }
        }
        tool("mount", &[&"-o", &"remount,bind,ro", &path]);
        let environment = image.strings("Env").into_iter();
        Self {
            path,
            user: image.config["User"]
                .as_str()
                .expect("the image names its user")
                .to_owned(),
            environment: environment
                .filter_map(|variable| variable.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            program: image
                .strings("Entrypoint")
                .first()
                .expect("the image has a program")
                .to_string(),
        }
    }

    /// The image's program with these arguments: in the root, as its user without further groups, with the image's
    /// environment alone.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // With its whole path: the command is looked up in the PATH that it is given, and that is the image's.
        let chroot = tool("sh", &[&"-c", &"command -v chroot"]);
        let mut command = Command::new(chroot.trim_end());
        command
            .arg(format!("--userspec={}", self.user))
            .arg("--groups=")
            .arg(&self.path)
            .arg(&self.program)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Drop for Root {
    /// The image's directory can be removed again, even while the program still ends.
    fn drop(&mut self) {
        tool("umount", &[&"--recursive", &"--lazy", &self.path]);
    }
}

/// Mounts a file or a directory at a place that is made for it.
fn bind(from: &Path, place: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(place).expect("a directory can be made");
    } else {
        let parent = place.parent().expect("a place inside has a parent");
        std::fs::create_dir_all(parent).expect("a directory can be made");
        std::fs::write(place, "").expect("a file can be made");
    }
    tool("mount", &[&"--bind", &from, &place]);
}
