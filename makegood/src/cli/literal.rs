//! Commands that older runbooks print, word for word. They lead to the regular command; `artisan` in front is allowed,
//! so that `ln -s makegood artisan` serves old scripts.

use super::failure::Failure;

/// A command as an older runbook prints it, and the regular one.
const LITERALS: &[(&str, &[&str])] = &[
    ("videocourses:stripe-reprocess", &["events", "replay"]),
    ("videocourses:entitlement-grant", &["entitlements", "grant"]),
    ("videocourses:entitlement-revoke", &["entitlements", "revoke"]),
    ("InventoryService:confirm", &["reservations", "confirm"]),
    ("CleanupFailedPaymentsFunction", &["orders", "cleanup-failed"]),
];

/// Whose `confirm('…')` it was.
const SERVICE: &str = "InventoryService";

/// Known names that this version has no command for, and why.
const NOT_YET: &[(&str, &str)] =
    &[("invoices:retry-stuck", "this version issues no invoices, so none can be stuck")];

/// The command line with an old command replaced by the regular one.
///
/// # Errors
/// When the command is known and this version does not have it.
pub fn translate(arguments: Vec<String>) -> Result<Vec<String>, Failure> {
    let mut words = arguments.into_iter();
    let program = words.next().unwrap_or_default();
    let mut words: Vec<String> = words.collect();
    if words.first().is_some_and(|word| word == "artisan") {
        words.remove(0);
    }
    // Only before the first `--`: what stands behind it is a value, whatever it looks like.
    let end = |words: &[String]| words.iter().position(|word| word == "--").unwrap_or(words.len());
    let called_on =
        words[..end(&words)].windows(2).position(|pair| pair[0] == SERVICE && called(&pair[1]).is_some());
    if let Some(at) = called_on {
        words.remove(at);
    }
    let end = end(&words);
    let found = (0..end).find_map(|at| Some((at, replacement(&words[at])?)));
    if let Some((at, replacement)) = found {
        words.splice(at..=at, replacement?);
    }
    Ok(std::iter::once(program).chain(words).collect())
}

fn replacement(word: &str) -> Option<Result<Vec<String>, Failure>> {
    if let Some((name, why)) = NOT_YET.iter().find(|(name, _)| *name == word) {
        return Some(Err(Failure::usage(format!("{name}: {why}"))));
    }
    if let Some((_, command)) = LITERALS.iter().find(|(name, _)| *name == word) {
        return Some(Ok(command.iter().map(|word| (*word).to_owned()).collect()));
    }
    let id = called(word)?;
    Some(Ok(["reservations", "confirm", id].map(str::to_owned).to_vec()))
}

/// The reservation in `confirm('…')`, with or without `InventoryService` in front.
fn called(word: &str) -> Option<&str> {
    let call = word.strip_prefix(SERVICE).map_or(word, |rest| rest.trim_start_matches(['.', ':', '-', '>']));
    let inside = call.strip_prefix("confirm(")?.trim_end_matches(';').strip_suffix(')')?;
    let quoted = |quote: char| inside.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('\'').or_else(|| quoted('"')).or(Some(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> String {
        translate(line.split(' ').map(str::to_owned).collect()).unwrap().join(" ")
    }

    #[test]
    fn a_known_command_that_is_not_here_yet_says_so() {
        let error = translate(vec!["makegood".into(), "invoices:retry-stuck".into()]).unwrap_err();
        assert!(error.detail.contains("invoices:retry-stuck"), "{error:?}");
        assert_eq!(error.exit, super::super::exit::Exit::Usage);
    }

    #[test]
    fn every_old_command_leads_to_one_that_is_there() {
        let leaves = super::super::tree::leaves();
        for (old, path) in LITERALS {
            assert!(
                leaves.iter().any(|leaf| leaf.path == *path),
                "{old} leads to {path:?}, which is not there"
            );
        }
    }

    #[test]
    fn what_stands_behind_two_dashes_is_left_alone() {
        let line = "makegood events show -- videocourses:stripe-reprocess";
        assert_eq!(translated(line), line);
    }

    #[test]
    fn old_commands_lead_to_the_regular_ones() {
        for (old, new) in [
            ("makegood videocourses:stripe-reprocess evt_1", "makegood events replay evt_1"),
            (
                "makegood --yes videocourses:entitlement-grant u c o",
                "makegood --yes entitlements grant u c o",
            ),
            ("artisan videocourses:entitlement-revoke u c", "artisan entitlements revoke u c"),
            ("makegood artisan videocourses:stripe-reprocess evt_1", "makegood events replay evt_1"),
            ("makegood confirm('r-1')", "makegood reservations confirm r-1"),
            ("makegood InventoryService confirm('r-1')", "makegood reservations confirm r-1"),
            ("makegood InventoryService.confirm(\"r-1\") --yes", "makegood reservations confirm r-1 --yes"),
            ("makegood InventoryService:confirm r-1", "makegood reservations confirm r-1"),
            (
                "makegood CleanupFailedPaymentsFunction --reason x",
                "makegood orders cleanup-failed --reason x",
            ),
            ("makegood orders list", "makegood orders list"),
        ] {
            assert_eq!(translated(old), new);
        }
    }
}
