//! Which options of [`Globals`] a command heeds: the others are refused, and its help does not show them.

use super::config::ConfigCommand;
use super::moon::MoonCommand;
use super::planet::PlanetCommand;
use super::rules::RulesCommand;
use super::service::ServiceCommand;
use super::{Command, Globals};

/// What a command has to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Nothing, and it prints for people only.
    Alone,
    /// Nothing; it prints a report.
    Report,
    /// It works on a home folder, and prints for people only.
    Folder,
    /// It works on a home folder; it prints a report.
    FolderReport,
    /// It speaks to a running node; it prints a report.
    Node,
}

impl Scope {
    fn heeds(self, option: &str) -> bool {
        match option {
            "home" => !matches!(self, Self::Alone | Self::Report),
            "json" => !matches!(self, Self::Alone | Self::Folder),
            _ => self == Self::Node,
        }
    }
}

/// The IDs of [`Globals`]' options and their spelling.
const OPTIONS: [(&str, &str); 5] =
    [("home", "--home"), ("json", "--json"), ("host", "--host"), ("api_port", "--api-port"), ("token", "--token")];

/// Commands whose words alone tell their scope, for their help.
const SCOPES: [(&[&str], Scope); 22] = [
    (&["config", "check"], Scope::FolderReport),
    (&["config", "schema"], Scope::Report),
    (&["demo"], Scope::Alone),
    (&["service"], Scope::Folder),
    (&["service", "install"], Scope::FolderReport),
    (&["service", "uninstall"], Scope::FolderReport),
    (&["service", "status"], Scope::FolderReport),
    (&["relay"], Scope::Report),
    (&["completions"], Scope::Alone),
    (&["man"], Scope::Alone),
    (&["identity"], Scope::Report),
    (&["rules", "check"], Scope::Report),
    (&["rules", "compile"], Scope::Report),
    (&["rules", "explain"], Scope::Report),
    (&["rules", "test"], Scope::Report),
    (&["planet", "create"], Scope::Report),
    (&["planet", "show"], Scope::Report),
    (&["planet", "sign"], Scope::Report),
    (&["moon", "create"], Scope::Report),
    (&["moon", "show"], Scope::Report),
    (&["moon", "sign"], Scope::Report),
    (&["moon", "add"], Scope::FolderReport),
];

impl Command {
    fn words(&self) -> Vec<&'static str> {
        match self {
            Self::Demo(_) => vec!["demo"],
            Self::Service(args) => match args.command {
                None => vec!["service"],
                Some(ServiceCommand::Install(_)) => vec!["service", "install"],
                Some(ServiceCommand::Uninstall(_)) => vec!["service", "uninstall"],
                Some(ServiceCommand::Status) => vec!["service", "status"],
            },
            Self::Relay(_) => vec!["relay"],
            Self::Identity(_) => vec!["identity"],
            Self::Completions(_) => vec!["completions"],
            Self::Man(_) => vec!["man"],
            Self::Planet(args) => match args.command {
                PlanetCommand::Create { .. } => vec!["planet", "create"],
                PlanetCommand::Show { .. } => vec!["planet", "show"],
                PlanetCommand::Sign { .. } => vec!["planet", "sign"],
                PlanetCommand::Add { .. } | PlanetCommand::Remove { .. } | PlanetCommand::List => vec![],
            },
            Self::Moon(args) => match args.command {
                MoonCommand::Create { .. } => vec!["moon", "create"],
                MoonCommand::Show { .. } => vec!["moon", "show"],
                MoonCommand::Sign { .. } => vec!["moon", "sign"],
                MoonCommand::Add { .. } => vec!["moon", "add"],
                MoonCommand::Orbit { .. } | MoonCommand::Leave { .. } | MoonCommand::List => vec![],
            },
            Self::Config(args) => match &args.command {
                ConfigCommand::Check { .. } => vec!["config", "check"],
                ConfigCommand::Schema => vec!["config", "schema"],
                ConfigCommand::Show { .. } | ConfigCommand::Set { .. } => vec![],
            },
            Self::Rules(args) => match &args.command {
                RulesCommand::Check(_) => vec!["rules", "check"],
                RulesCommand::Compile(_) => vec!["rules", "compile"],
                RulesCommand::Explain(_) => vec!["rules", "explain"],
                RulesCommand::Test(_) => vec!["rules", "test"],
                RulesCommand::Diff(_) => vec![],
            },
            Self::Info(_)
            | Self::Container(_)
            | Self::Status(_)
            | Self::Doctor(_)
            | Self::Ping(_)
            | Self::Wait(_)
            | Self::Peers
            | Self::Bond(_)
            | Self::Networks(_)
            | Self::Forward(_)
            | Self::Join(_)
            | Self::Leave(_)
            | Self::Log(_)
            | Self::Network(_)
            | Self::Member(_)
            | Self::Trace(_) => vec![],
        }
    }
}

