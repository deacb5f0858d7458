//! The seconds of a run as they pass, a line of JSON each.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::load::Load;
use super::series::Point;
use super::{files, json};

/// What is being written. The file is opened with its first line.
pub(super) struct Stream {
    path: PathBuf,
    file: Option<Box<dyn Write>>,
    /// Nobody reads it any more.
    ended: bool,
}

impl Stream {
    pub(super) fn new(path: &Path) -> Stream {
        Stream { path: path.to_owned(), file: None, ended: false }
    }

    /// A second of this run.
    pub(super) fn write(&mut self, run: usize, load: &Load, point: &Point) -> Result<(), String> {
        let mut line = json::point(point);
        line["run"] = run.into();
        line["endpoint"] = Value::from(load.endpoint.to_string());
        if self.ended {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(files::create(&self.path)?),
        };
        match writeln!(file, "{line}").and_then(|()| file.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.ended = true,
            done => done.map_err(files::cannot_write(&self.path))?,
        }
        Ok(())
    }
}
