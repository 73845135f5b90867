//! `zerotier-idtool` (07 §3).

use zt_crypto::SecretIdentity;
use zt_wire::{Identity, Signature};

use super::banner;
use crate::console::Console;
use crate::daemon::home::{read_file, replace_file};
use crate::worldfile::{Template, TemplateError};
use crate::{complain, say};

/// Longest argument that is a file name in any case (07 §3).
const MAX_NAME: usize = 32;

/// An identity given as an argument: literal or in a file, with or without its secret.
pub struct IdentityArgument {
    /// Public part.
    pub public: Identity,
    /// Secret part, if there was one.
    pub secret: Option<SecretIdentity>,
}

impl IdentityArgument {
    /// Reads a literal identity (longer than 32 characters with `:` as the 11th) or the file of that name.
    pub fn read(console: &Console<'_>, argument: &str) -> Option<Self> {
        if argument.len() > MAX_NAME && argument.as_bytes()[10] == b':' {
            return Self::parse(argument);
        }
        let content = read_file(&console.file(argument)).ok()??;
        Self::parse(std::str::from_utf8(&content).ok()?)
    }

    /// Reads the text form; a newline at the end is tolerated.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        if let Ok(secret) = SecretIdentity::from_text(text) {
            return Some(Self { public: *secret.identity(), secret: Some(secret) });
        }
        Some(Self { public: text.parse().ok()?, secret: None })
    }
}

/// Runs the tool; `args[0]` is the name under which it was called. Returns the exit code.
pub fn run(args: &[String], console: &mut Console<'_>) -> i32 {
    let argument = |i: usize| args.get(i).map(String::as_str);
    let enough = |n: usize| args.len() > n;
    match argument(1) {
        Some("generate") => generate(&args[2..], console),
        Some("validate") if enough(2) => validate(&args[2], console),
        Some("getpublic") if enough(2) => get_public(&args[2], console),
        Some("sign") if enough(3) => sign(&args[2], &args[3], console),
        Some("verify") if enough(4) => verify(&args[2], &args[3], &args[4], console),
        Some("initmoon") if enough(2) => init_moon(&args[2], console),
        Some("genmoon") if enough(2) => gen_moon(&args[2], console),
        command => {
            say!(console, "{}", help(&args[0]));
            // Quirk (07 §3): these two end with success when their argument is missing.
            i32::from(!matches!(command, Some("initmoon" | "genmoon")))
        }
    }
}

/// The help text.
pub fn help(argv0: &str) -> String {
    format!(
        "{}Usage: {argv0} <command> [<args>]

Commands:
  generate [<identity.secret>] [<identity.public>] [<vanity>]
  validate <identity.secret/public>
  getpublic <identity.secret>
  sign <identity.secret> <file>
  verify <identity.secret/public> <file> <signature>
  initmoon <identity.public of first seed>
  genmoon <moon json>
",
        banner("")
    )
}

fn generate(args: &[String], console: &mut Console<'_>) -> i32 {
    let secret = match args.get(2) {
        Some(prefix) => vanity(prefix, console),
        None => SecretIdentity::generate(console.entropy),
    };
    let Some(secret_file) = args.first() else {
        if !console.print(format_args!("{}", secret.to_text().as_str())) {
            // Deliberate: nothing else holds it, so that it went nowhere is an error, also where a pipe is closed.
            complain!(console, "Error writing the secret identity to standard output\n");
            return 1;
        }
        return 0;
    };
    // Deliberate: the secret is readable for its owner only (07 §3 leaves it open).
    let public = secret.identity().to_string();
    let files = [(Some(secret_file), secret.to_text().to_string(), 0o600), (args.get(1), public, 0o644)];
    for (name, content, mode) in files {
        let Some(name) = name else { break };
        if replace_file(&console.file(name), content.as_bytes(), mode).is_err() {
            complain!(console, "Error writing to {name}\n");
            return 1;
        }
        say!(console, "{name} written\n");
    }
    0
}

