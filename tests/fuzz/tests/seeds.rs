//! Every seed, and random changes of every seed, through its target. A crash that the fuzzer finds becomes a seed.
//!
//! `MB_FUZZ_CHANGES` says how many changes of each seed are tried (200 otherwise).

use std::fs;
use std::path::{Path, PathBuf};

use messaging_bridge_fuzzing::TARGETS;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

fn fuzz(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz")
        .join(folder)
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<(String, Vec<u8>)> = fs::read_dir(fuzz("seeds").join(target))
        .unwrap_or_else(|error| panic!("seeds of {target}: {error}"))
        .map(|entry| {
            let path = entry.expect("the seeds can be listed").path();
            let bytes = fs::read(&path).expect("a seed can be read");
            (path.display().to_string(), bytes)
        })
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn every_target_takes_its_seeds() {
    for target in TARGETS {
        let seeds = seeds(target.name);
        assert!(seeds.len() >= 3, "{}: {} seeds", target.name, seeds.len());
        for (_, bytes) in seeds {
            (target.run)(&bytes);
        }
    }
}

#[test]
fn every_target_takes_whatever_becomes_of_its_seeds() {
    let changes = std::env::var("MB_FUZZ_CHANGES").map_or(200, |text| {
        text.parse().expect("MB_FUZZ_CHANGES is a number")
    });
    for target in TARGETS {
        // A real HTTP exchange, and a schema to check, take their time.
        let changes = match target.name {
            "platform_answer" | "manifest" => changes / 10,
            _ => changes,
        };
        let seeds = seeds(target.name);
        for (number, (path, seed)) in seeds.iter().enumerate() {
            let mut rng = StdRng::seed_from_u64(number as u64);
            for change in 0..changes {
                let mut bytes = seed.clone();
                let other = &seeds[rng.random_range(0..seeds.len())].1;
                for _ in 0..rng.random_range(1..6) {
                    alter(&mut bytes, other, &mut rng);
                }
                let survived = std::panic::catch_unwind(|| (target.run)(&bytes)).is_ok();
                assert!(
                    survived,
                    "{}, change {change} of {path}: {:?}",
                    target.name,
                    String::from_utf8_lossy(&bytes)
                );
            }
        }
    }
}

/// One small change: a bit, a byte, a piece removed, doubled, or taken from another seed.
fn alter(bytes: &mut Vec<u8>, other: &[u8], rng: &mut StdRng) {
    const ODD: [&[u8]; 12] = [
        b"%",
        b"%00",
        b"\xff\xfe",
        b"\0",
        b"\"",
        b"{",
        b"null",
        b"-1",
        b"99999999999999999999",
        "\u{1F600}".as_bytes(),
        b"&",
        b"\\ud800",
    ];
    let at = rng.random_range(0..=bytes.len());
    let end = rng.random_range(at..=bytes.len());
    match rng.random_range(0..6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = rng.random(),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let from = rng.random_range(0..=other.len());
            bytes.splice(at..end, other[from..].iter().copied());
        }
        _ => {
            let odd = ODD[rng.random_range(0..ODD.len())];
            bytes.splice(at..at, odd.iter().copied());
        }
    }
    bytes.truncate(64 * 1024);
}

#[test]
fn every_target_is_known_to_the_fuzzer() {
    let manifest = fs::read_to_string(fuzz("Cargo.toml")).expect("the fuzzer has a manifest");
    for target in TARGETS {
        let source = fuzz("fuzz_targets").join(format!("{}.rs", target.name));
        let source = fs::read_to_string(source).expect("a file for the target");
        assert!(source.contains(&format!("messaging_bridge_fuzzing::{}(", target.name)));
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)));
    }
    let files = fs::read_dir(fuzz("fuzz_targets")).expect("the fuzzer has targets");
    assert_eq!(files.count(), TARGETS.len());
}
