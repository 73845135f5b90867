//! What a C header declares, in a form in which our headers and what cbindgen makes of the Rust side can be compared.
//!
//! Reads the C of those two sources, not all of C. Tags and typedefs are one name space, `volatile` and the names of
//! parameters are dropped, array lengths are numbers, an enumeration is `unsigned int`, and a nested structure, union
//! or enumeration is called after its parent and field (`Parent_field`).

use std::collections::{BTreeMap, BTreeSet};

use crate::compiler;

/// The declarations of a header by name. Types are normalised C.
#[derive(Default, Debug)]
pub(crate) struct Declarations {
    /// Structures and unions.
    pub(crate) records: BTreeMap<String, Record>,
    /// Typedefs of plain types, and enumerations.
    pub(crate) aliases: BTreeMap<String, String>,
    /// Typedefs of pointers to functions, as `result (parameters)`.
    pub(crate) callbacks: BTreeMap<String, String>,
    /// Functions, as `result (parameters)`.
    pub(crate) functions: BTreeMap<String, String>,
    /// Enumerators, and macros that are a number.
    pub(crate) numbers: BTreeMap<String, i128>,
    /// Names of macros that are a string.
    pub(crate) strings: BTreeSet<String>,
    /// Names made up for nested structures, unions and enumerations.
    pub(crate) nested: BTreeSet<String>,
}

/// A structure or union.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// `struct` or `union`.
    pub(crate) keyword: String,
    /// Its fields in order.
    pub(crate) fields: Vec<Field>,
}

/// A field of a [`Record`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Normalised type with array lengths.
    pub(crate) kind: String,
    /// Name.
    pub(crate) name: String,
}

/// Declarations of one of our headers; `path` is what one includes.
pub(crate) fn of_header(path: &str) -> Declarations {
    let text = std::fs::read_to_string(compiler::crate_root().join("include").join(path)).expect("the header is there");
    of_text(&text)
}

/// Declarations of a C text. Panics, with the tokens, where it is not understood.
pub(crate) fn of_text(text: &str) -> Declarations {
    let mut declarations = Declarations::default();
    let code = declarations.take_macros(&without_comments(text));
    let mut parser = Parser { tokens: tokens(&code), at: 0, declarations };
    while parser.at < parser.tokens.len() {
        parser.declaration();
    }
    parser.declarations
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        code.push(' ');
        rest = comment.split_once("*/").expect("a comment ends").1;
    }
    code.push_str(rest);
    code
}

/// Identifiers, numbers, and single characters of punctuation.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in code.chars() {
        let word = c.is_ascii_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if word && in_word => last.push(c),
            _ if c.is_whitespace() => {}
            _ => tokens.push(c.to_string()),
        }
        in_word = word;
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

impl Declarations {
    /// Takes the macros and drops other directives and what only C++ sees; returns the rest.
    fn take_macros(&mut self, text: &str) -> String {
        let mut code = String::new();
        let mut cpp_only = false;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["#ifdef", "__cplusplus"] => cpp_only = true,
                ["#endif", ..] => cpp_only = false,
                ["#define", name, value @ ..] if !name.contains('(') => self.take_macro(name, &value.join(" ")),
                [first, ..] if first.starts_with('#') => {}
                _ if cpp_only => {}
                _ => {
                    code.push_str(line);
                    code.push('\n');
                }
            }
        }
        code
    }

    fn take_macro(&mut self, name: &str, value: &str) {
        if value.starts_with('"') {
            self.strings.insert(name.to_owned());
        } else if let Some(number) = self.evaluate(&tokens(value)) {
            self.numbers.insert(name.to_owned(), number);
        }
    }

    /// A sum of numbers and names of numbers; `None` for anything else.
    fn evaluate(&self, tokens: &[String]) -> Option<i128> {
        let mut sum = None;
        let mut sign = 1;
        for token in tokens {
            match token.as_str() {
                "(" | ")" | "+" => {}
                "-" => sign = -1,
                word => {
                    let value = self.numbers.get(word).copied().or_else(|| literal(word))?;
                    sum = Some(sum.unwrap_or(0) + sign * value);
                    sign = 1;
                }
            }
        }
        sum
    }
}

fn literal(word: &str) -> Option<i128> {
    let digits = word.trim_end_matches(['u', 'U', 'l', 'L']);
    match digits.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
    declarations: Declarations,
}

