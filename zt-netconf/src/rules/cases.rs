//! Cases beside rules: who there is, and what must become of which frame.
//!
//! ```text
//! # One line for each member, in any order of its words.
//! member alice  department=engineering
//! member bob    department=marketing capability admin 10.0.0.9
//! member probe  1122334455 bridge
//!
//! accept alice > bob: tcp 22 syn
//! drop   any <> bob: udp 53
//! redirect alice > bob to probe: tcp 80
//! accept alice > bob copy probe: tcp 25
//! ```
//!
//! A member's words: IP addresses, `tag=value` by names of the rules or by numbers, `capability NAME`, ten hexadecimal digits for its
//! node, `bridge`. One without IP addresses has 10.0.0.N and fd00::N, N its number in the list. `any` stands for all others, `<>` for both
//! directions. Frames are written as in [`super::words`].

use core::fmt;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use zt_wire::ident::{Address, NetworkId};

use super::script::Script;
use super::trial::{self, Fate, Link, Party, Passage, RuleSet, Seat};
use super::words::{Frame, WordsError};

/// Longest text that is read, bytes.
pub const MAX_TEXT: usize = 1 << 20;

/// Most members, and most lines with a verdict.
pub const MAX_CASES: usize = 4096;

/// Network of cases that name none.
const NETWORK: NetworkId = NetworkId(0x8056_c2e2_1c00_0001);

/// Node of the first member that names none.
const FIRST_NODE: u64 = 0x10_0000_0001;

/// Members, and what must become of frames between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cases {
    /// The network, which MACs and some addresses are made from.
    pub network: NetworkId,
    /// Members, in the order of the text.
    pub members: Vec<Party>,
    /// Cases, in the order of the text; a line about several members is several cases.
    pub cases: Vec<Case>,
}

/// One frame and what must become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Line, from 1.
    pub line: usize,
    /// Sender, by its place in the list.
    pub from: usize,
    /// Receiver.
    pub to: usize,
    /// The frame as written.
    pub words: String,
    /// The frame.
    pub frame: Frame,
    /// What must become of it.
    pub expected: Fate,
    /// Who must get a copy.
    pub copy: Option<Address>,
}

/// Why a text is no list of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CasesError {
    /// Line, from 1.
    pub line: usize,
    /// Character in it, from 1.
    pub column: usize,
    /// What is wrong, and what could stand there.
    pub problem: String,
    /// The line.
    pub text: String,
}

impl std::error::Error for CasesError {}

impl fmt::Display for CasesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, problem, text } = self;
        write!(f, "line {line}, column {column}: {problem}\n    {text}\n    {:>column$}", '^')
    }
}

/// What became of the frame of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub fate: Fate,
    /// Its way; where chance decides, the way on which every random match matches.
    pub passage: Passage,
    /// As it must be.
    pub right: bool,
}

