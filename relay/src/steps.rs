//! Named steps on the way of a message, at which the crash suite kills the process and the mutation suite plants its
//! faults.
//!
//! Without the feature `failpoints` (every released binary) all of this compiles to nothing. With it, the
//! environment variable `MB_STEP=NAME[:SKIP]` makes the process announce, on standard error, that it stands at step
//! NAME (after passing it SKIP times) and hold there for [`HOLD`], so that a test can end it inside that step. Planted
//! faults are ordinary failpoints, set through `FAILPOINTS`.

/// Every step that a process can be killed in, in the order in which a message meets them.
pub const STEPS: [&str; 8] = [
    "accept",
    "append",
    "acknowledge",
    "mark",
    "send",
    "answer",
    "complete",
    "receipt",
];

/// How long a process that was told to hold at a step stays there.
pub const HOLD: std::time::Duration = std::time::Duration::from_millis(150);

/// Installs the step that `MB_STEP` names; does nothing in a released binary.
#[cfg(feature = "failpoints")]
pub fn install_from_environment() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    std::mem::forget(fail::FailScenario::setup());
    let Ok(wanted) = std::env::var("MB_STEP") else {
        return;
    };
    let (name, skip) = wanted.split_once(':').unwrap_or((&wanted, "0"));
    let left = AtomicUsize::new(skip.parse().unwrap_or(0));
    let announced = name.to_owned();
    let _ = fail::cfg_callback(name, move || {
        if left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_err()
        {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "step {announced}");
            std::thread::sleep(HOLD);
        }
    });
}

/// Installs the step that `MB_STEP` names; does nothing in a released binary.
#[cfg(not(feature = "failpoints"))]
pub fn install_from_environment() {}