impl Parser {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.tokens.get(self.at).cloned().expect("the text does not end inside a declaration");
        self.at += 1;
        token
    }

    fn expect(&mut self, token: &str) {
        let from = self.at;
        let found = self.next();
        assert_eq!(found, token, "before: {:?}", &self.tokens[from.saturating_sub(12)..from]);
    }

    /// Tokens up to the next `;`, which is dropped.
    fn statement(&mut self) -> Vec<String> {
        let from = self.at;
        while self.next() != ";" {}
        self.tokens[from..self.at - 1].to_vec()
    }

    /// `Some(tag)` (which may be empty) if a structure, union or enumeration with a body follows.
    fn tag_with_body(&self) -> Option<String> {
        if !matches!(self.peek(0), "struct" | "union" | "enum") {
            return None;
        }
        match (self.peek(1), self.peek(2)) {
            ("{", _) => Some(String::new()),
            (tag, "{") => Some(tag.to_owned()),
            _ => None,
        }
    }

    fn declaration(&mut self) {
        let is_typedef = self.peek(0) == "typedef";
        if is_typedef {
            self.next();
        }
        if let Some(tag) = self.tag_with_body() {
            let name = if tag.is_empty() { self.name_after_body() } else { tag };
            self.body(&name);
            if is_typedef {
                self.expect(&name);
            }
            self.expect(";");
            return;
        }
        let statement = self.statement();
        match (is_typedef, statement.iter().position(|t| t == "(")) {
            (false, Some(open)) => {
                let signature = signature(&statement[..open - 1], &statement[open..]);
                self.declarations.functions.insert(statement[open - 1].clone(), signature);
            }
            (true, Some(open)) => {
                // result ( * name ) ( parameters )
                let signature = signature(&statement[..open], &statement[open + 4..]);
                self.declarations.callbacks.insert(statement[open + 2].clone(), signature);
            }
            (true, None) => {
                let (name, kind) = statement.split_last().expect("a typedef has a name");
                self.declarations.aliases.insert(name.clone(), normal(kind));
            }
            (false, None) => panic!("not understood: {statement:?}"),
        }
    }

    /// The name that follows the body that is about to come.
    fn name_after_body(&self) -> String {
        let mut depth = 0;
        for (i, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.as_str() {
                "{" => depth += 1,
                "}" if depth == 1 => return self.tokens[i + 1].clone(),
                "}" => depth -= 1,
                _ => {}
            }
        }
        panic!("a body ends")
    }

    /// A structure, union or enumeration from its keyword to its `}`.
    fn body(&mut self, name: &str) {
        let keyword = self.next();
        if self.peek(0) != "{" {
            self.next();
        }
        self.expect("{");
        if keyword == "enum" {
            self.declarations.aliases.insert(name.to_owned(), "unsigned int".to_owned());
            return self.enumerators();
        }
        let mut fields = Vec::new();
        while self.peek(0) != "}" {
            fields.push(self.field(name));
        }
        self.expect("}");
        self.declarations.records.insert(name.to_owned(), Record { keyword, fields });
    }

    fn enumerators(&mut self) {
        while self.peek(0) != "}" {
            let name = self.next();
            self.expect("=");
            let from = self.at;
            while !matches!(self.peek(0), "," | "}") {
                self.next();
            }
            let value = self.declarations.evaluate(&self.tokens[from..self.at]);
            self.declarations.numbers.insert(name, value.expect("an enumerator is a number"));
            if self.peek(0) == "," {
                self.next();
            }
        }
        self.expect("}");
    }

    fn field(&mut self, parent: &str) -> Field {
        let nested = self.tag_with_body().map(|_| format!("{parent}_{}", self.name_after_body()));
        if let Some(nested) = &nested {
            self.body(nested);
            self.declarations.nested.insert(nested.clone());
        }
        let statement = self.statement();
        let declarator_end = statement.iter().position(|t| t == "[").unwrap_or(statement.len());
        let (name, kind) = statement[..declarator_end].split_last().expect("a field has a name");
        let mut kind = nested.unwrap_or_else(|| normal(kind));
        for dimension in statement[declarator_end..].split(|t| t == "]").filter(|d| !d.is_empty()) {
            let length = self.declarations.evaluate(&dimension[1..]);
            kind += &format!("[{}]", length.expect("an array length is a number"));
        }
        Field { kind, name: name.clone() }
    }
}

/// A type with tags and typedefs alike.
fn normal(kind: &[String]) -> String {
    let words = kind.iter().map(String::as_str).filter(|t| !matches!(*t, "struct" | "union" | "enum" | "volatile"));
    let words = words.map(|t| if t == "ZT_SOCKADDR_STORAGE" { "sockaddr_storage" } else { t });
    words.collect::<Vec<_>>().join(" ")
}

/// Result and parameters of a function; `parameters` with their brackets.
fn signature(result: &[String], parameters: &[String]) -> String {
    let inside = &parameters[1..parameters.len() - 1];
    let kinds: Vec<String> = inside.split(|t| t == ",").map(parameter).collect();
    format!("{} ({})", normal(result), kinds.join(", "))
}

/// Type of a parameter: its name goes, and an array becomes a pointer.
fn parameter(tokens: &[String]) -> String {
    let end = tokens.iter().position(|t| t == "[").unwrap_or(tokens.len());
    let is_array = end < tokens.len();
    let is_type =
        |t: &&String| is_name(t) && !matches!(t.as_str(), "const" | "struct" | "enum" | "volatile" | "unsigned");
    let named = tokens[..end].iter().filter(is_type).count() >= 2 && is_name(&tokens[end - 1]);
    let mut kind = normal(&tokens[..if named { end - 1 } else { end }]);
    if is_array {
        kind += " *";
    }
    kind
}
