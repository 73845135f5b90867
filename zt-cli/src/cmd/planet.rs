//! `zt planet`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zt_wire::{Emit as _, Parse as _, Reader, Root, World, WorldKind};

use super::consent::{Assent, Consent};
use super::{Globals, Report, identity, world_id};
use crate::api;
use crate::compat::idtool::hex;
use crate::console::Console;
use crate::daemon::home::{Home, is_device, read_file, replace_file};
use crate::daemon::local_conf::targets_beside_planet;
use crate::daemon::tunnel::SIDECAR;
use crate::render::Screen;
use crate::render::json::{pretty, without_mark};
use crate::render::table::{Table, Tone, facts};
use crate::worldfile::{
    EndpointError, MAX_ENDPOINTS, MAX_ROOTS, Template, check_reachable, kind_word, parse_endpoint, world_json,
};

/// Arguments of `zt planet`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt planet create --root identity.public=192.0.2.1/9993
                            writes planet.json (keep it secret) and planet
  zt planet show planet
  zt planet add planet      this node uses it, beside the planets it has
  zt planet add --only planet
                            this node uses it instead of the public planet
  zt planet list
  zt planet remove 8b1a9953c4611296

To change a planet, edit planet.json, run `zt planet sign planet.json`, and add
the new file on a root: all nodes learn it from there.")]
pub struct PlanetArgs {
    #[command(subcommand)]
    pub(super) command: PlanetCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum PlanetCommand {
    /// Make a planet of your own roots
    Create {
        /// A root: its identity (file or text), and where it can be reached
        #[arg(long = "root", value_name = "IDENTITY=IP/PORT[,IP/PORT…]", required = true)]
        roots: Vec<String>,
        /// World ID [default: random]
        #[arg(long, value_name = "HEX", value_parser = world_id)]
        id: Option<u64>,
        /// Template with the secret signing key, needed for later changes
        #[arg(long, value_name = "FILE", default_value = "planet.json")]
        template: PathBuf,
        /// The signed planet, for the home folders of all nodes
        #[arg(long, short, value_name = "FILE", default_value = "planet")]
        output: PathBuf,
        #[command(flatten)]
        consent: Consent,
    },
    /// Show what a planet or moon file says
    Show {
        /// Signed file
        file: PathBuf,
    },
    /// Sign a template again, with the present time as its revision
    Sign {
        /// Template made by `zt planet create`
        template: PathBuf,
        /// The signed planet
        #[arg(long, short, value_name = "FILE", default_value = "planet")]
        output: PathBuf,
    },
    /// Use a planet: at once if the node runs, else from its next start; with --only always from its next start
    Add {
        /// Signed file; where its roots are reached by TCP is taken over from a file beside it, of the same name with .tcp behind
        file: PathBuf,
        /// Use it instead of the planet in place, not beside it; takes effect at the next start
        #[arg(long)]
        only: bool,
    },
    /// Stop using a planet
    Remove {
        /// World ID
        #[arg(value_parser = world_id)]
        id: u64,
        #[command(flatten)]
        assent: Assent,
    },
    /// List the planets of the running node
    List,
}

/// Runs `zt planet`.
pub fn run(args: PlanetArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    match args.command {
        PlanetCommand::Create { roots, id, template, output, consent } => {
            let files = Files { template, output, consent };
            create(console, WorldKind::Planet, &roots, id, &files)
        }
        PlanetCommand::Show { file } => show(console, &file),
        PlanetCommand::Sign { template, output } => sign(console, WorldKind::Planet, &template, &output),
        PlanetCommand::Add { file, only } => add(globals, console, &file, only),
        PlanetCommand::Remove { id, assent } => {
            assent.to_change(console, &format!("This node forgets planet {id:016x}; its file brings it back"))?;
            remove(globals, console, id)
        }
        PlanetCommand::List => list(globals, console),
    }
}

/// Files written by `create`.
pub(super) struct Files {
    pub(super) template: PathBuf,
    pub(super) output: PathBuf,
    pub(super) consent: Consent,
}

/// Makes a world of roots: a template with the key, and the signed file.
pub(super) fn create(
    console: &mut Console<'_>,
    kind: WorldKind,
    roots: &[String],
    id: Option<u64>,
    files: &Files,
) -> Result<Report> {
    for file in [&files.template, &files.output] {
        let path = console.file(file);
        if path.exists() && !is_device(&path) {
            files.consent.to_lose(console, &format!("{} exists and would be replaced", file.display()))?;
        }
    }
    let roots = roots.iter().map(|text| parse_root(console, text)).collect::<Result<Vec<_>>>()?;
    let default_id = match kind {
        WorldKind::Moon => roots[0].identity.address.as_u64(),
        _ => console.entropy.next_u64() | 1,
    };
    let template = Template::new(kind, id.unwrap_or(default_id), roots, console.entropy);
    let text = pretty(&template.to_json(), 1) + "\n";
    replace_file(&console.file(&files.template), text.as_bytes(), 0o600)
        .with_context(|| format!("cannot write {}", files.template.display()))?;
    finish(console, &template, &files.template, &files.output).with_context(|| {
        let (word, template) = (kind_word(kind), files.template.display());
        format!("the template with the key is in {template}, the {word} is not signed; `zt {word} sign {template}` does that")
    })
}

/// Signs a template into a file.
pub(super) fn sign(console: &mut Console<'_>, kind: WorldKind, template: &Path, output: &Path) -> Result<Report> {
    let text = read_file(&console.file(template))?.with_context(|| format!("{} does not exist", template.display()))?;
    let parsed = Template::parse(&text).with_context(|| template.display().to_string())?;
    ensure!(parsed.kind == kind, "{} is the template of a {}", template.display(), kind_word(parsed.kind));
    finish(console, &parsed, template, output)
}

fn finish(console: &mut Console<'_>, template: &Template, file: &Path, output: &Path) -> Result<Report> {
    check_limits(template)?;
    // Later than what it replaces, also when the clock was ahead then: nodes take no older revision.
    let held = read_file(&console.file(output)).ok().flatten();
    let held = held.and_then(|bytes| World::parse(&mut Reader::new(&bytes)).ok());
    let after = held.filter(|held| held.id == template.id).map_or(0, |held| held.timestamp.saturating_add(1));
    let world = template.sign((console.clock)().unsigned_abs().max(after));
    replace_file(&console.file(output), &world.to_vec(), 0o644)
        .with_context(|| format!("cannot write {}", output.display()))?;
    let mut text = describe(&world, console.screen());
    text += &format!("\nsigned {} written to {}", kind_word(world.kind), output.display());
    text += &format!("; its signing key is in {}, keep that secret\n", file.display());
    Ok(Report::new(world_json(&world), text))
}

fn check_limits(template: &Template) -> Result<()> {
    let n = template.roots.len();
    ensure!((1..=MAX_ROOTS).contains(&n), "a world has 1 to {MAX_ROOTS} roots, not {n}");
    for root in &template.roots {
        let (address, n) = (root.identity.address, root.endpoints.len());
        ensure!(n <= MAX_ENDPOINTS, "root {address} has {n} addresses, at most {MAX_ENDPOINTS} are allowed");
        for endpoint in &root.endpoints {
            check_reachable(*endpoint).with_context(|| format!("root {address}"))?;
        }
    }
    Ok(())
}

/// Reads `IDENTITY=IP/PORT[,IP/PORT…]`.
fn parse_root(console: &Console<'_>, text: &str) -> Result<Root> {
    let (who, addresses) = text.rsplit_once('=').with_context(|| format!("{text}: write IDENTITY=IP/PORT"))?;
    let identity = identity::read(console, who)?.public;
    ensure!(zt_crypto::validate(&identity), "{who} does not hold a valid identity");
    let endpoints = addresses.split(',').map(|address| {
        let endpoint = parse_endpoint(address)?;
        check_reachable(endpoint)?;
        Ok(endpoint)
    });
    let endpoints = endpoints.collect::<Result<_, EndpointError>>().with_context(|| format!("--root {text}"))?;
    Ok(Root { identity, endpoints })
}

/// Reads a signed world and checks what can be checked without knowing its predecessor.
pub(super) fn load(console: &Console<'_>, file: &Path) -> Result<World> {
    let bytes = read_file(&console.file(file))?.with_context(|| format!("{} does not exist", file.display()))?;
    let mut reader = Reader::new(&bytes);
    let world = World::parse(&mut reader).with_context(|| {
        format!("{} is not a signed planet or moon; a template must be signed first", file.display())
    })?;
    ensure!(reader.remaining() == 0, "{} has {} bytes too many", file.display(), reader.remaining());
    Ok(world)
}

pub(super) fn show(console: &mut Console<'_>, file: &Path) -> Result<Report> {
    let world = load(console, file)?;
    let own = zt_crypto::verify_world(&world, &world.update_key);
    let mut value = world_json(&world);
    value["signedByOwnKey"] = json!(own);
    let note = if own {
        "signed by the key which signs its updates\n"
    } else {
        "signed by an earlier key: only nodes that hold the revision before can check it\n"
    };
    Ok(Report::new(value, describe(&world, console.screen()) + note))
}

fn describe(world: &World, screen: Screen) -> String {
    let mut text = facts(
        &[
            ("kind", kind_word(world.kind).to_owned()),
            ("id", format!("{:016x}", world.id)),
            ("timestamp", world.timestamp.to_string()),
            ("update key", format!("{}…", &hex(&world.update_key)[..16])),
        ],
        screen,
    );
    let mut table = Table::new(&["root", "address"]);
    for root in &world.roots {
        let addresses: Vec<String> = root.endpoints.iter().map(ToString::to_string).collect();
        let address = root.identity.address.to_string();
        table.row([(address, Tone::Plain), (addresses.join(", "), Tone::Plain)]);
    }
    text += &table.render(screen);
    text
}

/// Where an added planet is kept while the node does not run.
fn added_file(id: u64) -> String {
    format!("planets.d/{id:016x}.planet")
}

fn add(globals: &Globals, console: &mut Console<'_>, file: &Path, only: bool) -> Result<Report> {
    let world = load(console, file)?;
    ensure!(world.kind == WorldKind::Planet, "{} is a moon; use `zt moon add`", file.display());
    let (bytes, id) = (world.to_vec(), world.id);
    let home = globals.home(console)?;
    let sidecar = Sidecar::beside(console, file)?;
    let report = |how: &str| {
        let streams = sidecar.as_ref().map(|sidecar| sidecar.keep(&home, only)).transpose()?;
        let mut text = format!("planet {id:016x} {how}\n");
        if streams.is_some() {
            text += "its roots are reached by TCP where the file beside it says\n";
        }
        let json = json!({"id": format!("{id:016x}"), "result": how, "tcp": streams.is_some()});
        Ok(Report::new(json, text))
    };
    if only {
        check_signature(&world, &home)?;
        home.create()?;
        home.write("planet", &bytes, 0o644)?;
        return report("is the planet of this node from its next start");
    }
    if let Some(node) = globals.running_node(console) {
        let _: Value = node.post("/planet", &json!({"world": hex(&bytes)}))?;
        return report("is in use");
    }
    check_signature(&world, &home)?;
    home.create()?;
    home.write(&added_file(id), &bytes, 0o644)?;
    report("will be used when the node starts")
}

/// What stands beside a planet: where its roots are reached by streams.
struct Sidecar(serde_json::Map<String, Value>);

impl Sidecar {
    /// That of a file, which has the same name with `.tcp` behind; all of it has to be of use.
    fn beside(console: &Console<'_>, file: &Path) -> Result<Option<Self>> {
        let mut name = file.as_os_str().to_owned();
        name.push(".tcp");
        let path = Path::new(&name);
        let Some(text) = read_file(&console.file(path))? else { return Ok(None) };
        let (_, remarks) =
            targets_beside_planet(&text).map_err(Error::msg).with_context(|| path.display().to_string())?;
        ensure!(remarks.is_empty(), "{}: {}", path.display(), remarks.join("; "));
        Ok(Self::read(&text))
    }

