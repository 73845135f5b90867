//! `cargo xtask book`: the pages of docs/ as a book of HTML.

use crate::{root, tidy};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the repository is read by people; links of the book to files outside of it lead there.
const REPOSITORY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main");

/// Proves what needs no mdbook, and makes the book if there is one.
pub(crate) fn book() -> Result<()> {
    tidy::tidy()?;
    let version = Command::new("mdbook").arg("--version").output();
    let Some(version) = version.ok().filter(|output| output.status.success()) else {
        println!(
            "== the book was not made, only its contents and links were looked at: mdbook is not installed (`cargo install mdbook --locked`)"
        );
        return Ok(());
    };
    let (source, made) = (root().join("target/book-source"), root().join("target/book"));
    for folder in [&source, &made] {
        let _ = fs::remove_dir_all(folder);
    }
    copy(Path::new("docs"), &source)?;
    let told = Command::new("mdbook").arg("build").arg(&source).arg("--dest-dir").arg(&made).output()?;
    let words = String::from_utf8_lossy(&told.stderr);
    // What it only warns of, a tag that nobody meant as one, is not to be read in the page.
    ensure!(told.status.success() && !words.contains("WARN"), "mdbook is not content:\n{words}");
    let broken = broken_links(&made)?;
    ensure!(broken.is_empty(), "links of the book that lead nowhere:\n  {}", broken.join("\n  "));
    println!("== {} by {}", made.join("index.html").display(), String::from_utf8_lossy(&version.stdout).trim());
    Ok(())
}

/// Copies a folder of the repository; links that leave docs/ become links to the repository.
fn copy(folder: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(root().join(folder))? {
        let name = entry?.file_name();
        let (from, to) = (folder.join(&name), to.join(&name));
        if root().join(&from).is_dir() {
            copy(&from, &to)?;
        } else if name == "SUMMARY.md" {
            fs::copy(root().join(&from), to)?;
        } else if from.extension().is_some_and(|end| end == "md") {
            fs::write(to, within(&fs::read_to_string(root().join(&from))?, folder))?;
        } else {
            fs::copy(root().join(&from), to)?;
        }
    }
    Ok(())
}

/// A page of this folder, without links to files beside the book, and with those to a README as mdbook names it.
fn within(page: &str, folder: &Path) -> String {
    let mut parts = page.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += "](";
        let target = part.split(')').next().unwrap_or_default();
        let up = target.split('/').take_while(|name| *name == "..").count();
        let rest = &part[target.len()..];
        match target.split_once("README.md") {
            _ if up > 0 && up >= folder.components().count() => {
                text += &format!("{REPOSITORY}/{}{rest}", target.trim_start_matches("../"));
            }
            Some((folder, heading)) if !target.contains(':') => text += &format!("{folder}index.html{heading}{rest}"),
            _ => text += part,
        }
    }
    text
}

/// Links between the pages that lead to no file.
fn broken_links(made: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let mut folders = vec![made.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "html") && !path.ends_with("404.html") {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                let Some(page) = text.split("<main>").nth(1).and_then(|rest| rest.split("</main>").next()) else {
                    continue;
                };
                for link in page.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                    let file = link.split('#').next().unwrap_or_default();
                    if !file.contains(':') && !file.is_empty() && !folder.join(file).exists() {
                        broken.push(format!("{}: {link}", path.strip_prefix(made)?.display()));
                    }
                }
            }
        }
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_the_book_lead_to_the_repository() {
        let page = "[a](rules.md) [b](../SECURITY.md#x) (../c)";
        let here = format!("[a](rules.md) [b]({REPOSITORY}/SECURITY.md#x) (../c)");
        assert_eq!(within(page, Path::new("docs")), here);
        let page = "[a](rules/README.md#x) [b](README.md)";
        assert_eq!(within(page, Path::new("docs")), "[a](rules/index.html#x) [b](index.html)");
        let page = "[a](../rules.md) [b](../../zt-tap/README.md)";
        let here = format!("[a](../rules.md) [b]({REPOSITORY}/zt-tap/README.md)");
        assert_eq!(within(page, Path::new("docs/rules")), here);
    }
}
