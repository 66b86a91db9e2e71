//! `airtight stacks`: which versions there are, and whether they go together.

use std::path::Path;

use airtight_manifest::stack::Versions;
use airtight_matrix::run::ExitStatus;
use airtight_provision::{Fit, Recipe, Window, windows};
use clap::Args;
use serde::Serialize;

use super::embedded;
use super::error::CliError;
use super::list::table;
use super::output::{Output, OutputFormat};
use super::recipe::recipe;

/// Which stacks.
#[derive(Debug, Args)]
pub struct StacksArgs {
    /// Stacks by name or file [default: all that are built in]
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    versions: Versions,
    node_image: String,
    windows: Vec<Window>,
    /// Images that are named by tag alone: nobody promises that they stay what they are.
    by_tag_only: Vec<String>,
}

/// Lists stacks and checks their versions against each other; status 1 when some do not go together.
///
/// # Errors
/// When a stack cannot be read.
pub fn stacks(args: &StacksArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let names = if args.stacks.is_empty() { built_in() } else { args.stacks.clone() };
    let listed = names.iter().map(|name| recipe(name).map(|recipe| listed(&recipe))).collect::<Result<Vec<_>, _>>()?;
    match args.output {
        OutputFormat::Table => listed.iter().try_for_each(|stack| show(stack, output))?,
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&listed, args.output)?,
    }
    let outside = listed.iter().any(|stack| stack.windows.iter().any(|window| window.fit == Fit::Outside));
    Ok(if outside { ExitStatus::Failed } else { ExitStatus::Passed })
}

fn built_in() -> Vec<String> {
    let stem = |name: &str| Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = embedded::stacks().iter().filter_map(|file| stem(&file.name)).collect();
    // The default first.
    names.sort_by_key(|name| (name != "reference", name.clone()));
    names
}

fn listed(recipe: &Recipe) -> Listed {
    let images = recipe.images().into_iter();
    Listed {
        name: recipe.stack.name.clone(),
        versions: recipe.stack.versions.clone(),
        node_image: recipe.provision.node.image.to_string(),
        windows: windows(recipe),
        by_tag_only: images.filter(|(_, image)| image.digest.is_none()).map(|(_, image)| image.to_string()).collect(),
    }
}

fn show(stack: &Listed, output: &mut Output<'_>) -> Result<(), CliError> {
    let versions = &stack.versions;
    let mut products = vec![
        format!("Kubernetes {}", versions.kubernetes),
        format!("Cilium {}", versions.cilium),
        format!("Istio {}", versions.istio),
        format!("Gateway API {}", versions.gateway_api),
        format!("Kgateway {}", versions.kgateway),
    ];
    products.extend(versions.agentgateway.as_ref().map(|version| format!("Agentgateway {version}")));
    products.push(format!("Kyverno {}", versions.kyverno));
    writeln!(output.out, "{}: {}", stack.name, products.join(", ")).map_err(CliError::Output)?;
    table(stack.windows.iter().map(row).collect(), output)?;
    for accepted in stack.windows.iter().filter(|window| window.fit == Fit::Accepted) {
        let because = accepted.because.as_deref().unwrap_or_default();
        writeln!(output.out, "  accepted: {} with {}: {because}", accepted.component, accepted.with)
            .map_err(CliError::Output)?;
    }
    let (unpinned, all) = (stack.by_tag_only.len(), "`airtight images` names them");
    match unpinned {
        0 => Ok(()),
        n => writeln!(output.out, "  images by tag only: {n} ({all})").map_err(CliError::Output),
    }
}

fn row(window: &Window) -> [String; 5] {
    let fit = match window.fit {
        Fit::Inside => "inside",
        Fit::Accepted => "accepted",
        Fit::Outside => "OUTSIDE",
    };
    [
        format!("  {}", window.component),
        format!("with {}", window.with),
        window.supported.clone(),
        window.pinned.to_string(),
        fit.to_owned(),
    ]
}
