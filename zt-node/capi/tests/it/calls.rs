//! Every function of both headers is called by a C program that asserts what it does.

use crate::headers::declarations;
use crate::programs::{self, Linkage, programs};
use crate::{bad_input, threads};

programs! { TESTED:
    zt1_lan
    zt1_home
    zt1_ports
    zt1_levels
    zt1_restart
    zt1_planet
    zt_lan
    zt_paths
    zt_sleep
    zt_controller
    identity_new
}

#[test]
fn the_static_library_serves_the_same_programs() {
    for name in ["zt1_lan", "zt_lan"] {
        programs::check(name, Linkage::Static);
    }
}

#[test]
fn every_program_has_a_test() {
    let tested = [TESTED, bad_input::TESTED, threads::TESTED].concat();
    let without: Vec<String> = programs::names().into_iter().filter(|name| !tested.contains(&name.as_str())).collect();
    assert!(without.is_empty(), "no test runs tests/c/{}.c", without.join(".c, "));
}

#[test]
fn every_function_is_called() {
    let mut texts = String::new();
    for folder in [programs::folder(), programs::folder().join("support")] {
        for entry in std::fs::read_dir(folder).expect("tests/c") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|extension| extension == "c") {
                texts += &std::fs::read_to_string(&path).expect("readable");
            }
        }
    }
    let declared = ["zt1/ZeroTierOne.h", "ZeroTierOne.h"].map(|header| declarations::of_header(header).functions);
    let names: Vec<&String> = declared.iter().flat_map(|functions| functions.keys()).collect();
    assert!(names.len() > 40, "only {} functions found: this test would hold for anything", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !texts.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "no program in tests/c calls {missing:?}");
}
