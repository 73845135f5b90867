//! The pages for people as scripts: which of their blocks are commands, where each one runs, and the machines for that.
//!
//! A comment before a block of commands (`console`, `sh`) says where it runs:
//!
//! | Comment | |
//! |---|---|
//! | `run: a` | on this machine, see [`Machines`]; what a page did before is still there |
//! | `run: a, exit 1` | the same, and its last command ends so |
//! | `run: a, stays` | the same, and each command goes on until it is ended: it says something and lives |
//! | `run: a, goes on` | the same, and its command goes on while the page does |
//! | `not run: REASON` | needs what a namespace has not, as the Internet |
//! | `file: NAME` | no commands: the text of this file on the machine of the next block |

mod machine;
mod machines;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub use machine::{Answer, Machine};
pub use machines::Machines;

/// A text for people.
#[derive(Debug)]
pub struct Page {
    /// Its path from the root of the repository.
    pub name: String,
    /// Its blocks that are commands or files, in order.
    pub blocks: Vec<Block>,
}

/// A block of a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of the page on which it begins.
    pub line: usize,
    /// What is done with it.
    pub what: What,
}

/// What is done with a block.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// These commands run on a machine.
    Run {
        /// Name of the machine.
        machine: String,
        /// How the last command ends; all others end well.
        end: End,
        /// The commands, each of one or more lines.
        commands: Vec<String>,
    },
    /// It cannot run here, for this reason.
    NotRun(String),
    /// A file of this name has this text.
    File(String, String),
    /// A walk over two machines, which a test of its own runs.
    Walk,
    /// Nobody said where it runs.
    Unsaid,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Exit(i32),
    /// It is ended, after it said something.
    Stays,
    /// With its machine, and says something.
    GoesOn,
}

impl Page {
    /// README.md and all pages of the book, but the documents of the protocol, which hold no commands.
    ///
    /// # Errors
    /// A comment is not readable, or of the file system.
    pub fn all() -> Result<Vec<Self>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut paths = vec![PathBuf::from("README.md")];
        collect(&root, Path::new("docs"), &mut paths)?;
        paths[1..].sort();
        let read = |path: &PathBuf| {
            let text = fs::read_to_string(root.join(path))?;
            let name = path.display().to_string();
            let blocks = blocks(&text).with_context(|| name.clone())?;
            Ok(Self { name, blocks })
        };
        paths.iter().map(read).collect()
    }

    /// Whether anything of it runs on machines.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block.what, What::Run { .. }))
    }

    /// The folder of the page, with the files that it talks about.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&self.name);
        path.parent().map(Path::to_owned).unwrap_or_default()
    }
}

/// The Markdown files below a folder.
fn collect(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "protocol" {
                collect(root, &path, found)?;
            }
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    Ok(())
}

/// The blocks of a text that are commands or files.
fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut said = None;
    let mut lines = (1..).zip(text.lines());
    while let Some((line, written)) = lines.next() {
        let trimmed = written.trim_start();
        if let Some(info) = trimmed.strip_prefix("```") {
            let indent = written.len() - trimmed.len();
            let inside = lines.by_ref().map(|(_, text)| text).take_while(|text| text.trim() != "```");
            let inside: Vec<&str> = inside.map(|text| text.get(indent..).unwrap_or(text.trim_start())).collect();
            let what = what(said.take(), info, &inside).with_context(|| format!("line {line}"))?;
            blocks.extend(what.map(|what| Block { line, what }));
        } else if !trimmed.is_empty() {
            said = trimmed.strip_prefix("<!--").and_then(|rest| rest.trim_end().strip_suffix("-->")).map(str::trim);
        }
    }
    Ok(blocks)
}

