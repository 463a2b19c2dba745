//! The command tree. What the registry holds becomes commands by itself; what is no operation, view or task is listed here.

use clap::{ArgMatches, Args, Command};
use ops::{Changing, OperationDef, Risk, TaskDef, ViewDef};
use shop::Shop;
use shop::office::doctor::DOCTOR;

use super::globals::Globals;
use super::names::{ALSO, GROUPS, INNER, RENAMED};
use super::own::{OWN, Own, doctor};

/// What stands at the end of a path of words.
#[derive(Clone, Copy)]
pub enum Does {
    /// Changes something, by the runner.
    Operation(&'static OperationDef),
    /// Asks something.
    View(&'static ViewDef),
    /// Talks to the world, and may take long.
    Task(&'static TaskDef<Shop>),
    /// What the command line does by itself.
    Own(Own),
}

/// One command: its words, and what it does.
#[derive(Clone)]
pub struct Leaf {
    /// Like `orders`, `review`, `clear`.
    pub path: Vec<&'static str>,
    /// What it does.
    pub does: Does,
}

impl Leaf {
    /// Its words as typed.
    pub fn words(&self) -> String {
        self.path.join(" ")
    }

    /// The name in the registry; none for what the command line does by itself.
    pub fn name(&self) -> Option<&'static str> {
        match self.does {
            Does::Operation(definition) => Some(definition.name),
            Does::View(definition) => Some(definition.name),
            Does::Task(definition) => Some(definition.name),
            Does::Own(_) => None,
        }
    }

    fn command(&self) -> Command {
        let name = self.path.last().copied().unwrap_or_default();
        let empty = Command::new(name);
        match self.does {
            Does::Operation(definition) => {
                (definition.arguments)(empty).about(definition.about()).after_help(footnote(definition))
            }
            Does::View(definition) => (definition.arguments)(empty).about(definition.about()),
            Does::Task(definition) => {
                let command = (definition.arguments)(empty).about(definition.about());
                if definition.name == DOCTOR {
                    return doctor::arguments(command);
                }
                match definition.effect.changing() {
                    Some(changing) => command.after_help(footnote_of_task(definition, changing)),
                    None => command,
                }
            }
            Does::Own(own) => own.arguments(empty),
        }
    }
}

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe => "It is safe to repeat at any time",
        Risk::Changes => "It changes what a buyer has or gets",
        Risk::Final => "It cannot be taken back",
    }
}

fn footnote_of_task(definition: &TaskDef<Shop>, changing: &Changing) -> String {
    let when = if definition.effect.may_look() { "Where it changes something, it" } else { "It" };
    format!(
        "{}. {when} needs a reason and the role {}, and is kept in the audit log as {}.",
        risk(changing.risk),
        changing.role.as_str(),
        changing.audit
    )
}

fn footnote(definition: &OperationDef) -> String {
    let risk = risk(definition.risk);
    format!(
        "Shows what would change, asks, applies and verifies. {risk}; it needs the role {} and is kept in the audit \
         log as {}.",
        definition.role.as_str(),
        definition.audit
    )
}

/// Every command there is.
pub fn leaves() -> Vec<Leaf> {
    let operations = shop::OPERATIONS.iter().map(|op| (op.name, Does::Operation(op)));
    let views = shop::VIEWS.iter().map(|view| (view.name, Does::View(view)));
    let tasks = shop::TASKS.iter().map(|task| (task.name, Does::Task(task)));
    let generated: Vec<_> = operations.chain(views).chain(tasks).collect();
    let also = ALSO.iter().filter_map(|(name, path)| {
        let (_, does) = generated.iter().find(|(known, _)| known == name)?;
        Some(Leaf { path: path.to_vec(), does: *does })
    });
    let own = OWN.iter().map(|own| Leaf { path: own.path().to_vec(), does: Does::Own(*own) });
    let regular = generated.iter().map(|(name, does)| Leaf { path: path(name), does: *does });
    regular.chain(also).chain(own).collect()
}

fn path(name: &'static str) -> Vec<&'static str> {
    let renamed = RENAMED.iter().find(|(known, _)| *known == name);
    renamed.map_or_else(|| name.split('.').collect(), |(_, path)| path.to_vec())
}

/// The whole command line.
pub fn command() -> Command {
    let leaves = leaves();
    let about = "Everything after the payment: from what Stripe says to what was bought, exactly once.";
    let root = Command::new("makegood")
        .bin_name("makegood")
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage("makegood <COMMAND> [FLAGS]")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .max_term_width(110)
        .help_template("{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}{all-args}{after-help}")
        .before_help(contents())
        .after_help("A first purchase in a browser, with nothing to set up: makegood dev");
    let mut root = Globals::augment_args(root).about(about);
    for group in GROUPS {
        let below: Vec<&Leaf> = leaves.iter().filter(|leaf| leaf.path[0] == group.name).collect();
        // The root's own list, by headings, stands in its help instead of clap's.
        let command = branch(group.name, 1, &below);
        let command = if command.has_subcommands() { command.about(group.about) } else { command };
        root = root.subcommand(command.hide(true));
    }
    root
}

/// The same for shells and manuals, which shall know everything: what is hidden there is hidden for short help only.
pub fn unhidden() -> Command {
    fn shown(command: Command) -> Command {
        command.hide(false).mut_args(|argument| argument.hide_short_help(false)).mut_subcommands(shown)
    }
    shown(command())
}

/// The commands whose paths begin alike, from word `depth` on.
fn branch(name: &'static str, depth: usize, leaves: &[&Leaf]) -> Command {
    if let [leaf] = leaves
        && leaf.path.len() == depth
    {
        return leaf.command();
    }
    let path = leaves.first().map(|leaf| &leaf.path[..depth]);
    let inner = INNER.iter().find(|(words, _)| path.is_some_and(|path| path == *words));
    let mut command = Command::new(name)
        .about(inner.map_or("", |(_, about)| about))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true);
    let mut words: Vec<&'static str> = leaves.iter().map(|leaf| leaf.path[depth]).collect();
    words.sort_unstable();
    words.dedup();
    for word in words {
        let below: Vec<&Leaf> = leaves.iter().copied().filter(|leaf| leaf.path[depth] == word).collect();
        command = command.subcommand(branch(word, depth + 1, &below));
    }
    command
}

/// The top of the tree under its headings.
fn contents() -> String {
    let widest = GROUPS.iter().map(|group| group.name.len()).max().unwrap_or_default();
    let (mut text, mut heading) = (String::new(), "");
    for group in GROUPS {
        if group.heading != heading {
            heading = group.heading;
            text.push_str(&format!("{}{heading}:\n", if text.is_empty() { "" } else { "\n" }));
        }
        text.push_str(&format!("  {:widest$}  {}\n", group.name, group.about));
    }
    text
}

/// Which command was given, and what was given to it.
pub fn chosen(matches: &ArgMatches) -> Option<(Leaf, &ArgMatches)> {
    let (mut words, mut at) = (Vec::new(), matches);
    while let Some((word, below)) = at.subcommand() {
        words.push(word);
        at = below;
        // What a command of its own has below it is its own business.
        if let Some(leaf) = leaves().into_iter().find(|leaf| leaf.path == words) {
            return Some((leaf, at));
        }
    }
    None
}
