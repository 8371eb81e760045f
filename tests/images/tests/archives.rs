//! What an image holds and says of itself.

use messaging_bridge_images::Image;
use rstest::rstest;

#[rstest]
#[case::operator("operator")]
#[case::relay("relay")]
#[case::sandbox("sandbox")]
fn an_image_is_one_program_of_nobody_and_says_what_it_is(#[case] name: &str) {
    let image = Image::open(name);

    let files: Vec<_> = std::fs::read_dir(image.root())
        .expect("the root can be read")
        .map(|entry| entry.expect("the root can be read").file_name())
        .collect();
    assert_eq!(files, [format!("messaging-bridge-{name}").as_str()]);
    assert_eq!(
        image.strings("Entrypoint"),
        [format!("/messaging-bridge-{name}")]
    );

    // A number: Kubernetes refuses a name where `runAsNonRoot` is set.
    assert_eq!(image.config["User"], "65532:65532");

    let version = env!("CARGO_PKG_VERSION");
    assert!(
        image.reference.ends_with(&format!("/{name}:{version}")),
        "{} is the whole reference",
        image.reference
    );
    for (label, value) in [
        ("title", format!("Messaging Bridge {name}")),
        ("version", version.to_owned()),
        ("licenses", env!("CARGO_PKG_LICENSE").to_owned()),
        ("source", env!("CARGO_PKG_REPOSITORY").to_owned()),
    ] {
        let key = format!("org.opencontainers.image.{label}");
        assert_eq!(image.config["Labels"][&key], value, "{key}");
    }
    let description = &image.config["Labels"]["org.opencontainers.image.description"];
    assert!(description.as_str().is_some_and(|text| !text.is_empty()));
}
