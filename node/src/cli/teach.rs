//! `archivas completions` and `archivas man`: what shells and people learn the commands from.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use serde_json::json;

use crate::cli::Cli;
use crate::cli::exit::Failure;
use crate::cli::output::Output;

/// Flags of `archivas completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  archivas completions bash > ~/.local/share/bash-completion/completions/archivas"
)]
pub struct CompletionsArgs {
    /// For which shell
    shell: clap_complete::Shell,
}

/// Flags of `archivas man`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  archivas man ~/.local/share/man/man1 && man archivas-node")]
pub struct ManArgs {
    /// Directory for the pages, one a command
    directory: PathBuf,
}

/// Prints a completion script.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "archivas", &mut script);
    let script = String::from_utf8_lossy(&script);
    // A script is no value for programs: `--json` changes nothing.
    Output::new(false).print(&(), script.trim_end())?;
    Ok(())
}

/// Writes the manual pages.
pub fn man(args: &ManArgs, output: &Output) -> Result<(), Failure> {
    let directory = &args.directory;
    let failed = |path: &Path, error: std::io::Error| {
        Failure::disk(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut command = Cli::command();
    command.build();
    let written =
        pages(&command, "archivas", directory).map_err(|error| failed(directory, error))?;
    let value = json!({ "directory": directory, "pages": written });
    output.print(
        &value,
        format!("{written} pages in {}", directory.display()),
    )?;
    Ok(())
}

fn pages(command: &clap::Command, name: &str, directory: &Path) -> std::io::Result<usize> {
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone()).title(name);
    man.render(&mut page)?;
    std::fs::write(directory.join(format!("{name}.1")), page)?;
    let mut written = 1;
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        written += pages(inner, &format!("{name}-{}", inner.get_name()), directory)?;
    }
    Ok(written)
}