impl Cases {
    /// Reads a text; names are those of the rules.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn read(text: &str, script: &Script) -> Result<Self, CasesError> {
        let mut cases = Self { network: NETWORK, members: Vec::new(), cases: Vec::new() };
        let at = |line: usize, text: &str, wrong: Wrong| CasesError {
            line: line + 1,
            column: wrong.column,
            problem: wrong.problem,
            text: text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        };
        if text.len() > MAX_TEXT {
            return Err(at(0, "", Wrong { column: 1, problem: format!("the text is longer than {MAX_TEXT} bytes") }));
        }
        let lines = || text.trim_start_matches('\u{feff}').lines().enumerate();
        // Members first, so that cases may stand in front of them.
        for (number, line) in lines() {
            cases.member_line(line, script).map_err(|wrong| at(number, line, wrong))?;
        }
        for (number, line) in lines() {
            cases.case_line(number, line).map_err(|wrong| at(number, line, wrong))?;
        }
        Ok(cases)
    }

    /// Judges every case.
    #[must_use]
    pub fn run(&self, set: &RuleSet) -> Vec<Outcome> {
        let seats: Vec<Seat> = self.members.iter().map(|party| Seat::new(self.network, set, party)).collect();
        self.cases.iter().map(|case| case.run(&Link::new(&seats[case.from], &seats[case.to]))).collect()
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|party| party.name == name)
    }

    fn member_line(&mut self, line: &str, script: &Script) -> Result<(), Wrong> {
        let mut words = words(line);
        let first = words.next();
        match first.map(|word| word.text) {
            Some("network") => {
                let id = words.next().ok_or_else(|| end(line, "the ID of a network, 16 hexadecimal digits"))?;
                self.network = id.text.parse().map_err(|_| id.wrong("the ID of a network, 16 hexadecimal digits"))?;
                return words.next().map_or(Ok(()), |more| Err(more.wrong("the end of the line")));
            }
            Some("member") => {}
            _ => return Ok(()),
        }
        let name = words.next().ok_or_else(|| end(line, "a name for the member"))?;
        if !name.text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) || name.text == "any" {
            return Err(name.wrong("a name of letters, digits, '_', '-' and '.', other than any"));
        }
        if self.find(name.text).is_some() {
            return Err(name.wrong("another name: there is such a member already; expected one"));
        }
        if self.members.len() == MAX_CASES {
            return Err(name.wrong(&format!("at most {MAX_CASES} members")));
        }
        let number = self.members.len() as u64;
        let node = Address::new(FIRST_NODE + number);
        let mut party = Party { name: name.text.to_owned(), address: node, ..Party::default() };
        while let Some(word) = words.next() {
            match word.text {
                "capability" | "cap" => {
                    let name = words.next().ok_or_else(|| end(line, "the name of a capability"))?;
                    let id = capability(script, name.text).ok_or_else(|| name.wrong(&capabilities(script)))?;
                    party.capabilities.insert(id);
                }
                "bridge" => party.active_bridge = true,
                text => member_word(&mut party, text, script).map_err(|expected| word.wrong(&expected))?,
            }
        }
        if self.members.iter().any(|other| other.address == party.address) {
            return Err(
                name.wrong(&format!("another node than {}, which is that of another member; for", party.address))
            );
        }
        if party.ips.is_empty() {
            let n = number as u16 + 1;
            let [high, low] = n.to_be_bytes();
            party.ips = vec![IpAddr::from([10, 0, high, low]), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, n).into()];
        }
        self.members.push(party);
        Ok(())
    }

    fn case_line(&mut self, number: usize, line: &str) -> Result<(), Wrong> {
        const VERDICTS: &str = "member, network, accept, drop, redirect or maybe";
        let Some(verdict) = words(line).next() else { return Ok(()) };
        let mut expected = match verdict.text {
            "member" | "network" => return Ok(()),
            "accept" => Fate::Accepted,
            "drop" => Fate::Dropped,
            "redirect" => Fate::Redirected(Address::NIL),
            "maybe" => Fate::ByChance,
            _ => return Err(verdict.wrong(VERDICTS)),
        };
        let line = uncommented(line);
        let Some(colon) = line.find(':') else { return Err(end(line, "':' and a frame in words")) };
        let (head, frame) = (&line[..colon], &line[colon + 1..]);
        let mut words = words(head).skip(1);
        let next =
            |words: &mut dyn Iterator<Item = Word<'_>>, what: &str| -> Result<(String, Option<usize>, Wrong), Wrong> {
                let word = words.next().ok_or_else(|| end(head, what))?;
                Ok((word.text.to_owned(), self.find(word.text), word.wrong(what)))
            };
        let who = "a member, or any";
        let (from_text, from, from_wrong) = next(&mut words, who)?;
        let (arrow, _, arrow_wrong) = next(&mut words, "'>' or '<>' between sender and receiver")?;
        let both = match arrow.as_str() {
            ">" => false,
            "<>" => true,
            _ => return Err(arrow_wrong),
        };
        let (to_text, to, to_wrong) = next(&mut words, who)?;
        let mut copy = None;
        while let Some(word) = words.next() {
            let node = words.next().ok_or_else(|| end(head, "a member"))?;
            let found = self.find(node.text).map(|at| self.members[at].address);
            let found = found.ok_or_else(|| node.wrong("a member"))?;
            match (word.text, &mut expected) {
                ("to", Fate::Redirected(to)) => *to = found,
                ("copy", _) => copy = Some(found),
                (_, Fate::Redirected(_)) => return Err(word.wrong("'to' and a member, or 'copy' and a member")),
                _ => return Err(word.wrong("':', or 'copy' and a member")),
            }
        }
        if expected == Fate::Redirected(Address::NIL) {
            return Err(end(head, "'to' and the member that it goes to instead"));
        }
        let everyone = || (0..self.members.len()).collect::<Vec<_>>();
        let list = |text: &str, found: Option<usize>, wrong: Wrong| match found {
            Some(at) => Ok(vec![at]),
            None if text == "any" => Ok(everyone()),
            None => Err(wrong),
        };
        let (from, to) = (list(&from_text, from, from_wrong)?, list(&to_text, to, to_wrong)?);
        let mut new = Vec::new();
        for (from, to) in from.iter().flat_map(|from| to.iter().map(|to| (*from, *to))).filter(|(from, to)| from != to)
        {
            let ways = [(from, to), (to, from)];
            for (from, to) in ways.into_iter().take(1 + usize::from(both)) {
                let ends = trial::ends(self.network, &self.members[from], &self.members[to]);
                let column = head.chars().count() + 1;
                let built = Frame::read(frame, &ends).map_err(|wrong| Wrong::of_frame(&wrong, column))?;
                let words = frame.trim().to_owned();
                new.push(Case { line: number + 1, from, to, words, frame: built, expected, copy });
            }
        }
        if self.cases.len() + new.len() > MAX_CASES {
            return Err(verdict.wrong(&format!("at most {MAX_CASES} cases")));
        }
        self.cases.extend(new);
        Ok(())
    }
}

