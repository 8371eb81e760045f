//! The programs in a root that holds nothing else: no shell, no library, no `nsswitch.conf`, no list of roots.

mod world;

use messaging_bridge_images::{Image, Root, isolated};
use messaging_bridge_suites::{SOON, eventually};

use crate::world::{GENESYS, TWILIO, World};

/// Where the private authority's certificate is mounted.
const AUTHORITY: (&str, &str) = ("SSL_CERT_FILE", "/ca/ca.pem");

#[test]
fn every_program_starts_and_says_its_version() {
    isolated("every_program_starts_and_says_its_version", async {
        for name in ["operator", "relay", "sandbox"] {
            let image = Image::open(name);
            let said = Root::of(&image, &[]).command(&["--version"]).output().await;
            let said = said.expect("chroot can be started");
            assert_eq!(
                String::from_utf8_lossy(&said.stdout),
                format!("messaging-bridge-{name} {}\n", env!("CARGO_PKG_VERSION")),
                "{said:?}"
            );
        }
    });
}

#[test]
fn the_relay_finds_and_trusts_platforms_behind_a_private_authority() {
    let test = "the_relay_finds_and_trusts_platforms_behind_a_private_authority";
    isolated(test, async {
        let world = World::new().await;
        let image = Image::open("relay");
        let root = Root::of(&image, &world.mounts());

        let mut run = world::command(&root, "run");
        run.args(world.listeners()).args(["--data-dir", "/data"]);
        run.env(AUTHORITY.0, AUTHORITY.1);
        let relay = run.spawn().expect("chroot can be started");
        eventually("the relay is ready", SOON, || world.is_ready()).await;
        assert_is_nobody(relay.id().expect("the relay runs"));

        let mut check = world::command(&root, "check");
        let said = check.env(AUTHORITY.0, AUTHORITY.1).output().await;
        let said = said.expect("chroot can be started");
        let table = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success(), "everything is right:\n{table}");
        // The one by the name server, the other by /etc/hosts.
        assert!(world.names.was_asked(GENESYS), "{GENESYS} was asked for");
        assert!(!world.names.was_asked(TWILIO), "{TWILIO} was asked for");

        let sandbox = &world.tenant.sandbox;
        let customer = &sandbox.options().customer;
        sandbox.customer_sends(customer, "from outside").await;
        let arrived = || async { (!sandbox.log().genesys_inbound.is_empty()).then_some(()) };
        eventually("the text is at Genesys", SOON, arrived).await;
    });
}

#[test]
fn the_relay_refuses_platforms_whose_authority_it_was_not_given() {
    let test = "the_relay_refuses_platforms_whose_authority_it_was_not_given";
    isolated(test, async {
        let world = World::new().await;
        let image = Image::open("relay");
        let root = Root::of(&image, &world.mounts());
        let said = world::command(&root, "check").output().await;
        let said = said.expect("chroot can be started");
        let table = String::from_utf8_lossy(&said.stdout);
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        let refused = table.matches("UnknownIssuer").count();
        assert_eq!(refused, 2, "both platforms are refused:\n{table}");
        assert!(world.names.was_asked(GENESYS), "{GENESYS} was asked for");
    });
}

/// The process is the image's user in every respect, without a single capability.
fn assert_is_nobody(process: u32) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .expect("a running process has a status");
    let line = |key: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(key));
        found.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(line("Uid:"), "65532\t65532\t65532\t65532");
    assert_eq!(line("Gid:"), "65532\t65532\t65532\t65532");
    assert_eq!(line("Groups:"), "");
    for set in ["CapPrm:", "CapEff:"] {
        assert_eq!(line(set), "0000000000000000", "{set}");
    }
}
