//! Rules from files.
//!
//! All that is wrong is told, each with its file and line, and then no rule of the set holds: half a set would look like a whole one.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rsigma_eval::{CorrelationConfig, CorrelationEngine, Engine};
use rsigma_parser::{Detection, SigmaCollection, SigmaRule, parse_sigma_yaml};
use thiserror::Error;

use super::{About, Rules, fields, sorted, source};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Files of one folder and below, folders in folders, and bytes of one file.
const FILES: usize = 50_000;
const DEPTH: usize = 16;
const BYTES: u64 = 1 << 20;

/// Why rules can't be loaded.
#[derive(Debug, Error)]
pub enum RulesError {
    /// A folder or a file can't be read.
    #[error("cannot read the rules in {path}", path = path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// There are too many, or one is too large.
    #[error("cannot read the rules in {path}: {what}", path = path.display())]
    TooMuch {
        /// The folder or file.
        path: PathBuf,
        /// What is too much of it.
        what: &'static str,
    },
    /// Some rules are wrong.
    #[error("{}", list(.0))]
    Wrong(Vec<Notice>),
}

/// Something about a rule, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What it is.
    pub what: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

fn list(notices: &[Notice]) -> String {
    let lines: Vec<_> = notices.iter().map(ToString::to_string).collect();
    format!("cannot use the rules: {} of them are wrong\n{}", notices.len(), lines.join("\n"))
}

/// One YAML document, with the line that it begins in.
struct Document {
    file: PathBuf,
    line: usize,
    text: String,
    /// It comes with this release: tests have checked it, and nobody has to wait for that again.
    is_shipped: bool,
}

impl Document {
    fn notice(&self, what: String) -> Notice {
        // The line that an error names, or the last one with a word that it quotes or ends in.
        let named =
            what.split("at line ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
        let quoted = what.split(['\'', '`', '"']).skip(1).step_by(2);
        // The parser tells of these by what they are.
        let key = [("regex", "re"), ("Condition parse error", "condition")];
        let key = key.iter().find(|(told, _)| what.contains(told)).map(|(_, key)| *key);
        let last = what.rsplit_once(": ").map(|(_, word)| word);
        let words = quoted.chain(key).chain(last).filter(|word| !word.is_empty());
        let found =
            words.filter_map(|word| self.text.lines().rev().position(|line| has_word(line, word))).min();
        let from_end = |found: usize| self.text.lines().count().saturating_sub(1 + found);
        let within = named.map(|line| line.saturating_sub(1)).or(found.map(from_end)).unwrap_or(0);
        Notice { file: self.file.clone(), line: self.line + within, what }
    }
}

/// Whether a line has a word that isn't a part of another one.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    line.match_indices(word).any(|(place, _)| {
        let (before, after) = (line.get(..place), line.get(place + word.len()..));
        !is_part(before.and_then(|text| text.chars().next_back()))
            && !is_part(after.and_then(|text| text.chars().next()))
    })
}

pub(super) fn shipped() -> Result<Rules, RulesError> {
    assemble(own(true))
}

pub(super) fn with(folders: &[impl AsRef<Path>]) -> Result<Rules, RulesError> {
    let mut files = Vec::new();
    for folder in folders {
        read_folder(folder.as_ref(), DEPTH, &mut files)?;
    }
    let mut documents = own(true);
    documents.extend(documents_of(files.into_iter(), false));
    assemble(documents)
}

/// What comes with this release.
fn own(is_shipped: bool) -> Vec<Document> {
    documents_of(SHIPPED.iter().map(|(name, text)| (PathBuf::from(name), (*text).to_owned())), is_shipped)
}

