//! The README's program, word for word.

use crate::compiler::crate_root;
use std::path::Path;
use std::process::Command;

#[test]
fn the_program_of_the_readme_runs() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```c\n").expect("a program in C");
    let (program, _) = rest.split_once("```").expect("its end");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, binary) = (folder.join("readme.c"), folder.join("readme"));
    std::fs::write(&source, program).expect("written");
    let libraries = std::env::current_exe().expect("this program").with_file_name("libztcore.a");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(&compiler)
        .args(["-std=c11", "-Wall", "-Werror", "-I"])
        .arg(crate_root().join("include"))
        .args([&source, &libraries])
        .args(["-lpthread", "-ldl", "-lm", "-lrt", "-lgcc_s", "-o"])
        .arg(&binary)
        .output()
        .unwrap_or_else(|error| panic!("this test needs a C compiler; {compiler}: {error}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&binary).output().expect("it starts");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("is online"), "{said}");
    assert!(said.contains("status 1"), "{said}");
}
