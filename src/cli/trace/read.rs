//! Recordings, as they are read back.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a page shows.
pub(crate) struct Trace {
    pub(crate) tracks: Vec<Track>,
    /// In the order in which they began.
    pub(crate) steps: Vec<Step>,
    /// Steps that had made room for these.
    pub(crate) left_out: u64,
}

/// A line of the picture: the loop itself, or a source.
pub(crate) struct Track {
    pub(crate) name: String,
    pub(crate) process: u64,
}

pub(crate) struct Step {
    /// Microseconds.
    pub(crate) begin: f64,
    /// Microseconds; 0 for a moment.
    pub(crate) length: f64,
    /// An index of the tracks.
    pub(crate) track: usize,
    pub(crate) name: String,
    pub(crate) words: String,
}

impl Trace {
    /// Reads the Trace Event Format, as an object or as a bare list of events. Kinds of events that say
    /// nothing of turns are passed over.
    pub(crate) fn parse(text: &[u8]) -> Result<Trace, String> {
        let document: Value = serde_json::from_slice(text)
            .map_err(|error| format!("it is no recording, nor any other JSON: {error}"))?;
        let events = document.get("traceEvents").unwrap_or(&document).as_array();
        let events = events.ok_or("it is no recording: there is no list of traceEvents in it")?;
        let (mut names, mut steps, mut left_out) = (BTreeMap::new(), Vec::new(), 0);
        for (number, event) in events.iter().enumerate() {
            let wrong = |what: &str| format!("event {number} has no {what}");
            let text = |name: &str| event.get(name).and_then(Value::as_str);
            let place = (number_of(event, "pid"), number_of(event, "tid"));
            match text("ph").ok_or_else(|| wrong("ph"))? {
                "M" => {
                    let args = event.get("args").unwrap_or(&Value::Null);
                    left_out = number_of(args, "left_out").saturating_add(left_out);
                    if text("name") == Some("thread_name")
                        && let Some(name) = args.get("name").and_then(Value::as_str)
                    {
                        names.insert(place, name.to_string());
                    }
                }
                "X" | "i" | "I" => {
                    let time = |name| event.get(name).and_then(Value::as_f64);
                    let name = text("name").ok_or_else(|| wrong("name"))?.to_string();
                    let words = event.pointer("/args/words").and_then(Value::as_str);
                    names.entry(place).or_insert_with(|| format!("{}", place.1));
                    let step = Step {
                        begin: time("ts").ok_or_else(|| wrong("ts"))?,
                        length: time("dur").unwrap_or(0.0),
                        track: 0,
                        words: words.unwrap_or(&name).to_string(),
                        name,
                    };
                    steps.push((place, step));
                }
                _ => {}
            }
        }
        Ok(Trace::new(names, steps, left_out))
    }

    fn new(
        names: BTreeMap<(u64, u64), String>,
        steps: Vec<((u64, u64), Step)>,
        left_out: u64,
    ) -> Trace {
        let several = names.keys().any(|(process, _)| *process > 0);
        let numbers: BTreeMap<_, _> =
            names.keys().enumerate().map(|(track, &place)| (place, track)).collect();
        let tracks = names.into_iter().map(|((process, _), name)| {
            let name = if several { format!("{process}: {name}") } else { name };
            Track { name, process }
        });
        let tracks = tracks.collect();
        let mut steps: Vec<Step> = steps
            .into_iter()
            .map(|(place, step)| Step { track: numbers[&place], ..step })
            .collect();
        // A turn and what begins with it: the longer one holds the other.
        steps.sort_by(|a, b| a.begin.total_cmp(&b.begin).then(b.length.total_cmp(&a.length)));
        Trace { tracks, steps, left_out }
    }
}

fn number_of(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_read_in_the_order_of_time() {
        let text = br#"{"traceEvents":[
            {"ph":"M","name":"process_name","pid":0,"tid":0,"args":{"name":"reactor","left_out":3}},
            {"ph":"M","name":"thread_name","pid":0,"tid":0,"args":{"name":"the loop"}},
            {"ph":"i","name":"poll","pid":0,"tid":0,"ts":10.5,"args":{"words":"the poll"}},
            {"ph":"X","name":"turn","pid":0,"tid":0,"ts":10.5,"dur":4.25,"args":{}},
            {"ph":"i","name":"read","pid":0,"tid":7,"ts":1.0}]}"#;
        let trace = Trace::parse(text).unwrap();
        let words: Vec<&str> = trace.steps.iter().map(|step| &*step.words).collect();
        assert_eq!(words, ["read", "turn", "the poll"]);
        let names: Vec<&str> = trace.tracks.iter().map(|track| &*track.name).collect();
        assert_eq!((names, trace.left_out), (vec!["the loop", "7"], 3));
        assert_eq!(trace.steps[0].track, 1);
    }

    /// Of a file that anybody may have written, also the sum is a number.
    #[test]
    fn what_was_left_out_is_never_too_much() {
        let event = format!(r#"{{"ph":"M","args":{{"left_out":{}}}}}"#, u64::MAX);
        let trace = Trace::parse(format!("[{event},{event}]").as_bytes()).unwrap();
        assert_eq!(trace.left_out, u64::MAX);
    }

    #[test]
    fn what_is_no_recording_is_refused_by_name() {
        for (text, why) in [
            ("hello", "it is no recording, nor any other JSON"),
            ("{}", "there is no list of traceEvents"),
            (r#"[{"ph":"i","name":"x"}]"#, "event 0 has no ts"),
            (r#"[{"name":"x"}]"#, "event 0 has no ph"),
        ] {
            let error = Trace::parse(text.as_bytes()).map(drop).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
