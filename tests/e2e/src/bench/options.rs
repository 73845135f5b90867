//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::peers::Folders;
use super::report::Section;

/// What the command line takes.
pub const HELP: &str =
    "usage: cargo xtask bench tunnel [--peer DIR] [--old DIR] [--only NAMES] [--rounds N] [--seconds S] [--quick]
                                [--load iperf3|own] [--json FILE] [--svg FILE] [--list]

Measures our tunnel beside every other one that this machine has, in namespaces, in turn. Needs root.

  --peer DIR      folder with the zerotier-one of today to compare with
  --old DIR       folder with a zerotier-one that knows no AES: 1.2.12
  --only NAMES    some tunnels only, by their names with commas between, or direct, relayed or mixed; --list says which
                  there are
  --rounds N      how often each is measured [5]
  --seconds S     how long each TCP stream goes [2]
  --quick         one round, one second; to see that it works, not to compare
  --load NAME     who makes the load: iperf3, or this program itself [iperf3 if it is installed]
  --json FILE     writes all figures of all rounds; docs/performance.md says what is where
  --svg FILE      writes a picture
  --list          says what would be measured, and what is missing";

/// What a run is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Programs of ZeroTier One.
    pub folders: Folders,
    /// Names; none: all.
    pub only: Vec<String>,
    /// Rounds.
    pub rounds: usize,
    /// Of each TCP stream.
    pub time: Duration,
    /// Trials of the first search for a rate.
    pub trials: u32,
    /// Load by this program even if iperf3 is installed.
    pub own_load: bool,
    /// Where to write the figures.
    pub json: Option<PathBuf>,
    /// Where to write the picture.
    pub svg: Option<PathBuf>,
    /// Say what there is, and end.
    pub list: bool,
    /// The words, for the report.
    pub command: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folders: Folders::default(),
            only: Vec::new(),
            rounds: 5,
            time: Duration::from_secs(2),
            trials: 10,
            own_load: false,
            json: None,
            svg: None,
            list: false,
            command: "cargo xtask bench tunnel".to_owned(),
        }
    }
}

impl Options {
    /// Reads the words behind the name of the program; `None` when help is asked for.
    ///
    /// # Errors
    /// What cannot be read, and how it has to be.
    pub fn read(words: &[String]) -> Result<Option<Self>> {
        let mut options = Self::default();
        options.command = std::iter::once(options.command.as_str())
            .chain(words.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ");
        // What is said of itself counts more than --quick, wherever it stands.
        if words.iter().any(|word| word == "--quick") {
            (options.rounds, options.time, options.trials) = (1, Duration::from_secs(1), 7);
        }
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--quick" => {}
                "--list" => options.list = true,
                "--peer" => options.folders.stock = Some(PathBuf::from(value()?)),
                "--old" => options.folders.old = Some(PathBuf::from(value()?)),
                "--json" => options.json = Some(PathBuf::from(value()?)),
                "--svg" => options.svg = Some(PathBuf::from(value()?)),
                "--only" => options.only = value()?.split(',').map(|name| name.trim().to_owned()).collect(),
                "--rounds" => {
                    options.rounds = value()?.parse().context("--rounds: a whole number")?;
                    ensure!(options.rounds > 0, "--rounds: at least 1");
                }
                "--seconds" => {
                    let seconds: f64 = value()?.parse().context("--seconds: a number")?;
                    ensure!((0.2..=600.0).contains(&seconds), "--seconds: from 0.2 to 600");
                    options.time = Duration::from_secs_f64(seconds);
                }
                "--load" => match value()?.as_str() {
                    "iperf3" => options.own_load = false,
                    "own" => options.own_load = true,
                    other => bail!("--load {other}: iperf3 or own"),
                },
                other => bail!("unknown argument {other}"),
            }
        }
        Ok(Some(options))
    }

    /// Whether a tunnel is to be measured.
    #[must_use]
    pub fn wants(&self, id: &str, section: Section) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == id || name == section.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Options>> {
        Options::read(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_become_options() {
        let options =
            read("--peer /x --rounds 2 --quick --only ours,raw --json a.json").expect("good").expect("no help");
        assert_eq!((options.rounds, options.time), (2, Duration::from_secs(1)));
        let wants = |id: &str| options.wants(id, Section::Direct);
        assert!(wants("raw") && !wants("stock"));
        let all_relayed = read("--only relayed").expect("good").expect("no help");
        assert!(all_relayed.wants("stock-relayed", Section::Relayed) && !all_relayed.wants("stock", Section::Direct));
        assert_eq!(options.folders.stock, Some(PathBuf::from("/x")));
        assert!(options.command.ends_with("tunnel --peer /x --rounds 2 --quick --only ours,raw --json a.json"));
        assert_eq!(read("").expect("good"), Some(Options::default()));
        assert_eq!(read("--rounds 3 --help").expect("good"), None);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (text, named) in [
            ("--rounds 0", "--rounds"),
            ("--rounds x", "--rounds"),
            ("--seconds 0", "--seconds"),
            ("--seconds NaN", "--seconds"),
            ("--load ftp", "--load ftp"),
            ("--peer", "--peer"),
            ("--fast", "--fast"),
        ] {
            let error = format!("{:#}", read(text).expect_err(text));
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
