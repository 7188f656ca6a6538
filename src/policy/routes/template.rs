//! What routes are written with: templates of paths, and texts with values of the request in them.

use std::fmt;

/// A path such as `/orders/{id}` or `/files/**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct PathTemplate {
    pub(super) segments: Vec<Segment>,
    /// Whether `**` stands at the end: any segments, also none.
    pub(super) tail: bool,
    /// Whether a `/` stands behind the last segment.
    pub(super) slash: bool,
}

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Exactly this text.
    Literal(String),
    /// Any text, with the name it is taken under; empty for `*`.
    Parameter(String),
}

/// A text in which values of the request are put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct TextTemplate {
    pub(super) parts: Vec<Part>,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it stands.
    Literal(String),
    /// From the request. What is not there makes the whole text absent where it is optional, and is refused where it is not.
    From {
        /// Where it is taken from.
        place: Place,
        /// Whether `?` stands behind it.
        optional: bool,
    },
}

/// Where a value is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `{id}`: a segment of the path, by its place among the parameters.
    Path(usize),
    /// `{query.id}`
    Query(String),
    /// `{header.x-tenant}`; in lower case.
    Header(String),
    /// `{claim.org}`: of the token that says who the user is.
    Claim(String),
    /// `{request.method}` and the like.
    Request(Fact),
}

/// What a request is beside its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Method,
    Scheme,
    Host,
    Path,
    Ip,
}

const FACTS: [(&str, Fact); 5] =
    [("method", Fact::Method), ("scheme", Fact::Scheme), ("host", Fact::Host), ("path", Fact::Path), ("ip", Fact::Ip)];

/// What is wrong with a template: the text after the place, and advice.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::policy) struct Flaw {
    /// The stable code.
    pub(in crate::policy) code: &'static str,
    /// What is wrong.
    pub(in crate::policy) message: String,
    /// What to write.
    pub(in crate::policy) help: Option<String>,
}

impl Flaw {
    fn new(code: &'static str, message: impl Into<String>, help: &str) -> Self {
        Self { code, message: message.into(), help: Some(help.to_owned()) }
    }
}

impl PathTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// Fails with what no canonical path can be, and with parts of segments, which templates do not have.
    pub(in crate::policy) fn read(text: &str) -> Result<Self, Flaw> {
        let bad = |message: String, help: &str| Flaw::new("bad-path", message, help);
        let Some(rest) = text.strip_prefix('/') else {
            return Err(bad(format!("the path `{text}` does not begin with `/`"), "such as `/orders/{id}`"));
        };
        let slash = rest.ends_with('/');
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut template = Self { segments: Vec::new(), tail: false, slash };
        if rest.is_empty() && !slash {
            return Ok(template);
        }
        for segment in rest.split('/') {
            if template.tail {
                return Err(bad("`**` stands for the rest of a path, so nothing follows it".to_owned(), "put it last"));
            }
            match segment {
                "**" => template.tail = true,
                _ => template.segments.push(Segment::read(segment)?),
            }
        }
        if template.tail && slash {
            return Err(bad("`**` stands for the rest of a path, so no `/` follows it".to_owned(), "put it last"));
        }
        for (at, segment) in template.segments.iter().enumerate() {
            if matches!(segment, Segment::Parameter(name) if !name.is_empty())
                && template.segments.iter().skip(at + 1).any(|other| other == segment)
            {
                return Err(bad(
                    format!("the path has two parameters of one name: `{segment}`"),
                    "name one of them anew",
                ));
            }
        }
        Ok(template)
    }

    /// The names of the parameters, in order; empty for `*`.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> + Clone {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }
}

