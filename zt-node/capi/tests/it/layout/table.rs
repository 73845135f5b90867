//! Tables of what a header must declare, and the C program that asserts them.

use std::fmt::Write as _;

/// A line of a table. Texts are C.
pub(crate) enum Entry {
    /// A macro with a value: a number or a string.
    Macro { name: String, value: String },
    /// A type of which only the size is told, in bytes.
    Type { name: String, size: String },
    /// A typedef of `void`.
    Opaque { name: String },
    /// An enumeration; `unnamed` if it has no tag.
    Enum { name: String },
    /// An enumerator.
    Value { name: String, value: String },
    /// A structure and its size in bytes.
    Struct { name: String, size: String },
    /// A field: its structure, offset in bytes, type, path from the structure, and array dimensions.
    Field { of: String, offset: String, kind: String, path: String, dimensions: String },
    /// A function or a typedef of a pointer to one.
    Call { callback: bool, result: String, name: String, parameters: String },
}

/// Reads a table; its own first lines say how it is written.
pub(crate) fn read(text: &str) -> Vec<(&str, Entry)> {
    let mut entries = Vec::new();
    let mut within = String::new();
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let entry = match line.strip_prefix("  ") {
            Some(inner) => inner_entry(inner, &within),
            None => outer_entry(line),
        };
        let entry = entry.unwrap_or_else(|| panic!("the table has a line that says nothing: {line}"));
        if let Entry::Struct { name, .. } = &entry {
            within.clone_from(name);
        }
        if let Entry::Enum { .. } = &entry {
            within.clear();
        }
        entries.push((line, entry));
    }
    entries
}

fn outer_entry(line: &str) -> Option<Entry> {
    let (kind, rest) = line.split_once(' ')?;
    let pair = || rest.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    Some(match kind {
        "macro" => pair().map(|(name, value)| Entry::Macro { name, value })?,
        "type" => pair().map(|(name, size)| Entry::Type { name, size })?,
        "struct" => pair().map(|(name, size)| Entry::Struct { name, size })?,
        "opaque" => Entry::Opaque { name: rest.to_owned() },
        "enum" => Entry::Enum { name: rest.to_owned() },
        "callback" | "function" => {
            let (declared, parameters) = rest.strip_suffix(')')?.split_once('(')?;
            let (result, name) = declared.rsplit_once(' ')?;
            Entry::Call {
                callback: kind == "callback",
                result: result.to_owned(),
                name: name.to_owned(),
                parameters: parameters.to_owned(),
            }
        }
        _ => return None,
    })
}

/// A field of the structure `within`, or (empty) an enumerator.
fn inner_entry(line: &str, within: &str) -> Option<Entry> {
    let (first, rest) = line.split_once(' ')?;
    if within.is_empty() {
        return Some(Entry::Value { name: first.to_owned(), value: rest.to_owned() });
    }
    let start = rest.rfind([' ', '*'])? + 1;
    let (kind, declared) = rest.split_at(start);
    // The path may have indices of its own; dimensions are what follows its last name.
    let name_end = declared.rfind('.').unwrap_or(0);
    let dimensions = declared[name_end..].find('[').map_or(declared.len(), |at| name_end + at);
    let (path, dimensions) = declared.split_at(dimensions);
    Some(Entry::Field {
        of: within.to_owned(),
        offset: first.to_owned(),
        kind: kind.trim().to_owned(),
        path: path.to_owned(),
        dimensions: dimensions.to_owned(),
    })
}

/// A C program that compiles only if `header` declares all entries as they are told, and fails when run if a string
/// differs. `typedefs`: structures have a typedef of their tag's name.
pub(crate) fn program(header: &str, entries: &[(&str, Entry)], typedefs: bool) -> String {
    let mut asserts = String::new();
    let mut strings = String::new();
    for (line, entry) in entries {
        if let Entry::Macro { name, value } = entry
            && value.starts_with('"')
        {
            writeln!(strings, "    if (strcmp({name}, {value}) != 0) {{ puts(\"{name}\"); wrong = 1; }}")
                .expect("a String takes all");
            continue;
        }
        for condition in conditions(entry, typedefs) {
            writeln!(asserts, "_Static_assert({condition}, {line:?});").expect("a String takes all");
        }
    }
    format!(
        "#include \"{header}\"\n#include <stddef.h>\n#include <stdio.h>\n#include <string.h>\n\n\
         #define IS(what, type) _Generic((what), type: 1, default: 0)\n\n{asserts}\n\
         int main(void) {{\n    int wrong = 0;\n{strings}    return wrong;\n}}\n"
    )
}

/// Constant C expressions that hold if the header declares the entry so.
fn conditions(entry: &Entry, typedefs: bool) -> Vec<String> {
    match entry {
        Entry::Macro { name, value } | Entry::Value { name, value } => vec![format!("({name}) == ({value})")],
        Entry::Type { name, size } => vec![format!("sizeof({name}) == {size}")],
        Entry::Opaque { name } => vec![format!("IS(({name} *)0, void *)")],
        Entry::Enum { name } if name == "unnamed" => vec![],
        Entry::Enum { name } => vec![format!("sizeof(enum {name}) == 4")],
        Entry::Struct { name, size } => {
            let mut all = vec![format!("sizeof(struct {name}) == {size}")];
            if typedefs {
                all.push(format!("IS(({name} *)0, struct {name} *)"));
            }
            all
        }
        Entry::Field { of, offset, kind, path, dimensions } => {
            let mut all = vec![format!("offsetof(struct {of}, {path}) == {offset}")];
            if kind != "unnamed" {
                all.push(format!("IS(&((struct {of} *)0)->{path}, {kind} (*){dimensions})"));
            }
            all
        }
        Entry::Call { callback, result, name, parameters } => {
            let value = if *callback { format!("({name})0") } else { format!("&{name}") };
            vec![format!("IS({value}, {result} (*)({parameters}))")]
        }
    }
}