/// The files of a folder in the order of their names, and those of the folders in it.
fn read_folder(folder: &Path, depth: usize, files: &mut Vec<(PathBuf, String)>) -> Result<(), RulesError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| RulesError::Unreadable { path, source }
    };
    let entries: io::Result<Vec<_>> = fs::read_dir(folder).map_err(unreadable(folder))?.collect();
    let mut paths: Vec<_> = entries.map_err(unreadable(folder))?.iter().map(fs::DirEntry::path).collect();
    paths.sort_unstable();
    for path in paths {
        let too_much = |what| RulesError::TooMuch { path: path.clone(), what };
        let metadata = fs::metadata(&path).map_err(unreadable(&path))?;
        if metadata.is_dir() {
            if depth == 0 {
                return Err(too_much("there are folders in folders without end"));
            }
            read_folder(&path, depth - 1, files)?;
        } else if is_rule_file(&path) {
            if metadata.len() > BYTES {
                return Err(too_much("a rule has no more than 1 MiB"));
            }
            if files.len() == FILES {
                return Err(too_much("there are more than 50,000 files"));
            }
            let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
            files.push((path, text));
        }
    }
    Ok(())
}

/// Tests stand beside rules, and are none.
fn is_rule_file(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    is_yaml && !name.starts_with('.') && !name.ends_with(".test.yml") && !name.ends_with(".test.yaml")
}