fn scope_of(words: &[&str]) -> Scope {
    SCOPES.iter().find(|(known, _)| *known == words).map_or(Scope::Node, |(_, scope)| *scope)
}

/// Takes the options that a command does not heed out of its help.
pub(super) fn hide_useless(mut command: clap::Command) -> clap::Command {
    let global: Vec<clap::Arg> = command.get_arguments().cloned().collect();
    for (words, scope) in SCOPES {
        command = hide(command, words, &|sub| {
            // A subcommand's own definition stands in the way of the global one, which would be shown; and in the way of the one
            // that a command above has hidden.
            let below_hidden = words.len() > 1 && SCOPES.iter().any(|(known, _)| *known == &words[..1]);
            let useless = |arg: &clap::Arg| !scope.heeds(arg.get_id().as_str());
            let own = global.iter().filter(|arg| below_hidden || useless(arg));
            own.fold(sub, |sub, arg| sub.arg(if useless(arg) { arg.clone().hide(true) } else { arg.clone() }))
        });
    }
    command
}

fn hide(command: clap::Command, words: &[&str], each: &dyn Fn(clap::Command) -> clap::Command) -> clap::Command {
    match words.split_first() {
        Some((first, rest)) => command.mut_subcommand(first, |sub| hide(sub, rest, each)),
        None => each(command),
    }
}

/// An option that has no effect here is a mistake of whoever typed it.
pub(super) fn refuse_useless(command: &Command, globals: &Globals) -> Result<(), String> {
    let words = command.words();
    let scope = scope_of(&words);
    for (id, spelling) in OPTIONS {
        let given = match id {
            "home" => globals.home.is_some(),
            "json" => globals.json,
            "host" => globals.host.is_some(),
            "api_port" => globals.port.is_some(),
            _ => globals.token.is_some(),
        };
        if given && !scope.heeds(id) {
            let command = words.join(" ");
            return Err(format!("{spelling} has no effect on `zt {command}`; leave it out"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cmd::{Zt, parse};

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_without_effect_are_refused() {
        for line in [
            "zt service --host 10.0.0.1",
            "zt service --token x",
            "zt service --api-port 1",
            "zt --json service",
            "zt demo --json",
            "zt demo --home /tmp",
            "zt identity generate --home /tmp",
            "zt identity generate --token x",
            "zt planet show planet --home /tmp",
            "zt moon sign moon.json --host ::1",
            "zt moon add x.moon --token x",
        ] {
            let error = parse(&words(line), None).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains("has no effect on `zt "), "{line}: {error}");
        }
        for line in [
            "zt service --home /tmp",
            "zt identity generate --json",
            "zt planet show planet --json",
            "zt planet add planet --home /tmp --token x",
            "zt moon add x.moon --home /tmp --json",
            "zt service install --home /tmp --json",
            "zt service status --json",
            "zt info --host 10.0.0.1 --api-port 9 --token x --json --home /tmp",
        ] {
            parse(&words(line), None).expect(line);
        }
    }

    #[test]
    fn help_shows_what_is_heeded_and_nothing_else() {
        let mut command = hide_useless(Zt::command());
        command.build();
        for (words, scope) in SCOPES {
            let mut sub = &command;
            for word in words {
                sub = sub.find_subcommand(word).expect("it exists");
            }
            let help = sub.clone().render_long_help().to_string();
            for (id, spelling) in OPTIONS {
                assert_eq!(help.contains(spelling), scope.heeds(id), "{words:?} {spelling}\n{help}");
            }
        }
    }
}