impl Case {
    fn run(&self, link: &Link<'_>) -> Outcome {
        let (fate, copies) = link.fate(&self.frame, true);
        let copied = self.copy.is_none_or(|node| copies.contains(&node));
        Outcome { fate, passage: link.pass(&self.frame, 0), right: fate == self.expected && copied }
    }
}

/// The value that a tag is given by: a name of the tag's own, or a number.
#[must_use]
pub fn tag_value(script: &Script, tag: &str, value: &str) -> Option<(u32, u32)> {
    let definition = script.tag(&tag.to_lowercase());
    let id = definition.map(|tag| tag.id).or_else(|| integer(tag))?;
    let named = definition.and_then(|tag| tag.value(&value.to_lowercase()));
    Some((id, named.or_else(|| integer(value))?))
}

/// The ID of a capability: by its name, or a number.
#[must_use]
pub fn capability(script: &Script, name: &str) -> Option<u32> {
    script.capability(&name.to_lowercase()).map(|capability| capability.id).or_else(|| integer(name))
}

/// What could be written for a capability.
#[must_use]
pub fn capabilities(script: &Script) -> String {
    let names: Vec<&str> = script.capabilities.iter().map(|capability| capability.name.as_str()).collect();
    if names.is_empty() {
        "the number of a capability".to_owned()
    } else {
        format!("a capability: {}, or its number", names.join(", "))
    }
}

/// What could be written for a tag and its value.
#[must_use]
pub fn tags(script: &Script, tag: &str) -> String {
    match script.tag(&tag.to_lowercase()) {
        Some(tag) => {
            let mut names: BTreeMap<&str, ()> = BTreeMap::new();
            names.extend(tag.enums.iter().chain(&tag.flags).map(|(name, _)| (name.as_str(), ())));
            let names: Vec<&str> = names.into_keys().collect();
            let names = if names.is_empty() { String::new() } else { format!("{}, or ", names.join(", ")) };
            format!("a value of {}: {names}a number", tag.name)
        }
        None => {
            let names: Vec<&str> = script.tags.iter().map(|tag| tag.name.as_str()).collect();
            match names.as_slice() {
                [] => "a tag by its number, for no text of the rules names any".to_owned(),
                names => format!("a tag: {}, or its number", names.join(", ")),
            }
        }
    }
}

