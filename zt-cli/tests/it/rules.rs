//! `zt rules`: compile, check, explain.

use serde_json::{Value, json};

use super::Folder;

const LAB: &str = "tag department id 7 enum 1 sales enum 2 lab;
cap ssh id 1000 accept ipprotocol tcp dport 22; ;
drop not ethertype ipv4 not ethertype arp not ethertype ipv6;
break not teq department lab and chr tcp_syn not chr tcp_ack;
accept;
";

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn rules_are_compiled_and_come_back() {
    let folder = Folder::new();
    folder.write("lab.rules", LAB);
    let json = folder.ok("zt rules compile lab.rules");
    assert_eq!(parsed(&json)["config"]["tags"], json!([{"id": 7, "default": null}]));
    assert_eq!(parsed(&json)["capabilitiesByName"], json!({"ssh": 1000}));
    assert_eq!(folder.ok("zt rules compile lab.rules -o lab.json"), "9 rules, 1 capability, 1 tag\n");
    assert_eq!(String::from_utf8(folder.read("lab.json")).expect("text"), json);
    let text = folder.ok("zt rules explain lab.json");
    assert!(text.contains("break not teq department lab and chr tcp_syn and not chr tcp_ack;\n"), "{text}");
    folder.write("again.rules", &text);
    assert_eq!(folder.ok("zt rules compile again.rules"), json);
    assert_eq!(folder.run_fed("zt rules compile -", LAB), (0, json.clone(), String::new()));
    assert_eq!(folder.run_fed("zt rules explain -", &json), (0, text, String::new()));
}

#[test]
fn a_fault_is_shown_with_its_line_and_the_exit_code() {
    let folder = Folder::new();
    folder.write("lab.rules", "accept\n\tethertpye ipv4;\n");
    let (code, out, err) = folder.run("zt rules compile lab.rules");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with("zt: lab.rules does not compile\n\nerror: `ethertpye` is no match\n --> lab.rules:2:2\n"),
        "{err}"
    );
    assert!(err.ends_with("  = help: did you mean `ethertype`?\n"), "{err}");
    let (code, out, err) = folder.run("zt rules compile --json lab.rules");
    assert_eq!((code, err.as_str()), (1, ""));
    let fault = &parsed(&out)["errors"][0];
    assert_eq!((&fault["line"], &fault["column"], &fault["fault"]), (&json!(2), &json!(2), &json!("unknown-match")));
    let (_, _, err) = folder.run_fed("zt rules check -", "frobnicate;");
    assert!(err.contains(" --> standard input:1:1\n"), "{err}");
    folder.fails("zt rules compile nowhere", "there is no file nowhere");
    folder.write("binary", [0xff, 0xfe]);
    folder.fails("zt rules compile binary", "binary is no text in UTF-8");
}

#[test]
fn a_warning_is_told_and_fails_only_when_asked_to() {
    let folder = Folder::new();
    folder.write("lab.rules", "drop chr inbound,multicast;\naccept;\n");
    let (code, out, err) = folder.run("zt rules compile lab.rules");
    assert_eq!((code, &parsed(&out)["config"]["rules"][0]["mask"]), (0, &json!("c000000000000000")));
    assert!(err.starts_with("warning: the reference compiler makes 4000000000000000 of this mask"), "{err}");
    let (_, out, _) = folder.run("zt rules compile --compatible lab.rules");
    assert_eq!(parsed(&out)["config"]["rules"][0]["mask"], json!("4000000000000000"));
    let (code, out, _) = folder.run("zt rules check lab.rules");
    assert_eq!((code, out.as_str()), (0, "lab.rules: 3 rules, 1 warning\n"));
    assert_eq!(folder.run("zt rules check --strict lab.rules").0, 1);
    let (_, out, _) = folder.run("zt rules check --json lab.rules");
    assert_eq!(parsed(&out)["warnings"][0]["fault"], json!("wrong-mask"));
    folder.write("sound.rules", LAB);
    assert_eq!(folder.ok("zt rules check --strict sound.rules"), "sound.rules: 9 rules, 1 capability, 1 tag\n");
}

#[test]
fn what_no_text_can_say_is_told_and_fails() {
    let folder = Folder::new();
    folder.write("priority.json", r#"{"rules": [{"type": "ACTION_PRIORITY"}, {"type": "ACTION_ACCEPT"}]}"#);
    let (code, out, err) = folder.run("zt rules explain priority.json");
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (
            1,
            "# The language cannot say this:\n# (ACTION_PRIORITY);\naccept;\n",
            "zt: the language cannot say rule 1: ACTION_PRIORITY\n"
        )
    );
    folder.write("moon.json", r#"[{"type": "MATCH_MOON"}]"#);
    folder
        .fails("zt rules explain moon.json", "cannot explain moon.json: rules[0]: there is no rule type `MATCH_MOON`");
    folder.write("text", "accept;");
    folder.fails("zt rules explain text", "text is no JSON");
}

/// The blocks of a page between fences of this kind, without what they are indented by.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() != format!("```{kind}") {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let block = lines.by_ref().take_while(|line| line.trim_start() != "```");
        blocks.push(block.map(|line| format!("{}\n", line.strip_prefix(indent).unwrap_or(line))).collect());
    }
    blocks
}

/// What the page says of its examples, one after the other.
const CASES: [&str; 5] = [
    "member a
member b
accept a > b: tcp 80
accept a > b: tcp 443
drop a > b: tcp 22
accept a > b: tcp 22 syn ack
accept a > b: udp 53
accept a > b: arp
drop a > b: ethertype 0x88cc 60 bytes
",
    "member ann department=sales
member bob department=sales cameras=watches
member eve department=engineering cameras=watches
member cam department=engineering cameras=films
accept ann > eve: arp
accept ann <> bob: tcp 22
drop ann <> eve: tcp 22
accept ann > eve: ndp solicit fd00::3
accept bob > cam: tcp 554
drop bob > cam: tcp 22
drop ann > cam: tcp 554
drop cam > ann: udp 99
",
    "member admin capability ssh
member user
accept admin > user: tcp 22
drop user > admin: tcp 22
accept user > admin: tcp 22 syn ack
drop admin > user: tcp 80
drop admin > user: udp 22
",
    "member a
member b
accept a > b: udp 53
accept a > b: tcp 53
accept a > b: tcp 8040
drop a > b: tcp 22
",
    "member a
member b
accept a > b: tcp 22
",
];

#[test]
fn the_examples_of_the_page_about_rules_compile_as_it_says() {
    let folder = Folder::new();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rules.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let sound = blocks(&page, "rules");
    assert_eq!(sound.len(), 5);
    for block in &sound {
        let (code, out, err) = folder.run_fed("zt rules check --strict -", block);
        assert_eq!((code, err.as_str()), (0, ""), "{block}{out}");
    }
    for (block, cases) in sound.iter().zip(CASES) {
        folder.write("page.rules", block);
        folder.write("page.cases", cases);
        let (code, out, err) = folder.run("zt rules test page.rules");
        assert_eq!((code, err.as_str()), (0, ""), "{block}{out}");
    }
    let warned = blocks(&page, "rules-warns");
    assert_eq!(warned.len(), 1);
    for block in warned {
        let (code, _, err) = folder.run_fed("zt rules check -", &block);
        assert!(code == 0 && err.starts_with("warning: "), "{block}{err}");
    }
}
