//! Names the shared library by its version, so that programs keep loading the one they were linked with.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Below 1.0 every minor version may change the interface.
    let major = std::env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    let minor = std::env::var("CARGO_PKG_VERSION_MINOR").unwrap_or_default();
    let version = if major == "0" { format!("0.{minor}") } else { major };
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libztcore.so.{version}");
    }
}
