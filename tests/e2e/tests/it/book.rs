//! Every command of the book and of README.md, run as it stands there.

#![expect(clippy::print_stdout, reason = "what was run, and what was not, is the record of the test")]

use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use zt_test_e2e::book::{Answer, Block, End, Machines, Page, What};

/// Pages that run at a time.
const AT_A_TIME: usize = 6;

/// Runs the blocks of a page in order; how many commands that were. `None` where there are no namespaces.
fn run(page: &Page) -> Result<Option<usize>> {
    let name = page.name.replace(['/', '.'], "-");
    let Some(mut machines) = Machines::new(&format!("book-{name}"))? else { return Ok(None) };
    let mut files = Vec::new();
    let mut ran = 0;
    for Block { line, what } in &page.blocks {
        let place = || format!("{}:{line}", page.name);
        match what {
            What::File(name, text) => files.push((name, text)),
            What::Run { machine, end, commands } => {
                let folder = page.folder();
                machines.machine(machine).with_context(place)?;
                for (name, text) in files.drain(..) {
                    let text = machines.here(text)?;
                    machines.machine(machine)?.write(name, &text).with_context(place)?;
                }
                machines.machine(machine)?.take(&folder).with_context(place)?;
                for (number, command) in commands.iter().enumerate() {
                    ran += 1;
                    let command = &machines.here(command).with_context(place)?;
                    let machine = machines.machine(machine)?;
                    let wanted = match end {
                        End::Stays => {
                            machine.begin(command).and_then(|()| machine.end()).with_context(place)?;
                            continue;
                        }
                        End::GoesOn => {
                            machine.begin(command).with_context(place)?;
                            continue;
                        }
                        End::Exit(status) if number + 1 == commands.len() => *status,
                        End::Exit(_) => 0,
                    };
                    let Answer { exit, output } = machine.run(command).with_context(place)?;
                    let said = output.join("\n");
                    ensure!(exit == wanted, "{}: `{command}` ended with {exit}, not {wanted}:\n{said}", place());
                }
            }
            What::NotRun(_) | What::Walk | What::Unsaid => {}
        }
    }
    Ok(Some(ran))
}

#[test]
fn every_command_of_the_book_says_where_it_runs() {
    let pages = Page::all().expect("the pages");
    let mut unsaid = Vec::new();
    for page in &pages {
        for Block { line, what } in &page.blocks {
            match what {
                What::NotRun(reason) => println!("{}:{line} is not run: {reason}", page.name),
                What::Unsaid => unsaid.push(format!("{}:{line}", page.name)),
                What::Run { .. } | What::File(..) | What::Walk => {}
            }
        }
    }
    assert!(unsaid.is_empty(), "no comment before the block says where it runs, or why not: {unsaid:?}");
}

#[test]
fn every_command_of_the_book_works_as_it_is_typed() {
    let pages: Vec<Page> = Page::all().expect("the pages").into_iter().filter(Page::runs).collect();
    let only = std::env::var("ZT_TEST_PAGE").ok();
    let wanted = |page: &&Page| only.as_ref().is_none_or(|only| page.name.contains(only));
    let queue = Mutex::new(pages.iter().filter(wanted));
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(page) = queue.lock().expect("no panic holds it").next() else { return };
                    let begin = Instant::now();
                    match run(page) {
                        Ok(None) => return,
                        Ok(Some(ran)) => {
                            println!("{}: {ran} commands, {:.1} s", page.name, begin.elapsed().as_secs_f64())
                        }
                        Err(fault) => faults.lock().expect("no panic holds it").push(format!("{fault:#}")),
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic holds it");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
