//! The texts of the repository.

use crate::root;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Folders whose files nobody wrote: recordings and inputs of fuzzers.
const DATA: &[&str] = &["tests/vectors/data/", "tests/fuzz/corpus/"];

/// One text.
pub(super) struct Source {
    /// Its path from the root of the repository.
    pub(super) path: String,
    pub(super) text: String,
}

/// All files of the repository, those included that are not committed yet.
pub(super) struct Tree {
    paths: Vec<String>,
    sources: Vec<Source>,
}

impl Tree {
    /// Reads the repository.
    pub(super) fn read() -> Result<Self> {
        let output = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root())
            .output()
            .context("cannot run git")?;
        if !output.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let listed = String::from_utf8_lossy(&output.stdout);
        let paths: Vec<String> = listed.lines().filter(|path| root().join(path).exists()).map(str::to_owned).collect();
        let written = paths.iter().filter(|path| !DATA.iter().any(|folder| path.starts_with(folder)));
        let text = |path: &String| std::fs::read_to_string(root().join(path)).ok();
        let sources = written.filter_map(|path| Some(Source { path: path.clone(), text: text(path)? })).collect();
        Ok(Self { paths, sources })
    }

    /// A tree of these texts.
    #[cfg(test)]
    pub(super) fn of(texts: &[(&str, &str)]) -> Self {
        let sources = texts.iter().map(|(path, text)| Source { path: (*path).into(), text: (*text).into() }).collect();
        Self { paths: texts.iter().map(|(path, _)| (*path).to_owned()).collect(), sources }
    }

    /// The paths of all files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The paths of what is neither text nor lies among recordings.
    pub(super) fn opaque(&self) -> impl Iterator<Item = &str> {
        let is_text = |path: &str| self.sources.iter().any(|source| source.path == path);
        self.paths().filter(move |path| !DATA.iter().any(|folder| path.starts_with(folder)) && !is_text(path))
    }

    /// A tree in which these files are no texts.
    #[cfg(test)]
    pub(super) fn of_opaque(paths: &[&str]) -> Self {
        Self { paths: paths.iter().map(|path| (*path).to_owned()).collect(), sources: Vec::new() }
    }

    /// All that somebody wrote.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    /// The texts whose names end so.
    pub(super) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a Source> {
        self.texts().filter(move |source| source.path.ends_with(end))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts().find(|source| source.path == path).map(|source| source.text.as_str())
    }

    /// Whether there is this file or folder.
    pub(super) fn contains(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.paths().any(|known| known.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}
