//! Installs the C library as distributions lay libraries out: headers, shared and static library, pkg-config files.

use crate::{cargo, option, root};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Our own name, and the link name of the stock core, for programs whose build scripts ask for that.
const NAMES: [&str; 2] = ["ztcore", "zerotiercore"];
/// Headers, below `include`.
const HEADERS: [&str; 2] = ["ZeroTierOne.h", "zt1/ZeroTierOne.h"];
/// System libraries that a static library of Rust wants.
const PRIVATE: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl";

/// `cargo xtask install-capi --prefix DIR [--destdir DIR] [--libdir NAME]`.
pub(crate) fn install(arguments: &[String]) -> Result<()> {
    let prefix = option(arguments, "--prefix").unwrap_or("/usr/local");
    let libdir = option(arguments, "--libdir").unwrap_or("lib");
    cargo(&["build", "--release", "--quiet", "-p", "zt-capi"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let layout = Layout::new(prefix, libdir, option(arguments, "--destdir").unwrap_or(""));
    layout.install(&target.join("release"))?;
    println!("== installed libztcore {} below {}", layout.version, layout.stage.display());
    if option(arguments, "--destdir").is_some() {
        println!("   a package runs ldconfig when it is installed");
        return Ok(());
    }
    for line in layout.advice(tell_the_loader(&layout)) {
        println!("   {line}");
    }
    Ok(())
}

/// Lets the loader look at its folders again; true when it knows the library then.
fn tell_the_loader(layout: &Layout) -> bool {
    // Without the right to write the loader's cache, or where there is none, the advice tells what else to do.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let ldconfig = |words: &[&str]| Command::new("ldconfig").args(words).env("PATH", &path).output();
    let _ = ldconfig(&[]);
    let library = layout.lib().join(format!("libztcore.so.{}", soname(&layout.version)));
    ldconfig(&["-p"]).is_ok_and(|known| {
        String::from_utf8_lossy(&known.stdout).lines().any(|line| line.ends_with(&format!(" {}", library.display())))
    })
}

/// Where things go.
struct Layout {
    version: String,
    prefix: String,
    libdir: String,
    /// The folder that stands for the prefix now: below DESTDIR while a package is made.
    stage: PathBuf,
}

impl Layout {
    fn new(prefix: &str, libdir: &str, destdir: &str) -> Self {
        let stage = PathBuf::from(format!("{destdir}{prefix}"));
        Self { version: version(), prefix: prefix.to_owned(), libdir: libdir.to_owned(), stage }
    }

    fn install(&self, built: &Path) -> Result<()> {
        for header in HEADERS {
            copy(&root().join("zt-node/capi/include").join(header), &self.stage.join("include").join(header))?;
        }
        let lib = self.lib();
        let real = format!("libztcore.so.{}", self.version);
        copy(&built.join("libztcore.so"), &lib.join(&real))?;
        copy(&built.join("libztcore.a"), &lib.join("libztcore.a"))?;
        strip(&lib.join("libztcore.a"))?;
        link(&real, &lib.join(format!("libztcore.so.{}", soname(&self.version))))?;
        for name in NAMES {
            link(&real, &lib.join(format!("lib{name}.so")))?;
            write(&lib.join("pkgconfig").join(format!("{name}.pc")), &self.pkg_config(name))?;
        }
        link("libztcore.a", &lib.join("libzerotiercore.a"))
    }

    fn lib(&self) -> PathBuf {
        self.stage.join(&self.libdir)
    }

    /// What to type to build and run a program with the library; `known` to the loader or not.
    fn advice(&self, known: bool) -> Vec<String> {
        let (lib, mut lines) = (self.lib(), Vec::new());
        if !["/usr", "/usr/local"].contains(&self.prefix.as_str()) {
            lines.push(format!("export PKG_CONFIG_PATH={}", lib.join("pkgconfig").display()));
        }
        lines.push("cc $(pkg-config --cflags ztcore) host.c $(pkg-config --libs ztcore) -o host".to_owned());
        if !known {
            let conf = "/etc/ld.so.conf.d/ztcore.conf";
            lines.push(format!("export LD_LIBRARY_PATH={}", lib.display()));
            lines.push(format!("or, for all users, as root: echo {} > {conf} && ldconfig", lib.display()));
        }
        lines
    }

    fn pkg_config(&self, name: &str) -> String {
        let Self { version, prefix, libdir, .. } = self;
        format!(
            "prefix={prefix}\n\
             libdir=${{prefix}}/{libdir}\n\
             includedir=${{prefix}}/include\n\
             \n\
             Name: {name}\n\
             Description: Virtual Ethernet over the internet as a C library, compatible with ZeroTier\n\
             Version: {version}\n\
             Cflags: -I${{includedir}}\n\
             Libs: -L${{libdir}} -l{name}\n\
             Libs.private: {PRIVATE}\n"
        )
    }
}

/// Takes out what only a debugger of the library or another Rust compiler reads, more than half of its bytes. The tools
/// that link C bring `objcopy` along; without it the library stays as it is.
fn strip(library: &Path) -> Result<()> {
    let words = ["--strip-debug", "--remove-section=.llvmbc", "--remove-section=.llvmcmd"];
    match Command::new("objcopy").args(words).arg("--enable-deterministic-archives").arg(library).status() {
        Ok(status) => ensure!(status.success(), "objcopy {}: {status}", library.display()),
        Err(_) => println!("   {} keeps its debug information: objcopy is not installed", library.display()),
    }
    Ok(())
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The part of the version in the name that programs are linked with; zt-node/capi/build.rs writes it.
fn soname(version: &str) -> &str {
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    version.match_indices('.').nth(parts - 1).map_or(version, |(at, _)| &version[..at])
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    make_folder(to)?;
    let _ = fs::remove_file(to);
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn link(target: &str, at: &Path) -> Result<()> {
    make_folder(at)?;
    let _ = fs::remove_file(at);
    symlink(target, at).with_context(|| format!("cannot link {}", at.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    make_folder(path)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn make_folder(of: &Path) -> Result<()> {
    let folder = of.parent().context("a path below the prefix")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}; choose another --prefix", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = r#"
#include <stdio.h>
#include <zt1/ZeroTierOne.h>
#include <ZeroTierOne.h>
int main(void) {
    int major = -1, minor = -1, revision = -1;
    ZT1_version(&major, &minor, &revision);
    printf("%d.%d.%d", major, minor, revision);
    ZT_version(&major, &minor, &revision);
    return major == 1 ? 0 : 1;
}
"#;

    /// Compiles the program with the words of a pkg-config file and runs it.
    fn try_out(prefix: &Path, name: &str, fixed: bool) -> String {
        let text = fs::read_to_string(prefix.join(format!("lib/pkgconfig/{name}.pc"))).expect("a pkg-config file");
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("the key").trim();
            let line = line.replace("${includedir}", "${prefix}/include").replace("${libdir}", "${prefix}/lib");
            line.replace("${prefix}", &prefix.display().to_string())
        };
        let program = prefix.join(format!("{name}-{fixed}"));
        let mut libraries: Vec<String> = value("Libs:").split(' ').map(str::to_owned).collect();
        if fixed {
            libraries = vec![prefix.join(format!("lib/lib{name}.a")).display().to_string()];
            libraries.extend(value("Libs.private:").split(' ').map(str::to_owned));
        }
        let compiled = Command::new("cc")
            .arg("-o")
            .arg(&program)
            .args(value("Cflags:").split(' '))
            .arg(prefix.join("program.c"))
            .args(libraries)
            .status()
            .expect("a C compiler (install gcc)");
        assert!(compiled.success(), "{name}: the C program does not build");
        let ran = Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")).output().expect("run");
        assert!(ran.status.success(), "{name}: {ran:?}");
        String::from_utf8(ran.stdout).expect("text")
    }

    #[test]
    fn a_program_finds_the_installed_library_by_either_name() {
        cargo(&["build", "--quiet", "-p", "zt-capi"]).expect("built");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let prefix = std::env::temp_dir().join(format!("zt-install-{}", std::process::id()));
        let layout = Layout::new(prefix.to_str().expect("text"), "lib", "");
        layout.install(&target.join("debug")).expect("installed");
        layout.install(&target.join("debug")).expect("installed again");
        write(&prefix.join("program.c"), PROGRAM).expect("written");
        let size = |file: PathBuf| fs::metadata(file).expect("a file").len();
        let (built, installed) = (target.join("debug/libztcore.a"), prefix.join("lib/libztcore.a"));
        assert!(size(installed) < size(built), "what a C program does not need is left out");
        for name in NAMES {
            for fixed in [false, true] {
                assert_eq!(try_out(&prefix, name, fixed), version(), "{name}");
            }
        }
        fs::remove_dir_all(prefix).expect("removed");
    }

    /// Below /usr/local, as most install it: a program runs without a word about where the library is.
    #[test]
    fn the_loader_finds_what_is_installed_in_its_folders() {
        cargo(&["build", "--quiet", "-p", "zt-capi"]).expect("built");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let root = std::env::temp_dir().join(format!("zt-loader-{}", std::process::id()));
        let layout = Layout::new("/usr/local", "lib", root.to_str().expect("text"));
        layout.install(&target.join("debug")).expect("installed");
        write(&root.join("program.c"), PROGRAM).expect("written");
        // A root of mounts of its own, whose /usr/local and loader's cache are not the machine's.
        let script = "mkdir etc; cp -rP /etc/ld.so.conf /etc/ld.so.conf.d /etc/alternatives etc; mount --bind etc /etc; mount --bind usr/local /usr/local; ldconfig; \
            cc -o program -I/usr/local/include program.c -L/usr/local/lib -lztcore; env -u LD_LIBRARY_PATH ./program";
        let ran = Command::new("unshare").args(["-rm", "sh", "-ec", script]).current_dir(&root).output();
        let ran = ran.expect("unshare (install util-linux)");
        fs::remove_dir_all(&root).expect("removed");
        if !ran.status.success() && std::env::var_os("CI").is_none() {
            println!("skipped: this machine allows no namespaces: {ran:?}");
            return;
        }
        assert_eq!(String::from_utf8_lossy(&ran.stdout), version(), "as root or with user namespaces: {ran:?}");
    }

    #[test]
    fn the_advice_names_what_is_not_found_by_itself() {
        let own = Layout::new("/opt/zt", "lib64", "");
        let lines = own.advice(false).join("\n");
        for needed in ["PKG_CONFIG_PATH=/opt/zt/lib64/pkgconfig", "LD_LIBRARY_PATH=/opt/zt/lib64", "ldconfig"] {
            assert!(lines.contains(needed), "{lines}");
        }
        assert_eq!(Layout::new("/usr/local", "lib", "").advice(true).len(), 1, "just how to compile");
    }

    #[test]
    fn the_soname_changes_with_what_breaks_programs() {
        assert_eq!([soname("0.1.0"), soname("0.12.3"), soname("1.2.3"), soname("10.0.0")], ["0.1", "0.12", "1", "10"]);
    }
}
