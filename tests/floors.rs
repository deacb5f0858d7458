//! The order of floors and files: who may import whom. And that no file or function grows past what can be read
//! in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest to the highest. A file imports from its own floor and from lower ones.
const FLOORS: [&str; 5] = ["values", "machines", "net", "services", "cli"];

const MOST_LINES: usize = 400;
const MOST_LINES_OF_A_FUNCTION: usize = 70;

/// A file of the crate, by its module's path: `net::packets::raw`.
struct File {
    path: PathBuf,
    /// Without comments and without its tests.
    code: String,
    /// `mod.rs`: names its children, and passes on what they offer.
    is_folder: bool,
    /// Every path that is imported, from the crate's root: `values::Id`.
    imports: BTreeSet<String>,
    /// Of a folder: what it passes on, and from which child.
    passed_on: BTreeMap<String, String>,
}

/// No file imports from a higher floor.
#[test]
fn floors_know_only_lower_ones() {
    let files = files();
    let floor =
        |module: &str| FLOORS.iter().position(|floor| module.split("::").next() == Some(floor));
    let mut wrong = Vec::new();
    for (importer, imported) in edges(&files) {
        if let (Some(here), Some(there)) = (floor(&importer), floor(&imported))
            && here < there
        {
            wrong.push(format!("{importer} imports {imported}"));
        }
    }
    assert!(wrong.is_empty(), "from a higher floor:\n{}", wrong.join("\n"));
    assert!(files.len() > 100, "{} files were found", files.len());
}

/// Files have an order too: none imports another one that imports it, at once or in a roundabout way.
#[test]
fn no_file_imports_itself_by_way_of_others() {
    let files = files();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (importer, imported) in edges(&files) {
        imports.entry(importer).or_default().insert(imported);
    }
    // What imports nothing that is left can be taken away. What can't be is a circle, or looks at one.
    let mut left: BTreeSet<&String> = imports.keys().collect();
    loop {
        let stays = |file: &&String| imports[*file].iter().any(|imported| left.contains(imported));
        let next: BTreeSet<&String> = left.iter().copied().filter(stays).collect();
        if next.len() == left.len() {
            break;
        }
        left = next;
    }
    let circles: Vec<String> = left
        .iter()
        .filter(|file| reaches(&imports, file, file))
        .map(|file| {
            let within = imports[*file].iter().filter(|it| reaches(&imports, it, file));
            format!("{file} imports {}", within.cloned().collect::<Vec<_>>().join(", "))
        })
        .collect();
    assert!(circles.is_empty(), "files in a circle:\n{}", circles.join("\n"));
}

/// Only one floor knows the poller, and only one module may be unsafe.
#[test]
fn what_is_dangerous_has_its_place() {
    for (module, file) in files() {
        if !module.starts_with("net") {
            assert!(!file.code.contains("mio::"), "{} names mio", file.path.display());
        }
        if !module.starts_with("net::packets::raw") {
            let unsafe_code = file.code.contains("unsafe {") || file.code.contains("unsafe fn");
            assert!(!unsafe_code, "{} has unsafe code", file.path.display());
        }
    }
}

/// Files and functions stay readable.
#[test]
fn nothing_grows_too_long() {
    let mut paths = Vec::new();
    // The course and the fuzz targets are crates of their own, and not in the packed one.
    let folders =
        ["src", "tests", "examples", "benches", "course", "fuzz"].map(|it| root().join(it));
    for folder in folders.iter().filter(|folder| folder.exists()) {
        find(folder, &mut paths);
    }
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
        let mut begun = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            if is_function(line) && !line.ends_with(['}', ';']) {
                begun = Some((number, indent));
            } else if let Some((begin, at)) = begun
                && indent == at
                && line.trim_start().starts_with('}')
            {
                let length = number - begin + 1;
                let limit = MOST_LINES_OF_A_FUNCTION;
                assert!(length <= limit, "{}:{}: {length} lines", path.display(), begin + 1);
                begun = None;
            }
        }
    }
}

fn is_function(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take(4).collect();
    let qualifier = |word: &&&str| {
        word.starts_with("pub") || ["const", "unsafe", "async", "extern"].contains(*word)
    };
    words.iter().find(|word| !qualifier(word)).is_some_and(|word| *word == "fn")
}

