//! Questions before what cannot be undone.

use anyhow::{Result, bail};
use clap::Args;

use crate::complain;
use crate::console::Console;

/// How a command that destroys something is told to go on.
///
/// The rule, the same everywhere: on a terminal there is a question. Without one, what can be had back by another command goes on, as
/// scripts expect; what is lost for good needs `--yes`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Consent {
    /// Do not ask; what is lost for good needs this where there is no terminal to ask at
    #[arg(long, short, visible_alias = "force")]
    pub(super) yes: bool,
}

/// The same where nothing is lost for good.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Assent {
    /// Do not ask; without a terminal there is no question
    #[arg(long, short)]
    pub(super) yes: bool,
}

impl Consent {
    /// Asks whether what is lost for good may be lost. `what` is a sentence that says what happens.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn to_lose(self, console: &mut Console<'_>, what: &str) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        if !console.asks {
            bail!("{what}; this cannot be undone, so say --yes");
        }
        ask(console, what)
    }
}

impl Assent {
    /// Asks whether something may happen that another command undoes; without a terminal it may.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn to_change(self, console: &mut Console<'_>, what: &str) -> Result<()> {
        if self.yes || !console.asks { Ok(()) } else { ask(console, what) }
    }
}

fn ask(console: &mut Console<'_>, what: &str) -> Result<()> {
    complain!(console, "{what}. Go on? [y/N] ");
    let answer = console.line().unwrap_or_default();
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    bail!("nothing was changed")
}