    fn read(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(without_mark(text)).ok()?;
        value.get("roots").and_then(Value::as_object).cloned().map(Self)
    }

    /// Writes it into a home folder: instead of what is there, or beside what is said there of other roots.
    fn keep(&self, home: &Home, only: bool) -> Result<()> {
        let held = home.read(SIDECAR)?.filter(|_| !only).and_then(|text| Self::read(&text));
        let mut roots = held.map(|held| held.0).unwrap_or_default();
        roots.extend(self.0.clone());
        let text = pretty(&json!({ "roots": roots }), 1) + "\n";
        Ok(home.write(SIDECAR, text.as_bytes(), 0o644)?)
    }
}

/// A first revision is signed by its own key (01 §10.2; deliberate, safer point 3 of docs/protocol).
fn check_signature(world: &World, home: &Home) -> Result<()> {
    let held = [added_file(world.id), "planet".to_owned()].into_iter().find_map(|name| {
        let bytes = home.read(&name).ok()??;
        World::parse(&mut Reader::new(&bytes)).ok().filter(|held| held.id == world.id)
    });
    let key = held.map_or(world.update_key, |held| held.update_key);
    if !zt_crypto::verify_world(world, &key) {
        bail!("the signature of planet {:016x} is wrong", world.id);
    }
    Ok(())
}

fn remove(globals: &Globals, console: &mut Console<'_>, id: u64) -> Result<Report> {
    let json = json!({"id": format!("{id:016x}"), "result": true});
    if let Some(node) = globals.running_node(console) {
        let answer: Value = node.delete(&format!("/planet/{id:016x}"))?;
        ensure!(answer.get("result") == Some(&Value::Bool(true)), "this node has no planet {id:016x}");
        return Ok(Report::new(json, format!("planet {id:016x} is no longer in use\n")));
    }
    let home = globals.home(console)?;
    ensure!(home.file(&added_file(id)).exists(), "this node has no added planet {id:016x}");
    home.remove(&added_file(id))?;
    Ok(Report::new(json, format!("planet {id:016x} removed\n")))
}

fn list(globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let planets: Vec<api::Planet> = globals.node(console)?.get("/planet")?;
    let mut table = Table::new(&["planet", "source", "timestamp", "root", "address"]);
    for planet in &planets {
        for (i, root) in planet.roots.iter().enumerate() {
            let own = |text: &str| if i == 0 { text.to_owned() } else { String::new() };
            table.row([
                (own(&planet.id), Tone::Strong),
                (own(&planet.source), Tone::Plain),
                (own(&planet.timestamp.to_string()), Tone::Plain),
                (root.identity.split(':').next().unwrap_or_default().to_owned(), Tone::Plain),
                (root.stable_endpoints.join(", "), Tone::Plain),
            ]);
        }
    }
    Ok(Report::new(serde_json::to_value(&planets)?, table.render(console.screen())))
}