/// Who imports whom. What a folder passes on is imported from the child that has it.
fn edges(files: &BTreeMap<String, File>) -> BTreeSet<(String, String)> {
    let mut edges = BTreeSet::new();
    for (module, file) in files {
        for import in &file.imports {
            let Some(imported) = owner(files, import) else { continue };
            // A folder and what is in it are one to each other.
            if imported != *module
                && !(file.is_folder && imported.starts_with(&format!("{module}::")))
            {
                edges.insert((module.clone(), imported));
            }
        }
    }
    edges
}

/// The file that an imported path is from.
fn owner(files: &BTreeMap<String, File>, import: &str) -> Option<String> {
    let mut parts: Vec<&str> = import.split("::").collect();
    while !parts.is_empty() {
        let module = parts.join("::");
        if let Some(file) = files.get(&module) {
            let rest = import[module.len()..].trim_start_matches("::");
            let item = rest.split("::").next().unwrap_or_default();
            return match file.passed_on.get(item) {
                Some(target) if *target != import => owner(files, target),
                _ => Some(module),
            };
        }
        parts.pop();
    }
    None
}

fn reaches(imports: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        for imported in imports.get(file).into_iter().flatten() {
            if imported == to {
                return true;
            }
            if seen.insert(imported) {
                next.push(imported);
            }
        }
    }
    false
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with("target") => {}
            true => find(&path, paths),
            false if path.extension().is_some_and(|it| it == "rs") => paths.push(path),
            false => {}
        }
    }
}

fn files() -> BTreeMap<String, File> {
    let source = root().join("src");
    let mut paths = Vec::new();
    find(&source, &mut paths);
    let mut files = BTreeMap::new();
    for path in paths {
        let within = path.strip_prefix(&source).unwrap().with_extension("");
        let mut parts: Vec<String> =
            within.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let is_folder = parts.last().is_some_and(|last| last == "mod");
        if is_folder {
            parts.pop();
        }
        // The crate's own root, and the guide, whose text is about everything.
        let is_above = parts.len() == 1 && !is_folder;
        if !is_above && parts[0] != "guide" && !parts.iter().any(|part| part == "tests") {
            files.insert(parts.join("::"), File::read(path, &parts, is_folder));
        }
    }
    files
}

impl File {
    fn read(path: PathBuf, module: &[String], is_folder: bool) -> File {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code: String = text.lines().filter(is_code).map(|line| format!("{line}\n")).collect();
        let mut file =
            File { path, code, is_folder, imports: BTreeSet::new(), passed_on: BTreeMap::new() };
        file.look_for_imports(module);
        file
    }

    fn look_for_imports(&mut self, module: &[String]) {
        for statement in self.code.split(';') {
            let Some(at) = statement.rfind("use ").filter(|&at| is_word(statement, at)) else {
                continue;
            };
            let is_public = statement[..at].trim_end().ends_with(['b', ')']);
            let mut paths = Vec::new();
            expand("", &statement[at + 4..], &mut paths);
            for path in paths {
                let path = path.split(" as ").next().unwrap_or_default().trim();
                let Some(path) = from_root(path, module, self.is_folder) else { continue };
                if self.is_folder && is_public {
                    let name = path.rsplit("::").next().unwrap_or_default().to_string();
                    self.passed_on.insert(name, path);
                } else {
                    self.imports.insert(path);
                }
            }
        }
        // Paths in the midst of the code.
        for word in self.code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            if let Some(path) = from_root(word.trim_end_matches(':'), module, self.is_folder)
                && !word.ends_with("::")
            {
                self.imports.insert(path);
            }
        }
    }
}

fn is_word(statement: &str, at: usize) -> bool {
    at == 0 || statement[..at].ends_with([' ', '\n', '\t', '{', '}'])
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        paths.push(format!("{prefix}{tree}"));
        return;
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    expand(&prefix, &inner[start..at], paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The path from the crate's root, of one that begins with `crate`, `super` or `self`.
fn from_root(path: &str, module: &[String], is_folder: bool) -> Option<String> {
    let mut at: Vec<&str> = module.iter().map(String::as_str).collect();
    let mut parts = path.split("::").peekable();
    match parts.next()? {
        "crate" | "echoloop" => at.clear(),
        "self" => {}
        "super" => {
            at.pop();
            while parts.next_if_eq(&"super").is_some() {
                at.pop();
            }
        }
        // A child, by its bare name.
        first if is_folder && path.contains("::") && first.starts_with(char::is_lowercase) => {
            at.push(first);
        }
        _ => return None,
    }
    at.extend(parts.filter(|part| !part.is_empty() && *part != "*"));
    Some(at.join("::"))
}
