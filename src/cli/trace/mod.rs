//! `echoloop trace`: a page to look at what a loop has done.

pub(crate) mod read;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::{Done, output};
use read::Trace;

/// Make a page of a recording, to step through its turns
///
/// The recording is what `echoloop serve --record FILE` writes, in the Trace Event Format; Perfetto
/// (ui.perfetto.dev) and chrome://tracing open it too. The page needs no network and no other file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The recording
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write the page, not over the recording; - is the standard output
    #[arg(long, value_name = "OUT")]
    html: PathBuf,
}

/// Reads all of it before anything is written.
pub(crate) fn run(args: Args) -> Done {
    let about =
        |what: &str, path: &Path, why: String| format!("cannot {what} {}: {why}", path.display());
    let text = fs::read(&args.file)
        .map_err(|error| about("read", &args.file, echoloop::describe(&error)))?;
    let trace = Trace::parse(&text).map_err(|why| about("make a page of", &args.file, why))?;
    let page = page(&trace);
    if args.html == Path::new("-") {
        output::print(page.as_bytes())?;
    } else if is_same_file(&args.file, &args.html) {
        let why = "it is the recording itself, expected another file for its page";
        return Err(about("write", &args.html, why.to_owned()).into());
    } else {
        fs::write(&args.html, page)
            .map_err(|error| about("write", &args.html, echoloop::describe(&error)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether both are one file that is there, by whatever names.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// The page with the recording in it.
pub(crate) fn page(trace: &Trace) -> String {
    const PAGE: &str = include_str!("page.html");
    const PLACE: &str = "DATA</script>";

    let tracks: Vec<_> = trace
        .tracks
        .iter()
        .map(|track| json!({ "name": track.name, "process": track.process }))
        .collect();
    let steps: Vec<_> = trace
        .steps
        .iter()
        .map(|step| json!([step.begin, step.length, step.track, step.name, step.words]))
        .collect();
    let data = json!({ "tracks": tracks, "steps": steps, "left_out": trace.left_out });
    // Nothing in the data may end the element that it stands in.
    let data = data.to_string().replace('<', "\\u003c");
    PAGE.replacen(PLACE, &format!("{data}</script>"), 1)
}
