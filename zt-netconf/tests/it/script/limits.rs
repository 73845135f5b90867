//! No text makes the compiler panic, hang or take much memory.

use proptest::prelude::*;
use zt_netconf::rules::script::{
    Fault, MAX_CAPABILITY_RULES, MAX_DEFINITIONS, MAX_RULES, MAX_TEXT, Options, Script, ScriptError, Source,
};

fn fault(source: &str) -> (Fault, String) {
    let error = refused(source);
    (error.first().fault, error.first().render(Source { name: "rules.txt", text: source, color: false }))
}

fn refused(source: &str) -> ScriptError {
    Script::compile(source, Options::default()).expect_err("does not compile")
}

fn compiles(source: &str) -> Script {
    Script::compile(source, Options::default()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_network_takes_as_many_rules_as_it_can_hold_and_not_one_more() {
    let full = "drop ethertype arp; ".repeat(MAX_RULES / 2);
    assert_eq!(compiles(&full).rules.len(), MAX_RULES);
    let (kind, text) = fault(&format!("{full}\naccept;"));
    assert_eq!(kind, Fault::TooManyRules);
    assert_eq!(
        text,
        "error: a network has at most 1024 rules: this would be one more
 --> rules.txt:2:1
2 | accept;
  | ^^^^^^
  = help: each match and each action counts; join port ranges and prefixes, or leave statements out
"
    );
}

#[test]
fn a_capability_takes_as_many_rules_as_it_can_hold_and_not_one_more() {
    let full = "drop ethertype arp; ".repeat(MAX_CAPABILITY_RULES / 2);
    assert_eq!(compiles(&format!("cap a id 1 {full} ;")).capabilities[0].rules.len(), MAX_CAPABILITY_RULES);
    let (kind, text) = fault(&format!("cap a id 1 {full}\naccept and; ;"));
    assert_eq!(kind, Fault::TooManyRules);
    assert!(text.starts_with("error: a capability has at most 64 rules: this would be one more\n --> rules.txt:2:1\n"));
}

#[test]
fn a_network_takes_as_many_tags_and_capabilities_as_it_can_hold_and_not_one_more() {
    for (word, name) in [("tag", "tags"), ("cap", "capabilities")] {
        let define = |i: usize| format!("{word} x{i} id {i};\n");
        let full: String = (0..MAX_DEFINITIONS).map(define).collect();
        compiles(&full);
        let (kind, text) = fault(&format!("{full}{}", define(MAX_DEFINITIONS)));
        assert_eq!(kind, Fault::TooManyDefinitions);
        assert_eq!(
            text,
            format!(
                "error: a network has at most 128 {name}: this would be one more
   --> rules.txt:129:5
129 | {word} x128 id 128;
    |     ^^^^
"
            )
        );
    }
}

#[test]
fn a_text_beyond_the_limit_is_not_read() {
    let (kind, text) = fault(&"#".repeat(MAX_TEXT + 1));
    assert_eq!(kind, Fault::TextTooLong);
    assert!(text.starts_with("error: the text has 1048577 bytes, which is more than 1048576\n"), "{text}");
    compiles(&"#".repeat(MAX_TEXT));
}

#[test]
fn blocks_in_blocks_end_at_a_depth_that_no_sound_text_has() {
    let (kind, text) = fault(&"accept ".repeat(MAX_TEXT / 7));
    assert_eq!(kind, Fault::TooDeep);
    assert!(text.starts_with("error: too many blocks stand in each other\n --> rules.txt:1:113\n"), "{text}");
    assert!(text.ends_with("  = help: close each statement with `;`\n"), "{text}");
}

#[test]
fn macros_that_double_each_other_end_by_work_done_not_by_time() {
    let mut source = "macro m0 ;\n".to_owned();
    for i in 1..30 {
        source += &format!("macro m{i} include m{} include m{} ;\n", i - 1, i - 1);
    }
    let (kind, text) = fault(&format!("{source}include m29\n"));
    assert_eq!(kind, Fault::ExpandsTooFar);
    assert!(text.starts_with("error: the macros of this text make more than 2000000 words of it\n"), "{text}");
    let (kind, _) = fault(&format!("{}include m29\n", source.replace("macro m0 ;", "macro m0 drop and and and; ;")));
    assert_eq!(kind, Fault::TooManyRules);
}

#[test]
fn a_long_chain_of_macros_ends_at_a_depth() {
    let mut source = "macro m0 accept and; ;\n".to_owned();
    for i in 1..1000 {
        source += &format!("macro m{i} include m{} ;\n", i - 1);
    }
    assert_eq!(compiles(&format!("{source}include m31\n")).rules.len(), 1);
    let (kind, text) = fault(&format!("{source}include m999\n"));
    assert_eq!(kind, Fault::TooDeep);
    assert!(text.starts_with("error: more than 32 macros include each other\n"), "{text}");
}

#[test]
fn what_is_told_of_a_text_is_bounded() {
    let error = refused(&"frobnicate;\ndrop ethertype xyz;\n".repeat(20_000));
    assert_eq!(error.errors(), 64);
    let huge = "x".repeat(MAX_TEXT);
    let (kind, text) = fault(&huge);
    assert_eq!(kind, Fault::UnknownAction);
    assert!(text.len() < 1000, "{}", text.len());
}

/// Each name is looked for in a table: a million lookups in a hundred thousand names must not take their product.
#[test]
fn very_many_names_are_no_burden() {
    let labels: String = (0..40_000).map(|i| format!("enum {i} e{i} ")).collect();
    let uses = "accept teq t e39999; ".repeat(MAX_RULES / 2);
    assert_eq!(compiles(&format!("tag t id 1 {labels};\n{uses}")).rules.len(), MAX_RULES);
    let (kind, text) = fault(&format!("tag t id 1 {labels};\n{}", "accept teq t f39999; ".repeat(5000)));
    assert_eq!(kind, Fault::UnknownValue);
    assert!(text.contains("= expected: a number from 0 to 4294967295, or one of e0, e1, e2,"), "{text}");
    assert!(text.contains(", …\n"), "{text}");
    let flags: String = (0..40_000).map(|i| format!("flag {} f{i} ", i % 31)).collect();
    compiles(&format!("tag t id 1 {flags};\naccept tand t f39999;"));
    let macros: String = (0..40_000).map(|i| format!("macro m{i} ; ")).collect();
    assert_eq!(refused(&format!("{macros}\n{}", "include n ".repeat(40_000))).first().fault, Fault::UnknownMacro);
}

/// A fault in a definition is told there, and not once more at each use.
#[test]
fn uses_of_what_is_wrong_are_no_faults() {
    for source in [
        "tag t id 1 enum x sales; accept teq t sales; accept teq t lab;",
        "tag t enum 1 sales; accept teq t sales;",
        "macro web(port) accept dport 80; ; include web(1) accept;",
    ] {
        assert_eq!(refused(source).errors(), 1, "{source}");
    }
}

#[test]
fn a_terminal_is_not_steered_by_a_text() {
    let (_, text) = fault("drop \u{1b}[31m\u{202e} ;");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'), "{text}");
}

/// Words of the language and near it.
fn soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "macro",
        "tag",
        "cap",
        "drop",
        "accept",
        "break",
        "tee",
        "watch",
        "redirect",
        "priority",
        "include",
        "not",
        "or",
        "and",
        "id",
        "default",
        "enum",
        "flag",
        "ethertype",
        "ipsrc",
        "dport",
        "icmp",
        "chr",
        "teq",
        "random",
        "iptos",
        "t",
        "m",
        "m(1,2)",
        "m($a)",
        "$a",
        "7",
        "0x10",
        "-1",
        "1-2",
        "10.0.0.0/8",
        "fd00::1/64",
        "inbound,31",
        "0123456789",
        "ipv4",
        "0.5",
        "accept;",
        "t;",
        ";",
        ";;",
        "#",
        "é",
        "\u{feff}",
    ]);
    prop::collection::vec((words, prop::sample::select(vec![" ", "\n", "; ", ";\r\n", " # x\n", ""])), 0..60)
        .prop_map(|parts| parts.into_iter().map(|(word, end)| format!("{word}{end}")).collect())
}

proptest! {
    #[test]
    fn any_soup_of_words_has_an_outcome_whose_places_are_in_the_text(source in soup(), compatible: bool) {
        let diagnostics = match Script::compile(&source, Options { compatible }) {
            Ok(script) => script.warnings,
            Err(error) => {
                prop_assert!(error.errors() > 0);
                error.diagnostics().into_iter().cloned().collect()
            }
        };
        let lines: Vec<&str> = source.strip_prefix('\u{feff}').unwrap_or(&source).split('\n').collect();
        for found in diagnostics {
            let line = lines.get(found.at.line as usize - 1);
            prop_assert!(line.is_some_and(|line| found.at.column as usize <= line.chars().count()), "{found:?}");
            let shown = found.render(Source { name: "x", text: &source, color: true });
            prop_assert!(shown.contains(&found.at.line.to_string()));
        }
    }

    #[test]
    fn any_text_has_an_outcome(source in "\\PC{0,200}", compatible: bool) {
        let _ = Script::compile(&source, Options { compatible });
    }
}
