//! The image in Podman: run it by a user without rights for a rootless one. A root of its own and a member, both without devices.

use anyhow::{Context as _, Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{PATIENCE, newest};

const IMAGE: &str = concat!("zt:", env!("CARGO_PKG_VERSION"));
const HOME: &str = "/var/lib/zerotier-one";
const ROOT: &str = "zt-check-root";
const MEMBER: &str = "zt-check-member";
/// The network of the host, so that a member finds the root without ports that are published.
const NETWORK: &str = "--network=host";

/// An address of this host, not of loopback.
fn own_address() -> Result<String> {
    let output = Command::new("hostname").arg("-I").output().context("hostname")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split(' ').next().filter(|word| !word.trim().is_empty()).context("this host has no address")?.to_owned())
}

/// Podman, and the words that it wants on this host.
pub(super) struct Engine {
    words: Vec<String>,
}

impl Engine {
    /// `command`: the program and its global options.
    pub(super) fn new(command: &str) -> Self {
        Self { words: command.split_whitespace().map(str::to_owned).collect() }
    }

    /// Runs the check, and leaves nothing behind.
    pub(super) fn check(&self) -> Result<()> {
        self.tidy();
        let done = self.image().and_then(|()| self.root()).and_then(|network| self.member(&network));
        if done.is_err() {
            for name in [ROOT, MEMBER] {
                println!("{}", self.all_said(&["logs", name]).unwrap_or_default());
            }
        }
        self.tidy();
        done
    }

    fn image(&self) -> Result<()> {
        println!("== the image is loaded");
        let file = newest("zt-", ".oci.tar")?;
        // For whoever may not look into the folder.
        let open = std::env::temp_dir().join("zt-check.oci.tar");
        std::fs::copy(&file, &open).with_context(|| file.display().to_string())?;
        let loaded = self.says(&["load", "-i", &open.display().to_string()]);
        std::fs::remove_file(&open)?;
        println!("   {}", loaded?.trim());
        let help = self.says(&["run", "--rm", "--network", "none", IMAGE, "--help"])?;
        ensure!(help.contains("ZEROTIER_JOIN_NETWORKS"), "{help}");
        Ok(())
    }

    /// A root with a controller; its network.
    fn root(&self) -> Result<String> {
        println!("== a container without devices and rights");
        let volume = format!("{ROOT}:{HOME}");
        self.says(&["run", "-d", "--name", ROOT, NETWORK, "-v", &volume, IMAGE])?;
        self.eventually(&["exec", ROOT, "zt", "info"])?;
        let told = self.all_said(&["logs", ROOT])?;
        ensure!(told.contains("no devices: networks are reached by proxies"), "{told}");
        let address = self.says(&["exec", ROOT, "zt", "info", "--address"])?;
        let root = format!("{HOME}/identity.public={}/9993", own_address()?);
        let (template, planet) = (format!("{HOME}/planet.json"), format!("{HOME}/own"));
        self.says(&["exec", ROOT, "zt", "planet", "create", "--root", &root, "--template", &template, "-o", &planet])?;
        self.says(&["exec", ROOT, "zt", "planet", "add", "--only", &planet])?;
        println!("== stopped, and made anew with the same volume");
        self.stopped(ROOT)?;
        self.says(&["rm", ROOT])?;
        self.says(&["run", "-d", "--name", ROOT, NETWORK, "-v", &volume, IMAGE])?;
        self.eventually(&["healthcheck", "run", ROOT]).context("the root is not well")?;
        ensure!(self.says(&["exec", ROOT, "zt", "info", "--address"])? == address, "another identity");
        let network = self.says(&["exec", ROOT, "zt", "network", "create", "--name", "lab", "--json"])?;
        let network: serde_json::Value = serde_json::from_str(&network).with_context(|| network.clone())?;
        Ok(network["id"].as_str().context("a network has an id")?.to_owned())
    }

    /// A member of its network, by what the environment says.
    fn member(&self, network: &str) -> Result<()> {
        println!("== a member, by its environment");
        let identity =
            self.says(&["run", "--rm", "--network", "none", "--entrypoint", "zt", IMAGE, "identity", "generate"])?;
        let identity = identity.trim();
        let variables = [
            "ZT_PRIMARY_PORT=9994".to_owned(),
            format!("ZEROTIER_JOIN_NETWORKS={network}"),
            format!("ZEROTIER_IDENTITY_SECRET={identity}"),
            "ZEROTIER_API_SECRET=in-a-container".to_owned(),
        ];
        let mut words = vec!["create", "--name", MEMBER, NETWORK];
        words.extend(variables.iter().flat_map(|variable| ["-e", variable]));
        words.push(IMAGE);
        self.says(&words)?;
        let planet = std::env::temp_dir().join("zt-check-planet").display().to_string();
        self.says(&["cp", &format!("{ROOT}:{HOME}/own"), &planet])?;
        self.says(&["cp", &planet, &format!("{MEMBER}:{HOME}/planet")])?;
        std::fs::remove_file(&planet)?;
        self.says(&["start", MEMBER])?;
        self.eventually(&["exec", MEMBER, "zt", "wait", "online", "--timeout", "5"])?;
        ensure!(self.says(&["healthcheck", "run", MEMBER]).is_err(), "well without its network");
        let own = self.says(&["exec", MEMBER, "zt", "info", "--address"])?;
        ensure!(identity.starts_with(own.trim()), "it is {own}, and not of the identity that it was given");
        self.says(&["exec", ROOT, "zt", "member", "auth", network, own.trim()])?;
        self.eventually(&["healthcheck", "run", MEMBER]).context("the member is not well on its network")?;
        let info = self.says(&["exec", MEMBER, "zerotier-cli", "-p9994", "-Tin-a-container", "info"])?;
        ensure!(info.starts_with("200 info "), "zerotier-cli info: {info}");
        println!("   {}", info.trim());
        self.stopped(MEMBER)
    }

    /// It ends when it is asked to, before Podman loses its patience and kills it.
    fn stopped(&self, name: &str) -> Result<()> {
        self.says(&["stop", "-t", "60", name])?;
        let code = self.says(&["inspect", "--format", "{{.State.ExitCode}}", name])?;
        ensure!(code.trim() == "0", "{name} ended with {code}");
        Ok(())
    }

    fn eventually(&self, words: &[&str]) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.says(words) {
                Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(300)),
                done => return done.map(drop),
            }
        }
    }

    fn says(&self, words: &[&str]) -> Result<String> {
        let (well, out, err) = self.run(words)?;
        ensure!(well, "podman {}: {out}{err}", words.join(" "));
        Ok(out)
    }

    /// Both streams of Podman's.
    fn all_said(&self, words: &[&str]) -> Result<String> {
        self.run(words).map(|(_, out, err)| out + &err)
    }

    fn run(&self, words: &[&str]) -> Result<(bool, String, String)> {
        let [program, global @ ..] = self.words.as_slice() else { anyhow::bail!("--podman names no program") };
        let output = Command::new(program).args(global).args(words).current_dir("/").output();
        let output = output.with_context(|| format!("cannot run {program} (Debian: podman, slirp4netns, uidmap)"))?;
        let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        Ok((output.status.success(), out, err))
    }

    fn tidy(&self) {
        let _ = self.run(&["rm", "-f", "-v", MEMBER, ROOT]);
        let _ = self.run(&["volume", "rm", "-f", ROOT]);
        let _ = self.run(&["rmi", "-f", IMAGE]);
    }
}
