//! Benchmarks; every claim of a ratio is measured in one run.

use crate::cargo;
use anyhow::{Result, bail};

/// As they are named to people.
const ALL: &str = "tunnel, bonding, streams, crypto, codec, offload, engine, rules, scale or capi";

/// Runs one benchmark, or all that are short and need no stock binaries.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    match arguments.first().map(String::as_str) {
        Some("crypto") => cargo(&["bench", "--quiet", "-p", "zt-crypto"]),
        Some("codec") => cargo(&["bench", "--quiet", "-p", "zt-wire"]),
        Some("engine") => cargo(&["bench", "--quiet", "-p", "zt-node"]),
        Some("offload") => cargo(&["bench", "--quiet", "-p", "zt-tap"]),
        Some("rules") => cargo(&["bench", "--quiet", "-p", "zt-test-sim", "--bench", "rules"]),
        Some("scale") => {
            let mut all = vec!["bench", "--quiet", "-p", "zt-test-sim", "--bench", "scale", "--"];
            all.extend(arguments.iter().skip(1).map(String::as_str));
            cargo(&all)
        }
        Some("capi") => cargo(&["bench", "--quiet", "-p", "zt-capi"]),
        Some(whole @ ("tunnel" | "bonding" | "streams")) => {
            between_daemons(whole, arguments.get(1..).unwrap_or_default())
        }
        None => {
            cargo(&["bench", "--quiet", "-p", "zt-crypto"])?;
            cargo(&["bench", "--quiet", "-p", "zt-wire"])?;
            cargo(&["bench", "--quiet", "-p", "zt-tap"])?;
            cargo(&["bench", "--quiet", "-p", "zt-node"])?;
            cargo(&["bench", "--quiet", "-p", "zt-test-sim", "--bench", "rules"])
        }
        Some(other) => {
            bail!("unknown benchmark `{other}`: {ALL}")
        }
    }
}

/// Measures daemons of a release build by a program of the same name.
fn between_daemons(program: &str, arguments: &[String]) -> Result<()> {
    cargo(&["build", "--release", "--quiet", "-p", "zt-cli"])?;
    let mut all = vec!["run", "--release", "--quiet", "-p", "zt-test-e2e", "--bin", program, "--"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_help_names_every_benchmark() {
        assert!(crate::HELP.contains(ALL));
        let named: BTreeSet<_> = ALL.split([',', ' ']).filter(|word| !["", "or"].contains(word)).collect();
        let arms = include_str!("bench.rs").lines().filter(|line| line.trim_start().starts_with("Some("));
        let patterns = arms.filter_map(|arm| arm.split("=>").next());
        let handled: BTreeSet<_> = patterns.flat_map(|pattern| pattern.split('"').skip(1).step_by(2)).collect();
        assert_eq!(named, handled);
    }
}