/// One word about a member; what could stand there.
fn member_word(party: &mut Party, text: &str, script: &Script) -> Result<(), String> {
    if let Some((tag, value)) = text.split_once('=') {
        let (id, value) = tag_value(script, tag, value).ok_or_else(|| tags(script, tag))?;
        party.tags.insert(id, value);
    } else if let Ok(ip) = text.parse() {
        party.ips.push(ip);
    } else if let Ok(node) = text.parse::<Address>() {
        if node.is_reserved() {
            return Err("an address that a node can have".to_owned());
        }
        party.address = node;
    } else {
        return Err("an IP address, tag=value, capability NAME, the address of a node, or bridge".to_owned());
    }
    Ok(())
}

/// A line up to its comment.
fn uncommented(line: &str) -> &str {
    let mut marks = line.match_indices('#').map(|(at, _)| at);
    marks.find(|at| line[..*at].ends_with(char::is_whitespace)).map_or(line, |at| &line[..at])
}

fn integer(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok(),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// What is wrong in a line, and at which character from 1.
struct Wrong {
    column: usize,
    problem: String,
}

impl Wrong {
    /// In the words of a frame that begin behind `before` characters.
    fn of_frame(wrong: &WordsError, before: usize) -> Self {
        Self { column: before + wrong.column, problem: format!("expected {}", wrong.expected) }
    }
}

fn end(line: &str, expected: &str) -> Wrong {
    Wrong { column: line.trim_end().chars().count() + 1, problem: format!("expected {expected}") }
}

/// A word and its column, from 1.
#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    column: usize,
}

impl Word<'_> {
    fn wrong(&self, expected: &str) -> Wrong {
        Wrong { column: self.column, problem: format!("expected {expected}, found {:?}", self.text) }
    }
}

/// Words of a line up to a comment; arrows and commas part them.
fn words(line: &str) -> impl Iterator<Item = Word<'_>> {
    let line = line.trim_start_matches('\u{feff}');
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let arrow = |c: char| matches!(c, '<' | '>');
        let mut ends = rest.char_indices().filter(|(_, c)| c.is_whitespace() || *c == ',' || arrow(*c));
        let len = match ends.next() {
            Some((0, _)) => rest.find(|c: char| !arrow(c)).unwrap_or(rest.len()),
            Some((at, _)) => at,
            None => rest.len(),
        };
        if len == 0 || rest.starts_with('#') {
            return None;
        }
        let column = line[..line.len() - rest.len()].chars().count() + 1;
        let (text, behind) = rest.split_at(len);
        rest = behind;
        Some(Word { text, column })
    })
}

#[cfg(test)]
mod tests {
    use super::super::script::Options;
    use super::*;

    const RULES: &str = "
tag department id 1 enum 1 finance enum 2 sales;
cap admin id 7 accept ipprotocol tcp and dport 22; ;
redirect 1122334455 ipprotocol tcp and dport 80;
tee -1 1122334455 ipprotocol tcp and dport 25;
accept ethertype arp or ethertype ipv6;
accept not ipprotocol tcp and tdiff department 0;
accept ipprotocol tcp and dport 25;
drop random 0.5 and dport 26;
";

    fn script() -> Script {
        Script::compile(RULES, Options::default()).unwrap_or_else(|wrong| panic!("{wrong:?}"))
    }

    fn read(text: &str) -> Result<Cases, CasesError> {
        Cases::read(text, &script())
    }

