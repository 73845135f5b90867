//! Every fault of the rule language as people see it.

use zt_netconf::rules::script::{Diagnostic, Fault, Options, Script, Source, render};

/// Sources and what is said about them: `=== fault`, the source, `---`, the text.
const CASES: &str = include_str!("errors.txt");

/// Name of the fault, source, text.
fn cases() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CASES.split("=== ").skip(1).map(|case| {
        let (name, rest) = case.split_once('\n').expect("a name");
        let (source, text) = rest.split_once("---\n").expect("a mark behind the source");
        (name, source, text)
    })
}

fn faults(source: &str) -> Vec<Diagnostic> {
    match Script::compile(source, Options::default()) {
        Ok(script) => script.warnings,
        Err(error) => error.diagnostics().into_iter().cloned().collect(),
    }
}

fn shown(source: &str) -> String {
    render(&faults(source), Source { name: "rules.txt", text: source, color: false })
}

#[test]
fn every_fault_says_where_it_is_and_what_to_do() {
    let mut written = String::new();
    for (name, source, _) in cases() {
        let faults = faults(source);
        assert!(faults.iter().any(|fault| fault.fault.name() == name), "{name} is not found in\n{source}{faults:#?}");
        written += &format!("=== {name}\n{source}---\n{}", shown(source));
    }
    assert_eq!(written, CASES, "what errors.txt should be:\n{written}");
}

/// Those of limits need more text than anybody wants to read.
#[test]
fn every_fault_has_a_case() {
    let limits =
        [Fault::TextTooLong, Fault::TooDeep, Fault::TooManyRules, Fault::TooManyDefinitions, Fault::ExpandsTooFar];
    for fault in Fault::ALL {
        let shown = cases().any(|(name, ..)| name == fault.name());
        assert!(shown || limits.contains(fault), "{}", fault.name());
    }
}

/// Colours change nothing else.
#[test]
fn on_a_terminal_faults_are_coloured() {
    for (_, source, text) in cases() {
        let coloured = render(&faults(source), Source { name: "rules.txt", text: source, color: true });
        assert!(
            coloured.contains("\x1b[1;31merror\x1b[0m") || coloured.contains("\x1b[1;33mwarning\x1b[0m"),
            "{coloured}"
        );
        let mut plain = String::new();
        for (i, part) in coloured.split('\x1b').enumerate() {
            plain += if i == 0 { part } else { part.split_once('m').expect("a colour").1 };
        }
        assert_eq!(plain, text);
    }
}
