//! `zt identity`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use zt_crypto::SecretIdentity;
use zt_wire::Signature;

use super::Report;
use super::consent::Consent;
use crate::compat::idtool::{IdentityArgument, hex, unhex};
use crate::console::Console;
use crate::daemon::home::{is_device, read_file, replace_file};

/// Arguments of `zt identity`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt identity generate identity.secret identity.public
  zt identity public identity.secret
  zt identity sign identity.secret letter.txt > letter.sig
  zt identity verify identity.public letter.txt letter.sig

An identity is given as a file or as its text. A file that exists is replaced after a question on a terminal, or with --yes.")]
pub struct IdentityArgs {
    #[command(subcommand)]
    command: IdentityCommand,
}

#[derive(Debug, Subcommand)]
enum IdentityCommand {
    /// Make a new identity; takes about a second
    Generate {
        /// File for the secret identity (mode 0600) [default: print it]
        secret: Option<PathBuf>,
        /// File for the public identity
        public: Option<PathBuf>,
        /// Repeat until the address begins with these hexadecimal digits
        #[arg(long, value_name = "HEX", value_parser = vanity_prefix)]
        vanity: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Print the public part
    Public {
        /// Identity
        identity: String,
    },
    /// Check that address and key belong together
    Validate {
        /// Identity
        identity: String,
    },
    /// Sign a file; prints 192 hexadecimal digits
    Sign {
        /// Secret identity
        identity: String,
        /// File to sign
        file: PathBuf,
    },
    /// Check the signature of a file
    Verify {
        /// Identity of the signer
        identity: String,
        /// File that was signed
        file: PathBuf,
        /// Signature in hexadecimal digits, or a file that holds it
        signature: String,
    },
}

/// Runs `zt identity`.
pub fn run(args: IdentityArgs, console: &mut Console<'_>) -> Result<Report> {
    match args.command {
        IdentityCommand::Generate { secret, public, vanity, consent } => {
            generate(console, secret, public, vanity, consent)
        }
        IdentityCommand::Public { identity } => {
            let public = read(console, &identity)?.public.to_string();
            Ok(Report::new(json!({"public": public}), format!("{public}\n")))
        }
        IdentityCommand::Validate { identity } => {
            let public = read(console, &identity)?.public;
            if !zt_crypto::validate(&public) {
                bail!("the address {} does not belong to the key: this identity is damaged or forged", public.address);
            }
            let json = json!({"address": public.address.to_string(), "valid": true});
            Ok(Report::new(json, format!("{} is a valid identity\n", public.address)))
        }
        IdentityCommand::Sign { identity, file } => {
            let secret =
                read(console, &identity)?.secret.context("this is a public identity; signing needs the secret")?;
            let signature = hex(&secret.sign(&message(console, &file)?).0);
            Ok(Report::new(json!({"signature": signature}), format!("{signature}\n")))
        }
        IdentityCommand::Verify { identity, file, signature } => verify(console, &identity, &file, &signature),
    }
}

fn generate(
    console: &mut Console<'_>,
    secret_file: Option<PathBuf>,
    public_file: Option<PathBuf>,
    vanity: Option<String>,
    consent: Consent,
) -> Result<Report> {
    for file in [&secret_file, &public_file].into_iter().flatten() {
        let path = console.file(file);
        if path.exists() && !is_device(&path) {
            consent.to_lose(console, &format!("{} exists and would be replaced", file.display()))?;
        }
    }
    let identity = loop {
        let identity = SecretIdentity::generate(console.entropy);
        let address = identity.identity().address.to_string();
        if vanity.as_ref().is_none_or(|prefix| address.starts_with(prefix.as_str())) {
            break identity;
        }
    };
    let (address, public) = (identity.identity().address.to_string(), identity.identity().to_string());
    let Some(secret_file) = secret_file else {
        let secret = identity.to_text();
        let json = json!({"address": address, "public": public, "secret": secret.as_str()});
        return Ok(Report { secret: true, ..Report::new(json, format!("{}\n", secret.as_str())) });
    };
    let write = |file: &PathBuf, text: &str, mode| {
        replace_file(&console.file(file), text.as_bytes(), mode)
            .with_context(|| format!("cannot write {}", file.display()))
    };
    write(&secret_file, &identity.to_text(), 0o600)?;
    let mut text = format!("{address}: secret identity in {}", secret_file.display());
    if let Some(public_file) = &public_file {
        write(public_file, &public, 0o644)?;
        text += &format!(", public identity in {}", public_file.display());
    }
    Ok(Report::new(json!({"address": address, "public": public}), text + "\n"))
}

fn verify(console: &Console<'_>, identity: &str, file: &PathBuf, signature: &str) -> Result<Report> {
    let public = read(console, identity)?.public;
    let message = message(console, file)?;
    let bytes = unhex(signature.trim()).or_else(|| {
        let text = read_file(&console.file(signature)).ok()??;
        unhex(std::str::from_utf8(&text).ok()?.trim())
    });
    let bytes = bytes.with_context(|| format!("{signature} is neither hexadecimal nor a file that holds it"))?;
    let length = bytes.len();
    let Ok(bytes) = <[u8; 96]>::try_from(bytes) else {
        bail!("a signature has 96 bytes, this one has {length}");
    };
    if !zt_crypto::verify(&public.public_key, &message, &Signature(bytes)) {
        bail!("{} was not signed like this by {}", file.display(), public.address);
    }
    let address = public.address;
    let json = json!({"address": address.to_string(), "valid": true});
    Ok(Report::new(json, format!("{} was signed by {address}\n", file.display())))
}

/// An identity given as a file or as text.
pub fn read(console: &Console<'_>, argument: &str) -> Result<IdentityArgument> {
    IdentityArgument::read(console, argument)
        .with_context(|| format!("{argument} is neither an identity nor a readable file that holds one"))
}

fn message(console: &Console<'_>, file: &PathBuf) -> Result<Vec<u8>> {
    let content = read_file(&console.file(file)).with_context(|| format!("cannot read {}", file.display()))?;
    content.with_context(|| format!("{} does not exist", file.display()))
}

fn vanity_prefix(text: &str) -> Result<String, String> {
    if text.len() > 6 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("up to 6 hexadecimal digits; each one makes the search 16 times longer".to_owned());
    }
    if text.starts_with("ff") || text.starts_with("FF") {
        return Err("addresses that begin with ff are reserved".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}
