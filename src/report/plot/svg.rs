//! A writer of SVG elements whose bytes depend on nothing but the calls.

use std::fmt::{self, Write as _};

/// A picture while it is drawn; lengths are CSS pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::report) struct Svg {
    width: u32,
    height: u32,
    body: String,
}

/// Which end of a text stands at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// An empty picture.
    pub(in crate::report) fn new(width: u32, height: u32) -> Self {
        Self { width, height, body: String::new() }
    }

    /// A straight line.
    pub(in crate::report) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1, x2, y2) = (number(from.0), number(from.1), number(to.0), number(to.1));
        self.put(format_args!(
            r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#
        ));
    }

    /// A circle by its middle and radius.
    pub(in crate::report) fn circle(&mut self, class: &str, middle: (f64, f64), radius: f64) {
        let (x, y, radius) = (number(middle.0), number(middle.1), number(radius));
        self.put(format_args!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#));
    }

    /// A rectangle by corner and size; `opacity` multiplies its fill's.
    pub(in crate::report) fn rect(
        &mut self,
        class: &str,
        corner: (f64, f64),
        size: (f64, f64),
        opacity: f64,
    ) {
        let tag = Self::rect_tag(class, corner, size, opacity);
        self.put(format_args!("{tag}/>"));
    }

    /// A rectangle that says `tip` when pointed at.
    pub(in crate::report) fn rect_with_tip(
        &mut self,
        class: &str,
        corner: (f64, f64),
        size: (f64, f64),
        opacity: f64,
        tip: &str,
    ) {
        let tag = Self::rect_tag(class, corner, size, opacity);
        self.put(format_args!("{tag}><title>{}</title></rect>", escape(tip)));
    }

    /// A dot that says `tip` when pointed at.
    pub(in crate::report) fn dot_with_tip(&mut self, class: &str, at: (f64, f64), tip: &str) {
        let (x, y, tip) = (number(at.0), number(at.1), escape(tip));
        self.put(format_args!(
            r#"<path class="{class}" d="M{x} {y}h0"><title>{tip}</title></path>"#
        ));
    }

    fn rect_tag(class: &str, corner: (f64, f64), size: (f64, f64), opacity: f64) -> String {
        let (x, y, width, height) =
            (number(corner.0), number(corner.1), number(size.0), number(size.1));
        let mut tag =
            format!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}""#);
        if opacity < 1.0 {
            write!(tag, r#" fill-opacity="{opacity:.3}""#).expect("writing to a string");
        }
        tag
    }

    /// Begins a group with facts about it for the page's script.
    pub(in crate::report) fn open(&mut self, class: &str, data: &[(&str, &str)]) {
        let data = data.iter().map(|(name, value)| format!(" data-{name}=\"{}\"", escape(value)));
        let data: String = data.collect();
        self.put(format_args!(r#"<g class="{class}"{data}>"#));
    }

    /// Ends the group that was begun last.
    pub(in crate::report) fn close(&mut self) {
        self.put(format_args!("</g>"));
    }

    /// A path in SVG's own words.
    pub(in crate::report) fn path(&mut self, class: &str, d: &str) {
        self.put(format_args!(r#"<path class="{class}" d="{d}"/>"#));
    }

    /// A text, escaped.
    pub(in crate::report) fn text(
        &mut self,
        class: &str,
        at: (f64, f64),
        anchor: Anchor,
        text: &str,
    ) {
        let (x, y, text) = (number(at.0), number(at.1), escape(text));
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        self.put(format_args!(r#"<text class="{class}" x="{x}" y="{y}"{anchor}>{text}</text>"#));
    }

    /// A text that climbs from its point, for narrow columns.
    pub(in crate::report) fn text_upwards(&mut self, class: &str, at: (f64, f64), text: &str) {
        let (x, y, text) = (number(at.0), number(at.1), escape(text));
        self.put(format_args!(
            r#"<text class="{class}" transform="translate({x} {y}) rotate(-45)">{text}</text>"#
        ));
    }

    fn put(&mut self, element: fmt::Arguments<'_>) {
        self.body.write_fmt(element).expect("writing to a string");
        self.body.push('\n');
    }

    /// The picture inside a page; `id` keeps its title's address unique there.
    pub(super) fn render(&self, id: &str, title: &str, caption: &str) -> String {
        self.document(id, title, caption, "")
    }

    /// The picture as a file.
    pub(super) fn render_alone(&self, id: &str, title: &str, caption: &str, style: &str) -> String {
        let style = format!(
            "<style>\n{style}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
        );
        format!("{}\n", self.document(id, title, caption, &style))
    }

    fn document(&self, id: &str, title: &str, caption: &str, before: &str) -> String {
        let Self { width, height, body } = self;
        let (id, title, caption) = (escape(id), escape(title), escape(caption));
        format!(
            "<svg class=\"figure\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-text\">\n\
             <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-text\">{caption}</desc>\n\
             {before}{body}</svg>"
        )
    }
}

/// A length with at most one decimal: a tenth of a pixel is not seen, and short numbers keep pages small.
pub(in crate::report) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// `text` with the five characters escaped that XML and HTML give a meaning. Control characters, which XML
/// forbids, and those that turn the direction of text are replaced.
pub(in crate::report) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() || turns_text(control) => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Whether it changes the direction of what follows, words of ours included.
pub(in crate::report) fn turns_text(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// About how wide `text` will be at `size` pixels; the reader's font is not known, so it errs wide, as
/// `DejaVu Sans` is.
pub(in crate::report) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(letter_width).sum::<f64>() * size
}

/// Width of a letter as a share of the font's size.
fn letter_width(letter: char) -> f64 {
    match letter {
        'i' | 'l' | 'j' | '\'' | '|' | '.' | ',' | ':' | ';' | '!' | ' ' | '\u{a0}' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' => 0.42,
        'a'..='z' if letter != 'm' && letter != 'w' => 0.62,
        '0'..='9' | '_' => 0.64,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 1.0,
        '<' | '>' | '=' | '+' | '×' | '−' | '~' => 0.84,
        'A'..='Z' => 0.74,
        letter if u32::from(letter) < 0x2e80 => 0.7,
        // Scripts whose letters are squares.
        _ => 1.0,
    }
}

/// `text` cut with an ellipsis so that it fits `width` pixels at `size`.
pub(in crate::report) fn clipped(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let room = width / size - letter_width('…');
    let mut used = 0.0;
    let fits = |letter: &char| {
        used += letter_width(*letter);
        used <= room
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_stays_text() {
        let mut svg = Svg::new(10, 10);
        svg.text("label", (1.0, 2.0), Anchor::Start, "<script>\u{1}&\"'");
        let text = svg.render("x", "<b>", "a");
        assert!(text.contains("&lt;script&gt;\u{fffd}&amp;&quot;&#39;</text>"), "{text}");
        assert!(text.contains("&lt;b&gt;</title>"), "{text}");
    }

    #[test]
    fn no_text_turns_the_words_around_it() {
        assert_eq!(escape("a\u{202e}b\u{2067}c\u{200f}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(escape("עלה"), "עלה");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([12.0, -0.04, 3.26, 100.96].map(number), ["12", "0", "3.3", "101"]);
    }

    #[test]
    fn long_labels_are_cut_by_letters_not_bytes() {
        assert_eq!(clipped("ährenfeld", 10.0, 30.0), "ähr…");
        assert_eq!(clipped("rye", 10.0, 24.0), "rye");
        assert_eq!(clipped("rye", 10.0, 2.0), "…");
    }
}
