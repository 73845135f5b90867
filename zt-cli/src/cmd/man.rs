//! `zt man`: manual pages, made of what the help says.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::Value;

use super::examples::{Piece, pieces};
use super::{Report, Zt, scope};
use crate::console::Console;
use crate::daemon::home::replace_file;

/// Arguments of `zt man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt man join | man -l -              read the page of `zt join`
  zt man --dir /usr/share/man/man1    write all pages: zt.1, zt-join.1, zt-network-create.1 …

Packages of zt bring these files along.")]
pub struct ManArgs {
    /// Command whose page is printed [default: zt itself]
    command: Vec<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Runs `zt man`.
pub fn run(args: &ManArgs, console: &Console<'_>) -> Result<Report> {
    let mut command = all_told(scope::hide_useless(Zt::command()).disable_help_subcommand(true));
    command.build();
    if let Some(folder) = &args.dir {
        let folder_path = console.file(folder);
        std::fs::create_dir_all(&folder_path).with_context(|| format!("cannot make {}", folder.display()))?;
        let count = write_all(&command, None, &folder_path)?;
        return Ok(Report::new(Value::Null, format!("{count} pages written to {}\n", folder.display())));
    }
    let (mut found, mut parent) = (&command, None);
    for word in &args.command {
        let Some(sub) = found.find_subcommand(word) else { bail!("there is no command {word:?}; `zt help` lists all") };
        (found, parent) = (sub, Some(found));
    }
    Ok(Report::new(Value::Null, page(found, parent)?))
}

/// A page has room for what the short help leaves out.
fn all_told(command: Command) -> Command {
    command.mut_args(|arg| arg.hide_short_help(false)).mut_subcommands(all_told)
}

/// Writes the page of a command and those of its subcommands; their number.
fn write_all(command: &Command, parent: Option<&Command>, folder: &Path) -> Result<usize> {
    let file = folder.join(format!("{}.1", name(command)));
    replace_file(&file, page(command, parent)?.as_bytes(), 0o644)
        .with_context(|| format!("cannot write {}", file.display()))?;
    let subs = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    subs.map(|sub| write_all(sub, Some(command), folder)).try_fold(1, |sum, count| Ok(sum + count?))
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The page of a command, in roff.
fn page(command: &Command, parent: Option<&Command>) -> Result<String> {
    let man = Man::new(command.clone());
    // By hand: an empty date would be left out, and what follows be taken for it. A date would change with every build.
    let mut out = format!(".TH \"{}\" \"1\" \"\" \"zt {}\" \"zt\"\n", name(command), crate::VERSION).into_bytes();
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    let subs: Vec<&Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    if !subs.is_empty() {
        man.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    if let Some(text) = command.get_after_help() {
        further(&mut roff, &text.to_string());
    }
    let others: Vec<String> = parent.into_iter().chain(subs).map(|other| format!("{}(1)", name(other))).collect();
    if !others.is_empty() {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([roman(others.join(", "))]);
    }
    roff.to_writer(&mut out)?;
    // Two breaks around an empty line are one too many for mandoc.
    Ok(String::from_utf8(out)?.replace("\n.br\n\n.br\n", "\n.sp\n"))
}

/// Examples and further text.
fn further(roff: &mut Roff, text: &str) {
    let mut notes = false;
    for piece in pieces(text) {
        match piece {
            Piece::Heading(_) => {
                roff.control("SH", ["EXAMPLES"]);
                notes = false;
            }
            Piece::Example(command, note) => {
                roff.control("TP", []);
                roff.text([bold(command)]);
                roff.text([roman(note)]);
            }
            Piece::Text(text) => {
                if notes {
                    roff.control("PP", []);
                } else {
                    roff.control("SH", ["NOTES"]);
                }
                roff.text([roman(text)]);
                notes = true;
            }
        }
    }
}
