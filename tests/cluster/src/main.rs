//! `messaging-bridge-cluster up`: the tests' Kubernetes, for people.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use messaging_bridge_cluster::{Binary, Cluster, ClusterError, Level, Options, inside};

/// A real one-node Kubernetes in Linux namespaces, for the tests of the operator and of the chart.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster, say how to use it, and keep it until Ctrl-C
    Up {
        /// How much of it
        #[arg(long, value_enum, default_value_t = Part::Node)]
        level: Part,
        /// Load an image archive into the node (may be repeated)
        #[arg(long, value_name = "ARCHIVE")]
        image: Vec<PathBuf>,
    },
    /// Build what is not built yet, and print its path
    Build {
        /// What
        #[arg(value_enum)]
        tools: Vec<Tool>,
    },
    /// The node's first process
    #[command(hide = true)]
    Inside {
        /// The run's folder
        folder: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// The API server and the controllers
    Api,
    /// With a node that runs pods
    Node,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tool {
    Kubectl,
    Helm,
    Helm3,
    HelmDocs,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Inside { folder } => inside::run(&folder).map(|never| match never {}),
        Command::Build { tools } => tools.into_iter().try_for_each(build),
        Command::Up { level, image } => up(level, &image),
    };
    done.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn up(level: Part, images: &[PathBuf]) -> Result<(), ClusterError> {
    let level = match level {
        Part::Api => Level::Api,
        Part::Node => Level::Node,
    };
    let cluster = Cluster::start(Options {
        level,
        ..Options::default()
    })
    .await?;
    for image in images {
        cluster.load_image(image).await?;
    }
    let kubectl = tokio::task::spawn_blocking(|| Binary::Kubectl.path()).await;
    let kubectl = kubectl.map_err(|error| ClusterError::Io {
        what: "building kubectl".to_owned(),
        source: error.into(),
    })??;
    say(&format!(
        "export KUBECONFIG={}",
        cluster.kubeconfig().display()
    ));
    say(&format!("# this version's kubectl: {}", kubectl.display()));
    if let Some(folder) = cluster.folder() {
        say(&format!("# logs: {}", folder.join("log").display()));
    }
    say("# it runs until Ctrl-C");
    // Without a handler for signals there is nothing to wait for, and the cluster ends.
    let _ = tokio::signal::ctrl_c().await;
    Ok(())
}

fn build(tool: Tool) -> Result<(), ClusterError> {
    let binary = match tool {
        Tool::Kubectl => Binary::Kubectl,
        Tool::Helm => Binary::Helm,
        Tool::Helm3 => Binary::Helm3,
        Tool::HelmDocs => Binary::HelmDocs,
    };
    binary.path().map(|path| say(&path.display().to_string()))
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the command's error")]
fn fail(error: &ClusterError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
