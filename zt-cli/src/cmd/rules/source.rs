//! Files of rules, and of cases beside them.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use zt_netconf::rules::cases::Cases;
use zt_netconf::rules::script::{Options, Script, Source, render};

use crate::cmd::Refused;
use crate::complain;
use crate::console::Console;
use crate::daemon::home::{MAX_FILE, read_file};
use crate::render::json::without_mark;

/// A text of rules that compiles.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// What it is called in messages.
    pub(crate) name: String,
    /// The text.
    pub(crate) text: String,
    /// What it says.
    pub(crate) script: Script,
}

impl Rules {
    /// Reads and compiles a file with the right values, whatever the reference compiler makes of it; warnings are shown.
    ///
    /// # Errors
    /// It cannot be read, or does not compile: all its faults, with their lines.
    pub(crate) fn read(name: &str, console: &mut Console<'_>) -> Result<Self> {
        Self::read_as(name, Options::default(), console)
    }

    /// Reads and compiles a file; warnings are shown.
    ///
    /// # Errors
    /// It cannot be read, or does not compile: all its faults, with their lines.
    pub(crate) fn read_as(name: &str, options: Options, console: &mut Console<'_>) -> Result<Self> {
        let text = read_text(name, console)?;
        let name = if name == "-" { "standard input" } else { name };
        let source = Source { name, text: &text, color: console.color_err };
        match Script::compile(&text, options) {
            Ok(script) => {
                if !script.warnings.is_empty() {
                    complain!(console, "{}\n", render(&script.warnings, source));
                }
                let name = name.to_owned();
                Ok(Self { name, text, script })
            }
            Err(error) => {
                let faults: Vec<_> = error.diagnostics().iter().map(|fault| fault.to_json()).collect();
                let (errors, warnings): (Vec<_>, Vec<_>) = faults.into_iter().partition(|f| f["severity"] == "error");
                Err(Refused {
                    text: format!("{name} does not compile\n\n{}", error.render(source).trim_end()),
                    json: json!({"errors": errors, "warnings": warnings}),
                }
                .into())
            }
        }
    }
}

impl Rules {
    /// The cases beside it, or in a file that is named, with the file's name; `None`: there are none.
    ///
    /// # Errors
    /// They cannot be read, or one is not understood: its line, and what is expected there.
    pub(crate) fn cases(&self, named: Option<&str>, console: &mut Console<'_>) -> Result<Option<(String, Cases)>> {
        self.cases_by(&self.script, named, console)
    }

    /// The same, by the names of another text as well.
    ///
    /// # Errors
    /// As [`Self::cases`].
    pub(crate) fn members(
        &self,
        other: &Script,
        named: Option<&str>,
        console: &mut Console<'_>,
    ) -> Result<Option<Cases>> {
        let mut both = self.script.clone();
        both.tags.extend(other.tags.iter().filter(|tag| self.script.tag(&tag.name).is_none()).cloned());
        let new = |name: &str| self.script.capability(name).is_none();
        both.capabilities.extend(other.capabilities.iter().filter(|held| new(&held.name)).cloned());
        Ok(self.cases_by(&both, named, console)?.map(|(_, cases)| cases))
    }

    fn cases_by(
        &self,
        script: &Script,
        named: Option<&str>,
        console: &mut Console<'_>,
    ) -> Result<Option<(String, Cases)>> {
        let beside = || Path::new(&self.name).with_extension("cases").to_string_lossy().into_owned();
        let name = named.map_or_else(beside, str::to_owned);
        if named.is_none() && !console.file(&name).exists() {
            return Ok(None);
        }
        let text = read_text(&name, console)?;
        match Cases::read(&text, script) {
            Ok(cases) => Ok(Some((name, cases))),
            Err(error) => bail!("{name}: {error}"),
        }
    }
}

/// A text file, or standard input.
///
/// # Errors
/// It is not there, cannot be read, or is no UTF-8.
pub(crate) fn read_text(name: &str, console: &mut Console<'_>) -> Result<String> {
    let content = if name == "-" {
        let mut content = Vec::new();
        let read = (&mut *console.input).take(MAX_FILE + 1).read_to_end(&mut content);
        read.context("cannot read standard input")?;
        if content.len() as u64 > MAX_FILE {
            bail!("there is too much on standard input");
        }
        content
    } else {
        let content = read_file(&console.file(name)).with_context(|| format!("cannot read {name}"))?;
        let Some(content) = content else { bail!("there is no file {name}") };
        content
    };
    String::from_utf8(without_mark(&content).to_vec()).with_context(|| format!("{name} is no text in UTF-8"))
}
