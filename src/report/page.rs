//! The page after a run: the artifact's page with a section on what the run cost.
//!
//! The result is a view for people. It is written beside the outputs and neither stored nor locked,
//! because two runs of one pipeline never cost the same.

use super::facts::{self, RunFacts};
use super::html::{FACTS_MARK, FIGURE_STYLE, LINK_MARK, QUESTION_MARK, section};
use super::{plot, words};

/// `html_artifact` with a section of stage costs, timeline, hardware, versions and commands.
///
/// The section goes where the page left room for it; in a page without such room, before its end.
#[must_use]
pub fn with_run_facts(html_artifact: &str, facts: &RunFacts) -> String {
    let section = facts::section(facts);
    // The style comes along: the page may be a cached artifact of an earlier version.
    let html = format!("<style>\n{FIGURE_STYLE}</style>\n{}", self::section(&section));
    let link = format!("<li><a href=\"#{}\">{}</a></li>", section.id, section.title);
    if html_artifact.contains(FACTS_MARK) {
        let question = facts.question.as_deref().map(question).unwrap_or_default();
        return html_artifact
            .replacen(QUESTION_MARK, &question, 1)
            .replacen(LINK_MARK, &link, 1)
            .replacen(FACTS_MARK, &html, 1);
    }
    match html_artifact.rfind("</body>") {
        Some(end) => format!("{}{html}\n{}", &html_artifact[..end], &html_artifact[end..]),
        None => format!("{html_artifact}\n{html}\n"),
    }
}

/// What the pipeline says of itself, where the page has no question of its own.
fn question(text: &str) -> String {
    format!("<p class=\"question\">{}</p>", plot::escape(&words::cut(text, 600)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Coordinates, StageId};
    use crate::event::Ending;
    use crate::report::StageFacts;

    fn facts(name: &str) -> RunFacts {
        let stage = StageFacts {
            stage: StageId { name: name.to_owned(), coordinates: Coordinates::default() },
            ending: Ending::Done,
            started_secs: Some(0.5),
            secs: 2.0,
            cost: None,
            host: None,
            fingerprint: None,
            manifest: None,
        };
        RunFacts {
            unverified: Vec::new(),
            stages: vec![stage],
            commands: vec![("Run it again".to_owned(), "phytotron run x.yaml".to_owned())],
            question: Some("Is <b> grown?".to_owned()),
            ..RunFacts::default()
        }
    }

    #[test]
    fn facts_go_where_the_page_left_room() {
        let page =
            format!("{QUESTION_MARK}<nav>{LINK_MARK}</nav><main>{FACTS_MARK}</main><body></body>");
        let page = with_run_facts(&page, &facts("search"));
        let page = page.replacen("<p class=\"question\">Is &lt;b&gt; grown?</p>", "", 1);
        assert!(page.starts_with("<nav><li><a href=\"#run\">This run</a></li></nav><main><style>"));
        assert!(page.contains("phytotron run x.yaml") && page.ends_with("</main><body></body>"));
    }

    #[test]
    fn a_page_without_room_gets_them_before_its_end() {
        let page = with_run_facts("<body><p>hand-made</p></body></html>", &facts("search"));
        assert!(page.starts_with("<body><p>hand-made</p><style>"), "{page}");
        assert!(page.ends_with("\n</body></html>"), "{page}");
    }

    #[test]
    fn markup_in_a_stage_name_stays_text() {
        let page = with_run_facts(FACTS_MARK, &facts("<script>alert(1)</script>"));
        assert!(!page.contains("<script>"), "{page}");
    }
}
