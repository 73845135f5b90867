//! Help as the terminal has room for it: commands in groups, lines that fit, a command's own options before the global ones.

use clap::Command;

use super::examples;
use super::scope;
use crate::render::wrapped;

/// Widest help; longer lines are hard to read.
const WIDEST: usize = 100;

/// Columns where no terminal tells.
const USUAL: usize = 100;

/// Heading of the options that many commands have.
pub(super) const GLOBAL: &str = "Global options";

/// The commands by what they are about, in the order in which they are shown. What is named nowhere is a tool.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Node", &["service", "status", "info", "wait", "peers", "ping", "bond", "doctor", "log", "config", "container"]),
    ("Networks", &["join", "leave", "networks", "forward"]),
    ("Controller", &["network", "member", "rules", "trace"]),
    ("Roots", &["planet", "moon", "relay"]),
    ("Tools", &["identity", "demo", "completions", "man", "help"]),
];

/// The whole command, made for a terminal of so many columns; none where the output is none.
pub(super) fn dressed(command: Command, columns: Option<usize>) -> Command {
    let columns = columns.unwrap_or(USUAL).clamp(30, WIDEST);
    let mut command = fit(scope::hide_useless(command), columns).term_width(columns);
    // Its own help command stands in the list as well.
    command.build();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{}\n{}\n{{options}}{{after-help}}",
        groups(&command, columns),
        heading("Options")
    );
    command.help_template(template)
}

/// Makes what stands behind the options fit, of all commands.
fn fit(command: Command, columns: usize) -> Command {
    let command = match command.get_after_help().map(ToString::to_string) {
        Some(text) => command.after_help(examples::fitted(&text, columns)),
        None => command,
    };
    command.mut_subcommands(|sub| fit(sub, columns))
}

/// A heading as the others look; what is no terminal gets it without the escapes.
fn heading(text: &str) -> String {
    format!("\x1b[1m\x1b[4m{text}:\x1b[0m")
}

/// The list of commands below their headings.
fn groups(command: &Command, columns: usize) -> String {
    let shown: Vec<&Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    let width = shown.iter().map(|sub| sub.get_name().len()).max().unwrap_or(0) + 2;
    let named = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let mut out = String::new();
    for (i, (title, names)) in GROUPS.iter().enumerate() {
        let known = names.iter().filter_map(|name| shown.iter().find(|sub| sub.get_name() == *name));
        let last = i + 1 == GROUPS.len();
        let others = shown.iter().filter(|sub| last && !named(sub.get_name()));
        let mut lines = String::new();
        for sub in known.chain(others) {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            for (i, line) in wrapped(&about, columns - width - 2).iter().enumerate() {
                let name = if i == 0 { sub.get_name() } else { "" };
                let pad = width - name.len();
                lines += &format!("  \x1b[1m{name}\x1b[0m{:pad$}{line}\n", "");
            }
        }
        if !lines.is_empty() {
            out += &format!("\n{}\n{lines}", heading(title));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cmd::Zt;

    fn each(command: &Command, see: &mut dyn FnMut(&Command)) {
        see(command);
        command.get_subcommands().for_each(|sub| each(sub, see));
    }

    #[test]
    fn every_help_fits_on_sixty_columns() {
        let mut command = dressed(Zt::command(), Some(60));
        command.build();
        each(&command, &mut |sub| {
            for help in [sub.clone().render_help(), sub.clone().render_long_help()] {
                let help = help.to_string();
                // A word that cannot be broken, such as the name of an option with its value, may be longer.
                let long = help.lines().filter(|line| line.chars().count() > 60 && line.trim().contains("  "));
                let long: Vec<&str> = long.collect();
                assert!(long.is_empty(), "{}: {long:#?}", sub.get_name());
            }
        });
    }

    #[test]
    fn commands_stand_below_headings_and_each_stands_once() {
        let command = dressed(Zt::command(), Some(80));
        let help = command.clone().render_help().to_string();
        let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text:?} is missing: {help}"));
        assert!(at("\nNode:\n") < at("\n  service ") && at("\n  service ") < at("\nNetworks:\n"), "{help}");
        assert!(at("\nRoots:\n") < at("\n  planet ") && at("\n  planet ") < at("\nTools:\n"), "{help}");
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let line = format!("\n  {} ", sub.get_name());
            assert_eq!(help.matches(&line).count(), 1, "{line:?}: {help}");
        }
    }

    #[test]
    fn own_options_stand_before_the_global_ones() {
        let mut command = dressed(Zt::command(), Some(80));
        command.build();
        let join = command.find_subcommand("join").expect("it exists").clone().render_long_help().to_string();
        let at = |text: &str| join.find(text).unwrap_or_else(|| panic!("{text:?} is missing: {join}"));
        assert!(at("--allow-default") < at("Global options:") && at("--help") < at("Global options:"), "{join}");
        assert!(at("Global options:") < at("--home") && at("Global options:") < at("--json"), "{join}");
    }
}
