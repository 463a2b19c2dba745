//! The command tree against the registry, and its look as a file that a review sees.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use std::collections::BTreeSet;

use clap::{Args, Command};
use makegood::cli::globals::Globals;
use makegood::cli::names::{ALSO, GROUPS, RENAMED};
use makegood::cli::tree::{Does, Leaf, command, leaves};

/// The command at the end of a path.
fn at<'a>(root: &'a Command, leaf: &Leaf) -> &'a Command {
    leaf.path.iter().fold(root, |command, word| {
        command.find_subcommand(word).unwrap_or_else(|| panic!("no command {}", leaf.words()))
    })
}

#[test]
fn every_operation_view_and_task_of_the_registry_is_a_command() {
    let operations: Vec<_> = shop::OPERATIONS.iter().map(|operation| operation.name).collect();
    let views: Vec<_> = shop::VIEWS.iter().map(|view| view.name).collect();
    let also: Vec<String> = ALSO.iter().map(|(_, path)| path.join(" ")).collect();
    let regular: Vec<Leaf> = leaves().into_iter().filter(|leaf| !also.contains(&leaf.words())).collect();
    let tasks: Vec<_> = shop::TASKS.iter().map(|task| task.name).collect();
    for name in operations.iter().chain(&views).chain(&tasks) {
        let found: Vec<_> = regular.iter().filter(|leaf| name_of(leaf) == Some(*name)).collect();
        assert_eq!(found.len(), 1, "{name}");
        let renamed = RENAMED.iter().find(|(known, _)| known == name).map(|(_, path)| path.join("."));
        assert_eq!(found[0].path.join("."), renamed.unwrap_or_else(|| (*name).to_owned()));
    }
    let known = |name: &str| [&operations, &views, &tasks].iter().any(|all| all.contains(&name));
    assert!(RENAMED.iter().chain(ALSO).all(|(name, _)| known(name)), "an alias of something that is gone");
}

fn name_of(leaf: &Leaf) -> Option<&'static str> {
    match leaf.does {
        Does::Operation(operation) => Some(operation.name),
        Does::View(view) => Some(view.name),
        Does::Task(task) => Some(task.name),
        Does::Own(_) => None,
    }
}

#[test]
fn no_two_commands_have_one_path_and_none_stands_in_the_way_of_another() {
    let mut seen: Vec<Vec<&str>> = Vec::new();
    for leaf in leaves() {
        let clash = seen.iter().find(|other| other.starts_with(&leaf.path) || leaf.path.starts_with(other));
        assert_eq!(clash, None, "{}", leaf.words());
        seen.push(leaf.path);
    }
}

#[test]
fn the_first_words_are_those_that_the_help_lists() {
    let listed: BTreeSet<&str> = GROUPS.iter().map(|group| group.name).collect();
    assert_eq!(listed.len(), GROUPS.len(), "a word is listed twice");
    let given: BTreeSet<&str> = leaves().iter().map(|leaf| leaf.path[0]).collect();
    assert_eq!(given, listed);
}

#[test]
fn every_command_and_every_argument_says_what_it_is_for() {
    let root = command();
    for leaf in leaves() {
        let found = at(&root, &leaf);
        assert!(!about(found).is_empty(), "{} says nothing about itself", leaf.words());
        for argument in found.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty(), "{} {} has no help", leaf.words(), argument.get_id());
        }
    }
    every_branch_says_what_it_is_for(&root);
}

fn every_branch_says_what_it_is_for(command: &Command) {
    assert!(!about(command).is_empty(), "{} says nothing about itself", command.get_name());
    command.get_subcommands().for_each(every_branch_says_what_it_is_for);
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn a_task_that_may_change_something_says_who_may_and_what_is_kept() {
    let root = command();
    let tasks = leaves().into_iter().filter_map(|leaf| match leaf.does {
        Does::Task(task) => task.effect.changing().map(|changing| (leaf, *changing)),
        _ => None,
    });
    for (leaf, changing) in tasks {
        let said = at(&root, &leaf).get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(said.contains(changing.audit) && said.contains(changing.role.as_str()), "{}", leaf.words());
    }
}

#[test]
fn no_argument_hides_a_flag_that_every_command_takes() {
    let globals = Globals::augment_args(Command::new("x"));
    let words = |command: &Command| -> BTreeSet<String> {
        let arguments = command.get_arguments();
        arguments
            .flat_map(|a| [Some(a.get_id().to_string()), a.get_long().map(str::to_owned)])
            .flatten()
            .collect()
    };
    let (root, taken) = (command(), words(&globals));
    for leaf in leaves() {
        let own = words(at(&root, &leaf));
        assert_eq!(own.intersection(&taken).collect::<Vec<_>>(), Vec::<&String>::new(), "{}", leaf.words());
    }
    command().debug_assert();
}

#[test]
fn the_tree_is_as_it_was_reviewed() {
    let mut text = command().term_width(110).render_help().to_string();
    let mut root = command();
    root.build();
    let mut lines: Vec<String> = leaves().iter().map(|leaf| line(at(&root, leaf), leaf)).collect();
    lines.sort();
    text.push_str(&format!("\n---\n{}", lines.concat()));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/commands.txt");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(text, expected, "the command line changed; if that is meant, run this test with ACCEPT=1");
}

/// One command with its own arguments.
fn line(command: &Command, leaf: &Leaf) -> String {
    let own =
        command.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
    let (positional, flags): (Vec<_>, Vec<_>) = own.partition(|argument| argument.is_positional());
    let given: String = positional.iter().chain(&flags).map(|argument| format!(" {argument}")).collect();
    format!("{}{given}\n    {}\n", leaf.words(), about(command))
}
