//! The matcher: of all templates that fit a path, the most specific one.
//!
//! Paths are compared without their case and without a slash at the end, as many servers do; then the path must be written exactly
//! as the template is. So a path that some server would take for that of another route finds that route and is refused, instead
//! of falling through to a wider one.

use super::{
    path::{Target, folded},
    template::{PathTemplate, Segment},
};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// The templates of one host. Each is known by its place among them.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    templates: Vec<PathTemplate>,
}

/// What follows one beginning of a path.
#[derive(Debug, Default)]
struct Node {
    /// By the folded text.
    literals: FxHashMap<String, Literal>,
    parameter: Option<usize>,
    /// The template that ends here.
    end: Option<usize>,
    /// The template that has `**` here.
    tail: Option<usize>,
}

#[derive(Debug)]
struct Literal {
    exact: String,
    node: usize,
}

/// A template that fits a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    /// Which one.
    pub(super) template: usize,
    /// Whether the path is written as the template is.
    pub(super) exact: bool,
}

/// A template that cannot stand beside one that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clash {
    /// The other one.
    pub(super) with: usize,
    /// What is wrong.
    pub(super) why: String,
    /// What to do.
    pub(super) help: String,
}

impl Tree {
    /// Adds a template, or finds the one that takes the same paths.
    ///
    /// # Errors
    /// Fails where a template differs from one that is there in case, or in the slash at its end, alone.
    pub(super) fn add(&mut self, template: &PathTemplate) -> Result<usize, Clash> {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for segment in &template.segments {
            at = match segment {
                Segment::Literal(text) => self.literal(at, text, template)?,
                Segment::Parameter(_) => match self.nodes.get(at).and_then(|node| node.parameter) {
                    Some(node) => node,
                    None => self.grow(|nodes, new| nodes.get_mut(at).map(|node| node.parameter = Some(new))),
                },
            };
        }
        let new = self.templates.len();
        let Some(node) = self.nodes.get_mut(at) else { return Ok(new) };
        let place = if template.tail { &mut node.tail } else { &mut node.end };
        if let Some(known) = *place {
            let slash = self.templates.get(known).map(|known| known.slash);
            if slash.is_some_and(|slash| slash != template.slash) {
                return Err(self.clash(known, template, "the slash at the end"));
            }
            return Ok(known);
        }
        *place = Some(new);
        self.templates.push(template.clone());
        Ok(new)
    }

    fn literal(&mut self, at: usize, text: &str, template: &PathTemplate) -> Result<usize, Clash> {
        let key = folded(text).into_owned();
        let known = self.nodes.get(at).and_then(|node| node.literals.get(&key));
        match known {
            Some(literal) if literal.exact == text => Ok(literal.node),
            Some(literal) => {
                let with = self.below(literal.node).unwrap_or_default();
                Err(self.clash(with, template, "the case of its letters"))
            }
            None => Ok(self.grow(|nodes, node| {
                let literal = Literal { exact: text.to_owned(), node };
                nodes.get_mut(at).map(|parent| drop(parent.literals.insert(key, literal)))
            })),
        }
    }

    /// Some template that begins with the path of a node.
    fn below(&self, at: usize) -> Option<usize> {
        let node = self.nodes.get(at)?;
        let children = node.literals.values().map(|literal| literal.node).chain(node.parameter);
        node.end.or(node.tail).or_else(|| children.filter_map(|child| self.below(child)).min())
    }

    fn clash(&self, with: usize, template: &PathTemplate, what: &str) -> Clash {
        let known = self.templates.get(with).map(ToString::to_string).unwrap_or_default();
        Clash {
            with,
            why: format!("the path `{template}` differs from `{known}` in {what} alone"),
            help: "many servers take both for one path: write both alike".to_owned(),
        }
    }

    /// A new node, which `link` hangs into the tree.
    fn grow(&mut self, link: impl FnOnce(&mut [Node], usize) -> Option<()>) -> usize {
        let new = self.nodes.len();
        self.nodes.push(Node::default());
        // The parent is there: it is where the walk stands.
        let _linked = link(&mut self.nodes, new);
        new
    }

    /// Pairs of templates that fit some path in common, where neither is more specific and no third one is more so than both.
    /// The later of a pair comes first.
    /// Each is looked for when it is asked for.
    pub(super) fn ambiguities(&self) -> impl Iterator<Item = (usize, Clash)> {
        self.templates.iter().enumerate().flat_map(move |(later, template)| {
            self.templates.iter().enumerate().take(later).filter_map(move |(earlier, other)| {
                let meet = crossing(template, other).filter(|meet| !self.has(meet))?;
                let why = format!("`{template}` and `{other}` both fit `{meet}`, and neither is more specific");
                let help = format!("say what `{meet}` is, or change one of them");
                Some((later, Clash { with: earlier, why, help }))
            })
        })
    }

