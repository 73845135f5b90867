//! What growth costs: `cargo xtask bench scale`.
//!
//! A root and a node with more and more of what they may have, in bytes and in time for each packet. Engines without
//! sockets, in one thread; the allocator counts.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod figures;
mod networks;
mod node;
mod root;
mod rounds;
mod sys;
mod town;

use figures::Figures;
use std::path::PathBuf;

/// Peers of a root.
const PEERS: [usize; 4] = [1, 100, 10_000, 100_000];

/// Everything else.
const NUMBERS: [usize; 3] = [1, 100, 10_000];

/// Groups of a port: a node takes so many at most.
const GROUPS: [usize; 3] = [1, 100, 4_096];
/// Rules of a network: there is room for 1,024.
const RULES: [usize; 3] = [1, 101, 1_001];

/// Measures at one number.
type Part = fn(&mut Figures, usize);

fn main() {
    let arguments = Arguments::read(std::env::args().skip(1)).unwrap_or_else(|fault| {
        println!("{fault}\nusage: cargo xtask bench scale [--json FILE] [--most NUMBER] [root] [members] [networks] [groups] [rules]");
        std::process::exit(2);
    });
    let mut figures = Figures::default();
    if arguments.wants("root") {
        for peers in PEERS.into_iter().filter(|number| *number <= arguments.most) {
            root::measure(&mut figures, peers);
        }
    }
    if arguments.wants("members") {
        for members in NUMBERS.into_iter().filter(|number| *number <= arguments.most) {
            node::measure(&mut figures, members);
        }
    }
    let parts: [(&str, &[usize], Part); 3] = [
        ("networks", &NUMBERS, networks::networks),
        ("groups", &GROUPS, networks::groups),
        ("rules", &RULES, networks::rules),
    ];
    for (name, numbers, part) in parts.into_iter().filter(|(name, ..)| arguments.wants(name)) {
        println!("measures {name}");
        numbers.iter().filter(|number| **number <= arguments.most).for_each(|number| part(&mut figures, *number));
    }
    print!("{}", figures.table());
    println!("\n{} targets do not hold", figures.missed());
    if let Some(file) = arguments.json {
        let text = figures.json(&machine()).to_string();
        std::fs::write(&file, text).unwrap_or_else(|fault| println!("{}: {fault}", file.display()));
    }
}

struct Arguments {
    json: Option<PathBuf>,
    most: usize,
    parts: Vec<String>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut all = Self { json: None, most: usize::MAX, parts: Vec::new() };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => all.json = Some(words.next().ok_or("--json: name a file")?.into()),
                "--most" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    all.most = number.ok_or("--most: give a number")?;
                }
                // What cargo adds.
                "--bench" => {}
                "root" | "members" | "networks" | "groups" | "rules" => all.parts.push(word),
                other => return Err(format!("`{other}` is no part of this benchmark")),
            }
        }
        Ok(all)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

/// The processor, as the kernel names it.
fn machine() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    name.trim_start_matches([' ', '\t', ':']).to_owned()
}
