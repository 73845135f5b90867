//! How much is logged, in words.

use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Crates of this project, whose modules are the targets of their lines.
const OURS: &str = "zt";

/// A level for all of this program, and others for parts of it: `info`, `info,zt_peer=debug`.
///
/// Libraries are heard from `warn` on at most, unless they are named: what they say below is not about the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    level: LevelFilter,
    parts: Vec<(String, LevelFilter)>,
}

/// A level of everything.
impl From<LevelFilter> for Filter {
    fn from(level: LevelFilter) -> Self {
        Self { level, parts: Vec::new() }
    }
}

impl Default for Filter {
    fn default() -> Self {
        LevelFilter::INFO.into()
    }
}

impl Filter {
    pub(super) fn targets(&self) -> Targets {
        let parts = self.parts.iter().map(|(target, level)| (target.as_str(), *level));
        Targets::new().with_default(self.level.min(LevelFilter::WARN)).with_target(OURS, self.level).with_targets(parts)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.level)?;
        self.parts.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut filter = Self::default();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => filter.level = level(part)?,
                Some((target, named)) => {
                    let target = target.trim();
                    let is_path = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
                    if target.is_empty() || !target.chars().all(is_path) {
                        return Err(format!("{target:?} is no part of the program; write one such as zt_peer=debug"));
                    }
                    filter.parts.push((target.to_owned(), level(named.trim())?));
                }
            }
        }
        Ok(filter)
    }
}

fn level(word: &str) -> Result<LevelFilter, String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let known = levels.into_iter().find(|known| known.eq_ignore_ascii_case(word)).and_then(|known| known.parse().ok());
    known.ok_or_else(|| {
        format!("{word:?} is no level; write {}, or parts as well: info,zt_peer=debug", levels.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn filter(text: &str) -> Filter {
        text.parse().expect(text)
    }

    #[test]
    fn a_level_is_about_this_program_and_libraries_are_heard_when_something_is_wrong() {
        for (text, target, level, heard) in [
            ("info", "zt_node::driver", Level::INFO, true),
            ("info", "zt_node::driver", Level::DEBUG, false),
            ("trace", "zt_node::driver", Level::TRACE, true),
            ("trace", "rustls::client", Level::INFO, false),
            ("trace", "rustls::client", Level::WARN, true),
            ("error", "rustls::client", Level::WARN, false),
            ("off", "zt_cli", Level::ERROR, false),
            ("warn,zt_peer=debug", "zt_peer::vl1", Level::DEBUG, true),
            ("warn,zt_peer=debug", "zt_node", Level::INFO, false),
            ("info,rustls=trace", "rustls::client", Level::TRACE, true),
        ] {
            assert_eq!(filter(text).targets().would_enable(target, &level), heard, "{text} {target} {level}");
        }
    }

    #[test]
    fn a_filter_is_shown_as_it_is_written() {
        for text in ["info", "off", "warn,zt_peer=debug,zt_node::driver=trace"] {
            assert_eq!(filter(text).to_string(), text);
        }
        assert_eq!(filter(" INFO , zt_tap = Warn ").to_string(), "info,zt_tap=warn");
    }

    #[test]
    fn what_is_no_filter_is_told_with_what_is_one() {
        for text in ["", "verbose", "info,", "zt_peer=loud", "=debug", "a b=info", "info,info,x"] {
            let error = text.parse::<Filter>().expect_err(text);
            assert!(error.contains("write"), "{text}: {error}");
        }
    }
}
