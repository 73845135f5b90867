//! The shape of VL1 and of VL2's member side: who owns what can be told from their files. No circle of files, no struct
//! of everything.

use super::tree::{Source, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// The sources that are looked at, and the structs there that are done by many files.
const SHAPES: &[(&str, &[&str])] = &[("zt-peer/src/", &["Vl1"]), ("zt-netconf/src/member/", &["Vl2", "Network"])];
/// Most fields of a struct.
const MAX_FIELDS: usize = 15;
/// What an operator sets is a list by nature.
const LISTS: &[&str] = &["Vl1Config"];

/// A module: its names from the root of the crate.
type Module = Vec<String>;

/// Checks the crates.
pub(super) fn problems(tree: &Tree) -> Vec<String> {
    let told = SHAPES.iter().flat_map(|(folder, machines)| {
        let sources =
            tree.ending(".rs").filter(|source| source.path.starts_with(folder) && !source.path.ends_with("tests.rs"));
        let sources: Vec<&Source> = sources.collect();
        let large = sources.iter().flat_map(|source| large_structs(source)).collect();
        [large, circles(folder, machines, &sources)].concat()
    });
    told.collect()
}

/// The code of a source, without comments and without the tests at its end.
fn code(source: &Source) -> String {
    let lines = source.text.lines().take_while(|line| *line != "#[cfg(test)]");
    lines.filter(|line| !line.trim_start().starts_with("//")).fold(String::new(), |code, line| code + line + "\n")
}

/// Structs with more fields than somebody keeps in mind.
fn large_structs(source: &Source) -> Vec<String> {
    let code = code(source);
    let mut problems = Vec::new();
    for body in code.split("struct ").skip(1) {
        let name = word(body);
        let Some((head, rest)) = body.split_once('{') else { continue };
        if head.contains([';', '(', '=']) || LISTS.contains(&name.as_str()) {
            continue;
        }
        let fields = rest.split("\n}").next().unwrap_or_default().lines().map(str::trim);
        let fields = fields.filter(|line| line.ends_with(',') && line.contains(": ")).count();
        if fields > MAX_FIELDS {
            problems.push(format!("{}: {name} has {fields} fields: which two things is it?", source.path));
        }
    }
    problems
}

/// Circles of files that name one another, or call one another's methods of the machine, except of a parent and what is
/// below it.
fn circles(folder: &str, machines: &[&str], sources: &[&Source]) -> Vec<String> {
    let modules: BTreeSet<Module> = sources.iter().map(|source| module(&source.path)).collect();
    let methods_of = |machine: &&str| sources.iter().flat_map(|source| methods(source, machine)).collect();
    let machines: Vec<BTreeMap<String, Module>> = machines.iter().map(methods_of).collect();
    let mut named: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for source in sources {
        let from = modules.get(&module(&source.path)).expect("it was collected above");
        let related = |to: &Module| to.starts_with(from) || from.starts_with(to);
        let paths = paths(&code(source), from);
        let known = paths.iter().filter_map(|path| (0..=path.len()).rev().find_map(|end| modules.get(&path[..end])));
        let calls = calls(&code(source));
        let own = machines.iter().filter(|methods| methods.values().any(|module| module == from));
        let called = own.flat_map(|methods| calls.iter().filter_map(|name| modules.get(methods.get(name)?)));
        named.insert(from, known.chain(called).filter(|to| !related(to)).collect());
    }
    // Who names nobody that is left is on no circle: what remains when all those are taken away is.
    loop {
        let left: BTreeSet<&Module> = named.keys().copied().collect();
        let before = named.len();
        named.retain(|_, to| to.iter().any(|to| left.contains(to)));
        let reached: BTreeSet<&Module> = named.values().flatten().copied().collect();
        named.retain(|from, _| reached.contains(from));
        if named.len() == before {
            break;
        }
    }
    let on_circles: Vec<String> = named.keys().map(|module| module.join("::")).collect();
    if on_circles.is_empty() { vec![] } else { vec![format!("{folder}: files in a circle: {}", on_circles.join(", "))] }
}

/// The methods of a machine that a file has, and its module.
fn methods(source: &Source, machine: &str) -> Vec<(String, Module)> {
    let code = code(source);
    let start = format!("impl {machine} {{");
    let blocks = code.split(&start).skip(1).filter_map(|rest| rest.split("\n}").next());
    let methods =
        blocks.flat_map(|block| block.lines().filter_map(|line| line.strip_prefix("    ")?.split_once("fn ")));
    methods.filter(|(before, _)| !before.starts_with(' ')).map(|(_, name)| (word(name), module(&source.path))).collect()
}

/// Names of the methods that some code calls on itself.
fn calls(code: &str) -> BTreeSet<String> {
    let parts = code.split("self").skip(1).filter_map(|part| part.trim_start().strip_prefix('.'));
    parts
        .map(|part| (word(part), part))
        .filter(|(name, part)| part[name.len()..].starts_with('('))
        .map(|(name, _)| name)
        .collect()
}

/// The name that a text begins with.
fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The module that a file holds.
fn module(path: &str) -> Module {
    let path = path.split_once("src/").map_or(path, |(_, path)| path).trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
}

/// All paths in the code of a module that begin with `crate` or `super`, from the root of the crate.
fn paths(code: &str, from: &Module) -> Vec<Module> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = &code[..at];
        if before.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == ':') {
            continue;
        }
        let (mut base, mut rest) = match code[at..].strip_prefix("crate::") {
            Some(rest) => (Vec::new(), rest),
            None => (from.clone(), &code[at..]),
        };
        while let Some(above) = rest.strip_prefix("super::") {
            base.pop();
            rest = above;
        }
        expand(&base, rest, &mut found);
    }
    found
}

