//! The headers against the document (08 part A, B.1–B.3), by a C compiler: every name, value, size, offset and type.
//!
//! The tables were made from the document, not from the headers.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use self::table::Entry;
use crate::compiler::{self, Language};
use crate::headers::declarations::{self, Declarations};

const ZT1: &str = include_str!("layout/zt1.txt");
const ZT: &str = include_str!("layout/zt.txt");

#[test]
fn the_zt1_header_is_laid_out_as_the_document_says() {
    let source = table::program("zt1/ZeroTierOne.h", &table::read(ZT1), false);
    compiler::run(&compiler::build(Language::C, "layout-zt1", &source));
}

#[test]
fn the_zt_header_is_laid_out_as_the_document_says() {
    let source = table::program("ZeroTierOne.h", &table::read(ZT), true);
    compiler::run(&compiler::build(Language::C, "layout-zt", &source));
}

#[test]
fn the_tables_are_complete() {
    // Counted in the document, so that a table that lost a line is noticed: functions, callbacks, structures, values.
    let counts = |text| {
        let mut counts = [0; 4];
        for (_, entry) in table::read(text) {
            match entry {
                Entry::Call { callback: false, .. } => counts[0] += 1,
                Entry::Call { callback: true, .. } => counts[1] += 1,
                Entry::Struct { .. } => counts[2] += 1,
                Entry::Value { .. } => counts[3] += 1,
                _ => {}
            }
        }
        counts
    };
    // ZT1 has 3 functions, 2 callbacks, 10 structures and 32 enumerators; the rest are our additions.
    assert_eq!(counts(ZT1), [3 + 19, 2 + 4, 10 + 2, 32 + 4]);
    // ZT has 23 functions, 8 callbacks and 15 structures; the rest are our additions. A.2 has, in its order,
    // this many enumerators.
    let enumerators = 8 + 8 + 7 + 2 + 37 + 4 + 3 + 2 + 16 + 18 + 7;
    let own_enumerators = 10 + 4 + 3;
    assert_eq!(counts(ZT), [23 + 11, 8 + 2, 15 + 5, enumerators + own_enumerators]);
}

#[test]
fn the_headers_declare_nothing_else() {
    for (path, text) in [("zt1/ZeroTierOne.h", ZT1), ("ZeroTierOne.h", ZT)] {
        let header = declarations::of_header(path);
        assert_eq!(names_declared(&header), names_told(text), "{path} and its table name different things");
        let fields = fields_told(text);
        for (record, told) in &fields {
            assert_eq!(&fields_declared(&header, record), told, "fields of {record} in {path}");
        }
    }
}

/// Functions, callbacks, opaque types, structures, tags of enumerations and numbers of a header.
fn names_declared(header: &Declarations) -> BTreeSet<String> {
    let nested = |name: &&String| header.nested.contains(*name);
    let mut names: BTreeSet<String> = header.strings.iter().cloned().collect();
    names.extend(header.functions.keys().cloned());
    names.extend(header.callbacks.keys().cloned());
    names.extend(header.aliases.keys().filter(|n| !nested(n)).cloned());
    names.extend(header.records.keys().filter(|n| !nested(n)).cloned());
    names.extend(header.numbers.keys().cloned());
    names
}

fn names_told(text: &str) -> BTreeSet<String> {
    let entries = table::read(text).into_iter().map(|(_, entry)| entry);
    let names = entries.filter_map(|entry| match entry {
        // Function-like macros and macros of types are no declarations; the compiler has seen them.
        Entry::Macro { name, .. } if name.contains('(') => None,
        Entry::Enum { name } if name == "unnamed" => None,
        Entry::Type { .. } | Entry::Field { .. } => None,
        Entry::Macro { name, .. }
        | Entry::Opaque { name }
        | Entry::Enum { name }
        | Entry::Value { name, .. }
        | Entry::Struct { name, .. }
        | Entry::Call { name, .. } => Some(name),
    });
    names.collect()
}

/// Fields of each structure in order, without those of nested ones.
fn fields_told(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, entry) in table::read(text) {
        if let Entry::Field { of, path, .. } = entry
            && !path.contains('.')
        {
            fields.entry(of).or_default().push(path);
        }
    }
    fields
}

fn fields_declared(header: &Declarations, record: &str) -> Vec<String> {
    let record = header.records.get(record).unwrap_or_else(|| panic!("the header lacks struct {record}"));
    record.fields.iter().map(|field| field.name.clone()).collect()
}