/// What is done with a block, by the comment before it and the words behind its fence; `None` if it is for the eyes.
fn what(said: Option<&str>, info: &str, inside: &[&str]) -> Result<Option<What>> {
    let (said, value) = said.and_then(|said| said.split_once(':')).unwrap_or_default();
    let value = value.trim();
    if said == "file" {
        return Ok(Some(What::File(value.to_owned(), inside.join("\n"))));
    }
    let commands = match info.split(' ').collect::<Vec<_>>()[..] {
        ["sh", _machine] => return Ok(Some(What::Walk)),
        ["sh"] => commands(inside.iter().copied().filter(|line| !line.starts_with('#') && !line.is_empty())),
        ["console"] => commands(console(inside)),
        // Nobody can tell whether these are commands.
        [""] => return Ok(Some(What::Unsaid)),
        _ if said == "run" => bail!("what runs is called `console` or `sh`, not `{info}`"),
        _ => return Ok(None),
    };
    Ok(Some(match said {
        "not run" if value.is_empty() => bail!("without a reason"),
        "not run" => What::NotRun(value.to_owned()),
        "run" => {
            let (machine, end) = value.split_once(", ").unwrap_or((value, "exit 0"));
            let end = match (end, end.strip_prefix("exit ")) {
                (_, Some(status)) => End::Exit(status.parse().context("no status")?),
                ("stays", None) => End::Stays,
                ("goes on", None) => End::GoesOn,
                _ => bail!("{end} is no end of a command"),
            };
            What::Run { machine: machine.to_owned(), end, commands }
        }
        _ => What::Unsaid,
    }))
}

/// What a person types of what a terminal shows: behind `$ ` and `# `, and the lines that go on with it.
fn console<'a>(inside: &[&'a str]) -> impl Iterator<Item = &'a str> {
    let mut open = Open::default();
    inside.iter().filter_map(move |line| {
        let typed = if open.goes_on() { line } else { line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "))? };
        open.read(typed);
        Some(typed)
    })
}

/// Lines to commands: a line that ends with a backslash goes on in the next one, and so does what has a text behind `<<`.
fn commands<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut open = Open::default();
    for line in lines {
        match commands.last_mut() {
            Some(last) if open.goes_on() => {
                last.push('\n');
                last.push_str(line);
            }
            _ => commands.push(line.to_owned()),
        }
        open.read(line);
    }
    commands
}

/// A command that is not at its end.
#[derive(Debug, Default)]
struct Open {
    backslash: bool,
    /// The word that ends a text.
    end: Option<String>,
}

impl Open {
    fn goes_on(&self) -> bool {
        self.backslash || self.end.is_some()
    }

    fn read(&mut self, line: &str) {
        if self.end.as_deref().is_some_and(|end| end == line) {
            self.end = None;
        } else if self.end.is_none() {
            self.backslash = line.ends_with('\\');
            let word = line.split_once("<<").and_then(|(_, rest)| rest.split_whitespace().next());
            self.end = word.map(|word| word.trim_matches(['\'', '"']).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(commands: &[&str], exit: i32) -> What {
        let end = End::Exit(exit);
        What::Run { machine: "a".into(), end, commands: commands.iter().map(|&line| line.to_owned()).collect() }
    }

    fn only(text: &str) -> What {
        let mut found = blocks(text).expect("readable");
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).what
    }

    #[test]
    fn commands_stand_behind_a_prompt_and_the_rest_is_what_they_print() {
        let text = "<!-- run: a -->\n```console\n$ zt info\naddress 1\n# zt peers\n```\n";
        assert_eq!(only(text), run(&["zt info", "zt peers"], 0));
    }

    #[test]
    fn a_text_for_a_command_and_a_long_line_belong_to_it() {
        let text = "<!-- run: a, exit 3 -->\n\n```sh\n# why\ncat > x <<END\n# not why\nEND\nzt \\\n  info\n```\n";
        assert_eq!(only(text), run(&["cat > x <<END\nEND", "zt \\\n  info"], 3));
        let text = "<!-- run: a -->\n```console\n$ cat > x <<'END'\n# kept\nEND\nprinted\n```\n";
        assert_eq!(only(text), run(&["cat > x <<'END'\n# kept\nEND"], 0));
    }

    #[test]
    fn a_block_without_a_word_about_it_is_found() {
        assert_eq!(only("text\n```sh\nls\n```\n"), What::Unsaid);
        assert_eq!(only("<!-- not run: the Internet -->\n```sh\nls\n```\n"), What::NotRun("the Internet".into()));
        assert!(blocks("<!-- not run: -->\n```sh\nls\n```\n").is_err());
        assert!(blocks("```json\n{}\n```\n").expect("readable").is_empty());
    }

    #[test]
    fn a_file_has_the_text_of_its_block_without_the_indentation_of_a_list() {
        let text = "* x\n  <!-- file: x.rules -->\n  ```rules\n  accept;\n  ```\n";
        assert_eq!(only(text), What::File("x.rules".into(), "accept;".into()));
    }
}
