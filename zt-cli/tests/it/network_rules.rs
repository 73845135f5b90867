//! Rules of a network that the node hosts: what would change, what is refused, what is kept; tags and capabilities by name.

use serde_json::Value;

use super::Folder;
use super::fake::Fake;

const DEPARTMENTS: &str = "tag department id 1000 enum 1 finance enum 2 sales;
cap admin id 7 accept ipprotocol tcp and dport 22; ;
accept ethertype arp;
accept not ipprotocol tcp and tdiff department 0;
accept ipprotocol tcp and dport 443;
";

const CASES: &str = "member a department=finance capability admin
member b department=sales
accept a > b: tcp 22
drop   b > a: tcp 22
drop   a <> b: ping
";

/// A node with a network, its rules in a file, and three members.
fn office() -> (Fake, Folder, String) {
    let (node, folder) = Fake::hosting();
    folder.ok("zt network create --name office --pool 10.9.8.0/24");
    let id = folder.ok("zt network list --ids").trim().to_owned();
    folder.write("office.rules", DEPARTMENTS);
    folder.write("office.cases", CASES);
    for (member, name) in [("1111111111", "anna"), ("2222222222", "ben"), ("3333333333", "carl")] {
        folder.ok(&format!("zt member auth {id} {member} --name {name}"));
    }
    (node, folder, id)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|wrong| panic!("{wrong}: {text}"))
}

#[test]
fn a_network_keeps_the_text_of_its_rules_as_long_as_it_is_true() {
    let (_node, folder, id) = office();
    let before = folder.ok(&format!("zt network show {id}"));
    let shown = folder.ok(&format!("zt network rules {id}"));
    assert!(shown.starts_with("# Made from the rules of the network, which keeps no text of them.\n"), "{shown}");
    assert!(shown.contains("accept;"), "{shown}");

    let dry = folder.ok(&format!("zt network rules {id} office.rules --dry-run"));
    assert!(dry.starts_with("office.cases: 4 cases, all as they must be\n"), "{dry}");
    assert!(dry.contains("cut     between any two members"), "{dry}");
    assert!(dry.ends_with(&format!("network {id} was not changed (--dry-run)\n")), "{dry}");
    assert_eq!(folder.ok(&format!("zt network show {id}")), before);

    let applied = folder.ok(&format!("zt network rules {id} office.rules"));
    assert!(applied.ends_with(&format!("network {id} has the rules of office.rules\n")), "{applied}");
    assert_eq!(folder.ok(&format!("zt network rules {id}")), DEPARTMENTS);
    let told = json(&folder.ok(&format!("zt network rules {id} --json")));
    assert_eq!(told["rulesSource"], DEPARTMENTS);
    assert_eq!(told["tags"][0]["id"], 1000);
    let compiled = json(&folder.ok("zt rules compile office.rules"));
    assert_eq!(told["capabilities"], compiled["config"]["capabilities"]);
    let again = folder.ok(&format!("zt network rules {id} office.rules"));
    assert!(again.contains("nothing changes\n"), "{again}");

    // Whoever changes the rules otherwise takes the text away.
    folder.ok(&format!("zt network set {id} --name other"));
    assert_eq!(folder.ok(&format!("zt network rules {id}")), DEPARTMENTS);
    folder.run_args(
        &["zt", "network", "set", &id, "--json-object", "{\"rules\":[{\"type\":\"ACTION_DROP\"}]}"].map(str::to_owned),
    );
    let shown = folder.ok(&format!("zt network rules {id}"));
    assert!(shown.starts_with("# Made from") && shown.contains("drop;"), "{shown}");
}

#[test]
fn what_does_not_compile_or_hold_changes_nothing() {
    let (_node, folder, id) = office();
    let before = folder.ok(&format!("zt network show {id}"));
    folder.write("bad.rules", "accept ethertype ipv5;\n");
    folder.fails(&format!("zt network rules {id} bad.rules"), "bad.rules does not compile\n");
    folder.write("office.cases", format!("{CASES}accept a > b: udp 53\n"));
    folder.fails(
        &format!("zt network rules {id} office.rules"),
        "nothing was changed: office.cases: 1 of 5 cases are not as they must be\n",
    );
    folder.fails(&format!("zt network rules {id} office.rules --dry-run"), "WRONG  6     a > b  udp 53  accept   drop");
    folder.write("office.cases", "accept a > b: ping\n");
    folder.fails(&format!("zt network rules {id} office.rules"), "office.cases: line 1, column 8: expected a member");
    folder.fails("zt network rules ffffffffffffff01 office.rules", "office.cases: line 1");
    folder.fails(&format!("zt network rules {id} --dry-run"), "");
    assert_eq!(folder.ok(&format!("zt network show {id}")), before);
    folder.write("office.cases", CASES);
    folder.fails(
        "zt network rules ffffffffffffff01 office.rules",
        "network ffffffffffffff01 on this controller: not found",
    );
}

