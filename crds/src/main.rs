//! Writes what is generated from the API's types: the CustomResourceDefinition, the golden relay configuration and the
//! reference pages. `check` compares instead, so that CI fails when a type changed and `make crds` was forgotten.

mod artefacts;
mod reference;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use artefacts::Artefact;

const USAGE: &str = "usage: messaging-bridge-crds <generate|check> --root DIR

  generate  write the manifests and reference pages below DIR, the root of the repository
  check     exit with 1 and name each file that `generate` would change
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", "--root", root] => generate(Path::new(root)),
        ["check", "--root", root] => check(Path::new(root)),
        _ => return fail(2, USAGE),
    };
    match outcome {
        Ok(stale) if stale.is_empty() => ExitCode::SUCCESS,
        Ok(stale) => fail(1, &report(&stale)),
        Err(error) => fail(1, &format!("{error}\n")),
    }
}

fn generate(root: &Path) -> io::Result<Vec<&'static str>> {
    for Artefact { path, content } in artefacts::all() {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap_or(root))
            .and_then(|()| fs::write(&file, content))
            .map_err(|error| naming(&file, &error))?;
    }
    Ok(Vec::new())
}

fn check(root: &Path) -> io::Result<Vec<&'static str>> {
    let mut stale = Vec::new();
    for Artefact { path, content } in artefacts::all() {
        let file: PathBuf = root.join(path);
        match fs::read_to_string(&file) {
            Ok(found) if found == content => {}
            Ok(_) => stale.push(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => stale.push(path),
            Err(error) => return Err(naming(&file, &error)),
        }
    }
    Ok(stale)
}

fn report(stale: &[&str]) -> String {
    let lines: Vec<String> = stale
        .iter()
        .map(|path| format!("stale: {path}\n"))
        .collect();
    format!("{}run `make crds` and commit the result\n", lines.concat())
}

fn naming(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

fn fail(code: u8, text: &str) -> ExitCode {
    // A closed stderr leaves nobody to tell; the exit code still says it.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}
