//! `zt moon`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zt_wire::{Emit as _, WorldKind};

use super::consent::{Assent, Consent};
use super::planet::{self, Files};
use super::{Globals, Report, node_address, world_id};
use crate::api;
use crate::console::Console;
use crate::render::table::{Table, Tone};

/// Arguments of `zt moon`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt moon create --root identity.public=192.0.2.1/9993
  zt moon orbit 0f845a2d0e             ask the root with this address for its moon
  zt moon add 0000000f845a2d0e.moon    take it from a file at the next start
  zt moon list
  zt moon leave 0f845a2d0e")]
pub struct MoonArgs {
    #[command(subcommand)]
    pub(super) command: MoonCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum MoonCommand {
    /// Make a moon of your own roots
    Create {
        /// A root: its identity (file or text), and where it can be reached
        #[arg(long = "root", value_name = "IDENTITY=IP/PORT[,IP/PORT…]", required = true)]
        roots: Vec<String>,
        /// World ID [default: the address of the first root]
        #[arg(long, value_name = "HEX", value_parser = world_id)]
        id: Option<u64>,
        /// Template with the secret signing key, needed for later changes
        #[arg(long, value_name = "FILE", default_value = "moon.json")]
        template: PathBuf,
        /// The signed moon
        #[arg(long, short, value_name = "FILE", default_value = "moon")]
        output: PathBuf,
        #[command(flatten)]
        consent: Consent,
    },
    /// Show what a moon file says
    Show {
        /// Signed file
        file: PathBuf,
    },
    /// Sign a template again, with the present time as its revision
    Sign {
        /// Template made by `zt moon create`
        template: PathBuf,
        /// The signed moon
        #[arg(long, short, value_name = "FILE", default_value = "moon")]
        output: PathBuf,
    },
    /// Use a moon from a file, from the next start of the node
    Add {
        /// Signed file
        file: PathBuf,
    },
    /// Use a moon; one of its roots is asked for it
    Orbit {
        /// World ID
        #[arg(value_parser = world_id)]
        id: u64,
        /// Address of a root of the moon [default: the world ID]
        #[arg(value_parser = node_address)]
        seed: Option<String>,
    },
    /// Stop using a moon
    #[command(alias = "deorbit")]
    Leave {
        /// World ID
        #[arg(value_parser = world_id)]
        id: u64,
        #[command(flatten)]
        assent: Assent,
    },
    /// List the moons of the running node
    List,
}

/// Runs `zt moon`.
pub fn run(args: MoonArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    match args.command {
        MoonCommand::Create { roots, id, template, output, consent } => {
            planet::create(console, WorldKind::Moon, &roots, id, &Files { template, output, consent })
        }
        MoonCommand::Show { file } => planet::show(console, &file),
        MoonCommand::Sign { template, output } => planet::sign(console, WorldKind::Moon, &template, &output),
        MoonCommand::Add { file } => {
            let world = planet::load(console, &file)?;
            ensure!(world.kind == WorldKind::Moon, "{} is a planet; use `zt planet add`", file.display());
            ensure!(zt_crypto::verify_world(&world, &world.update_key), "the signature of this moon is wrong");
            let home = globals.home(console)?;
            home.create()?;
            home.write(&format!("moons.d/{:016x}.moon", world.id), &world.to_vec(), 0o644)?;
            let json = json!({"id": format!("{:016x}", world.id)});
            Ok(Report::new(json, format!("moon {:016x} will be used when the node starts\n", world.id)))
        }
        MoonCommand::Orbit { id, seed } => {
            let path = moon_path(id)?;
            let seed = seed.unwrap_or_else(|| format!("{id:010x}"));
            let moon: Value = globals.node(console)?.post(&path, &json!({"seed": seed}))?;
            let waiting = moon.get("waiting") == Some(&Value::Bool(true));
            let how = if waiting { format!("is asked for from {seed}") } else { "is in use".to_owned() };
            Ok(Report::new(moon, format!("moon {id:016x} {how}\n")))
        }
        MoonCommand::Leave { id, assent } => {
            assent.to_change(console, &format!("This node forgets moon {id:016x}; `zt moon orbit` brings it back"))?;
            let answer: Value = globals.node(console)?.delete(&moon_path(id)?)?;
            Ok(Report::new(answer, format!("moon {id:016x} is no longer in use\n")))
        }
        MoonCommand::List => list(globals, console),
    }
}

/// The interface takes moon IDs of 10 digits only (06 §4.10).
fn moon_path(id: u64) -> Result<String> {
    ensure!(id >> 40 == 0, "the ID of a moon has at most 10 digits");
    Ok(format!("/moon/{id:010x}"))
}

fn list(globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let moons: Vec<api::Moon> = globals.node(console)?.get("/moon")?;
    let mut table = Table::new(&["moon", "timestamp", "root", "address"]);
    for moon in &moons {
        for (i, root) in moon.roots.iter().enumerate() {
            let own = |text: &str| if i == 0 { text.to_owned() } else { String::new() };
            table.row([
                (own(&moon.id), Tone::Strong),
                (own(&moon.timestamp.to_string()), Tone::Plain),
                (root.identity.split(':').next().unwrap_or_default().to_owned(), Tone::Plain),
                (root.stable_endpoints.join(", "), Tone::Plain),
            ]);
        }
    }
    let text = if table.is_empty() { "no moons\n".to_owned() } else { table.render(console.screen()) };
    Ok(Report::new(serde_json::to_value(&moons)?, text))
}