impl Segment {
    fn read(text: &str) -> Result<Self, Flaw> {
        if text == "*" {
            return Ok(Self::Parameter(String::new()));
        }
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            if is_parameter(name) {
                return Ok(Self::Parameter(name.to_owned()));
            }
            let message = format!("`{name}` cannot be the name of a parameter");
            return Err(Flaw::new("bad-path", message, "use letters, digits and `_`, beginning with a letter"));
        }
        let help = match text {
            "" => "a path with an empty segment is never let through",
            _ if text.contains(['{', '}', '*']) => "a parameter takes a whole segment: `/orders/{id}`",
            _ if text.ends_with('.') => "a path with a segment that ends with a dot is never let through",
            _ => "write letters, digits and `-._~!$&'()+,=:@`",
        };
        let is_literal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte);
        if text.is_empty() || text.ends_with('.') || !text.bytes().all(is_literal) {
            return Err(Flaw::new("bad-path", format!("`{text}` cannot be a segment of a path"), help));
        }
        Ok(Self::Literal(text.to_owned()))
    }
}

fn is_parameter(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl TextTemplate {
    /// Reads a text for a route with this path.
    ///
    /// # Errors
    /// Fails with braces that hold no place to take a value from, and with parameters that the path does not have.
    pub(in crate::policy) fn read(text: &str, path: &PathTemplate) -> Result<Self, Flaw> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let Some((before, after)) = rest.split_once('{') else {
                literal(&mut parts, rest)?;
                break;
            };
            literal(&mut parts, before)?;
            let Some((inside, after)) = after.split_once('}') else {
                return Err(Flaw::new(
                    "bad-template",
                    format!("a `{{` of `{text}` is not closed"),
                    "such as `order:{id}`",
                ));
            };
            let (inside, optional) = inside.strip_suffix('?').map_or((inside, false), |inside| (inside, true));
            parts.push(Part::From { place: Place::read(inside, path)?, optional });
            rest = after;
        }
        Ok(Self { parts })
    }

    /// The text, where nothing of it comes from the request.
    pub(in crate::policy) fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

fn literal(parts: &mut Vec<Part>, text: &str) -> Result<(), Flaw> {
    if text.contains('}') {
        return Err(Flaw::new("bad-template", format!("a `}}` of `{text}` closes nothing"), "such as `order:{id}`"));
    }
    if !text.is_empty() {
        parts.push(Part::Literal(text.to_owned()));
    }
    Ok(())
}

impl Place {
    fn read(text: &str, path: &PathTemplate) -> Result<Self, Flaw> {
        let Some((kind, name)) = text.split_once('.') else {
            let place = path.parameters().position(|parameter| parameter == text && !text.is_empty());
            return place.map(Self::Path).ok_or_else(|| {
                let known = path.parameters().filter(|name| !name.is_empty());
                let help = crate::document::hint(text, known).or_else(|| {
                    Some(
                        "name a parameter of the path, or `query.`, `header.`, `claim.` or `request.` with a name"
                            .to_owned(),
                    )
                });
                Flaw { code: "unknown-parameter", message: format!("the path has no parameter `{text}`"), help }
            });
        };
        let flaw = |message: String, help: Option<String>| Flaw { code: "bad-template", message, help };
        match kind {
            _ if name.is_empty() => Err(flaw(format!("`{text}` names nothing"), None)),
            "query" => Ok(Self::Query(name.to_owned())),
            "header" if name.bytes().all(is_token) => Ok(Self::Header(name.to_ascii_lowercase())),
            "header" => Err(flaw(format!("`{name}` cannot be the name of a header"), None)),
            "claim" => Ok(Self::Claim(name.to_owned())),
            "request" => {
                let fact = FACTS.iter().find(|(known, _)| *known == name).map(|(_, fact)| Self::Request(*fact));
                fact.ok_or_else(|| {
                    let help = crate::document::hint(name, FACTS.iter().map(|(known, _)| *known));
                    flaw(format!("a request has no `{name}`"), help)
                })
            }
            _ => {
                let help = crate::document::hint(kind, ["query", "header", "claim", "request"]);
                Err(flaw(format!("nothing is taken from `{kind}`"), help))
            }
        }
    }
}

