//! Rules as text: cases beside them, and what a change does.

use std::path::Path;

use serde_json::Value;

use super::Folder;

/// A folder with the documented examples.
fn examples() -> (Folder, Vec<String>) {
    let folder = Folder::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(from).expect("docs/rules") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        folder.write(&name, std::fs::read(&path).expect("read"));
        names.extend(name.strip_suffix(".rules").map(str::to_owned));
    }
    names.sort();
    (folder, names)
}

#[test]
fn every_documented_example_compiles_passes_its_cases_and_is_compared() {
    let (folder, names) = examples();
    assert_eq!(names, ["admins", "departments", "guests", "usual"]);
    for name in names.into_iter().filter(|name| name != "usual") {
        let text = folder.ok(&format!("zt rules test {name}.rules"));
        assert!(text.contains("all as they must be"), "{text}");
        let (code, text, err) = folder.run(&format!("zt rules diff usual.rules {name}.rules"));
        assert_eq!((code, err.as_str()), (3, ""), "{text}");
        let same = folder.ok(&format!("zt rules diff {name}.rules {name}.rules"));
        assert!(same.starts_with("nothing changes\n"), "{same}");
    }
    let (_, text, _) = folder.run("zt rules diff usual.rules departments.rules");
    let cut = "cut     between any two of department=finance; new; carla  everything but arp; IPv6 icmp neighbour discovery\n";
    assert!(text.contains(cut), "{text}");
}

/// The page shows what the commands print, and its cases are understood.
#[test]
fn the_page_of_examples_says_what_is_so() {
    let (folder, _) = examples();
    let page = String::from_utf8(folder.read("README.md")).expect("text");
    let blocks = |kind: &'static str| page.split(kind).skip(1).filter_map(|rest| rest.split("```").next());
    let mut shown = 0;
    for block in blocks("```console\n") {
        let (command, output) = block.split_once('\n').expect("a command");
        let (_, text, err) = folder.run(command.strip_prefix("$ ").expect("a prompt"));
        assert_eq!((text.as_str(), err.as_str()), (output, ""), "{command}");
        shown += 1;
    }
    assert_eq!(shown, 3);
    folder.write(
        "lab.rules",
        "tag department id 1 enum 1 finance enum 2 sales; cap admin id 1 accept and; ;\n\
         drop random 0.5 and dport 8080; drop ethertype 0x88cc; drop icmp 8 -1; tee -1 1122334455 dport 53;\n\
         redirect 1122334455 dport 80; accept;\n",
    );
    folder.write("lab.cases", blocks("```cases\n").next().expect("cases"));
    folder.ok("zt rules test lab.rules");
}

#[test]
fn a_case_that_does_not_hold_is_shown_with_the_rule_that_decided() {
    let (folder, _) = examples();
    folder.write(
        "wrong.cases",
        "member a department=sales\nmember b department=finance\naccept a > b: tcp 22 syn\naccept a > b: arp\n",
    );
    let (code, text, err) = folder.run("zt rules test departments.rules --cases wrong.cases");
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(text.contains("WRONG  3     a > b  tcp 22 syn  accept   drop    a, line 31: drop and;"), "{text}");
    assert!(text.ends_with("wrong.cases: 1 of 2 cases are not as they must be\n"), "{text}");
    let (_, text, _) = folder.run("zt rules test departments.rules --cases wrong.cases --failed");
    assert!(!text.contains("arp"), "{text}");
    let (code, text, _) = folder.run("zt rules test departments.rules --cases wrong.cases --json");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &json["failed"]), (1, &Value::from(1)));
    let case = &json["cases"][0];
    assert_eq!((&case["expected"], &case["actual"]), (&"accept".into(), &"drop".into()));
    assert_eq!((&case["decidedBy"]["line"], &case["decidedBy"]["member"]), (&31.into(), &"a".into()));
    assert_eq!(json["cases"][1]["ok"], true);
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    let (folder, _) = examples();
    folder.fails("zt rules test nothing.rules", "there is no file nothing.rules");
    folder.fails(
        "zt rules test usual.rules",
        "there are no cases beside usual.rules; write a file of the same name with .cases",
    );
    folder.fails("zt rules diff departments.rules usual.rules", "whose frames? Write members into usual.cases");
    folder.write("bad.rules", "drop ethertype ipv5;\naccept;\n");
    folder.fails("zt rules test bad.rules", "bad.rules does not compile\n");
    folder.write("bad.cases", "member a\nmember b\naccept a > b: tcp port 22\n");
    folder.fails(
        "zt rules test usual.rules --cases bad.cases",
        "bad.cases: line 3, column 19: expected a destination port, or address:port > address:port\n    accept a > b: tcp port 22\n                      ^\n",
    );
    folder.fails("zt rules test usual.rules --host 10.0.0.1", "has no effect on `zt rules test`");
}

#[test]
fn a_difference_is_told_to_scripts() {
    let (folder, _) = examples();
    let (code, text, _) = folder.run("zt rules diff usual.rules departments.rules --json");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &json["changes"][0]["change"]), (3, &"cut".into()));
    assert_eq!(json["changes"][0]["ways"], "anyTwo");
    assert_eq!(json["groups"][0]["name"], "department=finance");
    assert_eq!(json["groups"][0]["members"].as_array().map(Vec::len), Some(2));
    let back = "zt rules diff departments.rules usual.rules --members departments.cases --json";
    let (code, text, err) = folder.run(back);
    assert_eq!((code, err.as_str()), (3, ""), "names of the rules of before count");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON")["changes"][0]["change"], "opened");
    let same = folder.ok("zt rules diff guests.rules guests.rules --json");
    assert_eq!(serde_json::from_str::<Value>(&same).expect("JSON")["changes"], Value::Array(vec![]));
}
