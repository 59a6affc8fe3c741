//! `init`: start a study from a template.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::args::InitArgs;
use crate::cli::error::CliError;
use crate::cli::{Exit, Terminal};
use crate::spec::builtin;
use crate::wording;

/// Writes a template, or lists them.
pub(super) fn init(args: &InitArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let Some(name) = &args.template else {
        terminal.say(&list());
        return Ok(Exit::Done);
    };
    let Some(template) = builtin::template(name) else {
        let names: Vec<&str> = builtin::TEMPLATES.iter().map(|one| one.name).collect();
        let help = match wording::nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the templates are {}", wording::list(&names)),
        };
        return Err(CliError::Usage(format!("there is no template `{name}`: {help}")));
    };
    let file = args.file.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.yaml")));
    // `create_new`: a template never writes over somebody's study.
    let mut out =
        OpenOptions::new().write(true).create_new(true).open(&file).map_err(|error| match error
            .kind()
        {
            io::ErrorKind::AlreadyExists => CliError::Usage(format!(
                "`{}` is there already and stays as it is: name another file, as in \
                 `phytotron init {name} my-{name}.yaml`",
                file.display()
            )),
            _ => CliError::io("cannot create", &file)(error),
        })?;
    let text = with_name(&with_schema(template.text, &file), &file);
    out.write_all(text.as_bytes()).map_err(CliError::io("cannot write", &file))?;
    let path = file.display();
    terminal.say(&format!("wrote {path}\nnext: phytotron plan {path}"));
    Ok(Exit::Done)
}

/// The text with its first line, which names an editor's schema, as it is right for `file`: the schema beside
/// it, or none where `phytotron schema` has not written any.
fn with_schema(text: &str, file: &Path) -> String {
    const BESIDE: &str = "schemas/pipeline.schema.json";
    let Some((_, rest)) = text.split_once('\n').filter(|(first, _)| first.contains("$schema="))
    else {
        return text.to_owned();
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let found = [BESIDE.to_owned(), format!("../{BESIDE}")];
    match found.iter().find(|schema| folder.join(schema).is_file()) {
        Some(schema) => format!("# yaml-language-server: $schema={schema}\n{rest}"),
        None => rest.trim_start_matches("#\n").to_owned(),
    }
}

/// The text with the file's name as the pipeline's: two studies of one template keep their results apart.
fn with_name(text: &str, file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if stem.is_empty() || !stem.chars().all(is_plain) {
        return text.to_owned();
    }
    let named = |line: &str| match line.strip_prefix("name: ") {
        Some(_) => format!("name: {stem}"),
        None => line.to_owned(),
    };
    text.lines().map(|line| named(line) + "\n").collect()
}

/// Every template with the question that its head comment asks.
fn list() -> String {
    let lines: Vec<String> = builtin::TEMPLATES
        .iter()
        .map(|template| format!("{:<20} {}", template.name, question(template.text)))
        .collect();
    format!("{}\n\n`phytotron init TEMPLATE FILE` writes one.", lines.join("\n"))
}

/// The text after `# Question` in a template's head comment.
fn question(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("# Question")).unwrap_or_default().trim()
}