/// The documents of files. A file whose documents build on each other is one.
fn documents_of(files: impl Iterator<Item = (PathBuf, String)>, is_shipped: bool) -> Vec<Document> {
    let mut documents = Vec::new();
    for (file, text) in files {
        if text.lines().any(|line| line.starts_with("action:")) {
            documents.push(Document { file, line: 1, text, is_shipped });
            continue;
        }
        let mut document = Document { file: file.clone(), line: 1, text: String::new(), is_shipped };
        for (number, line) in text.lines().enumerate() {
            if line.trim_end() == "---" {
                documents.push(std::mem::replace(
                    &mut document,
                    Document { file: file.clone(), line: number + 2, text: String::new(), is_shipped },
                ));
            } else {
                document.text.push_str(line);
                document.text.push('\n');
            }
        }
        documents.push(document);
    }
    documents.retain(|document| {
        document.text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    documents
}

fn assemble(documents: Vec<Document>) -> Result<Rules, RulesError> {
    let mut rules = Rules::default();
    let mut wrong = Vec::new();
    let mut places: HashMap<String, Notice> = HashMap::new();
    for document in &documents {
        match parse(document) {
            Ok(collection) => take(&mut rules, document, collection, &mut places, &mut wrong),
            Err(problems) => wrong.extend(problems),
        }
    }
    if wrong.is_empty() {
        finish(&mut rules, &places, &mut wrong);
    }
    if wrong.is_empty() { Ok(rules) } else { Err(RulesError::Wrong(wrong)) }
}

fn parse(document: &Document) -> Result<SigmaCollection, Vec<Notice>> {
    let collection =
        parse_sigma_yaml(&document.text).map_err(|error| vec![document.notice(error.to_string())])?;
    if !collection.errors.is_empty() {
        return Err(collection.errors.iter().map(|error| document.notice(error.clone())).collect());
    }
    if document.is_shipped {
        return Ok(collection);
    }
    // Compiled alone, so that what is wrong has its place.
    let wrong: Vec<_> = collection
        .rules
        .iter()
        .filter_map(|rule| Engine::new().add_rule(rule).err())
        .map(|error| document.notice(error.to_string()))
        .collect();
    if wrong.is_empty() { Ok(collection) } else { Err(wrong) }
}

/// Takes the rules of a document in, and notes what is odd about them.
fn take(
    rules: &mut Rules,
    document: &Document,
    collection: SigmaCollection,
    places: &mut HashMap<String, Notice>,
    wrong: &mut Vec<Notice>,
) {
    let headers = collection.rules.iter().map(|rule| {
        let remedy = remedy(&rule.custom_attributes);
        (
            rule.id.clone(),
            About::of((rule.id.as_ref(), rule.name.as_ref(), &rule.title), rule.level, &rule.tags, remedy),
            &rule.title,
        )
    });
    let correlations = collection.correlations.iter().map(|rule| {
        let remedy = remedy(&rule.custom_attributes);
        (
            rule.id.clone(),
            About::of((rule.id.as_ref(), rule.name.as_ref(), &rule.title), rule.level, &rule.tags, remedy),
            &rule.title,
        )
    });
    for (id, about, title) in headers.chain(correlations) {
        let key = id.unwrap_or_else(|| title.clone());
        let place = document.notice(about.name.to_string());
        if let Some(other) = places.insert(key.clone(), place) {
            wrong.push(document.notice(format!(
                "the id `{key}` is that of another rule, in {}:{}",
                other.file.display(),
                other.line
            )));
        }
        rules.about.insert(key, about);
    }
    for rule in collection.rules.iter().filter(|_| !document.is_shipped) {
        rules.notices.extend(oddities(rule).into_iter().map(|what| document.notice(what)));
    }
    rules.collection.rules.extend(collection.rules);
    rules.collection.correlations.extend(collection.correlations);
    rules.collection.filters.extend(collection.filters);
}

fn remedy<V: serde::Serialize>(attributes: &HashMap<String, V>) -> Option<String> {
    let remedy = serde_json::to_value(attributes.get("remedy")?).ok()?;
    remedy.as_str().map(str::to_owned)
}

fn oddities(rule: &SigmaRule) -> Vec<String> {
    let mut oddities = Vec::new();
    if let Err(why) = source::kinds(&rule.logsource) {
        oddities.push(format!("`{}` can never match: {why}", rule.title));
        return oddities;
    }
    let mut names = Vec::new();
    rule.detection.named.values().for_each(|detection| field_names(detection, &mut names));
    names.sort_unstable();
    names.dedup();
    let unknown = names.into_iter().filter(|name| !fields::can_exist(name));
    oddities.extend(unknown.map(|name| format!("no event has a field `{name}`")));
    oddities
}

fn field_names<'d>(detection: &'d Detection, names: &mut Vec<&'d str>) {
    match detection {
        Detection::AllOf(items) => names.extend(items.iter().filter_map(|item| item.field.name.as_deref())),
        Detection::AnyOf(all) | Detection::And(all) => all.iter().for_each(|one| field_names(one, names)),
        Detection::ArrayMatch { field, .. } => names.push(field),
        Detection::Conditional { named, .. } => named.values().for_each(|one| field_names(one, names)),
        Detection::Keywords(_) => {}
    }
}

/// Compiles the rules of each kind together, with the filters, and the correlations once to see whether they hold.
fn finish(rules: &mut Rules, places: &HashMap<String, Notice>, wrong: &mut Vec<Notice>) {
    let somewhere = || Notice { file: PathBuf::from("rules"), line: 1, what: String::new() };
    let mut problem = |what: String| {
        let named = places.iter().find(|(key, _)| what.contains(*key)).map(|(_, place)| place.clone());
        wrong.push(Notice { what, ..named.unwrap_or_else(somewhere) });
    };
    let filters = rules.collection.filters.clone();
    for (kind, of_kind) in sorted(&rules.collection) {
        let collection = SigmaCollection {
            rules: of_kind.into_iter().cloned().collect(),
            filters: filters.clone(),
            ..SigmaCollection::new()
        };
        let mut engine = Engine::new();
        match engine.add_collection(&collection) {
            Ok(()) => drop(rules.by_kind.insert(kind, engine)),
            Err(error) => problem(error.to_string()),
        }
    }
    for correlation in &rules.collection.correlations {
        for reference in &correlation.rules {
            if !is_known(&rules.collection, reference) {
                problem(format!(
                    "the correlation `{}` names a rule `{reference}`, and there is none",
                    correlation.title
                ));
            }
        }
    }
    let correlating = for_correlations(&rules.collection);
    if let Err(error) = CorrelationEngine::new(CorrelationConfig::default()).add_collection(&correlating) {
        problem(error.to_string());
    }
    rules.correlating = correlating;
    silence(rules);
}

fn is_known(collection: &SigmaCollection, reference: &str) -> bool {
    let is = |id: &Option<String>, name: &Option<String>| {
        id.as_deref() == Some(reference) || name.as_deref() == Some(reference)
    };
    collection.rules.iter().any(|rule| is(&rule.id, &rule.name))
        || collection.correlations.iter().any(|rule| is(&rule.id, &rule.name))
}

/// The correlations of a collection, and only those rules that they build on: an engine for them is made for each run.
fn for_correlations(collection: &SigmaCollection) -> SigmaCollection {
    let is_named = |rule: &&SigmaRule| {
        collection
            .correlations
            .iter()
            .flat_map(|correlation| &correlation.rules)
            .any(|reference| rule.id.as_ref() == Some(reference) || rule.name.as_ref() == Some(reference))
    };
    SigmaCollection {
        rules: collection.rules.iter().filter(is_named).cloned().collect(),
        correlations: collection.correlations.clone(),
        ..SigmaCollection::new()
    }
}

/// A rule that a correlation names is told only where the correlation says `generate: true`, as Sigma has it.
fn silence(rules: &mut Rules) {
    let collection = &rules.collection;
    for correlation in collection.correlations.iter().filter(|correlation| !correlation.generate) {
        for rule in &collection.rules {
            let is_meant = |reference: &String| {
                rule.id.as_ref() == Some(reference) || rule.name.as_ref() == Some(reference)
            };
            if correlation.rules.iter().any(is_meant)
                && let Some(about) = rules.about.get_mut(rule.id.as_ref().unwrap_or(&rule.title))
            {
                about.is_silent = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Rules, RulesError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("own.yml"), text).unwrap();
        with(&[folder.path()])
    }

    const RULE: &str = "title: A\nid: 0b1c\nname: own.a\nlogsource: { category: process_creation, product: linux }\ndetection:\n  s: { Image|endswith: /nc }\n  condition: s\nlevel: high\ntags: [attack.t1095, attack.execution, asi.asi10]\n";

    #[test]
    fn a_rule_of_ones_own_is_loaded_beside_the_shipped_ones() {
        let rules = load(RULE).unwrap();
        assert_eq!(rules.len(), shipped().unwrap().len() + 1);
        let about = &rules.about["0b1c"];
        assert_eq!(
            (&*about.name, &about.attack[..], &about.asi[..]),
            ("own.a", &["T1095".into()][..], &["ASI10".into()][..])
        );
    }

    #[test]
    fn what_is_wrong_has_its_file_and_line() {
        for (text, line, what) in [
            (RULE.replace("endswith", "endswth"), 6, "endswth"),
            (RULE.replace("condition: s", "condition: s and t"), 7, "t"),
            (format!("{RULE}---\n{}", RULE.replace("0b1c", "0b1d").replace("title: A\n", "")), 10, "title"),
            (format!("{RULE}---\n{RULE}"), 11, "0b1c"),
            (RULE.replace("s: {", "s: {{"), 6, ""),
            (RULE.replace("Image|endswith: /nc", "Image|re: '('"), 6, "regex"),
        ] {
            let Err(RulesError::Wrong(wrong)) = load(&text) else { panic!("{text}") };
            let notice = &wrong[0];
            assert!(notice.file.ends_with("own.yml") && notice.what.contains(what), "{notice}");
            assert!(notice.line.abs_diff(line) <= 1, "{notice}, not in line {line}");
        }
    }

    #[test]
    fn a_correlation_without_its_rule_is_wrong() {
        let correlation = "title: C\nid: c1\ncorrelation: { type: event_count, rules: [nowhere], group-by: [call], timespan: 10s, condition: { gte: 3 } }\nlevel: high\n";
        let Err(RulesError::Wrong(wrong)) = load(correlation) else { panic!() };
        assert!(wrong.iter().any(|notice| notice.what.contains("nowhere")), "{wrong:?}");
    }

    #[test]
    fn what_can_never_match_is_told_and_no_error() {
        let text = RULE.replace("linux", "windows");
        assert!(load(&text).unwrap().notices()[0].what.contains("windows"));
        let text = RULE.replace("Image|endswith", "OriginalFileName|endswith");
        assert!(load(&text).unwrap().notices()[0].what.contains("OriginalFileName"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(matches!(with(&["/nonexistent/rules"]), Err(RulesError::Unreadable { .. })));
    }

    #[test]
    fn nothing_is_odd_about_the_shipped_rules() {
        let rules = assemble(own(false)).unwrap();
        assert_eq!(rules.notices(), []);
        assert!(rules.len() > 20, "{}", rules.len());
    }
}
