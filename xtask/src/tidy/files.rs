//! Rules about single files: their size, their name, where `unsafe` may stand.

use super::tree::{Source, Tree};

/// Longest file without a question being asked.
const MAX_LINES: usize = 800;
/// Names that say nothing.
const VAGUE: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc", "types"];

/// What is no text, and belongs here all the same: the planet of everybody, as it goes over the wire.
const OPAQUE: &[&str] = &["zt-node/src/public-planet.bin"];

/// Checks all Rust files, and that nothing else came in with them: a package that was fetched to the wrong place, a program.
pub(super) fn problems(tree: &Tree) -> Vec<String> {
    let strange = tree.opaque().filter(|path| !OPAQUE.contains(path));
    let strange = strange.map(|path| format!("{path} is no text: does it belong here?"));
    tree.ending(".rs").flat_map(faults).chain(strange).collect()
}

/// What is wrong with one file.
fn faults(source: &Source) -> Vec<String> {
    let Source { path, text } = source;
    let mut problems = Vec::new();
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if let Some(vague) = parts.iter().find(|part| VAGUE.contains(part)) {
        problems.push(format!("{path}: the name `{vague}` says nothing about the content"));
    }
    let permits = ["allow(", "expect("].iter().any(|how| text.contains(&format!("{how}{}", "unsafe_code")));
    if permits && !parts.contains(&"sys") {
        problems.push(format!("{path}: unsafe code belongs in a module named `sys`"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        problems.push(format!("{path} has {lines} lines: which two things is it?"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> Vec<String> {
        problems(&Tree::of(&[(path, text)]))
    }

    #[test]
    fn short_files_with_a_name_are_fine() {
        assert_eq!(told("zt-peer/src/hello.rs", "fn x() {}"), [""; 0]);
    }

    #[test]
    fn a_name_that_says_nothing_is_a_problem() {
        assert_eq!(told("a/src/utils.rs", ""), ["a/src/utils.rs: the name `utils` says nothing about the content"]);
        assert_eq!(
            told("a/src/manager/x.rs", ""),
            ["a/src/manager/x.rs: the name `manager` says nothing about the content"]
        );
    }

    #[test]
    fn unsafe_code_outside_of_sys_is_a_problem() {
        let text = concat!("#![expect(", "unsafe_code, reason = \"x\")]");
        assert_eq!(told("a/src/x.rs", text), ["a/src/x.rs: unsafe code belongs in a module named `sys`"]);
        assert_eq!(told("a/src/sys/x.rs", text), [""; 0]);
        assert_eq!(told("a/src/sys.rs", text), [""; 0]);
    }

    #[test]
    fn what_is_no_text_is_a_problem() {
        let tree = Tree::of_opaque(&["thing_1.0_amd64.deb", "tests/vectors/data/a.pcap", OPAQUE[0]]);
        assert_eq!(problems(&tree), ["thing_1.0_amd64.deb is no text: does it belong here?"]);
    }

    #[test]
    fn a_long_file_is_a_problem() {
        assert_eq!(told("a/src/x.rs", &"\n".repeat(801)), ["a/src/x.rs has 801 lines: which two things is it?"]);
    }
}