    #[test]
    fn each_case_is_judged_by_both_ends() {
        let cases = read(
            "accept a > b: udp 53     # cases may stand before members
             member a department=finance
             member b department=1
             member c department=sales capability admin
             member probe 1122334455

             drop any <> probe: udp 53
             accept a <> b: ping
             drop a, > c: ping
             drop a > b: tcp 22
             accept c > a: tcp 22
             drop a > c: tcp 22
             accept any > any: arp
             redirect a > b to probe: tcp 80
             accept a > b copy probe: tcp 25
             drop a > b: from 02:00:00:00:00:01 ping
             drop a > b: to 02:00:00:00:00:01 ping
             accept a > b: ping 1000 bytes",
        )
        .unwrap_or_else(|wrong| panic!("{wrong}"));
        let outcomes = cases.run(&RuleSet::of(&script()));
        assert_eq!(outcomes.len(), 1 + 6 + 2 + 1 + 3 + 12 + 5);
        for (case, outcome) in cases.cases.iter().zip(&outcomes) {
            assert!(outcome.right, "line {}: {} {:?}", case.line, case.words, outcome);
        }
        let by = |at: usize| outcomes[at].passage.decisive().map(|(verdict, at_receiver)| (verdict.by, at_receiver));
        let (granted, at_receiver) = by(11).expect("judged");
        assert_eq!((granted.capability, granted.rule, at_receiver), (Some(7), Some(2), true));
        let (dropped, at_receiver) = by(10).expect("judged");
        assert_eq!((dropped.capability, dropped.rule, at_receiver), (None, None, false));
        assert_eq!(outcomes[27].passage.barrier, Some(trial::Barrier::SenderIsNoBridge));
    }

    #[test]
    fn what_does_not_hold_is_wrong() {
        let members = "member a department=finance\nmember b department=finance\nmember probe 1122334455\n";
        for (case, fate) in [
            ("drop a > b: ping", Fate::Accepted),
            ("accept a > b: tcp 22", Fate::Dropped),
            ("accept a > b: tcp 80", Fate::Redirected(Address::new(0x11_2233_4455))),
            ("redirect a > b to a: tcp 80", Fate::Redirected(Address::new(0x11_2233_4455))),
            ("accept a > b copy a: tcp 25", Fate::Accepted),
            ("maybe a > b: ping", Fate::Accepted),
        ] {
            let cases = read(&format!("{members}{case}")).unwrap_or_else(|wrong| panic!("{wrong}"));
            let outcome = &cases.run(&RuleSet::of(&script()))[0];
            assert_eq!((outcome.right, outcome.fate), (false, fate), "{case}");
        }
    }

    #[test]
    fn a_mistake_is_shown_in_its_line() {
        for (line, column, problem) in [
            ("acept a > b: ping", 1, "expected member, network, accept, drop"),
            ("accept a > b", 13, "expected ':' and a frame"),
            ("accept x > b: ping", 8, "expected a member, or any, found \"x\""),
            ("accept a b: ping", 10, "expected '>' or '<>'"),
            ("accept a >", 11, "expected ':'"),
            ("accept a > : ping", 11, "expected a member, or any"),
            ("accept a > b: pong", 15, "expected a kind of frame"),
            ("accept a > b: tcp 22 sin", 22, "expected flags"),
            ("accept a > b to b: ping", 14, "expected ':', or 'copy'"),
            ("redirect a > b: ping", 15, "expected 'to' and the member"),
            ("accept a > b copy x: ping", 19, "expected a member"),
            ("member a", 8, "expected another name"),
            ("member any", 8, "expected a name of letters"),
            ("member", 7, "expected a name"),
            ("member d departmnt=1", 10, "expected a tag: department, or its number"),
            ("member d department=lab", 10, "expected a value of department: finance, sales, or a number"),
            ("member d capability root", 21, "expected a capability: admin, or its number"),
            ("member d 10.0.0", 10, "expected an IP address"),
            ("member d 1000000001", 8, "expected another node"),
            ("network 1", 9, "expected the ID of a network"),
        ] {
            let text = format!("member a\nmember b\n{line}");
            let wrong = read(&text).expect_err(line);
            assert!(wrong.line == 3 && wrong.column == column && wrong.problem.starts_with(problem), "{line}: {wrong}");
        }
        let wrong = read("member a\naccept a > x: ping").expect_err("no such member");
        assert_eq!(
            wrong.to_string(),
            "line 2, column 12: expected a member, or any, found \"x\"\n    accept a > x: ping\n               ^"
        );
    }
}