#[test]
fn tags_and_capabilities_are_given_by_the_names_of_the_kept_text() {
    let (_node, folder, id) = office();
    folder.fails(
        &format!("zt member set {id} 1111111111 --tag department=finance"),
        "--tag department=finance: expected a tag by its number",
    );
    folder.ok(&format!("zt network rules {id} office.rules"));
    folder.ok(&format!("zt member set {id} 1111111111 --tag department=finance --capability admin"));
    folder.ok(&format!("zt member set {id} 2222222222 --tag department=sales --tag 5=6"));
    folder.ok(&format!("zt member auth {id} 4444444444 --tag department=2"));
    let member = |address: &str| json(&folder.ok(&format!("zt member show {id} {address} --json")));
    let held = member("1111111111");
    assert_eq!((&held["tags"], &held["capabilities"]), (&json("[[1000,1]]"), &json("[7]")));
    assert_eq!(member("2222222222")["tags"], json("[[5,6],[1000,2]]"));
    assert_eq!(member("4444444444")["tags"], json("[[1000,2]]"));
    let listed = folder.ok(&format!("zt member list {id}"));
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["member", "state", "name", "version", "addresses", "tags", "capabilities"]);
    assert_eq!(rows[1], ["1111111111", "AUTHORISED", "anna", "-", "department=finance", "admin"], "{listed}");
    assert!(listed.contains("tag 5=6 department=sales\n"), "{listed}");
    folder.ok(&format!("zt member set {id} 2222222222 --remove-tag 5"));
    folder.ok(&format!("zt member set {id} 1111111111 --remove-capability admin"));
    assert_eq!(member("2222222222")["tags"], json("[[1000,2]]"));
    assert_eq!(member("1111111111")["capabilities"], json("[]"));
    for (change, problem) in [
        ("--tag departmnt=sales", "--tag departmnt=sales: expected a tag: department, or its number"),
        ("--tag department=lab", "expected a value of department: finance, sales, or a number"),
        ("--tag department", "--tag department: write TAG=VALUE"),
        ("--capability root", "--capability root: expected a capability: admin, or its number"),
        ("--capability 8", "has no such capability; give it rules that define it first"),
        ("--remove-tag 9", "--remove-tag 9: the member has no such tag"),
        ("--remove-capability admin", "--remove-capability admin: the member has no such capability"),
    ] {
        folder.fails(&format!("zt member set {id} 2222222222 {change}"), problem);
    }
}

#[test]
fn a_change_is_compared_for_the_members_that_the_controller_knows() {
    let (_node, folder, id) = office();
    folder.ok(&format!("zt network rules {id} office.rules"));
    folder.ok(&format!("zt member set {id} 1111111111 --tag department=finance --capability admin"));
    folder.ok(&format!("zt member set {id} 2222222222 --tag department=sales"));
    folder.ok(&format!("zt member set {id} 3333333333 --tag department=sales"));
    // Nobody who only asked is compared.
    folder.ok(&format!("zt member set {id} 9999999999 --name stranger"));
    let same = folder.ok(&format!("zt rules diff {id} office.rules"));
    assert_eq!(same.lines().next(), Some("nothing changes"), "{same}");
    assert!(same.contains("3 members in 2 groups"), "{same}");
    folder.write(
        "new.rules",
        DEPARTMENTS.replace("dport 443", "dport 80").replace("dport 22", "dport 22 and not treq department sales"),
    );
    let (code, text, err) = folder.run(&format!("zt rules diff {id} new.rules"));
    assert_eq!((code, err.as_str()), (3, ""), "{text}");
    assert_eq!(
        text,
        "change  between                   frames\n\
         opened  between any two members   tcp 80\n\
         cut     within department=sales   tcp 443\n\
         cut     department=sales -> anna  tcp 443\n\
         cut     anna -> department=sales  tcp 22, 443\n\
         department=sales: 2 members\n\
         3 members in 2 groups, 216 frames judged under both\n"
    );
    folder.ok(&format!("zt network rules {id} new.rules"));
    folder.write("less.rules", "accept ethertype arp;\n");
    let applied = folder.ok(&format!("zt network rules {id} less.rules"));
    assert!(applied.starts_with("no cases beside less.rules: nothing was tried\n"), "{applied}");
    assert!(applied.contains("1 member holds capability admin, which these rules do not define\n"), "{applied}");
    assert!(applied.contains("2 members hold tag department=sales, which these rules do not define\n"), "{applied}");
}