/// Follows a path, and each branch of a list in braces; gives what stands behind it.
fn expand<'a>(base: &Module, text: &'a str, found: &mut Vec<Module>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(base, rest, found).trim_start();
            rest = match (rest.strip_prefix(','), rest.strip_prefix('}')) {
                (Some(next), _) => next,
                (None, Some(end)) => return end,
                // A list that is no list of paths.
                (None, None) => return rest,
            };
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let path = [base.as_slice(), &[text[..end].to_owned()]].concat();
    match text[end..].strip_prefix("::") {
        Some(rest) => expand(&path, rest, found),
        None => {
            found.push(path);
            text[end..].strip_prefix(" as _").unwrap_or(&text[end..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(texts: &[(&str, &str)]) -> Vec<String> {
        problems(&Tree::of(texts))
    }

    #[test]
    fn files_that_name_one_another_are_a_circle() {
        let texts = [
            ("zt-peer/src/lib.rs", "mod a;"),
            ("zt-peer/src/a.rs", "use crate::{b::B, c};"),
            ("zt-peer/src/b.rs", "fn x(c: crate::c::C) {}"),
            ("zt-peer/src/c.rs", "use super::{\n    d::{D, E},\n    a::A,\n};"),
            ("zt-peer/src/d.rs", "use crate::e::E;"),
            ("zt-peer/src/e.rs", ""),
        ];
        assert_eq!(told(&texts), ["zt-peer/src/: files in a circle: a, b, c"]);
    }

    #[test]
    fn files_that_call_one_another_are_a_circle() {
        let down =
            "impl Vl1 {\n    pub(super) fn low(&self) {}\n\n    fn own(&self) {\n        self.own();\n    }\n}\n";
        let up = "impl Vl1 {\n    fn high<'p>(&mut self) {\n        self\n            .low();\n        self.high.low();\n    }\n}\n";
        let texts =
            [("zt-peer/src/vl1.rs", "mod a; mod b;"), ("zt-peer/src/vl1/a.rs", down), ("zt-peer/src/vl1/b.rs", up)];
        assert_eq!(told(&texts), [""; 0]);
        let down = down.replace("self.own()", "self.high()");
        let texts = [texts[0], ("zt-peer/src/vl1/a.rs", &down), texts[2]];
        assert_eq!(told(&texts), ["zt-peer/src/: files in a circle: vl1::a, vl1::b"]);
    }

    #[test]
    fn each_folder_has_machines_of_its_own() {
        let of = |machine: &str| {
            let text = format!("impl {machine} {{\n    fn low(&self) {{\n        self.high();\n    }}\n}}\n");
            let up = format!("impl {machine} {{\n    fn high(&self) {{\n        self.low();\n    }}\n}}\n");
            told(&[("zt-netconf/src/member/n/a.rs", &text), ("zt-netconf/src/member/n/b.rs", &up)])
        };
        assert_eq!(of("Network"), ["zt-netconf/src/member/: files in a circle: member::n::a, member::n::b"]);
        assert_eq!(of("Vl1"), [""; 0]);
    }

    #[test]
    fn a_parent_and_its_children_know_one_another() {
        let texts = [
            ("zt-peer/src/a.rs", "mod b; use b::B; pub(crate) use crate::a::b::C;"),
            ("zt-peer/src/a/b.rs", "use super::A; use crate::c::C;"),
            ("zt-peer/src/c.rs", "use core::fmt;"),
        ];
        assert_eq!(told(&texts), [""; 0]);
    }

    #[test]
    fn what_tests_and_comments_name_does_not_count() {
        let texts = [
            ("zt-peer/src/a.rs", "use crate::b::B;"),
            ("zt-peer/src/b.rs", "/// See crate::a::A.\n#[cfg(test)]\nmod tests { use crate::a::A; }"),
        ];
        assert_eq!(told(&texts), [""; 0]);
    }

    #[test]
    fn a_struct_of_everything_is_a_problem() {
        let fields = |number: usize| "    pub(crate) x: u8,\n".repeat(number);
        let text = format!("struct A {{\n{}}}\n\nstruct B<'a> {{\n{}}}\n", fields(15), fields(16));
        assert_eq!(
            told(&[("zt-peer/src/a.rs", &text)]),
            ["zt-peer/src/a.rs: B has 16 fields: which two things is it?"]
        );
        assert_eq!(told(&[("zt-peer/src/a.rs", &text.replace("B<'a>", "Vl1Config"))]), [""; 0]);
    }
}
