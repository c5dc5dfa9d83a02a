//! Every sample of a guide has a name, and a test that runs it asks for it by that name.

use std::{fs, path::Path};

/// The guides, as files of `docs/`.
const GUIDES: [&str; 9] = [
    "quickstart",
    "react",
    "without-sdk",
    "munity",
    "connector-parameters",
    "your-app",
    "connect",
    "embed",
    "tokens",
];
/// Languages of blocks that are programs, pages, calls or settings.
const LANGUAGES: [&str; 11] =
    ["js", "ts", "tsx", "jsx", "html", "python", "php", "bash", "sh", "json", "toml"];

/// A block of a guide: its language, and its name if it has one.
#[derive(Debug, PartialEq)]
struct Sample<'g> {
    language: &'g str,
    id: Option<&'g str>,
}

fn samples(guide: &str) -> Vec<Sample<'_>> {
    let (mut found, mut before, mut is_open) = (Vec::new(), "", false);
    for line in guide.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            if !is_open {
                let id = before.strip_prefix("<!-- test: ").and_then(|rest| rest.strip_suffix(" -->"));
                found.push(Sample { language, id });
            }
            is_open = !is_open;
        }
        before = line;
    }
    found.retain(|sample| LANGUAGES.contains(&sample.language));
    found
}

/// Whether a source takes this sample of this guide and does something with it.
fn runs(source: &str, guide: &str, id: &str) -> bool {
    let mut code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let file = format!("docs/{guide}.md\"");
    // In Rust each page is a constant, and its name stands before the sample's.
    if let Some(page) = code.clone().find(|line| line.contains("include_str!") && line.contains(&file)) {
        let name = page.trim_start_matches("const ").split(':').next().unwrap();
        return code.any(|line| line.contains(&format!("{name}.sample(\"{id}\")")));
    }
    let text: String = code.collect::<Vec<_>>().join("\n");
    let default = guide == "connect" && text.contains("sample(\"");
    let is_named = text.contains(&format!("\"{guide}\"")) || text.contains(&file) || default;
    is_named && text.contains("sample(") && text.contains(&format!("\"{id}\""))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sources of all tests that can run a sample.
fn tests(root: &Path) -> Vec<String> {
    let in_folder = |folder: &str, ending: &str| {
        let files = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.to_str().unwrap().ends_with(ending)).collect::<Vec<_>>()
    };
    let mut paths = in_folder("end2end/tests", ".spec.ts");
    paths.extend(in_folder("src/tests", ".rs"));
    paths.retain(|path| !path.ends_with(file!()));
    paths.iter().map(|path| read(path)).collect()
}

#[test]
fn every_sample_of_a_guide_is_run_by_some_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = tests(root);
    let mut wrong = Vec::new();
    let mut count = 0;

    for guide in GUIDES {
        let text = read(&root.join(format!("docs/{guide}.md")));
        for sample in samples(&text) {
            count += 1;
            match sample.id {
                None => wrong.push(format!("{guide}: a {} block has no name", sample.language)),
                Some(id) if !tests.iter().any(|test| runs(test, guide, id)) => {
                    wrong.push(format!("{guide}: no test runs {id}"));
                }
                Some(_) => {}
            }
        }
    }

    assert!(count > 50, "only {count} samples were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_sample_without_a_name_or_a_test_is_found() {
    let guide =
        "text\n\n<!-- test: one -->\n```js\na\n```\n\n```php\nb\n```\n\n```\n<!-- test: no -->\n```\n";
    let known = |id| Sample { language: "js", id };
    let spec = "const GUIDE = \"tour\";\nsample(\"one\", {}, GUIDE);\n// sample(\"two\")\n";
    let rust =
        "const TOUR: Doc = Doc(include_str!(\"../../docs/tour.md\"));\n\"two\"; TOUR.sample(\"one\")\n";

    assert_eq!(samples(guide), [known(Some("one")), Sample { language: "php", id: None }]);
    for source in [spec, rust] {
        assert!(runs(source, "tour", "one"), "{source}");
        assert!(!runs(source, "tour", "two") && !runs(source, "other", "one"), "{source}");
    }
}