/// A byte of a header's name.
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Parameter(name) if name.is_empty() => f.write_str("*"),
            Self::Parameter(name) => write!(f, "{{{name}}}"),
        }
    }
}

/// As it is written.
impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            write!(f, "/{segment}")?;
        }
        match (self.tail, self.slash || self.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

/// As messages name it: `{header.x-tenant}`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(_) => f.write_str("the path"),
            Self::Query(name) => write!(f, "the query parameter `{name}`"),
            Self::Header(name) => write!(f, "the header `{name}`"),
            Self::Claim(name) => write!(f, "the claim `{name}`"),
            Self::Request(fact) => {
                let name = FACTS.iter().find(|(_, known)| known == fact).map_or("", |(name, _)| name);
                write!(f, "the request's {name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_templates_are_read_and_shown_alike() {
        for text in
            ["/", "/orders", "/orders/", "/orders/{id}", "/{tenant}/orders/**", "/**", "/a/*/b.json", "/v1.2/x@y"]
        {
            assert_eq!(PathTemplate::read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_no_canonical_path_can_be_is_refused() {
        for (text, told) in [
            ("orders", "does not begin with `/`"),
            ("", "does not begin with `/`"),
            ("//", "cannot be a segment"),
            ("/a//b", "cannot be a segment"),
            ("/a/../b", "cannot be a segment"),
            ("/a./b", "cannot be a segment"),
            ("/a b", "cannot be a segment"),
            ("/a;b", "cannot be a segment"),
            ("/a%20b", "cannot be a segment"),
            ("/café", "cannot be a segment"),
            ("/{id}.json", "cannot be a segment"),
            ("/a*", "cannot be a segment"),
            ("/{a-b}", "name of a parameter"),
            ("/{}", "name of a parameter"),
            ("/{query.x}", "name of a parameter"),
            ("/**/a", "nothing follows it"),
            ("/**/", "no `/` follows it"),
            ("/{id}/x/{id}", "two parameters of one name"),
        ] {
            let flaw = PathTemplate::read(text).expect_err(text);
            assert!(flaw.message.contains(told), "{text}: {flaw:?}");
        }
    }

    #[test]
    fn texts_name_places_of_the_request() {
        let path = PathTemplate::read("/{tenant}/*/{id}").unwrap();
        let read = |text: &str| TextTemplate::read(text, &path);
        let from = |place, optional| Part::From { place, optional };
        for (text, parts) in [
            ("", vec![]),
            ("plain", vec![Part::Literal("plain".to_owned())]),
            ("{id}", vec![from(Place::Path(2), false)]),
            ("a-{tenant}", vec![Part::Literal("a-".to_owned()), from(Place::Path(0), false)]),
            ("{query.page?}", vec![from(Place::Query("page".to_owned()), true)]),
            ("{header.X-Tenant}", vec![from(Place::Header("x-tenant".to_owned()), false)]),
            ("{claim.https://a.example/org}", vec![from(Place::Claim("https://a.example/org".to_owned()), false)]),
            ("{request.ip}", vec![from(Place::Request(Fact::Ip), false)]),
        ] {
            assert_eq!(read(text).unwrap().parts, parts, "{text}");
        }
        for (text, told) in [
            ("{ids}", "did you mean `id`?"),
            ("{}", "known: `tenant`, `id`"),
            ("{id", "is not closed"),
            ("id}", "closes nothing"),
            ("{query.}", "names nothing"),
            ("{headers.x}", "did you mean `header`?"),
            ("{header.a b}", "cannot be the name of a header"),
            ("{request.hots}", "did you mean `host`?"),
        ] {
            let Flaw { message, help, .. } = read(text).expect_err(text);
            let all = format!("{message}; {}", help.unwrap_or_default());
            assert!(all.contains(told), "{text}: {all}");
        }
    }
}