/// Generates until the address begins with the wanted digits.
fn vanity(prefix: &str, console: &mut Console<'_>) -> SecretIdentity {
    let digits: String = prefix.chars().take(10).collect();
    let bits = 4 * digits.len() as u32;
    let padded = format!("{digits:0<10}");
    let wanted = super::leading_hex(&padded);
    loop {
        let identity = SecretIdentity::generate(console.entropy);
        let address = identity.identity().address;
        let shift = 40 - bits;
        if bits == 0 {
            return identity;
        }
        if address.as_u64() >> shift == wanted >> shift {
            complain!(console, "vanity address: found {address} !\n");
            return identity;
        }
        complain!(console, "vanity address: tried {address} looking for first {bits} bits of {padded}\n");
    }
}

fn unusable(argument: &str, console: &mut Console<'_>) -> i32 {
    complain!(console, "Identity argument invalid or file unreadable: {argument}\n");
    1
}

fn validate(argument: &str, console: &mut Console<'_>) -> i32 {
    let Some(identity) = IdentityArgument::read(console, argument) else { return unusable(argument, console) };
    if zt_crypto::validate(&identity.public) {
        say!(console, "{argument} is a valid identity\n");
        return 0;
    }
    complain!(console, "{argument} FAILED validation.\n");
    1
}

fn get_public(argument: &str, console: &mut Console<'_>) -> i32 {
    let Some(identity) = IdentityArgument::read(console, argument) else { return unusable(argument, console) };
    say!(console, "{}", identity.public);
    0
}

fn sign(argument: &str, file: &str, console: &mut Console<'_>) -> i32 {
    let Some(identity) = IdentityArgument::read(console, argument) else { return unusable(argument, console) };
    let Some(secret) = identity.secret else {
        complain!(console, "{argument} does not contain a private key (must use private to sign)\n");
        return 1;
    };
    let Some(message) = read_message(file, console) else { return 1 };
    say!(console, "{}", hex(&secret.sign(&message).0));
    0
}

fn verify(argument: &str, file: &str, signature: &str, console: &mut Console<'_>) -> i32 {
    let Some(identity) = IdentityArgument::read(console, argument) else { return unusable(argument, console) };
    let Some(message) = read_message(file, console) else { return 1 };
    let stored = unhex(signature).or_else(|| {
        let content = read_file(&console.file(signature)).ok()??;
        unhex(std::str::from_utf8(&content).ok()?.trim_end())
    });
    let signature = stored.and_then(|bytes| <[u8; 96]>::try_from(bytes).ok()).map(Signature);
    if signature.is_some_and(|s| zt_crypto::verify(&identity.public.public_key, &message, &s)) {
        say!(console, "{file} signature valid\n");
        return 0;
    }
    complain!(console, "{file} signature check FAILED\n");
    1
}

fn read_message(file: &str, console: &mut Console<'_>) -> Option<Vec<u8>> {
    let message = read_file(&console.file(file)).ok().flatten();
    if message.is_none() {
        complain!(console, "{file} is not readable\n");
    }
    message
}

fn init_moon(argument: &str, console: &mut Console<'_>) -> i32 {
    let Some(identity) = IdentityArgument::read(console, argument) else {
        complain!(console, "{argument} is not a valid identity\n");
        return 1;
    };
    let template = Template::for_moon(&identity.public, console.entropy);
    say!(console, "{}", crate::render::json::classic(template.to_json()));
    0
}

fn gen_moon(file: &str, console: &mut Console<'_>) -> i32 {
    let Ok(Some(text)) = read_file(&console.file(file)) else {
        complain!(console, "cannot read {file}\n");
        return 1;
    };
    let timestamp = (console.clock)();
    let signed = Template::parse(&text).map(|template| template.sign(timestamp.unsigned_abs()));
    let world = match signed {
        Ok(world) => world,
        Err(TemplateError::Id) => {
            complain!(console, "ID in {file} is invalid\n");
            return 1;
        }
        Err(TemplateError::Kind) => {
            complain!(console, "invalid worldType\n");
            return 1;
        }
        // The original aborts here (07 §3).
        Err(error) => {
            complain!(console, "{file}: {error}\n");
            return 1;
        }
    };
    let name = format!("{:016x}.moon", world.id);
    if let Err(error) = replace_file(&console.file(&name), &zt_wire::Emit::to_vec(&world), 0o644) {
        complain!(console, "{name}: {error}\n");
        return 1;
    }
    say!(console, "wrote {name} (signed world with timestamp {timestamp})\n");
    0
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Bytes out of hex of either case; `None` if it is empty or not hex.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}
