//! Recordings that are made a page of.

use serde_json::Value;

use crate::cli::trace::page;
use crate::cli::trace::read::Trace;

/// A file.
pub fn trace(input: &[u8]) {
    let Ok(trace) = Trace::parse(input) else { return };
    let mut before = f64::NEG_INFINITY;
    for step in &trace.steps {
        assert!(step.begin >= before, "in the order of time");
        assert!(step.track < trace.tracks.len());
        before = step.begin;
    }

    // What stands on the page is what was read, and nothing of it ends the script that it stands in.
    let page = page(&trace);
    let empty = self::page(&Trace::parse(b"[]").expect("it is an empty one"));
    let begin = page.find(r#"{"tracks":"#).expect("there is an object");
    let data = page[begin..].split("</script>").next().expect("there is one");
    let count = |page: &str| page.matches("</script").count();
    assert_eq!(count(&page), count(&empty));
    let data: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
    let steps = data["steps"].as_array().expect("a list");
    assert_eq!(steps.len(), trace.steps.len());
    for (shown, step) in steps.iter().zip(&trace.steps) {
        assert_eq!((&shown[3], &shown[4]), (&step.name[..].into(), &step.words[..].into()));
        assert_eq!(shown[2], step.track);
        // JSON's reader may be off by the last digit, and reads what it wrote.
        let begin = shown[0].as_f64().expect("a number");
        assert!((begin - step.begin).abs() <= 1e-15 * begin.abs(), "{begin} and {}", step.begin);
    }
    assert_eq!(data["tracks"].as_array().map(Vec::len), Some(trace.tracks.len()));
    assert_eq!(data["left_out"], trace.left_out);
}
