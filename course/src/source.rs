//! What is quoted from the programs: found by its marker, so that it can't go stale.

use similar::TextDiff;

use crate::steps::Step;

/// What stands behind a marker comment, `Trap:` or `Mend:`, and the code below it, without indentation.
pub fn marked(step: &Step, marker: &str) -> Option<String> {
    let lines: Vec<&str> = step.source.lines().collect();
    let begins = |line: &str| line.trim_start().starts_with(&format!("// {marker}: "));
    let first = lines.iter().position(|line| begins(line))?;
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    let code = first + lines[first..].iter().position(|line| !is_comment(line))?;
    let last = code + statement(&lines[code..]);
    let other = |line: &&&str| !is_comment(line) || begins(line) || !line.contains(": ");
    let quoted: Vec<&str> = lines[first..=last].iter().filter(other).copied().collect();
    let indentation = |line: &&str| line.len() - line.trim_start().len();
    let least = quoted.iter().map(indentation).min()?;
    Some(quoted.iter().map(|line| &line[least..]).collect::<Vec<_>>().join("\n"))
}

/// The index of the last line of the statement that these lines begin with; of a long block only the first.
fn statement(lines: &[&str]) -> usize {
    const LONG: usize = 6;
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let ends = |line: &str| line.ends_with(['{', ';', ',', '}']) || line.contains("; //");
    let outside =
        |at: usize| lines.get(at).is_none_or(|it| indentation(it) < indentation(lines[0]));
    let first = (0..lines.len()).position(|at| ends(lines[at]) || outside(at + 1)).unwrap_or(0);
    if !lines[first].ends_with('{') {
        return first;
    }
    let closing = |line: &&str| indentation(line) <= indentation(lines[0]);
    let block = lines[first + 1..].iter().position(closing).map_or(LONG, |it| it + 1);
    if block < LONG { first + block } else { first }
}

/// How the source of one step differs from that of the one before, as `diff -u` shows it.
pub fn difference(before: &Step, after: &Step) -> String {
    let diff = TextDiff::from_lines(before.source, after.source);
    diff.unified_diff().context_radius(2).to_string().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use crate::steps::STEPS;

    #[test]
    fn no_program_is_longer_than_a_hundred_and_fifty_lines() {
        for step in STEPS {
            assert!(step.source.lines().count() <= 150, "{}", step.file);
        }
    }

    #[test]
    fn each_trap_is_marked_where_it_is_and_mended_in_the_next_step() {
        for (i, step) in STEPS.iter().enumerate() {
            assert_eq!(step.number, i + 1);
            assert!(
                step.source.starts_with(&format!("//! Step {}: ", step.number)),
                "{}",
                step.file
            );
            assert_eq!(super::marked(step, "Trap").is_some(), step.trap.is_some(), "{}", step.file);
            let mends = i > 0 && STEPS[i - 1].trap.is_some();
            assert_eq!(super::marked(step, "Mend").is_some(), mends, "{}", step.file);
            assert!(step.source.matches("// Trap: ").count() <= 1);
            assert!(step.source.matches("// Mend: ").count() <= 1);
        }
    }
}
