//! Each step fails in the way that its chapter says, and the next one doesn't: with the clients of `course run`.

use std::fs;

use course::book::{pages, transcript};
use course::scenes::{Verdict, play};
use course::source::marked;
use course::stage::Stage;
use course::steps::{STEPS, Step};

/// The step fails, the next one holds, and the chapter shows what its clients saw.
#[track_caller]
fn trap(number: usize) {
    let step = Step::numbered(number).unwrap();
    let next = Step::numbered(number + 1).unwrap();
    let trap = step.trap.as_ref().unwrap();
    let mut stage = Stage::dark();
    assert_eq!(play(step, step, Verdict::Fails, &mut stage).unwrap(), Verdict::Fails);
    assert_eq!(play(step, next, Verdict::Holds, &mut stage).unwrap(), Verdict::Holds);

    let page = pages().unwrap().into_iter().find(|it| it.ends_with(format!("{}.md", step.file)));
    let text = fs::read_to_string(page.expect("a chapter for each step")).unwrap();
    let shown = transcript(&text, step).expect("a chapter shows its run");
    let numberless = without_numbers(&shown);
    for left in stage.left {
        assert!(left.chars().count() <= 44, "{left:?} has no room on the left side");
        assert!(numberless.contains(&without_numbers(&left)), "the chapter doesn't show: {left}");
    }
    for words in [trap.fails, trap.holds] {
        assert!(shown.contains(words), "the chapter doesn't show: {words}");
    }
    for code in [marked(step, "Trap"), marked(next, "Mend")] {
        for line in code.unwrap().lines() {
            assert!(shown.contains(line), "the chapter doesn't show: {line}");
        }
    }
}

/// How many bytes the kernel takes is the machine's affair.
fn without_numbers(text: &str) -> String {
    let text = text.replace(|it: char| it.is_ascii_digit() || it == ',', "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

macro_rules! traps {
    ($($name:ident = $number:literal),+ $(,)?) => {
        $(#[test]
        fn $name() {
            trap($number);
        })+

        #[test]
        fn no_trap_is_left_out() {
            let all = STEPS.iter().filter(|step| step.trap.is_some()).map(|step| step.number);
            assert_eq!(all.collect::<Vec<_>>(), [$($number),+]);
        }
    };
}

traps! {
    one_at_a_time_hangs_and_threads_do_not = 1,
    threads_run_out_and_a_list_does_not = 2,
    spinning_is_busy_and_poll_sleeps = 3,
    poll_looks_at_everybody_and_epoll_does_not = 4,
    level_triggered_is_told_again_and_edge_triggered_is_not = 5,
    a_single_read_loses_the_wake_up_and_reading_on_does_not = 6,
    an_unbounded_buffer_grows_and_back_pressure_does_not = 7,
    an_end_loses_what_is_owed_and_a_half_close_does_not = 8,
    a_reset_destroys_the_answer_and_lingering_does_not = 9,
    a_stale_timer_hits_the_wrong_client_and_a_generation_does_not = 10,
    a_deaf_listener_lets_wait_and_a_latch_does_not = 11,
    reading_to_the_end_is_unfair_and_shares_are_not = 12,
    datagrams_go_to_and_fro_and_a_budget_ends_that = 14,
}

/// What has been mended stays mended.
#[test]
fn the_last_server_of_streams_holds_against_every_client() {
    let last = Step::numbered(13).unwrap();
    for step in STEPS.iter().filter(|it| it.trap.is_some() && it.number < last.number) {
        let verdict = play(step, last, Verdict::Holds, &mut Stage::dark());
        assert_eq!(verdict.unwrap(), Verdict::Holds, "against the client of step {}", step.number);
    }
}