    /// Pairs of templates, which is what a search for [`Tree::ambiguities`] looks at.
    pub(super) fn pairs(&self) -> usize {
        self.templates.len().saturating_mul(self.templates.len().saturating_sub(1)) / 2
    }

    /// Whether there is a template that fits the same paths as this one, whatever their parameters are called.
    fn has(&self, wanted: &PathTemplate) -> bool {
        let end = wanted.segments.iter().try_fold(0, |at, segment| {
            let node = self.nodes.get(at)?;
            match segment {
                Segment::Literal(text) => node.literals.get(&*folded(text)).map(|literal| literal.node),
                Segment::Parameter(_) => node.parameter,
            }
        });
        let end = end.and_then(|at| self.nodes.get(at));
        end.is_some_and(|node| if wanted.tail { node.tail.is_some() } else { node.end.is_some() })
    }

    /// The most specific template that fits a path.
    pub(super) fn find(&self, target: &Target<'_>) -> Option<Fit> {
        let segments: Vec<_> = target.segments.iter().map(|segment| (&**segment, folded(segment))).collect();
        self.descend(0, &segments, target.slash)
    }

    /// Tries the narrower way first. Each node is reached in one way, so none is looked at twice.
    fn descend(&self, at: usize, rest: &[(&str, Cow<'_, str>)], slash: bool) -> Option<Fit> {
        let node = self.nodes.get(at)?;
        let tail = node.tail.map(|template| Fit { template, exact: true });
        let Some(((segment, folded), rest)) = rest.split_first() else {
            let end = node.end.map(|template| {
                let written = self.templates.get(template).is_some_and(|template| template.slash);
                Fit { template, exact: written == slash }
            });
            return end.or(tail);
        };
        let literal = node.literals.get(&**folded).and_then(|literal| {
            let fit = self.descend(literal.node, rest, slash)?;
            Some(Fit { exact: fit.exact && literal.exact == *segment, ..fit })
        });
        literal.or_else(|| node.parameter.and_then(|child| self.descend(child, rest, slash))).or(tail)
    }
}

/// The template of what both of two templates fit, where there is such a path and neither is more specific than the other.
fn crossing(one: &PathTemplate, other: &PathTemplate) -> Option<PathTemplate> {
    let longest = one.segments.len().max(other.segments.len());
    let (mut narrower, mut wider) = (false, false);
    let mut meet = PathTemplate { segments: Vec::with_capacity(longest), tail: one.tail && other.tail, slash: false };
    for place in 0..longest {
        let segment = match (one.segments.get(place), other.segments.get(place)) {
            (Some(Segment::Literal(a)), Some(b @ Segment::Literal(text))) => {
                if folded(a) != folded(text) {
                    return None;
                }
                b
            }
            (Some(literal @ Segment::Literal(_)), Some(Segment::Parameter(_))) => {
                narrower = true;
                literal
            }
            (Some(Segment::Parameter(_)), Some(literal @ Segment::Literal(_))) => {
                wider = true;
                literal
            }
            (Some(parameter), Some(_)) => parameter,
            (Some(segment), None) => {
                narrower = true;
                if !other.tail {
                    return None;
                }
                segment
            }
            (None, Some(segment)) => {
                wider = true;
                if !one.tail {
                    return None;
                }
                segment
            }
            (None, None) => return None,
        };
        meet.segments.push(segment.clone());
    }
    narrower |= !one.tail && other.tail;
    wider |= one.tail && !other.tail;
    // The one without a tail says how long the path is, and what stands at its end.
    meet.slash = if one.tail { other.slash } else { one.slash };
    (narrower && wider).then_some(meet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(templates: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for (place, text) in templates.iter().enumerate() {
            let template = PathTemplate::read(text).unwrap();
            assert_eq!(tree.add(&template).map_err(|clash| clash.why), Ok(place), "{text}");
        }
        tree
    }

    /// The template that a path finds; with `!` in front where the path is not written as it is.
    fn found(tree: &Tree, path: &str) -> String {
        let target = Target::read(path.as_bytes()).unwrap_or_else(|why| panic!("{path}: {why}"));
        let Some(fit) = tree.find(&target) else { return "nothing".to_owned() };
        let template = tree.templates[fit.template].to_string();
        if fit.exact { template } else { format!("!{template}") }
    }

    #[test]
    fn the_most_specific_template_wins() {
        let tree = tree(&[
            "/",
            "/**",
            "/orders",
            "/orders/{id}",
            "/orders/open",
            "/orders/{id}/lines/**",
            "/t/{tenant}/orders",
            "/t/{tenant}/users/{id}",
            "/static/",
            "/a/{x}/c",
            "/{y}/b/d",
        ]);
        assert_eq!(tree.ambiguities().next(), None);
        for (path, expected) in [
            ("/", "/"),
            ("/orders", "/orders"),
            ("/orders/o-1", "/orders/{id}"),
            ("/orders/open", "/orders/open"),
            ("/orders/orders", "/orders/{id}"),
            ("/orders/o-1/lines", "/orders/{id}/lines/**"),
            ("/orders/o-1/lines/", "/orders/{id}/lines/**"),
            ("/orders/o-1/lines/1/2", "/orders/{id}/lines/**"),
            ("/orders/o-1/other", "/**"),
            ("/t/north/orders", "/t/{tenant}/orders"),
            ("/t/north/users/7", "/t/{tenant}/users/{id}"),
            ("/t/north/users", "/**"),
            ("/static/", "/static/"),
            ("/a/b/c", "/a/{x}/c"),
            ("/a/b/d", "/{y}/b/d"),
            ("/x/y/z/", "/**"),
        ] {
            assert_eq!(found(&tree, path), expected, "{path}");
        }
    }

    #[test]
    fn what_differs_in_case_or_a_slash_finds_the_same_template_and_is_not_exact() {
        let tree = tree(&["/**", "/Orders/{id}", "/admin", "/static/"]);
        for (path, expected) in [
            ("/Orders/o-1", "/Orders/{id}"),
            ("/orders/o-1", "!/Orders/{id}"),
            ("/ORDERS/o-1", "!/Orders/{id}"),
            ("/Orders/o-1/", "!/Orders/{id}"),
            ("/ADMIN", "!/admin"),
            ("/admin/", "!/admin"),
            ("/Admin/", "!/admin"),
            ("/adm%C4%B1n", "!/admin"),
            ("/static", "!/static/"),
            ("/STATIC/", "!/static/"),
            ("/administrator", "/**"),
        ] {
            assert_eq!(found(&tree, path), expected, "{path}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_fits() {
        let tree = tree(&["/orders/{id}", "/a/**"]);
        for path in ["/", "/orders", "/orders/1/2", "/b", "/b/a"] {
            assert_eq!(found(&tree, path), "nothing", "{path}");
        }
        assert_eq!(found(&Tree::default(), "/"), "nothing");
    }

    #[test]
    fn templates_that_servers_may_take_for_one_do_not_stand_beside_each_other() {
        for (one, other, told) in [
            ("/orders", "/orders/", "the slash at the end"),
            ("/orders", "/Orders", "the case of its letters"),
            ("/orders/{id}", "/Orders/{id}/lines", "the case of its letters"),
        ] {
            let mut tree = tree(&[one]);
            let clash = tree.add(&PathTemplate::read(other).unwrap()).expect_err(other);
            assert!(clash.why.contains(told) && clash.why.contains(one), "{clash:?}");
            assert_eq!(clash.with, 0);
        }
        let mut tree = tree(&["/orders/{id}"]);
        assert_eq!(tree.add(&PathTemplate::read("/orders/{order}").unwrap()), Ok(0), "names make no difference");
    }

    #[test]
    fn templates_that_cross_are_ambiguous_until_their_crossing_is_declared() {
        for (one, other, meet) in [
            ("/a/{x}", "/{y}/b", Some("/a/b")),
            ("/a/**", "/{y}/b", Some("/a/b")),
            ("/{x}/b/**", "/a/**", Some("/a/b/**")),
            ("/{x}/{y}/c", "/a/**", Some("/a/{y}/c")),
            ("/a/{x}", "/a/b", None),
            ("/a/**", "/a/b/**", None),
            ("/a/**", "/a", None),
            ("/a/{x}", "/b/{x}", None),
            ("/a/{x}", "/{y}/b/c", None),
            ("/**", "/{x}", None),
        ] {
            let both = tree(&[one, other]);
            let found: Vec<String> = both.ambiguities().map(|(_, clash)| clash.why).collect();
            match meet {
                None => assert_eq!(found, [""; 0], "{one} {other}"),
                Some(meet) => {
                    assert_eq!(
                        found,
                        [format!("`{other}` and `{one}` both fit `{meet}`, and neither is more specific")]
                    );
                    assert_eq!(tree(&[one, other, meet]).ambiguities().next(), None, "{one} {other} {meet}");
                }
            }
        }
    }
}
