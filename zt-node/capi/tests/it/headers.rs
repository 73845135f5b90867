//! The headers against the Rust side, and against C and C++ compilers.

pub(crate) mod declarations;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use self::declarations::Declarations;
use crate::compiler::{self, Language};

/// A header, the prefix of its names, and the Rust file of its functions.
struct Api {
    header: &'static str,
    prefix: &'static str,
    functions: &'static str,
}

const ZT1: Api = Api { header: "zt1/ZeroTierOne.h", prefix: "ZT1_", functions: "zt1" };
const ZT: Api = Api { header: "ZeroTierOne.h", prefix: "ZT_", functions: "zt" };

/// What a file may include.
const INCLUDES: &[(&str, &[&str])] = &[
    ("zt1", &["zt1/ZeroTierOne.h"]),
    ("zt", &["ZeroTierOne.h"]),
    ("zt1-zt", &["zt1/ZeroTierOne.h", "ZeroTierOne.h"]),
    ("zt-zt1", &["ZeroTierOne.h", "zt1/ZeroTierOne.h"]),
    ("twice", &["ZeroTierOne.h", "ZeroTierOne.h", "zt1/ZeroTierOne.h", "zt1/ZeroTierOne.h"]),
];

/// Names both ways of writing a type that users of either header write.
const USES_ZT1: &str = "static struct ZT1_WireMessage m; static enum ZT1_ReturnValue r; static ZT1_StatusCallback s;
int zt1(void); int zt1(void) { (void)m; (void)r; (void)s; return ZT1_OK; }\n";
const USES_ZT: &str = "static struct ZT_UserMessage a; static ZT_UserMessage b; static enum ZT_Event e;
static struct ZT_Node_Callbacks c; static ZT_Node_Callbacks d;
int zt(void); int zt(void) { (void)a; (void)b; (void)c; (void)d; (void)e; return ZT_RESULT_OK; }\n";

#[test]
fn the_headers_compile_alone_and_together_in_c_and_cpp() {
    for (language, suffix) in [(Language::C, "c"), (Language::Cpp, "cpp")] {
        for (name, includes) in INCLUDES {
            let mut source: String = includes.iter().map(|path| format!("#include \"{path}\"\n")).collect();
            for (api, uses) in [(ZT1, USES_ZT1), (ZT, USES_ZT)] {
                if includes.contains(&api.header) {
                    source += uses;
                }
            }
            source += "int main(void) { return 0; }\n";
            compiler::build(language, &format!("headers-{name}-{suffix}"), &source);
        }
    }
}

#[test]
fn a_port_may_bring_its_own_socket_address() {
    let source = "struct own { unsigned long long words[16]; };\n#define ZT_SOCKADDR_STORAGE struct own\n\
        #include \"zt1/ZeroTierOne.h\"\n#ifdef AF_INET\n#error the header took that of the system\n#endif\n\
        static struct ZT1_WireMessage m;\nint main(void) { return (int)m.remoteAddress.words[0]; }\n";
    compiler::build(Language::C, "headers-own-address", source);
}

#[test]
fn the_zt1_types_are_the_same_in_rust() {
    assert_types_agree(&ZT1);
}

#[test]
fn the_zt_types_are_the_same_in_rust() {
    assert_types_agree(&ZT);
}

#[test]
fn the_zt1_functions_are_the_same_in_rust() {
    assert_functions_agree(&ZT1);
}

#[test]
fn the_zt_functions_are_the_same_in_rust() {
    assert_functions_agree(&ZT);
}

fn assert_types_agree(api: &Api) {
    let c = declarations::of_header(api.header);
    let rust = rust_side();
    assert_same("structures", api.prefix, &c.records, &rust.records);
    assert_same("enumerations and opaque types", api.prefix, &c.aliases, &rust.aliases);
    assert_same("callbacks", api.prefix, &c.callbacks, &rust.callbacks);
    assert_same("numbers", api.prefix, &c.numbers, &rust.numbers);
}

/// Every function of the header is exported, and every exported one is in the header, with the same types. Says nothing
/// as long as the file of the functions is not there.
fn assert_functions_agree(api: &Api) {
    let sources = sources();
    // `zt1.rs`, or a file in `zt1/`.
    let is_there = |path: &PathBuf| {
        path.file_stem().is_some_and(|stem| stem == api.functions)
            || path.parent().is_some_and(|folder| folder.ends_with(api.functions))
    };
    if !sources.iter().any(is_there) {
        return;
    }
    let c = declarations::of_header(api.header);
    assert_same("functions", api.prefix, &c.functions, &rust_side().functions);
}

/// Asserts that both sides have the same names of a prefix with the same meanings; panics with all differences.
fn assert_same<T: Debug + PartialEq>(what: &str, prefix: &str, c: &BTreeMap<String, T>, rust: &BTreeMap<String, T>) {
    let mut names: Vec<&String> = c.keys().chain(rust.keys()).filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    names.dedup();
    assert!(!names.is_empty(), "no {what} with {prefix} found: this test would hold for anything");
    let differing = names.into_iter().filter(|name| c.get(*name) != rust.get(*name));
    let report: Vec<String> =
        differing.map(|name| format!("{name}\n  C:    {:?}\n  Rust: {:?}", c.get(name), rust.get(name))).collect();
    assert!(report.is_empty(), "{what} differ between header and Rust:\n{}", report.join("\n"));
}

/// What cbindgen makes of `src/sys`.
fn rust_side() -> Declarations {
    let sources = sources();
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Type,
        documentation: false,
        ..cbindgen::Config::default()
    };
    // Types count whether or not a function uses them.
    config.export.include = sources.iter().flat_map(|path| type_names(path)).collect();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for path in sources {
        builder = builder.with_src(path);
    }
    let mut text = Vec::new();
    builder.generate().expect("cbindgen reads src/sys").write(&mut text);
    declarations::of_text(&String::from_utf8(text).expect("cbindgen writes UTF-8"))
}

/// All Rust files of `src/sys`.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![compiler::crate_root().join("src/sys")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// Names of the public types of a file that belong to an API.
fn type_names(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let declared = text.lines().filter_map(|line| {
        let rest = ["pub struct ", "pub union ", "pub type "].iter().find_map(|start| line.strip_prefix(start))?;
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
    });
    declared.filter(|name| name.starts_with("ZT")).map(str::to_owned).collect()
}
